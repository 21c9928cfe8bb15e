/*
 * heap: which message falls due next.
 *
 * A binary heap by time. A message knows its place in it (heap_index), so it can be removed early.
 * Owns the slots, not the messages; core decides what a time means.
 * Thread: any, under the queue's mutex.
 */
#ifndef GATEWAY_QUEUE_HEAP_H
#define GATEWAY_QUEUE_HEAP_H

#include "proto/message.h"

struct queue_heap_slot {
    int64_t time_ms; /* here too, so that sifting seldom touches a message */
    struct message *message;
};

/* All zeros: an empty heap. */
struct queue_heap {
    struct queue_heap_slot *slots;
    size_t count, size;
};

/* Frees the slots; the heap is empty and usable again. */
void queue_heap_free(struct queue_heap *heap);

/* Makes room for `more` messages beyond those in the heap. Returns false on allocation failure. */
bool queue_heap_reserve(struct queue_heap *heap, size_t more);

/* Adds a message that is not in the heap. Returns false on allocation failure. O(log n). */
bool queue_heap_insert(struct queue_heap *heap, struct message *m, int64_t time_ms);

/* Removes a message; one that is not in the heap is fine. O(log n). */
void queue_heap_remove(struct queue_heap *heap, struct message *m);

/* The times of slots were changed: puts them in order again. O(n). */
void queue_heap_restore_order(struct queue_heap *heap);

/* The slot with the earliest time, and of equal ones the oldest id; NULL if the heap is empty. */
const struct queue_heap_slot *queue_heap_first(const struct queue_heap *heap);

#endif
