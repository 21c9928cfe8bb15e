/*
 * forwarder: the forwarding thread: wait, take, send, settle.
 *
 * A thin loop around pure policy: batch (what to send now), pace (how fast), retry (what an answer
 * means), reconcile (what became of ambiguous messages). Owns the thread, the POSTs in flight and the
 * state of the destination. Leaves calls of the API's history to history, HTTP to api and messages to
 * the queue. With a store no
 * request goes before the mark that its messages are being sent is saved there.
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
    struct destination_options destination;
    int64_t drain_timeout_ms;
    /* Where marks are saved and the anchor of the scan after a restart is kept; NULL = messages are
     * kept in memory only. Outlives the forwarder. */
    struct store *store;
    /* Reads the token anew (in the forwarding thread); malloc'ed, NULL when it cannot be read or
     * does not come from a file. NULL = there is no other token to be had. */
    char *(*read_token)(void *arg);
    void *token_arg;
    /* The thread has ended (called in it, last thing): forwarder_join does not wait long now. */
    void (*ended)(void *arg);
    void *ended_arg;
};

/*
 * Makes a forwarder. Returns NULL without memory or when libcurl refuses an option. Everything
 * pointed to must outlive it, but for what api_options copies.
 */
struct forwarder *forwarder_new(struct queue *queue, struct stats *stats,
                                const struct forwarder_options *options);
/* Starts its thread, with all signals blocked. Returns 0 or an errno value. */
int forwarder_start(struct forwarder *f);
/* Waits for the end of the thread (which forwarder_stop has asked for). */
void forwarder_join(struct forwarder *f);
/* Frees it; its thread has been joined or was never started. NULL is fine. */
void forwarder_free(struct forwarder *f);

/* Has something to do: for queue_options.wake_forwarder. Any thread. */
void forwarder_wake(void *forwarder);
/*
 * A message that an earlier run has relayed `age_ms` ago, and whose final status is not known: with
 * reports.poll it is asked about. Before the thread starts, in the order in which they were relayed.
 */
void forwarder_relayed_before(struct forwarder *f, const struct ulid *id, const char *api_id,
                              int64_t age_ms);
/* The final statuses of these messages are stored: nobody asks about them any more. Any thread. */
void forwarder_reported(struct forwarder *f, const struct ulid *ids, size_t count);
/* FLUSH, resp. a token file that changed. Any thread. */
void forwarder_flush(struct forwarder *f);
void forwarder_token_changed(struct forwarder *f);

/*
 * Ends the thread. With `drains` requests in flight finish and what is queued is relayed for up to
 * drain_timeout; without it all ends at once, and what was in flight stays SENDING: the API may
 * have it. Any thread; a second call can only shorten it.
 */
void forwarder_stop(struct forwarder *f, bool drains);

#endif
