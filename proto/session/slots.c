/* slots: see slots.h. */
#include "proto/session/slots.h"

#include <assert.h>
#include <stdlib.h>

enum { FIRST_SIZE = 4, KEPT_SIZE = 64 };

struct slot *slots_at(const struct slots *slots, uint32_t number)
{
    return &slots->ring[number & (slots->size - 1)];
}

static bool grow(struct slots *slots)
{
    uint32_t size = slots->size == 0 ? FIRST_SIZE : 2 * slots->size;
    struct slot *ring = calloc(size, sizeof *ring);
    if (ring == NULL) {
        return false;
    }
    for (uint32_t n = slots->first; n != slots->first + slots->count; n++) {
        ring[n & (size - 1)] = *slots_at(slots, n);
    }
    free(slots->ring);
    slots->ring = ring;
    slots->size = size;
    return true;
}

bool slots_open(struct slots *slots, uint32_t *number)
{
    if (slots->count == slots->size && !grow(slots)) {
        return false;
    }
    *number = slots->first + slots->count;
    slots->count++;
    *slots_at(slots, *number) = (struct slot){.text = BUFFER_EMPTY};
    return true;
}

struct buffer *slots_buffer(struct slots *slots, uint32_t number, struct buffer *out)
{
    return number == slots->first ? out : &slots_at(slots, number)->text;
}

/* An idle connection does not keep the ring of a flood. */
static void shrink(struct slots *slots)
{
    if (slots->count == 0 && slots->size > KEPT_SIZE) {
        free(slots->ring);
        slots->ring = NULL;
        slots->size = 0;
    }
}

void slots_close(struct slots *slots, uint32_t number, struct buffer *out)
{
    assert(number - slots->first < slots->count);
    slots_at(slots, number)->is_answered = true;
    slots->held += slots_at(slots, number)->text.len;
    while (slots->count > 0 && slots_at(slots, slots->first)->is_answered) {
        struct slot *slot = slots_at(slots, slots->first);
        buffer_append(out, slot->text.data, slot->text.len);
        slots->held -= slot->text.len;
        buffer_free(&slot->text);
        slots->first++;
        slots->count--;
    }
    shrink(slots);
}

void slots_say(struct slots *slots, const char *text, size_t len, struct buffer *out)
{
    uint32_t last = slots->first + slots->count - 1;
    if (slots->count == 0) {
        buffer_append(out, text, len);
    } else if (slots_at(slots, last)->is_answered || slots_open(slots, &last)) {
        struct slot *slot = slots_at(slots, last);
        size_t before = slot->text.len;
        buffer_append(&slot->text, text, len);
        slots->held += slot->text.len - before;
        slot->is_answered = true;
    } else {
        out->has_failed = true;
    }
}

void slots_free(struct slots *slots)
{
    for (uint32_t n = slots->first; n != slots->first + slots->count; n++) {
        buffer_free(&slots_at(slots, n)->text);
    }
    free(slots->ring);
    *slots = (struct slots){0};
}
