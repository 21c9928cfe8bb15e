/*
 * histogram: latencies in buckets that grow with the value, as in HDR histograms.
 *
 * 64 buckets to an octave, so a quantile is at most 1.6 % too high. For programs of one file each,
 * so all of it is in this header. Thread: the one of the program.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum {
    HISTOGRAM_SUB_BITS = 6,
    HISTOGRAM_SUB_COUNT = 1 << HISTOGRAM_SUB_BITS,
    HISTOGRAM_BUCKETS = (64 - HISTOGRAM_SUB_BITS + 1) * HISTOGRAM_SUB_COUNT
};

struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t total;
    uint64_t max;
};

/* CLOCK_MONOTONIC in ns. */
static inline uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static inline size_t histogram_bucket_of(uint64_t value)
{
    if (value < HISTOGRAM_SUB_COUNT) {
        return (size_t)value;
    }
    unsigned shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    return (size_t)(shift + 1) * HISTOGRAM_SUB_COUNT +
           (size_t)((value >> shift) - HISTOGRAM_SUB_COUNT);
}

/* The largest value that falls into a bucket. */
static inline uint64_t histogram_bucket_top(size_t bucket)
{
    if (bucket < HISTOGRAM_SUB_COUNT) {
        return bucket;
    }
    size_t shift = bucket / HISTOGRAM_SUB_COUNT - 1;
    return ((bucket % HISTOGRAM_SUB_COUNT + HISTOGRAM_SUB_COUNT + 1) << shift) - 1;
}

static inline void histogram_add(struct histogram *h, uint64_t value)
{
    h->counts[histogram_bucket_of(value)]++;
    h->total++;
    h->max = value > h->max ? value : h->max;
}

static inline uint64_t histogram_quantile(const struct histogram *h, double quantile)
{
    double rank = quantile * (double)h->total;
    uint64_t seen = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->counts[i];
        if (seen > 0 && (double)seen >= rank) {
            uint64_t top = histogram_bucket_top(i);
            return top < h->max ? top : h->max;
        }
    }
    return h->max;
}

/* The same in us. */
static inline double histogram_us(const struct histogram *h, double quantile)
{
    return (double)histogram_quantile(h, quantile) / 1000;
}

#endif
