/* page_samples: see page_samples.h. */
#include "gateway/web/page_samples.h"

#include "gateway/base/clock.h"
#include "gateway/queue/ask.h"
#include "gateway/serve/relay.h"

#include <inttypes.h>

/* --- taking one ------------------------------------------------------------------------------- */

/* A rate, even if the loop was late. */
static int64_t per_second(int64_t count, int64_t elapsed_ms)
{
    return elapsed_ms <= 0 ? 0 : (count * 1000 + elapsed_ms / 2) / elapsed_ms;
}

static int64_t to_be_sent(const struct queue_totals *totals)
{
    const size_t *n = totals->by_state;
    return (int64_t)(n[MESSAGE_QUEUED] + n[MESSAGE_SENDING] + n[MESSAGE_DEFERRED] +
                     n[MESSAGE_SCHEDULED]);
}

/* What the counters have counted since the last sample. */
static void sample_counters(struct page_samples *samples, struct page_sample *sample)
{
    const struct stats *stats = samples->relay->stats;
    int64_t now_ms = clock_monotonic_ms();
    int64_t elapsed_ms =
        samples->before.monotonic_ms == 0 ? 0 : now_ms - samples->before.monotonic_ms;
    int64_t relayed = stats_get(stats, STAT_MESSAGES_RELAYED);
    int64_t answers, sum_us;
    stats_latency(stats, &answers, &sum_us);
    sample->relayed = per_second(relayed - samples->before.relayed, elapsed_ms);
    int64_t answered = answers - samples->before.answers;
    sample->latency_us = answered <= 0 ? -1 : (sum_us - samples->before.latency_sum_us) / answered;
    samples->before.monotonic_ms = now_ms;
    samples->before.relayed = relayed;
    samples->before.answers = answers;
    samples->before.latency_sum_us = sum_us;
}

void page_samples_take(struct page_samples *samples)
{
    const struct relay *relay = samples->relay;
    struct page_sample *sample = &samples->ring[samples->count % PAGE_SAMPLES];
    struct queue_totals totals;
    queue_totals(relay->queue, &totals);
    int64_t now_ms = clock_unix_ms();
    *sample = (struct page_sample){
        .at_ms = now_ms,
        .depth = to_be_sent(&totals),
        .oldest_ms = clock_age_ms(totals.waits_since_ms, clock_steady_ms()),
        .single = stats_window(relay->stats, API_SINGLE, now_ms),
        .bulk = stats_window(relay->stats, API_BULK, now_ms),
    };
    sample_counters(samples, sample);
    samples->count++;
}

/* --- telling ---------------------------------------------------------------------------------- */

static void write_window(const struct stats_window *window, struct evbuffer *out)
{
    if (window->is_known) {
        evbuffer_add_printf(out, ",%" PRId64 ",%" PRId64, window->remaining, window->limit);
    } else {
        evbuffer_add_printf(out, ",null,null");
    }
}

static void write_sample(const struct page_sample *sample, struct evbuffer *out)
{
    evbuffer_add_printf(out, "[%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64, sample->at_ms,
                        sample->relayed, sample->depth, sample->oldest_ms);
    if (sample->latency_us < 0) {
        evbuffer_add_printf(out, ",null");
    } else {
        evbuffer_add_printf(out, ",%" PRId64, sample->latency_us);
    }
    write_window(&sample->single, out);
    write_window(&sample->bulk, out);
    evbuffer_add_printf(out, "]");
}

void page_samples_write(const struct page_samples *samples, uint64_t from, struct evbuffer *out)
{
    if (samples->count > PAGE_SAMPLES && from < samples->count - PAGE_SAMPLES) {
        from = samples->count - PAGE_SAMPLES;
    }
    evbuffer_add_printf(out, "[");
    for (uint64_t i = from; i < samples->count; i++) {
        evbuffer_add_printf(out, "%s", i == from ? "" : ",");
        write_sample(&samples->ring[i % PAGE_SAMPLES], out);
    }
    evbuffer_add_printf(out, "]");
}
