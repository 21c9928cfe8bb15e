/*
 * ids: a set of message ids, which tells whether one was seen before.
 *
 * For programs of one file each, so all of it is in this header. Open addressing over the packed
 * ids: a million of them cost some 32 MB. Thread: the one of the program.
 */
#ifndef BENCH_IDS_H
#define BENCH_IDS_H

#include "proto/ulid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ids {
    struct ulid *slots; /* all zero = free */
    size_t size;        /* a power of two */
    size_t count;
};

enum { IDS_FIRST_SIZE = 1 << 16 };

static inline size_t ids_hash(const struct ulid *id)
{
    uint64_t words[2];
    _Static_assert(sizeof *id == sizeof words, "an id is 128 bits");
    memcpy(words, id, sizeof words);
    uint64_t hash = (words[0] ^ words[1]) * 0x9e3779b97f4a7c15u;
    return (size_t)(hash ^ (hash >> 32));
}

static inline bool ids_is_free(const struct ulid *slot)
{
    static const struct ulid NONE;
    return memcmp(slot, &NONE, sizeof NONE) == 0;
}

/* The place where the id is or belongs. */
static inline struct ulid *ids_find(const struct ids *ids, const struct ulid *id)
{
    size_t i = ids_hash(id) & (ids->size - 1);
    while (!ids_is_free(&ids->slots[i]) && memcmp(&ids->slots[i], id, sizeof *id) != 0) {
        i = (i + 1) & (ids->size - 1);
    }
    return &ids->slots[i];
}

static inline void ids_grow(struct ids *ids)
{
    struct ids grown = {.size = ids->size == 0 ? IDS_FIRST_SIZE : 2 * ids->size};
    grown.slots = calloc(grown.size, sizeof *grown.slots);
    if (grown.slots == NULL) {
        fputs("out of memory\n", stderr);
        exit(71);
    }
    for (size_t i = 0; i < ids->size; i++) {
        if (!ids_is_free(&ids->slots[i])) {
            *ids_find(&grown, &ids->slots[i]) = ids->slots[i];
            grown.count++;
        }
    }
    free(ids->slots);
    *ids = grown;
}

/* Adds an id in its text form. Returns false when it is no ULID or was there already. */
static inline bool ids_add(struct ids *ids, const char *text, size_t len)
{
    struct ulid id;
    if (!ulid_parse(text, len, &id)) {
        return false;
    }
    if (2 * ids->count >= ids->size) {
        ids_grow(ids);
    }
    struct ulid *slot = ids_find(ids, &id);
    if (!ids_is_free(slot)) {
        return false;
    }
    *slot = id;
    ids->count++;
    return true;
}

#endif
