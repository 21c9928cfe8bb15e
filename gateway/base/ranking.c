/* ranking: see ranking.h. */
#include "gateway/base/ranking.h"

#include <string.h>

bool ranking_add(struct ranking *r, void *item)
{
    char lower[RANKING_SIZE_MAX];
    char *place = r->items;
    for (size_t i = 0; i < r->count; i++, place += r->size) {
        if (r->comes_before(item, place)) {
            memcpy(lower, place, r->size);
            memcpy(place, item, r->size);
            memcpy(item, lower, r->size);
        }
    }
    if (r->count == r->max) {
        return false;
    }
    memcpy(place, item, r->size);
    r->count++;
    return true;
}
