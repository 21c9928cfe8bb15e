/*
 * reconcile: what became of messages whose request ended without a trustworthy answer.
 *
 * A request that timed out may have reached the API or not. To send its messages again could
 * deliver them twice, to drop them could lose them. So the relay looks: it reads the API's history
 * (GET /sms, newest first) page by page. A message whose clientId it meets was relayed; one that is
 * absent was never taken and is sent again. Three things need care:
 *
 * - What was sent may still be on its way into the history, so a scan begins `settle_delay` after
 *   the request ended at the earliest.
 * - The history is long. A scan need not read below the request's anchor, a message that was known
 *   to be relayed before the request began (forward/anchor.h explains it).
 * - Pages shift. While the relay sends, its messages fill the top of the history and push
 *   everything down, so the next page repeats entries of the last. reconcile_read is told how many
 *   messages may have done so, and the forwarder sends no more meanwhile than a scan can pass.
 *
 * Owns the scan: when it may begin, which page comes next, where it ends and what it has shown.
 * Leaves to others: asking (api), reading pages (api/json), the messages (queue: queue_ambiguous
 * before, queue_resolve after).
 *
 *   reconcile_add             a request ended ambiguous
 *   reconcile_due_ms          ... settle_delay later it is time:
 *   reconcile_begin           a scan begins, unless one is under way (reconcile_is_scanning)
 *   reconcile_page_wanted, reconcile_page_asked
 *   reconcile_read            until it is FINISHED, or, when there was no page to read,
 *   reconcile_refused
 *   reconcile_results         for queue_resolve; the next scan may begin
 *
 * All `now_ms` are monotonic; `random` is in [0, 1). Thread: the forwarding thread. Pure.
 */
#ifndef GATEWAY_POLICY_RECONCILE_H
#define GATEWAY_POLICY_RECONCILE_H

#include "gateway/api/api.h"
#include "gateway/api/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue_resolution;
struct reconcile;

struct reconcile_options {
    int64_t settle_delay_ms; /* how long what was sent may take to show in the history */
    unsigned history_pages;  /* the most pages without a find that a scan asks for */
    unsigned per_page;
    bool holds_unknown; /* relay.on_ambiguous=hold: if history cannot tell, the operator decides */
    int64_t retry_min_ms, retry_max_ms; /* between calls that fail for now */
};

enum reconcile_progress {
    RECONCILE_CONTINUE, /* another page is wanted, now or (reconcile_due_ms) later */
    RECONCILE_FINISHED  /* reconcile_results has everything */
};

/* Returns NULL on allocation failure. Options are copied. */
struct reconcile *reconcile_new(const struct reconcile_options *options);
/* NULL is fine. */
void reconcile_free(struct reconcile *r);

/*
 * A request ended ambiguous. `anchor` is its anchor's API id; NULL = none; copied. After a restart:
 * one call for everything that was unfinished, with the time of the start.
 */
void reconcile_add(struct reconcile *r, int64_t began_ms, int64_t ended_ms, const char *anchor);

/*
 * When there is something to do: a scan to begin, or a page to ask for (in the past = at once).
 * INT64_MAX = nothing, or a page is under way.
 */
int64_t reconcile_due_ms(const struct reconcile *r);

/* A scan is under way, or it is finished and its results were not fetched. */
bool reconcile_is_scanning(const struct reconcile *r);

/*
 * A scan that begins now covers requests that ended at or before this. Plain arithmetic: with steady
 * time as `now_ms` it gives steady time, to compare with a message's updated_ms.
 */
int64_t reconcile_cutoff_ms(const struct reconcile *r, int64_t now_ms);

/*
 * Did all requests that wait for a scan end early enough? Then one that begins now covers every
 * ambiguous message, and no clock need be asked.
 */
bool reconcile_covers_all(const struct reconcile *r, int64_t now_ms);

/*
 * Begins a scan for the messages `ids`: in any order, malloc'ed, taken over; NULL when there are
 * none, which is FINISHED at once. `left_out` is how many others are ambiguous but too recent: as
 * long as there are any, another scan comes due, even if a clock was set. On allocation failure the
 * scan is put off for a second: CONTINUE, and no page is wanted.
 */
enum reconcile_progress reconcile_begin(struct reconcile *r, struct ulid *ids, size_t count,
                                        size_t left_out, int64_t now_ms);

/* The page to ask for now, from 1; 0 = none: no scan, a page under way, or not yet. */
unsigned reconcile_page_wanted(const struct reconcile *r, int64_t now_ms);
/* It has been asked for. */
void reconcile_page_asked(struct reconcile *r);

/*
 * Reads the page that was asked for. `added` is how many messages of ours may have come into the
 * history since the scan began. The scan ends
 * - when everything is found, at the anchor, or at an empty page;
 * - without an anchor, at a short page with nothing new;
 * - after history_pages on which nothing was found, not counting those that `added` explains;
 * - at the third page in a row with nothing new that `added` does not explain. After these two
 *   the history could not tell.
 */
enum reconcile_progress reconcile_read(struct reconcile *r, const struct api_history *page,
                                       uint64_t added);

/*
 * There is no page to read. No connection, 429, 5xx or a redirect: again later, with backoff. A 2xx
 * whose body is no page: again, three times. Any other 4xx, or the third such 2xx: the history
 * cannot tell, and the scan ends.
 */
enum reconcile_progress reconcile_refused(struct reconcile *r, const struct api_answer *answer,
                                          int64_t now_ms, double random);

/*
 * What the finished scan has shown, one for each id: found = RELAYED with the API's id; absent =
 * RETURNED; where the history cannot tell, RETURNED or, with `holds_unknown`, UNRESOLVED with a
 * reason. It cannot tell if it refused, if the scan ended at history_pages or without the anchor
 * that must be there, or if no entry had a clientId. malloc'ed, NULL if there were none; the caller
 * owns the answers, too. Ends the scan.
 */
struct queue_resolution *reconcile_results(struct reconcile *r, size_t *count);

#endif
