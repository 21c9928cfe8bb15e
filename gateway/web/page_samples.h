/*
 * page_samples: the samples that the page draws: one per second, for the last 15 minutes.
 *
 * Owns a ring of them. Leaves counting to stats and the queue. Thread: the loop's.
 */
#ifndef GATEWAY_WEB_PAGE_SAMPLES_H
#define GATEWAY_WEB_PAGE_SAMPLES_H

#include "gateway/base/stats.h"

#include <event2/buffer.h>
#include <stdint.h>

struct relay;

enum { PAGE_SAMPLES = 15 * 60, PAGE_SAMPLE_MS = 1000 };

/* One second. */
struct page_sample {
    int64_t at_ms;      /* Unix time of its end */
    int64_t relayed;    /* messages per second */
    int64_t depth;      /* messages to be sent, now or later */
    int64_t oldest_ms;  /* how long the first of them has waited */
    int64_t latency_us; /* average of the requests answered; -1 = none was */
    struct stats_window single, bulk;
};

/* Starts all zero but for `relay`. */
struct page_samples {
    const struct relay *relay;
    uint64_t count; /* taken so far; the last PAGE_SAMPLES are kept */
    struct {
        int64_t monotonic_ms; /* 0 = no sample yet */
        int64_t relayed, answers, latency_sum_us;
    } before; /* what the counters were at the last sample */
    struct page_sample ring[PAGE_SAMPLES];
};

/* Takes the next one. Call it about every PAGE_SAMPLE_MS. */
void page_samples_take(struct page_samples *samples);

/*
 * Appends the samples from number `from` on that are kept to `out`: a JSON array of [at_ms, relayed,
 * depth, oldest_ms, latency_us, single, single's limit, bulk, bulk's limit], with null for what is
 * unknown.
 */
void page_samples_write(const struct page_samples *samples, uint64_t from, struct evbuffer *out);

#endif
