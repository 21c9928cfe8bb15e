/*
 * queue: the bounded queue in memory through which every message passes.
 *
 * Owns each message from its admission until it is forgotten, and the only mutex of the relay.
 * A message is always in exactly one list. While it may be sent, that is one of three lanes:
 * `high` goes first, `normal` and `low` 9:1; a lane is FIFO. The other lists hold what is
 * scheduled, being sent, deferred, ambiguous or unresolved, and, one for each way to end, what is
 * finished. Messages that wait for a time are in a heap besides; all are found by id and by REF.
 *
 * Each kind of user has a header of its own:
 *
 *   queue/options.h    limits and callbacks
 *   queue/admission.h  intake: adding submissions, restoring those of an earlier run
 *   queue/dispatch.h   forwarder: taking messages to send, and what became of them
 *   queue/reports.h    delivery reports and inbound messages
 *   queue/records.h    store: what to write of durable messages
 *   queue/ask.h        queries: one message, lists, totals
 *   queue/control.h    CANCEL, RETRY, FLUSH, HOLD, and opt-outs
 *   queue/events.h     watchers: what has happened to messages
 *   queue/types.h      values that these share, and policy/ knows
 *
 * The rest is private: core.h is what those share, on top of lists and tables that know no mutex
 * (heap, index, refs, api_ids, unsaved, feed, recent).
 *
 * Leaves to others when to send and what an answer means (policy/), and disk (store/): it lists for
 * the store what changes of a durable message, and keeps the message until its end is written.
 *
 * Every function may be called from any thread. Under the mutex a message costs O(1), or O(log n)
 * where the heap is touched: no I/O, no JSON, no log; what can come in numbers at once (falling
 * due, expiring, being forgotten) is done in bounded steps. Memory is allocated there only for what
 * is rare: an event that is watched, a reason of our own, the copy of an answer. It is freed after
 * the mutex is released. All times are Unix ms, passed in.
 */
#ifndef GATEWAY_QUEUE_QUEUE_H
#define GATEWAY_QUEUE_QUEUE_H

#include "gateway/queue/options.h"

struct queue;

/* Creates a queue; copies the options. Returns NULL on allocation failure, or if the system has no
 * randomness for the hash of REFs. */
struct queue *queue_new(const struct queue_options *options);

/* Frees the queue and its messages. No other thread may use it any more. NULL is fine. */
void queue_free(struct queue *q);

#endif
