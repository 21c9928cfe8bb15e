/*
 * batch: what to send now, and if nothing, what to wait for.
 *
 * Owns the coalescing rule (Nagle's, RFC 896, applied to messages): full batches go whenever a
 * connection is idle and the window has room; a partial one only when no request is in flight, so
 * that a trickle is coalesced at the speed at which the API answers. `high` never waits for
 * another's answer. Leaves to others: which messages (queue), how fast (pace), whether at all
 * (retry's destination). Pure. Thread: the forwarding thread.
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
    bool is_group_next;               /* a half of a split batch is next: it goes as it is */
    bool is_probe;                    /* the destination allows one request with one message */
    size_t in_flight;                 /* POSTs without an answer */
    size_t connections;               /* POSTs that may be in flight */
    size_t bulk_max;                  /* messages of a full batch; 1 = never POST /sms/bulk */
};

/*
 * Either a request (count > 0) or what to sleep for. The last two are queue_sleep's arguments and
 * never say what is so already: wake_ready is 0 or more than are ready, wake_on_high is true only
 * without a high one.
 */
struct batch_plan {
    size_t count; /* take up to so many messages; 0 = nothing may go now */
    enum api_endpoint endpoint;
    bool is_partial;       /* for pace_began */
    int64_t wait_until_ms; /* monotonic; INT64_MAX = only an event (an answer, messages) can help */
    size_t wake_ready;     /* so many ready messages would change the plan; 0 = none would */
    bool wake_on_high;     /* a message of high priority would change it */
};

/* The plan for now. `now_ms` is monotonic. */
struct batch_plan batch_next(const struct batch_view *view, const struct pace *pace,
                             int64_t now_ms);

/*
 * Where the messages that the queue really gave are to be posted: a group can be one message, and
 * expired ones are ended while taking. One message goes to POST /sms if that has room, else as a
 * bulk of one. `taken` is not 0.
 */
enum api_endpoint batch_endpoint(const struct batch_plan *plan, size_t taken,
                                 const struct pace *pace, int64_t now_ms);

#endif
