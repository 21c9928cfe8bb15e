/* owner: see owner.h. */
#include "gateway/serve/owner.h"

#include <stdlib.h>

enum { COMPETE_US = 10000 }; /* owners that have not taken turns for so long do not compete */

static struct owner *find(const struct owners *owners, int32_t key)
{
    struct owner *owner = LIST_FIRST(&owners->buckets[(uint32_t)key % OWNER_BUCKETS]);
    while (owner != NULL && owner->key != key) {
        owner = LIST_NEXT(owner, entry);
    }
    return owner;
}

size_t owner_connections(const struct owners *owners, int32_t key)
{
    const struct owner *owner = find(owners, key);
    return owner == NULL ? 0 : owner->connections;
}

struct owner *owner_enter(struct owners *owners, int32_t key)
{
    struct owner *owner = find(owners, key);
    if (owner == NULL) {
        owner = calloc(1, sizeof *owner);
        if (owner == NULL) {
            return NULL;
        }
        owner->key = key;
        owner->awaits.max = owners->max_awaits;
        turn_line_enter(&owners->line, &owner->turn);
        LIST_INSERT_HEAD(&owners->buckets[(uint32_t)key % OWNER_BUCKETS], owner, entry);
        owners->count++;
    }
    owner->connections++;
    if (!turn_line_reserve(&owners->line, owners->count) ||
        !turn_line_reserve(&owner->line, owner->connections)) {
        owner_leave(owners, owner);
        return NULL;
    }
    return owner;
}

void owner_leave(struct owners *owners, struct owner *owner)
{
    if (--owner->connections == 0) {
        LIST_REMOVE(owner, entry);
        turn_line_free(&owner->line);
        free(owner);
        if (--owners->count == 0) {
            turn_line_free(&owners->line);
        }
    }
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
    if (owners->last != owner) {
        owners->last = owner;
        owners->changed_us = now_us;
    }
}

bool owners_compete(const struct owners *owners, int64_t now_us)
{
    return owners->count > 1 && now_us - owners->changed_us < COMPETE_US;
}
