/*
 * intake: the decision to accept, in one place: policy -> id -> store -> queue -> reply.
 *
 * Submissions of all connections gather during one turn of the loop and are added to the queue under
 * one lock; then each gets its verdict. With a store they are written to disk in between: while one
 * batch is being written, the next one gathers (group commit). Of many, a portion a turn of the loop gets its
 * verdicts.
 * Owns ids and the randomness in them, and turns options into times. Leaves the protocol to sessions,
 * and the queue's bounds to the queue. Thread: the loop's.
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
    void *client; /* as given to intake_submit, like the slot */
    uint32_t slot;
    bool is_accepted;
    enum reply refusal; /* if not */
    enum option_ack ack;
    const struct session_receipt *receipts; /* one per recipient; if refused, only `to` counts */
    size_t count;                           /* 0 if refused without a look at the messages */
};

/* Who submits. Copied. */
struct intake_client {
    void *client; /* must stay valid until the verdict */
    int32_t owner;
    /* Called once per submission, in the order of the submissions. */
    void (*settle)(const struct intake_verdict *verdict);
};

struct intake_options {
    int64_t max_age_ms; /* a message without a TTL expires this long after its AT */
    size_t max_bytes;   /* of messages that gather; more are refused as if the queue were full */
    /* Stores every message before its verdict; NULL = messages are in memory only. Must outlive the
     * intake. */
    struct store *store;
    void (*settled)(void *arg); /* called after some verdicts */
    void *arg;
};

/* Returns NULL on allocation failure. Options are copied. */
struct intake *intake_new(struct event_base *base, struct queue *queue, struct stats *stats,
                          const struct intake_options *options);
/* Drops what has not been committed: nobody was answered 250. The store must have stopped. */
void intake_free(struct intake *intake);

/*
 * Takes a submission. Its verdict comes through `settle`, later in the same turn of the loop, in one soon
 * after it, or once the store has written it, never within this call. Returns false on allocation failure:
 * there will be no verdict.
 */
bool intake_submit(struct intake *intake, const struct intake_client *client, uint32_t slot,
                   const struct submission *submission, int64_t now_ms);

/*
 * Is a client in the middle of what it has sent? Then its submissions wait for the rest of it, so that
 * what it has written at once gets its verdict together; but not if others have submitted as well, nor
 * if they are many. Say so after each turn of a client that has submitted something.
 */
void intake_hold(struct intake *intake, const void *client, bool is_unfinished);

/* Has so much gathered that a client whose submissions are among it should wait for their verdicts? */
bool intake_is_full(const struct intake *intake);

/* Is there a submission without a verdict? */
bool intake_has_open(const struct intake *intake);

#endif
