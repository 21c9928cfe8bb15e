/*
 * events: what has happened to messages, for watchers.
 *
 * Every event has a number, but only those that somebody watches are copied: choose what to watch,
 * then take the copies whenever notify_events was called. A watcher that was away reads the recent
 * ones again with queue_events_since.
 * Thread: any; queue_events_take the loop's.
 */
#ifndef GATEWAY_QUEUE_EVENTS_H
#define GATEWAY_QUEUE_EVENTS_H

#include "gateway/queue/types.h"

#include <stddef.h>

struct queue;

/* Begins or ends watching one message. Returns false if it is unknown. Ask for its state after
 * beginning: then no event is missed, though one may be told twice. */
bool queue_watch(struct queue *q, const struct ulid *id, bool is_watched);

/* Begins or ends watching all messages. */
void queue_watch_all(struct queue *q, bool is_watched);

/* Takes the events that have gathered, in order; free them with queue_events_free. NULL if there
 * are none. On allocation failure an event is left out: its number is missing. */
struct queue_event *queue_events_take(struct queue *q, size_t *count);

/*
 * Copies up to `max` recent events (queue_options.recent_events of all messages are kept), in
 * order, beginning after the number `since`. They have no sender and no REF; `answer` is filled in
 * from the message if that is still in the state told. Returns how many; drop them with
 * queue_events_drop. `*is_gone` = some after `since` are no longer kept.
 */
size_t queue_events_since(struct queue *q, uint64_t since, struct queue_event *events, size_t max,
                          bool *is_gone);

/*
 * Copies up to `max` of the recent events that are wanted, the last one first; as queue_events_since
 * does, drop them in the same way. Looks at all that are kept, under the mutex: about 0.2 ms.
 */
size_t queue_events_find(struct queue *q, queue_event_filter *is_wanted, const void *arg,
                         struct queue_event *events, size_t max);

/* The number of the last event. */
uint64_t queue_last_event(struct queue *q);

/* Frees what events own; the second frees the array too. */
void queue_events_drop(struct queue_event *events, size_t count);
void queue_events_free(struct queue_event *events, size_t count);

#endif
