/* heap: see heap.h. */
#include "gateway/queue/heap.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_SLOTS = 64 };

void queue_heap_free(struct queue_heap *heap)
{
    free(heap->slots);
    *heap = (struct queue_heap){0};
}

bool queue_heap_reserve(struct queue_heap *heap, size_t more)
{
    if (more <= heap->size - heap->count) {
        return true;
    }
    size_t size = heap->size == 0 ? FIRST_SLOTS : heap->size * 2;
    if (size < heap->count + more) {
        size = heap->count + more;
    }
    if (size >= MESSAGE_NOT_IN_HEAP) {
        return false;
    }
    struct queue_heap_slot *slots = realloc(heap->slots, size * sizeof(*slots));
    if (slots == NULL) {
        return false;
    }
    heap->slots = slots;
    heap->size = size;
    return true;
}

static bool is_before(const struct queue_heap_slot *a, const struct queue_heap_slot *b)
{
    if (a->time_ms != b->time_ms) {
        return a->time_ms < b->time_ms;
    }
    return memcmp(a->message->id.bytes, b->message->id.bytes, ULID_BYTES) < 0;
}

static void put(struct queue_heap *heap, size_t i, struct queue_heap_slot slot)
{
    heap->slots[i] = slot;
    slot.message->heap_index = (uint32_t)i;
}

/* Puts `slot` into the free place `i`, or further up while it is earlier than the parent. */
static void sift_up(struct queue_heap *heap, size_t i, struct queue_heap_slot slot)
{
    while (i > 0 && is_before(&slot, &heap->slots[(i - 1) / 2])) {
        put(heap, i, heap->slots[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    put(heap, i, slot);
}

/* The same, but further down while it is later than a child. */
static void sift_down(struct queue_heap *heap, size_t i, struct queue_heap_slot slot)
{
    size_t child;
    while ((child = 2 * i + 1) < heap->count) {
        if (child + 1 < heap->count && is_before(&heap->slots[child + 1], &heap->slots[child])) {
            child++;
        }
        if (!is_before(&heap->slots[child], &slot)) {
            break;
        }
        put(heap, i, heap->slots[child]);
        i = child;
    }
    put(heap, i, slot);
}

bool queue_heap_insert(struct queue_heap *heap, struct message *m, int64_t time_ms)
{
    if (!queue_heap_reserve(heap, 1)) {
        return false;
    }
    sift_up(heap, heap->count++, (struct queue_heap_slot){time_ms, m});
    return true;
}

void queue_heap_remove(struct queue_heap *heap, struct message *m)
{
    if (m->heap_index == MESSAGE_NOT_IN_HEAP) {
        return;
    }
    size_t i = m->heap_index;
    struct queue_heap_slot last = heap->slots[--heap->count];
    m->heap_index = MESSAGE_NOT_IN_HEAP;
    if (last.message == m) {
        return;
    }
    if (i > 0 && is_before(&last, &heap->slots[(i - 1) / 2])) {
        sift_up(heap, i, last);
    } else {
        sift_down(heap, i, last);
    }
}

void queue_heap_restore_order(struct queue_heap *heap)
{
    for (size_t i = heap->count / 2; i-- > 0;) {
        sift_down(heap, i, heap->slots[i]);
    }
}

const struct queue_heap_slot *queue_heap_first(const struct queue_heap *heap)
{
    return heap->count == 0 ? NULL : &heap->slots[0];
}
