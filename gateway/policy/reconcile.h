/*
 * reconcile: what became of messages whose request ended without a trustworthy answer.
 *
 * A request that timed out may have reached the API or not. To send its messages again could
 * deliver them twice, to drop them could lose them. So the relay looks: it reads the API's history
 * (GET /sms, newest first) page by page. A message whose clientId it meets was relayed. Four things
 * need care:
 *
 * - What was sent may still be on its way into the history, so a scan begins `settle_delay` after
 *   the request ended at the earliest.
 * - The history is long. A scan need not read below the request's anchor, a message that was known
 *   to be relayed before the request began (forward/anchor.h explains it); or, if messages have
 *   doubts from earlier requests, below theirs: the *floor*.
 * - Pages shift. While the relay sends, its messages fill the top of the history and push
 *   everything down, so the next page repeats entries of the last. reconcile_read is told how many
 *   messages may have done so, and the forwarder sends no more meanwhile than a scan can pass.
 * - Pages may come from replicas of unequal age, and miss what lies between them. So what is absent
 *   from several pages is looked for once more before it is sent again.
 *
 * What absence proves. A message has as many *doubts* as requests may have delivered it. It is sent
 * again as long as they are no more than `resends`, so the API never takes it more often than
 * 1 + `resends` times, whatever the API does. A history that does not show a message may just be
 * late. It is proof only if the same scan shows a message of a POST that began after the doubt had
 * arisen, a *mark*: then the doubt is gone. So POSTs are numbered, from 1, in the order in which
 * they begin. What the API took from an earlier request lies deeper, so a scan that does not read
 * down to there (`is_deep`) proves nothing but the last doubt wrong. A message with too many doubts
 * is looked for LOOKS times, for a mark may come up, and is then unresolved.
 *
 * A call that brings no page says nothing about messages, whatever its status: the scan goes on
 * when the call succeeds. Only a history that answers without clientIds, that hides what must be
 * in it, or that has not been there for `patience` cannot tell.
 *
 * Owns the scan: when it may begin, which page comes next, where it ends and what it has shown.
 * Leaves to others: asking (api), reading pages (api/json), the messages (queue: queue_ambiguous
 * before, queue_resolve after).
 *
 *   reconcile_add             a request ended ambiguous
 *   reconcile_relayed         another was answered: it may become a mark
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

struct queue_doubtful;
struct queue_resolution;
struct reconcile;

struct reconcile_options {
    int64_t settle_delay_ms; /* how long what was sent may take to show in the history */
    unsigned history_pages;  /* the most pages without a find that a scan asks for */
    unsigned per_page;
    unsigned resends;    /* relay.ambiguous_resends */
    int64_t patience_ms; /* how long the history may not be there before it counts as none */
    int64_t retry_min_ms, retry_max_ms; /* between calls that fail */
};

enum {
    RECONCILE_PATIENCE_MS = 60 * 60 * 1000,
    RECONCILE_LOOKS = 6,   /* for a message with too many doubts */
    RECONCILE_ENDS_MAX = 7 /* after so many a message is not sent again, come what may */
};

enum reconcile_progress {
    RECONCILE_CONTINUE, /* another page is wanted, now or (reconcile_due_ms) later */
    RECONCILE_FINISHED  /* reconcile_results has everything */
};

/* Returns NULL on allocation failure. Options are copied. */
struct reconcile *reconcile_new(const struct reconcile_options *options);
/* NULL is fine. */
void reconcile_free(struct reconcile *r);

/* A request that ended ambiguous. After a restart: one for everything that was unfinished, with the
 * time of the start. */
struct reconcile_attempt {
    int64_t began_ms, ended_ms;
    const char *floor;  /* the API id down to which the history is to be read; NULL = all; copied */
    bool is_deep;       /* every doubt that a message has lies above the floor, old ones too */
    const char *anchor; /* its anchor's API id; NULL = none; copied */
    uint32_t anchor_number; /* the number of the POST that its anchor was in; 0 = of no POST */
    uint32_t begun;         /* how many POSTs had begun when it ended */
};
void reconcile_add(struct reconcile *r, const struct reconcile_attempt *attempt);

/* The API has taken a message from POST `number`. Its API id is copied; "" is fine. */
void reconcile_relayed(struct reconcile *r, uint32_t number, const char *api_id);

/*
 * When there is something to do: a scan to begin, or a page to ask for (in the past = at once).
 * INT64_MAX = nothing, or a page is under way.
 */
int64_t reconcile_due_ms(const struct reconcile *r);

/* Calls that failed are made again now: the reason may be gone. */
void reconcile_hurry(struct reconcile *r, int64_t now_ms);

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
 * Begins a scan for these messages: in any order, malloc'ed, taken over; NULL when there are none,
 * which is FINISHED at once. `left_out` is how many others are ambiguous but too recent: as long as
 * there are any, another scan comes due, even if a clock was set. On allocation failure the scan is
 * put off for a second: CONTINUE, and no page is wanted.
 */
enum reconcile_progress reconcile_begin(struct reconcile *r, struct queue_doubtful *doubtful,
                                        size_t count, size_t left_out, int64_t now_ms);

/* The page to ask for now, from 1; 0 = none: no scan, a page under way, or not yet. */
unsigned reconcile_page_wanted(const struct reconcile *r, int64_t now_ms);
/* It has been asked for. */
void reconcile_page_asked(struct reconcile *r);

/*
 * Reads the page that was asked for. `added` is how many messages of ours may have come into the
 * history since the scan began. The scan ends
 * - when everything is found, at the floor, or at an empty page;
 * - without a floor, at a short page with nothing new;
 * - after history_pages on which nothing was found, not counting those that `added` explains;
 * - at the third page in a row with nothing new that `added` does not explain. After these two
 *   the history could not tell.
 */
enum reconcile_progress reconcile_read(struct reconcile *r, const struct api_history *page,
                                       uint64_t added);

/*
 * There is no page to read: again later, with backoff. The scan ends if the history has not been
 * there (404, 405, 410, 501, or a 2xx whose body is no page) for `patience`; before that, and
 * whatever else the reason is, only for messages without a doubt that are not unlooked, and only if
 * the history is not there three times in a row or has failed for `patience`. NULL = memory ran out:
 * no answer at all.
 */
enum reconcile_progress reconcile_refused(struct reconcile *r, const struct api_answer *answer,
                                          int64_t now_ms, double random);

/*
 * What the finished scan has shown, in the order of the messages given, without those that must
 * wait for a history that answers. Found = RELAYED with the API's id. Absent = RETURNED, with the
 * doubts that are left; UNRESOLVED with a reason if these are too many; AMBIGUOUS if it is to be
 * looked for again, for which another scan comes due. With `others_wait`, messages that may yet
 * pass as soon as the API works, none becomes UNRESOLVED for want of a mark. malloc'ed; NULL if
 * none were given; the caller owns the answers, too. Ends the scan.
 */
struct queue_resolution *reconcile_results(struct reconcile *r, bool others_wait, int64_t now_ms,
                                           size_t *count);

#endif
