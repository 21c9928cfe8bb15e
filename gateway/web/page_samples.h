/*
 * page_samples: what the page draws: one sample a second, for the last 15 minutes.
 *
 * Owns a ring of them; who counts what is told in it are stats and the queue. Thread: the loop's.
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
    int64_t relayed;    /* messages, a second */
    int64_t depth;      /* messages that are to be sent, now or later */
    int64_t oldest_ms;  /* how long the first of them has waited */
    int64_t latency_us; /* of the requests that were answered, on average; -1 = none was */
    struct stats_window single, bulk;
};

/* All zero, with its relay, is one without samples. */
struct page_samples {
    const struct relay *relay;
    uint64_t count; /* taken so far; the last PAGE_SAMPLES of them are kept */
    struct {
        int64_t monotonic_ms; /* 0 = nothing was read yet */
        int64_t relayed, answers, latency_sum_us;
    } before; /* what the counters were at the last sample */
    struct page_sample ring[PAGE_SAMPLES];
};

/* Takes the next one. To be called every PAGE_SAMPLE_MS, or so. */
void page_samples_take(struct page_samples *samples);

/*
 * Appends the samples from number `from` on, as far as they are kept, to `out`: a JSON array of
 * [at_ms, relayed, depth, oldest_ms, latency_us, single, single's limit, bulk, bulk's limit], null
 * where something is not known.
 */
void page_samples_write(const struct page_samples *samples, uint64_t from, struct evbuffer *out);

#endif
