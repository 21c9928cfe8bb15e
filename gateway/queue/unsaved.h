/*
 * unsaved: the durable messages that have changed since the store last wrote them.
 *
 * A list in the order in which messages changed; each is in it at most once, however often it
 * changes. So listing never allocates, and a slow disk writes fewer records, not more. Links and
 * `saving` are in the messages; this file alone changes them. Owns the counters, not the messages.
 * Thread: any, under the queue's mutex.
 */
#ifndef GATEWAY_QUEUE_UNSAVED_H
#define GATEWAY_QUEUE_UNSAVED_H

#include "proto/message.h"

/* All zeros: an empty list. */
struct queue_unsaved {
    struct message *first, *last;
    size_t count;
    uint64_t added; /* how many were ever added */
    uint64_t saved; /* how many of the first of them are written: marks up to here are reached */
    /* After a failed write `saved` stands still until `redo` more are written, then it becomes
     * `redone`: what changed during that write has lost its place in the order. */
    uint64_t redo, redone;
    bool is_told; /* the store was woken, and has not taken everything since */
};

/* Lists a message that has changed, unless it is listed already or not durable. */
void queue_unsaved_add(struct queue_unsaved *unsaved, struct message *m);

/* Takes the first message, which the list must have, off it: the store is about to write it. */
struct message *queue_unsaved_take(struct queue_unsaved *unsaved);

/* A message that was taken is written. Returns false if it changed since: it is listed again. */
bool queue_unsaved_end(struct message *m);

/* Puts a message that was taken, and could not be written, back at the head. */
void queue_unsaved_return(struct queue_unsaved *unsaved, struct message *m);

/* `count` messages that were taken are written: call queue_unsaved_end for each too. */
void queue_unsaved_advance(struct queue_unsaved *unsaved, uint64_t count);

/* A write failed, and its messages were returned: they, and all others listed now, go first. */
void queue_unsaved_redo(struct queue_unsaved *unsaved);

#endif
