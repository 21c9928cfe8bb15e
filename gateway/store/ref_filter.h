/*
 * ref_filter: may a hash be among those of a run? A split block Bloom filter (Putze, Sanders and
 * Singler, 2007): one cache line an answer, two bytes a hash, and one wrong "maybe" in a thousand.
 * Thread: one at a time. Pure but for the memory.
 */
#ifndef GATEWAY_STORE_REF_FILTER_H
#define GATEWAY_STORE_REF_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store_ref_filter {
    unsigned char *bits; /* owned */
    size_t size;         /* bytes */
};

/* An empty filter for so many hashes. Returns false on allocation failure. */
bool store_ref_filter_init(struct store_ref_filter *filter, size_t hashes);
/* A copy of the bits of another. Returns false on allocation failure, or if they are no filter. */
bool store_ref_filter_load(struct store_ref_filter *filter, const void *bits, size_t size);
/* One that is all zero is fine. */
void store_ref_filter_free(struct store_ref_filter *filter);

void store_ref_filter_add(struct store_ref_filter *filter, uint64_t hash);
/* false = it was never added. */
bool store_ref_filter_may_have(const struct store_ref_filter *filter, uint64_t hash);

#endif
