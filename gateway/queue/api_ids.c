/* api_ids: see api_ids.h. */
#include "gateway/queue/api_ids.h"

#include <stdint.h>
#include <stdlib.h>

/* A set holds the newest ids of those whose hashes begin with the same bits. */
enum { SETS = 1 << 16, SET_SIZE = 4 };

struct set {
    uint64_t hashes[SET_SIZE]; /* 0 = free; the newest first */
    struct ulid ids[SET_SIZE];
};

struct queue_api_ids {
    struct set sets[SETS];
};

struct queue_api_ids *queue_api_ids_new(void)
{
    return calloc(1, sizeof(struct queue_api_ids));
}

void queue_api_ids_free(struct queue_api_ids *ids)
{
    free(ids);
}

/*
 * FNV-1a, never 0; ids with the same 64 bits are taken for the same. The ids of one request differ
 * in their last letters only, which FNV does not spread to the high bits that name the set; so
 * these are mixed as at the end of MurmurHash3.
 */
static uint64_t hash_of(const char *api_id)
{
    uint64_t hash = 0xcbf29ce484222325U;
    for (; *api_id != '\0'; api_id++) {
        hash = (hash ^ (unsigned char)*api_id) * 0x100000001b3U;
    }
    hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdU;
    hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53U;
    hash ^= hash >> 33;
    return hash == 0 ? 1 : hash;
}

void queue_api_ids_add(struct queue_api_ids *ids, const char *api_id, const struct ulid *id)
{
    uint64_t hash = hash_of(api_id);
    struct set *set = &ids->sets[hash >> 48];
    for (int i = SET_SIZE - 1; i > 0; i--) {
        set->hashes[i] = set->hashes[i - 1];
        set->ids[i] = set->ids[i - 1];
    }
    set->hashes[0] = hash;
    set->ids[0] = *id;
}

bool queue_api_ids_find(const struct queue_api_ids *ids, const char *api_id, struct ulid *id)
{
    uint64_t hash = hash_of(api_id);
    const struct set *set = &ids->sets[hash >> 48];
    for (int i = 0; i < SET_SIZE; i++) {
        if (set->hashes[i] == hash) {
            *id = set->ids[i];
            return true;
        }
    }
    return false;
}
