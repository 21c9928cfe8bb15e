/*
 * queue: the bounded queue in memory through which every message passes.
 *
 * Owns each message from its admission until it is forgotten, and one mutex for all of them. A
 * message is always in exactly one list. One that is ready to be sent is in one of three lanes:
 * `high` always goes first, then nine of `normal` for each of `low`; each lane is FIFO. The other
 * lists hold messages that are scheduled, being sent, deferred, ambiguous or unresolved, and those
 * that are finished, by how they ended. Messages that wait for a time are also in a heap. Indexes
 * find a message by its id and by its REF.
 *
 * Each kind of user has a header of its own:
 *
 *   queue/options.h    limits and callbacks
 *   queue/admission.h  intake: adding submissions, restoring those of an earlier run
 *   queue/dispatch.h   forwarder: taking messages to send, and what became of them
 *   queue/suspects.h   forwarder: messages that stand aside, refused alone
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
 * Leaves to others when to send and what an answer means (policy/), and the disk (store/): it lists
 * durable messages that changed, and keeps each until the store has written how it ended.
 *
 * Every function may be called from any thread. The mutex covers no I/O, no JSON and no logging; a
 * message costs O(1) under it, or O(log n) for the heap. Many messages may fall due, expire or
 * become forgettable at once: these are handled in bounded steps. Memory is allocated under the
 * mutex only for rare things: a watched event, a reason of our own, the copy of an answer. Messages
 * and answers are freed without it.
 *
 * All times are steady ms, passed in: so nothing expires or waits longer when the wall clock is set.
 * Only AT is Unix time, and what the queue tells of its messages (status, records, reports).
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
