/*
 * records: what the store has to write of durable messages.
 *
 * Every change of a durable message lists it for the store, once, however often it changes before
 * it is written. Thread: the store's, for take and done; any, for marks.
 */
#ifndef GATEWAY_QUEUE_RECORDS_H
#define GATEWAY_QUEUE_RECORDS_H

#include "proto/buffer.h"
#include "proto/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue;

/* One message as it was when its record was taken. */
struct queue_record {
    struct message *message; /* not freed before queue_records_done; only what never changes of it
                              * may be read */
    int64_t row;
    enum message_state state;
    bool may_be_sent, is_unlooked; /* as in struct message */
    bool is_expiry_lifted;         /* expires_ms is no longer that of its submission */
    unsigned attempts, ambiguous_ends, doubts;
    int64_t due_ms, updated_ms;
    size_t answer_at; /* where in `answers` its answer is; SIZE_MAX = it has none */
};

/*
 * Takes up to `max` records of messages that have changed, in the order in which they first did,
 * and appends their answers to `answers`; takes fewer on allocation failure. Returns how many.
 * queue_records_done must follow before the next call.
 */
size_t queue_records_take(struct queue *q, struct queue_record *records, size_t max,
                          struct buffer *answers);

/*
 * The records taken last are written; or, unless `is_saved`, could not be, and will be taken again.
 * Finished messages that are now saved are forgotten; those with a REF after the retention.
 */
void queue_records_done(struct queue *q, const struct queue_record *records, size_t count,
                        bool is_saved);

/* A mark for all changes made so far, and whether those are all written (as they were, or with what
 * came after). */
uint64_t queue_records_mark(struct queue *q);
bool queue_records_are_saved(struct queue *q, uint64_t mark);

#endif
