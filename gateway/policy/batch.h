/*
 * batch: what to send now, and if nothing, what to wait for.
 *
 * Coalescing is Nagle's rule (RFC 896) applied to messages. A full batch goes as soon as a
 * connection is idle and the rate window has room. A partial one goes only when no request is in
 * flight. So a lone message leaves at once; whatever arrives until it is answered shares the next
 * request. The slower the API, the fuller the batches, and no timer is involved. Messages of high
 * priority do not wait for an answer, and may use the other endpoint when the window of their own
 * is empty.
 *
 * Leaves to others: which messages (queue), how fast (pace), whether at all (destination).
 * Thread: the forwarding thread. Pure.
 */
#ifndef GATEWAY_POLICY_BATCH_H
#define GATEWAY_POLICY_BATCH_H

#include "gateway/policy/pace.h"
#include "proto/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What batch_next looks at. */
struct batch_view {
    size_t ready[MESSAGE_PRIORITIES]; /* messages in the lanes */
    bool is_group_next;               /* half of a split batch is next: it goes as it is */
    bool is_probe;                    /* the destination allows one request with one message */
    size_t in_flight;                 /* POSTs without an answer */
    size_t connections;               /* how many POSTs may be in flight */
    size_t bulk_max;                  /* messages of a full batch; 1 = never POST /sms/bulk */
};

/*
 * Either a request (count > 0) or what to sleep for. The last two are queue_sleep's arguments, and
 * never ask for what is there: wake_ready is 0 or more than are ready, and wake_on_high is true
 * only if none of high priority is ready.
 */
struct batch_plan {
    size_t count; /* take at most so many messages; 0 = nothing may go now */
    enum api_endpoint endpoint;
    bool is_partial;       /* for pace_began */
    int64_t wait_until_ms; /* monotonic; INT64_MAX = until an answer or messages come */
    size_t wake_ready;     /* this many ready messages would change the plan; 0 = no number would */
    bool wake_on_high;     /* a message of high priority would change it */
};

/* The plan for now. `now_ms` is monotonic. */
struct batch_plan batch_next(const struct batch_view *view, const struct pace *pace,
                             int64_t now_ms);

/*
 * Where to post the `taken` messages (at least 1) that the queue gave, which may be fewer than
 * planned: a group can be one message, and expired ones end while they are taken. One message goes
 * to POST /sms if that has room, else as a bulk of one.
 */
enum api_endpoint batch_endpoint(const struct batch_plan *plan, size_t taken,
                                 const struct pace *pace, int64_t now_ms);

#endif
