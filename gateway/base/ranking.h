/*
 * ranking: the few of many that come first, in order.
 *
 * The array is the caller's. Thread: one at a time.
 */
#ifndef GATEWAY_BASE_RANKING_H
#define GATEWAY_BASE_RANKING_H

#include <stdbool.h>
#include <stddef.h>

enum { RANKING_SIZE_MAX = 64 }; /* bytes of an item */

struct ranking {
    void *items; /* room for `max` */
    size_t size; /* of an item, in bytes */
    size_t count, max;
    bool (*comes_before)(const void *a, const void *b);
};

/* Gives an item its place. Returns false if one has none left: that is what `item` holds then. O(max). */
bool ranking_add(struct ranking *ranking, void *item);

#endif
