/*
 * past: the last changes of all messages, for a watcher that has missed some.
 *
 * Owns a ring of fixed size, 44 bytes a change: what was told with a change but is not in the ring
 * (an API id, a reason) can be asked of the message. Thread: any, under the queue's mutex.
 */
#ifndef GATEWAY_QUEUE_RECENT_H
#define GATEWAY_QUEUE_RECENT_H

#include "gateway/queue/queue.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue_recent;

/* A ring of `size` changes, a power of two. NULL without memory. */
struct queue_recent *queue_recent_new(size_t size);
/* NULL is fine. */
void queue_recent_free(struct queue_recent *past);

/* Keeps that a message has come to the state that it has now. `event` is the number of the last change
 * plus one, or the first. */
void queue_recent_note(struct queue_recent *past, uint64_t event, const struct message *m);
/* Keeps another change, but for its answer. The same of its number. */
void queue_recent_add(struct queue_recent *past, const struct queue_event *change);

/* Is this inbound message one of the last that were told? */
bool queue_recent_has_text(const struct queue_recent *past, const struct queue_report *report);

/*
 * Copies the changes after the number `since` in their order, up to `max`, without answers. Returns
 * how many; `*is_gone` = some between `since` and the first of them are not kept any more.
 */
size_t queue_recent_read(const struct queue_recent *past, uint64_t since,
                         struct queue_event *changes, size_t max, bool *is_gone);

#endif
