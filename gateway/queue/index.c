/*
 * index: see index.h.
 *
 * Buckets 0 to n-1 exist. A hash belongs to the bucket that its low bits name, as many as n-1 has;
 * if that bucket does not exist yet, to the one without the highest of these bits. So adding bucket
 * n splits one chain only.
 */
#include "gateway/queue/index.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_BITS = 10, FIRST_BUCKETS = 1 << FIRST_BITS, PREFETCH_CHAIN = 3, PREFETCH_STEP = 8 };

static struct message **link_of(const struct queue_index *index, const struct message *m)
{
    return (struct message **)(void *)((char *)(uintptr_t)m + index->link_offset);
}

static uint64_t hash_of(const struct queue_index *index, const struct message *m)
{
    uint64_t hash;
    memcpy(&hash, (const char *)m + index->hash_offset, sizeof(hash));
    return hash;
}

/* Segment 0 holds the first FIRST_BUCKETS, segment k as many as all segments before it. */
static unsigned segment_of(size_t bucket)
{
    unsigned long long rest = bucket >> FIRST_BITS;
    return rest == 0 ? 0 : 64 - (unsigned)__builtin_clzll(rest);
}

static size_t segment_start(unsigned segment)
{
    return segment == 0 ? 0 : (size_t)FIRST_BUCKETS << (segment - 1);
}

static struct message **bucket_at(const struct queue_index *index, size_t bucket)
{
    unsigned segment = segment_of(bucket);
    return &index->segments[segment][bucket - segment_start(segment)];
}

static struct message **bucket_of(const struct queue_index *index, uint64_t hash)
{
    size_t mask = SIZE_MAX >> __builtin_clzll((unsigned long long)index->buckets - 1);
    size_t bucket = (size_t)hash & mask;
    return bucket_at(index, bucket < index->buckets ? bucket : bucket & (mask >> 1));
}

bool queue_index_init(struct queue_index *index, size_t link_offset, size_t hash_offset)
{
    *index = (struct queue_index){
        .buckets = FIRST_BUCKETS, .link_offset = link_offset, .hash_offset = hash_offset};
    index->segments[0] = calloc(FIRST_BUCKETS, sizeof(struct message *));
    return index->segments[0] != NULL;
}

void queue_index_free(struct queue_index *index)
{
    for (size_t i = 0; i < QUEUE_INDEX_SEGMENTS; i++) {
        free(index->segments[i]);
        index->segments[i] = NULL;
    }
}

/* Allocates the segment of a new bucket, unless it is there. */
static bool segment_reserve(struct queue_index *index, size_t bucket)
{
    unsigned segment = segment_of(bucket);
    if (index->segments[segment] == NULL) {
        /* For a large segment calloc gets zeroed pages from the system and does not touch them. */
        index->segments[segment] = calloc(segment_start(segment), sizeof(struct message *));
    }
    return index->segments[segment] != NULL;
}

/*
 * With a million messages an insertion would spend half its time waiting for the messages of the
 * bucket that it splits. Buckets are split in order, so their messages are prefetched: each of a
 * chain PREFETCH_STEP insertions after the one that leads to it.
 */
static void prefetch(const struct queue_index *index, size_t added, size_t mask)
{
    for (size_t n = 0; n < PREFETCH_CHAIN; n++) {
        size_t ahead = (PREFETCH_CHAIN - n) * PREFETCH_STEP;
        const struct message *m = *bucket_at(index, (added + ahead) & mask);
        for (size_t i = 0; i < n && m != NULL; i++) {
            m = *link_of(index, m);
        }
        if (m != NULL) {
            __builtin_prefetch((const void *)((uintptr_t)m + index->hash_offset));
        }
    }
}

/* Adds one bucket, and moves to it what belongs there from the only bucket that can have it. */
static void split_one(struct queue_index *index)
{
    if (!segment_reserve(index, index->buckets)) {
        return;
    }
    size_t added = index->buckets++;
    size_t mask = SIZE_MAX >> __builtin_clzll((unsigned long long)added);
    struct message **target = bucket_at(index, added);
    struct message **from = bucket_at(index, added & (mask >> 1));
    prefetch(index, added, mask >> 1);
    while (*from != NULL) {
        struct message *m = *from;
        struct message **link = link_of(index, m);
        if (((size_t)hash_of(index, m) & mask) == added) {
            *from = *link;
            *link = *target;
            *target = m;
        } else {
            from = link;
        }
    }
}

void queue_index_insert(struct queue_index *index, struct message *m)
{
    struct message **bucket = bucket_of(index, hash_of(index, m));
    *link_of(index, m) = *bucket;
    *bucket = m;
    if (++index->count > index->buckets) {
        split_one(index);
    }
}

/* The link that points to `m` in its chain, or the one that ends the chain. */
static struct message **find_place(const struct queue_index *index, const struct message *m)
{
    struct message **place = bucket_of(index, hash_of(index, m));
    while (*place != NULL && *place != m) {
        place = link_of(index, *place);
    }
    return place;
}

void queue_index_remove(struct queue_index *index, const struct message *m)
{
    struct message **place = find_place(index, m);
    if (*place != NULL) {
        *place = *link_of(index, m);
        index->count--;
    }
}

void queue_index_replace(struct queue_index *index, const struct message *m, struct message *with)
{
    *link_of(index, with) = *link_of(index, m);
    *find_place(index, m) = with;
}

static struct message *find_hash(const struct queue_index *index, struct message *m, uint64_t hash)
{
    while (m != NULL && hash_of(index, m) != hash) {
        m = *link_of(index, m);
    }
    return m;
}

struct message *queue_index_first(const struct queue_index *index, uint64_t hash)
{
    return find_hash(index, *bucket_of(index, hash), hash);
}

struct message *queue_index_next(const struct queue_index *index, const struct message *m)
{
    return find_hash(index, *link_of(index, m), hash_of(index, m));
}
