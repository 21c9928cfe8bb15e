/*
 * reconcile: what became of messages whose request ended without a trustworthy answer.
 *
 * Owns the scan of GET /sms, newest first: when it may begin, which page comes next, where it ends
 * and what it has shown. Leaves to others: asking (api), reading pages (api_json), the messages
 * (queue: queue_ambiguous before, queue_resolve after). Pure: time and random numbers are parameters.
 * Thread: the forwarding thread.
 *
 *   reconcile_add             a request ended ambiguous
 *   reconcile_due_ms          ... settle_delay later it is time:
 *   reconcile_begin           a scan begins, unless one is under way (reconcile_is_scanning)
 *   reconcile_page_wanted, reconcile_page_asked
 *   reconcile_read            until it is FINISHED, or, when there was no page to read,
 *   reconcile_refused
 *   reconcile_results         for queue_resolve; the next scan may begin
 *
 * Pages shift while messages are accepted, by as many as are accepted between two pages. That only
 * repeats entries; how many of them our own messages explain is a parameter, and the forwarder sends
 * no more than a scan can pass.
 *
 * All `now_ms` are monotonic; `random` is in [0, 1).
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
    int64_t settle_delay_ms; /* what was sent may be under way for so long */
    unsigned history_pages;  /* pages without a find that a scan asks for at most */
    unsigned per_page;
    bool holds_unknown; /* relay.on_ambiguous=hold: leave what cannot be told to the operator */
    int64_t retry_min_ms, retry_max_ms; /* between calls that fail for now */
};

enum reconcile_progress {
    RECONCILE_CONTINUE, /* another page is wanted, now or (reconcile_due_ms) later */
    RECONCILE_FINISHED  /* reconcile_results has them all */
};

/* Returns NULL without memory. Options are copied. */
struct reconcile *reconcile_new(const struct reconcile_options *options);
/* NULL is fine. */
void reconcile_free(struct reconcile *r);

/*
 * A request ended ambiguous. `anchor` is the API id of a message that was known to be relayed
 * before it began: a scan that meets it has seen everything younger. NULL = none; copied. After a
 * restart: one call for all, with the time of the start and no anchor.
 */
void reconcile_add(struct reconcile *r, int64_t began_ms, int64_t ended_ms, const char *anchor);

/*
 * When there is something to do: a scan to begin, or a page to ask for (in the past = at once).
 * INT64_MAX = nothing, or a page is under way.
 */
int64_t reconcile_due_ms(const struct reconcile *r);

/* A scan is under way (or finished, and its results not fetched). */
bool reconcile_is_scanning(const struct reconcile *r);

/*
 * A scan that begins now covers requests that ended at or before this. Plain arithmetic: with the
 * wall clock as `now_ms` it gives the wall clock's, to compare with the messages' updated_ms.
 */
int64_t reconcile_cutoff_ms(const struct reconcile *r, int64_t now_ms);

/*
 * Did all requests that wait for a scan end so long ago? Then one that begins now covers whatever is
 * ambiguous, and the wall clock, which somebody may have set back, is not asked.
 */
bool reconcile_covers_all(const struct reconcile *r, int64_t now_ms);

/*
 * Begins a scan for the messages `ids`: in any order, malloc'ed, taken over (NULL when there are
 * none: FINISHED at once). `left_out` is how many others are ambiguous but too recent: as long
 * as there are any, another scan will come due, whatever the clocks did. Without memory the scan
 * is put off for a second: CONTINUE, and no page is wanted.
 */
enum reconcile_progress reconcile_begin(struct reconcile *r, struct ulid *ids, size_t count,
                                        size_t left_out, int64_t now_ms);

/* The page to ask for now, from 1; 0 = none: no scan, a page under way, or not yet. */
unsigned reconcile_page_wanted(const struct reconcile *r, int64_t now_ms);
/* It has been asked for. */
void reconcile_page_asked(struct reconcile *r);

/*
 * Reads the page that was asked for. `added` is how many messages of ours may have come into the
 * history since the scan began. The scan ends when all are found, at the anchor, at an empty page,
 * without an anchor at a short page with nothing new, or after history_pages on which nothing was found
 * (nor counting those that only repeat for what was `added`). Full pages in a row with nothing new that `added` does not
 * explain, three of them, end it too: then it could not be told.
 */
enum reconcile_progress reconcile_read(struct reconcile *r, const struct api_history *page,
                                       uint64_t added);

/*
 * There is no page to read. Its answer decides: no connection, 429, 5xx or a redirect: again
 * later, with backoff; 2xx whose body is no page: again, three times; 4xx: history cannot tell,
 * the scan ends.
 */
enum reconcile_progress reconcile_refused(struct reconcile *r, const struct api_answer *answer,
                                          int64_t now_ms, double random);

/*
 * What the finished scan has shown, one for each id: found = RELAYED with the API's id; absent =
 * RETURNED; where it could not be told, RETURNED or, by `holds_unknown`, UNRESOLVED with a
 * reason. It could not be told if history refused, ended at history_pages or without the anchor
 * that it must hold, or if no entry had a clientId. malloc'ed, NULL if there were none; its
 * answers go to the caller. Ends the scan.
 */
struct queue_resolution *reconcile_results(struct reconcile *r, size_t *count);

#endif
