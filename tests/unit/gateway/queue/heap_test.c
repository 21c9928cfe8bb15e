/* queue_heap: compared with a list that is searched from end to end. */
#include "gateway/queue/heap.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGES = 300, STEPS = 20000, TIMES = 100 };

static uint64_t next_random(uint64_t *seed)
{
    *seed += 0x9E3779B97F4A7C15;
    uint64_t x = *seed;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
    x = (x ^ x >> 27) * 0x94D049BB133111EB;
    return x ^ x >> 31;
}

/* What the heap should have first: the earliest time, and of equal ones the oldest id. */
static size_t find_first(const int64_t *times)
{
    size_t first = MESSAGES;
    for (size_t i = 0; i < MESSAGES; i++) {
        if (times[i] >= 0 && (first == MESSAGES || times[i] < times[first])) {
            first = i;
        }
    }
    return first;
}

Test(queue_heap, first_is_always_the_smallest)
{
    static struct message messages[MESSAGES];
    static int64_t times[MESSAGES]; /* -1 = not in the heap */
    static const unsigned char random[ULID_RANDOM_BYTES];
    struct queue_heap heap = {0};
    uint64_t seed = 1;
    for (size_t i = 0; i < MESSAGES; i++) {
        messages[i].heap_index = MESSAGE_NOT_IN_HEAP;
        messages[i].id = ulid_make((int64_t)i, random);
        times[i] = -1;
    }
    cr_expect_null(queue_heap_first(&heap));
    for (int step = 0; step < STEPS; step++) {
        /* Mostly filling, then mostly emptying from the top, which reveals wrong places. */
        bool is_emptying = step / 1000 % 2 == 1 && next_random(&seed) % 8 != 0;
        size_t i = is_emptying ? find_first(times) : next_random(&seed) % MESSAGES;
        if (i == MESSAGES) {
            continue;
        }
        if (times[i] >= 0 || next_random(&seed) % 4 == 0) {
            queue_heap_remove(&heap, &messages[i]);
            times[i] = -1;
        } else {
            times[i] = (int64_t)(next_random(&seed) % TIMES);
            cr_assert(queue_heap_insert(&heap, &messages[i], times[i]));
        }
        size_t first = find_first(times);
        const struct queue_heap_slot *slot = queue_heap_first(&heap);
        cr_assert_eq(slot == NULL, first == MESSAGES);
        if (slot != NULL) {
            cr_assert_eq(slot->message, &messages[first], "step %d", step);
            cr_assert_eq(slot->time_ms, times[first]);
        }
        cr_assert_eq(messages[i].heap_index == MESSAGE_NOT_IN_HEAP, times[i] < 0);
    }
    queue_heap_free(&heap);
}

Test(queue_heap, what_is_reserved_is_there)
{
    struct queue_heap heap = {0};
    cr_assert(queue_heap_reserve(&heap, 1000));
    cr_expect_geq(heap.size, 1000);
    struct queue_heap_slot *slots = heap.slots;
    static struct message messages[1000];
    for (size_t i = 0; i < 1000; i++) {
        cr_assert(queue_heap_insert(&heap, &messages[i], 1));
    }
    cr_expect_eq(heap.slots, slots);
    cr_expect_not(queue_heap_reserve(&heap, UINT32_MAX), "more than an index can name");
    queue_heap_free(&heap);
}
