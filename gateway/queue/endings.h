/*
 * endings: which messages ended otherwise than their senders wished, for the log.
 *
 * They are noted under the queue's mutex, and logged without it: id, masked number, and why. Not the
 * API's words, which may repeat the text; STATUS has them. Thread: any.
 */
#ifndef GATEWAY_QUEUE_ENDINGS_H
#define GATEWAY_QUEUE_ENDINGS_H

#include "gateway/base/stats.h"
#include "proto/message.h"

#include <stddef.h>

struct queue_ending;

/* All zero = none. */
struct queue_endings {
    struct queue_ending *list; /* owned */
    size_t count, size;
    size_t left_out[STATS_ENDS]; /* beyond what the log takes */
};

/* A message has ended: notes it if it was rejected, has expired or is unresolved. Under the mutex. */
void queue_endings_note(struct queue_endings *endings, const struct message *m, enum stats_end end);

/* Logs them, and empties the list. Without the mutex. */
void queue_endings_log(struct queue_endings *endings);

#endif
