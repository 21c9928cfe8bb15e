/*
 * ask: what can be asked about messages and about the queue as a whole.
 *
 * Answers are copies, taken under the mutex. Lists of ids are malloc'ed; NULL, with `*count` 0, if
 * they are empty or on allocation failure. Thread: any.
 */
#ifndef GATEWAY_QUEUE_ASK_H
#define GATEWAY_QUEUE_ASK_H

#include "gateway/queue/types.h"

#include <stddef.h>

struct queue;

/* Copies what is known of one message; free it with message_status_free. Returns false if the id is
 * unknown, or owned by someone else than `owner` unless `sees_all`. */
bool queue_status(struct queue *q, const struct ulid *id, int32_t owner, bool sees_all,
                  struct message_status *status);

enum { QUEUE_LIST_MAX = 10000 };

/* The ids of the messages with this owner's REF, in order of submission; the newest QUEUE_LIST_MAX
 * at most. */
struct ulid *queue_find_ref(struct queue *q, const char *ref, int32_t owner, size_t *count);

/* The same for the REF of any owner of a recent event (see events.h), the newest `max` of each. */
struct ulid *queue_find_ref_of_any(struct queue *q, const char *ref, size_t max, size_t *count);

/*
 * The ids of up to `max` messages (QUEUE_LIST_MAX at most) in `state`, or, if `state` is -1, in any
 * unfinished one; oldest first. If there are more than `max`, those that came first to their list
 * are chosen. O(max) under the mutex: about 1 ms for 10,000.
 */
struct ulid *queue_list(struct queue *q, int state, size_t max, size_t *count);

/*
 * The ids of the newest `max` messages of an owner, newest first. At most QUEUE_LIST_MAX messages of each
 * state are looked at, so of a very full queue not all are found. About 1 ms for 10,000.
 */
struct ulid *queue_list_owner(struct queue *q, int32_t owner, size_t max, size_t *count);

/*
 * The ambiguous messages whose request ended, or that were last looked for, at or before
 * `cutoff_ms` (INT64_MAX = all), in the order in which they became so: messages of one request stay
 * together and in step. `left_out` gets how many other ambiguous ones there are; on allocation
 * failure that is all of them.
 */
struct queue_doubtful *queue_ambiguous(struct queue *q, int64_t cutoff_ms, size_t *count,
                                       size_t *left_out);

/* Times are steady ms (clock_steady_ms), 0 = there is none; they look at the head of each list only, whose first is not
 * always its oldest. */
struct queue_totals {
    size_t by_state[MESSAGE_STATES];
    size_t ambiguous; /* of the deferred: those that wait for queue_resolve */
    size_t bytes;
    size_t unfinished, unfinished_bytes; /* count against max_messages and max_bytes: none of it is
                                          * forgotten to make room */
    int64_t oldest_ms;                   /* the earliest submission of an unfinished message */
    /* How many are ready in each lane, and since when the first of them could be sent: since its
     * submission or, with an AT, since it came to its lane. */
    size_t by_lane[MESSAGE_PRIORITIES];
    int64_t oldest_by_lane_ms[MESSAGE_PRIORITIES];
    int64_t waits_since_ms; /* the same for all the relay has to send: also what is being sent, and
                             * what will be tried again */
};
void queue_totals(struct queue *q, struct queue_totals *totals);

/* What one owner has: unfinished messages, their bytes, and bytes in the store's file. */
struct queue_holding {
    int32_t owner;
    size_t messages, bytes, disk;
};

/* What `owner` has. */
void queue_holding(struct queue *q, int32_t owner, struct queue_holding *holding);

/*
 * Those who have most, up to `max` of them, by messages and then by disk, in falling order; returns how
 * many. `others` gets the sum of all others; its `owner` means nothing. O(owners * max).
 */
size_t queue_holdings(struct queue *q, struct queue_holding *holdings, size_t max,
                      struct queue_holding *others);

/* Whether the relay sends: held by the operator, stopped by the destination. */
void queue_relaying(struct queue *q, struct queue_relaying *relaying);

#endif
