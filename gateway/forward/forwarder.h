/*
 * forwarder: the forwarding thread: wait, take, send, settle.
 *
 * A thin loop around pure policy: destination (may we send), batch (what), pace (how fast), retry
 * (what an answer means). Owns the thread, the API's handles and the state of the destination. Its
 * parts: post holds requests until their answer comes, settle turns an answer into fates of
 * messages, history asks what became of the others, anchor tells how far back that must look.
 * Leaves HTTP to api, and messages to the queue.
 */
#ifndef GATEWAY_FORWARD_FORWARDER_H
#define GATEWAY_FORWARD_FORWARDER_H

#include "gateway/api/api.h"
#include "gateway/base/stats.h"
#include "gateway/forward/history.h"
#include "gateway/policy/destination.h"
#include "gateway/store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct forwarder;
struct queue;

struct forwarder_options {
    struct api_options api;
    struct history_options history;
    size_t bulk_max;
    unsigned peers; /* relays that share the account, at least 1; all with as many connections */
    struct destination_options destination;
    int64_t drain_timeout_ms;
    /* Must save what is being sent before it is sent; keeps the anchor for a scan after a crash.
     * Outlives the forwarder. NULL = messages are in memory only. */
    struct store *store;
    /* Reads the token's file, in the forwarding thread; malloc'ed; NULL when it cannot be read. The
     * pointer is NULL if there is no file. */
    char *(*read_token)(void *arg);
    void *token_arg;
    /* The last thing that the thread calls: forwarder_join need not wait long now. */
    void (*ended)(void *arg);
    void *ended_arg;
};

/*
 * Returns NULL on allocation failure or when libcurl refuses an option. Everything pointed to must
 * outlive it, except for what api_options copies.
 */
struct forwarder *forwarder_new(struct queue *queue, struct stats *stats,
                                const struct forwarder_options *options);
/* Starts its thread, with all signals blocked. Returns 0 or an errno value. */
int forwarder_start(struct forwarder *f);
/* Waits until the thread ends, which forwarder_stop makes it do. */
void forwarder_join(struct forwarder *f);
/* Its thread has been joined or was never started. NULL is fine. */
void forwarder_free(struct forwarder *f);

/* There is something to do: for queue_options.wake_forwarder. Any thread. */
void forwarder_wake(void *forwarder);
/*
 * An earlier run has relayed this message `age_ms` ago, and its final status is not known: with
 * reports.poll the API is asked about it. To be called before the thread starts, in the order in
 * which messages were relayed.
 */
void forwarder_relayed_before(struct forwarder *f, const struct ulid *id, const char *api_id,
                              int64_t age_ms);
/*
 * The final statuses of these messages are stored: the API is not asked about them any more. Any
 * thread.
 */
void forwarder_reported(struct forwarder *f, const struct ulid *ids, size_t count);
/* FLUSH. Any thread. */
void forwarder_flush(struct forwarder *f);
/* The token's file has changed. Any thread. */
void forwarder_token_changed(struct forwarder *f);

/*
 * Ends the thread. If it `drains`, requests in flight finish and queued messages are relayed for up
 * to drain_timeout. Otherwise, and after that time, it ends at once, and messages in flight stay
 * SENDING, for the API may have them. A second call can only end it sooner. Any thread.
 */
void forwarder_stop(struct forwarder *f, bool drains);

#endif
