/* recipients: see recipients.h. */
#include "proto/recipients.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_SIZE = 1, KEPT_SIZE = 4 };

/* FNV-1a over the digits. With collisions a client only slows down its own list. */
static size_t hash(const char *e164)
{
    uint32_t h = 2166136261U;
    for (; *e164 != '\0'; e164++) {
        h = (h ^ (unsigned char)*e164) * 16777619U;
    }
    return h;
}

/* Where a number is in the index, or where it would go. */
static uint32_t *place(const struct recipients *r, const char *e164)
{
    size_t mask = 2 * r->size - 1;
    size_t i = hash(e164) & mask;
    while (r->index[i] != 0 && strcmp(r->numbers[r->index[i] - 1], e164) != 0) {
        i = (i + 1) & mask;
    }
    return &r->index[i];
}

static void index_all(struct recipients *r)
{
    for (size_t i = 0; i < r->count; i++) {
        *place(r, r->numbers[i]) = (uint32_t)i + 1;
    }
}

static bool grow(struct recipients *r)
{
    size_t size = r->size == 0 ? FIRST_SIZE : 2 * r->size;
    char(*numbers)[NUMBER_SIZE] = realloc(r->numbers, size * sizeof *numbers);
    if (numbers == NULL) {
        return false;
    }
    r->numbers = numbers;
    uint32_t *index = calloc(2 * size, sizeof *index);
    if (index == NULL) {
        return false;
    }
    free(r->index);
    r->index = index;
    r->size = size;
    index_all(r);
    return true;
}

size_t recipients_find(const struct recipients *r, const char e164[NUMBER_SIZE])
{
    uint32_t position = r->count == 0 ? 0 : *place(r, e164);
    return position == 0 ? SIZE_MAX : position - 1U;
}

bool recipients_has(const struct recipients *r, const char e164[NUMBER_SIZE])
{
    return recipients_find(r, e164) != SIZE_MAX;
}

bool recipients_add(struct recipients *r, const char e164[NUMBER_SIZE])
{
    if (recipients_has(r, e164)) {
        return true;
    }
    if (r->count == r->size && !grow(r)) {
        return false;
    }
    *place(r, e164) = (uint32_t)r->count + 1;
    strcpy(r->numbers[r->count], e164);
    r->count++;
    return true;
}

/* Empties a place, and moves up the entries that collided with it. */
static void vacate(struct recipients *r, size_t hole)
{
    size_t mask = 2 * r->size - 1;
    for (size_t i = (hole + 1) & mask; r->index[i] != 0; i = (i + 1) & mask) {
        size_t home = hash(r->numbers[r->index[i] - 1]) & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            r->index[hole] = r->index[i];
            hole = i;
        }
    }
    r->index[hole] = 0;
}

bool recipients_remove(struct recipients *r, const char e164[NUMBER_SIZE])
{
    size_t position = recipients_find(r, e164);
    if (position == SIZE_MAX) {
        return false;
    }
    vacate(r, (size_t)(place(r, e164) - r->index));
    r->count--;
    if (position != r->count) { /* the last number moves there */
        *place(r, r->numbers[r->count]) = (uint32_t)position + 1;
        memcpy(r->numbers[position], r->numbers[r->count], sizeof *r->numbers);
    }
    return true;
}

bool recipients_reserve(struct recipients *r, size_t count)
{
    while (r->size - r->count < count) {
        if (!grow(r)) {
            return false;
        }
    }
    return true;
}

void recipients_clear(struct recipients *r)
{
    if (r->size > KEPT_SIZE) {
        recipients_free(r);
        return;
    }
    r->count = 0;
    if (r->index != NULL) {
        memset(r->index, 0, 2 * r->size * sizeof *r->index);
    }
}

void recipients_free(struct recipients *r)
{
    free(r->numbers);
    free(r->index);
    memset(r, 0, sizeof *r);
}
