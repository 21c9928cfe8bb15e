/*
 * intake: the acceptance decision, in one place: policy -> id -> store -> queue -> reply.
 *
 * Submissions of all connections gather while the loop goes round once and are added to the queue
 * under one lock; then every one gets its verdict. With a store they are on the disk in between:
 * while one batch is being written the next one gathers (group commit).
 * Owns ids and the randomness in them, and the times that options ask for. Leaves the protocol to
 * sessions and the queue's bounds to the queue. Thread: the loop's.
 */
#ifndef GATEWAY_SERVE_INTAKE_H
#define GATEWAY_SERVE_INTAKE_H

#include "gateway/base/stats.h"
#include "gateway/store/store.h"
#include "proto/session/session.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

struct intake;
struct queue;

/* The verdict on one submission. Everything in it is borrowed for the call. */
struct intake_verdict {
    void *client; /* as given to intake_submit */
    uint32_t slot;
    bool is_accepted;
    enum reply refusal; /* when it is not */
    enum option_ack ack;
    const struct session_receipt *receipts; /* one a recipient, when it is accepted */
    size_t count;
};

struct intake_options {
    int64_t max_age_ms; /* a message without a TTL expires this long after its AT */
    size_t max_bytes;   /* of messages that gather; what is beyond that finds the queue full */
    /* Every message is stored before its verdict; NULL = they are kept in memory only. Outlives the
     * intake. */
    struct store *store;
    /* One call a submission, in their order; then one when all that gathered are settled. */
    void (*settle)(void *arg, const struct intake_verdict *verdict);
    void (*settled)(void *arg);
    void *arg;
};

/* Returns NULL without memory. Options are copied. */
struct intake *intake_new(struct event_base *base, struct queue *queue, struct stats *stats,
                          const struct intake_options *options);
/* What has gathered and was not committed is dropped: nobody was told 250. The store has stopped. */
void intake_free(struct intake *intake);

/*
 * Takes a submission in; its verdict comes by `settle`, later in the same turn of the loop or when
 * the store has it, never within this call. `client` must stay valid until then. Returns false
 * without memory: refuse it at once.
 */
bool intake_submit(struct intake *intake, void *client, uint32_t slot, int32_t owner,
                   const struct submission *submission, int64_t now_ms);

#endif
