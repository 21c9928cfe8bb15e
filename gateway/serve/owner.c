/* owner: see owner.h. */
#include "gateway/serve/owner.h"

#include <stdlib.h>

struct owner *owner_enter(struct owners *owners, int32_t key)
{
    struct owner_bucket *bucket = &owners->buckets[(uint32_t)key % OWNER_BUCKETS];
    struct owner *owner = LIST_FIRST(bucket);
    while (owner != NULL && owner->key != key) {
        owner = LIST_NEXT(owner, entry);
    }
    if (owner == NULL) {
        owner = calloc(1, sizeof *owner);
        if (owner == NULL) {
            return NULL;
        }
        owner->key = key;
        LIST_INSERT_HEAD(bucket, owner, entry);
    }
    owner->connections++;
    return owner;
}

void owner_leave(struct owner *owner)
{
    if (--owner->connections == 0) {
        LIST_REMOVE(owner, entry);
        free(owner);
    }
}
