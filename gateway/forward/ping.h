/*
 * ping: asks the API whether it works again while there is no message that could be the probe.
 *
 * After a failure the next message is the probe. Without one, an idle relay would show a failure that
 * is long over, and whoever waits for it to be ready would send it none. So it makes a harmless call,
 * GET /sms for one entry. That can only show that a failure is over: if it fails, nothing changes, and
 * the next message is tried at once. Leaves to destination when a probe is due.
 * Thread: the forwarding thread.
 */
#ifndef GATEWAY_FORWARD_PING_H
#define GATEWAY_FORWARD_PING_H

#include "gateway/api/api.h"
#include "gateway/base/stats.h"
#include "gateway/policy/destination.h"
#include "gateway/policy/pace.h"

#include <stdbool.h>
#include <stdint.h>

/* All zero: none was made yet. */
struct ping {
    bool is_pending;
    uint32_t epoch; /* the destination's when the last one began */
    unsigned failures;
    int64_t due_ms; /* the next one, monotonic */
    bool has_proof; /* another call, which began in this epoch, was answered */
    uint32_t proof_epoch;
};

/*
 * Makes the call if it is due, and if no other has shown what it would. To be called while the
 * destination wants a probe and nothing else can be one. Returns when to call again (monotonic);
 * INT64_MAX = its answer will wake the loop: it has the ping as its tag.
 */
int64_t ping_ask(struct ping *ping, struct api *api, struct pace *pace, struct stats *stats,
                 struct destination *destination, int64_t now_ms);

/* Another call of the history, which began in this epoch, was answered as it should be. */
void ping_prove(struct ping *ping, uint32_t epoch);

/* Reads the answer, after pace_ended. `random` is in [0, 1). */
void ping_read(struct ping *ping, const struct api_answer *answer, struct destination *destination,
               const struct destination_options *options, int64_t now_ms, double random);

/* FLUSH, or there is a new token: the next one is due now. */
void ping_hurry(struct ping *ping);

#endif
