/*
 * control: what clients and operators do to messages (CANCEL, RETRY, FLUSH) and to sending as a
 * whole (HOLD, RELEASE, opt-outs). Thread: any.
 */
#ifndef GATEWAY_QUEUE_CONTROL_H
#define GATEWAY_QUEUE_CONTROL_H

#include "proto/recipients.h"
#include "proto/ulid.h"

#include <stdbool.h>
#include <stdint.h>

struct queue;

/* UNKNOWN also means: owned by someone else. */
enum queue_outcome { QUEUE_DONE, QUEUE_UNKNOWN, QUEUE_WRONG_STATE };

/* Cancels a message of `owner` (of anyone if `sees_all`) that is neither being sent nor finished.
 * If the API may have it, its reason says so, and its REF stays taken. */
enum queue_outcome queue_cancel(struct queue *q, const struct ulid *id, int32_t owner,
                                bool sees_all, int64_t now_ms);

/* Puts an `unresolved` message at the head of its lane, even if its time is over. Its doubts are
 * counted anew. */
enum queue_outcome queue_retry(struct queue *q, const struct ulid *id, int64_t now_ms);

/* Makes due now what is deferred until a time, and what stands aside; not what waits for its AT, nor
 * what is ambiguous. O(messages so deferred). */
void queue_flush(struct queue *q, int64_t now_ms);

/* HOLD and RELEASE: while held, queue_take gives nothing. */
void queue_hold(struct queue *q, bool holds);

/* Replaces the list of numbers that have opted out, which queue_take rejects. Takes what `all`
 * holds, and leaves it empty. */
void queue_refuse_all(struct queue *q, struct recipients *all);

/* Adds one number to that list, or removes it. Returns false on allocation failure. */
bool queue_refuse(struct queue *q, const char *number, bool is_refused);

/*
 * The wall clock was set: its offset to the time that is passed in is now another. Messages with an AT
 * fall due accordingly; the time of one whose AT was skipped runs from now on.
 */
void queue_clock_set(struct queue *q, int64_t offset_ms, int64_t now_ms);

#endif
