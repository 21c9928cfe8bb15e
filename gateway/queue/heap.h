/*
 * heap: which message must be looked at next, and when.
 *
 * A binary heap of times; a message knows its place in it (heap_index), so that it can leave early.
 * Owns the slots, not the messages; what a time means is the queue's affair.
 * Thread: any, under the queue's mutex.
 */
#ifndef GATEWAY_QUEUE_HEAP_H
#define GATEWAY_QUEUE_HEAP_H

#include "proto/message.h"

struct queue_heap_slot {
    int64_t time_ms; /* kept beside the pointer, so that sifting seldom touches a message */
    struct message *message;
};

struct queue_heap {
    struct queue_heap_slot *slots;
    size_t count, size;
};

/* An empty heap is all zeros. Frees the slots. */
void queue_heap_free(struct queue_heap *heap);

/* Makes room for `more` messages beyond those in the heap. Returns false without memory. */
bool queue_heap_reserve(struct queue_heap *heap, size_t more);

/* Enters a message that is not in the heap. Returns false without memory. O(log n). */
bool queue_heap_insert(struct queue_heap *heap, struct message *m, int64_t time_ms);

/* Takes a message out; one that is not in the heap is fine. O(log n). */
void queue_heap_remove(struct queue_heap *heap, struct message *m);

/* The slot with the smallest time (among equals the one with the oldest id), NULL when empty. */
const struct queue_heap_slot *queue_heap_first(const struct queue_heap *heap);

#endif
