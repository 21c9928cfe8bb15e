/*
 * recent: the last events of all messages, for a watcher that has missed some.
 *
 * Owns a ring of fixed size, 48 bytes an event, and the texts of the last inbound messages. What an
 * event told beyond that (API id, reason) has to be asked of its message.
 * Thread: any, under the queue's mutex.
 */
#ifndef GATEWAY_QUEUE_RECENT_H
#define GATEWAY_QUEUE_RECENT_H

#include "gateway/queue/types.h"

#include <stddef.h>

struct queue_recent;

/* Creates a ring of `size` events, a power of two. NULL on allocation failure. */
struct queue_recent *queue_recent_new(size_t size);
/* NULL is fine. */
void queue_recent_free(struct queue_recent *recent);

/* Adds that a message has come to the state that it has now. `number` is one more than the last. */
void queue_recent_note(struct queue_recent *recent, uint64_t number, const struct message *m);

/* Adds the event of a report or an inbound message, whose text it copies. */
void queue_recent_add(struct queue_recent *recent, uint64_t number,
                      const struct queue_event *event);

/* Is an inbound message with this time and text, for this message, among the last? */
bool queue_recent_has_text(const struct queue_recent *recent, const struct ulid *id, int64_t at_ms,
                           const char *text);

/*
 * Copies up to `max` of the events that are wanted, the last one first; like queue_recent_read.
 */
size_t queue_recent_find(const struct queue_recent *recent, queue_event_filter *is_wanted,
                         const void *arg, struct queue_event *events, size_t max);

/* Writes the owners of the events kept, each once, up to `max`. Returns how many. */
size_t queue_recent_owners(const struct queue_recent *recent, int32_t *owners, size_t max);

/*
 * Copies up to `max` events after the number `since`, in order; without answer, sender and REF.
 * Returns how many; their texts are the caller's. `*is_gone` = some between `since` and the first
 * of them are no longer kept.
 */
size_t queue_recent_read(const struct queue_recent *recent, uint64_t since,
                         struct queue_event *events, size_t max, bool *is_gone);

#endif
