/* owner: see owner.h. */
#include "gateway/serve/owner.h"

#include "gateway/base/ranking.h"
#include "proto/message.h"

#include <stdlib.h>

enum { COMPETE_US = 10000 }; /* owners that have not taken turns for so long do not compete */

static struct owner_bucket *bucket_of(const struct owners *owners, int32_t key)
{
    struct owners *all = (struct owners *)(uintptr_t)owners;
    return &all->buckets[(uint32_t)key % OWNER_BUCKETS];
}

static struct owner *find(const struct owners *owners, int32_t key)
{
    struct owner *owner = LIST_FIRST(bucket_of(owners, key));
    while (owner != NULL && owner->key != key) {
        owner = LIST_NEXT(owner, entry);
    }
    return owner;
}

const struct owner *owner_find(const struct owners *owners, int32_t key)
{
    return find(owners, key);
}

size_t owner_connections(const struct owners *owners, int32_t key)
{
    const struct owner *owner = find(owners, key);
    return owner == NULL ? 0 : owner->connections;
}

static struct owner *add(struct owners *owners, int32_t key)
{
    struct owner *owner = calloc(1, sizeof *owner);
    if (owner != NULL) {
        owner->key = key;
        owner->awaits.max = owners->max_awaits;
        LIST_INSERT_HEAD(bucket_of(owners, key), owner, entry);
        owners->known++;
    }
    return owner;
}

struct owner *owner_enter(struct owners *owners, int32_t key)
{
    struct owner *owner = find(owners, key);
    owner = owner == NULL ? add(owners, key) : owner;
    if (owner == NULL) {
        return NULL;
    }
    if (owner->connections++ == 0) {
        turn_line_enter(&owners->line, &owner->turn);
        owners->count++;
    }
    if (!turn_line_reserve(&owners->line, owners->count) ||
        !turn_line_reserve(&owner->line, owner->connections)) {
        owner_leave(owners, owner);
        return NULL;
    }
    return owner;
}

static void forget(struct owners *owners, struct owner *owner)
{
    owners->forgotten_us += owner->loop_us;
    owners->known--;
    LIST_REMOVE(owner, entry);
    free(owner);
}

void owner_leave(struct owners *owners, struct owner *owner)
{
    if (--owner->connections > 0) {
        return;
    }
    turn_line_free(&owner->line);
    if (--owners->count == 0) {
        turn_line_free(&owners->line);
    }
    if (owners->known > OWNERS_KEPT) {
        forget(owners, owner);
    }
}

void owners_free(struct owners *owners)
{
    for (size_t i = 0; i < OWNER_BUCKETS; i++) {
        while (!LIST_EMPTY(&owners->buckets[i])) {
            forget(owners, LIST_FIRST(&owners->buckets[i]));
        }
    }
}

/* --- figures ---------------------------------------------------------------------------------- */

void owner_count_unanswered(struct owner *owner, size_t *counted, size_t now)
{
    owner->unanswered = owner->unanswered - *counted + now;
    *counted = now;
}

bool owner_must_wait(const struct owners *owners, const struct owner *owner, size_t own)
{
    return own > 0 && owner->unanswered >= owners->max_unanswered;
}

int64_t owner_value(const struct owner *owner, enum owner_figure figure)
{
    switch (figure) {
    case OWNER_CONNECTIONS:
        return (int64_t)owner->connections;
    case OWNER_UNANSWERED:
        return (int64_t)owner->unanswered;
    case OWNER_AWAITS:
        return (int64_t)owner->awaits.used;
    case OWNER_LOOP_US:
        return (int64_t)owner->loop_us;
    }
    return 0;
}

static bool has_more(const void *a, const void *b)
{
    return ((const struct owner_share *)a)->value > ((const struct owner_share *)b)->value;
}

size_t owners_rank(const struct owners *owners, enum owner_figure figure,
                   struct owner_share *shares, size_t max, int64_t *others)
{
    struct ranking ranking = {
        .items = shares, .size = sizeof *shares, .max = max, .comes_before = has_more};
    *others = figure == OWNER_LOOP_US ? (int64_t)owners->forgotten_us : 0;
    for (size_t i = 0; i < OWNER_BUCKETS; i++) {
        const struct owner *owner = LIST_FIRST(&owners->buckets[i]);
        for (; owner != NULL; owner = LIST_NEXT(owner, entry)) {
            struct owner_share share = {owner->key, owner_value(owner, figure)};
            *others += ranking_add(&ranking, &share) ? 0 : share.value;
        }
    }
    return ranking.count;
}

/* --- turns ------------------------------------------------------------------------------------ */

void owner_wait(struct owners *owners, struct owner *owner, struct turn *turn)
{
    turn_line_add(&owner->line, turn);
    turn_line_add(&owners->line, &owner->turn);
}

void owner_forgo(struct owners *owners, struct owner *owner, struct turn *turn)
{
    turn_line_take(&owner->line, turn);
    if (owner->line.count == 0) {
        turn_line_take(&owners->line, &owner->turn);
    }
}

struct turn *owners_next(struct owners *owners)
{
    struct turn *first = turn_line_first(&owners->line);
    if (first == NULL) {
        return NULL;
    }
    struct owner *owner = (struct owner *)(void *)((char *)first - offsetof(struct owner, turn));
    struct turn *turn = turn_line_first(&owner->line);
    turn_line_take(&owners->line, first);
    turn_line_take(&owner->line, turn);
    if (owner->line.count > 0) {
        turn_line_add(&owners->line, first);
    }
    return turn;
}

void owner_charge(struct owners *owners, struct owner *owner, uint64_t us, int64_t now_us)
{
    turn_line_charge(&owners->line, &owner->turn, us);
    owner->loop_us += us;
    if (owners->last != owner && owner->key != OWNER_STRANGER) {
        owners->last = owner;
        owners->changed_us = now_us;
    }
}

bool owners_compete(const struct owners *owners, int64_t now_us)
{
    return owners->count > 1 && now_us - owners->changed_us < COMPETE_US;
}
