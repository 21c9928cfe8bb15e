/* stats: the tables behind the numbers. See the header. Thread: any. */
#include "gateway/stats.h"

#define STATS_ROW_(NAME, name, kind, help) {name, kind, help},
static const struct stats_row rows[STATS_COUNT] = {STATS_TABLE(STATS_ROW_)};
#undef STATS_ROW_

const struct stats_row *stats_row(enum stats_name which)
{
    return &rows[which];
}

const char *stats_kind_name(enum stats_kind kind)
{
    switch (kind) {
    case STATS_COUNTER:
        return "counter";
    case STATS_GAUGE:
        return "gauge";
    }
    return "unknown";
}

void stats_each(const struct stats *stats, void (*show)(const char *name, int64_t value, void *arg),
                void *arg)
{
    for (int which = 0; which < STATS_COUNT; which++) {
        enum stats_name name = (enum stats_name)which;
        show(rows[name].name, stats_get(stats, name), arg);
    }
}

/* --- numbers ---------------------------------------------------------------------------------- */

static int64_t read_number(const _Atomic int64_t *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

static void write_number(_Atomic int64_t *number, int64_t value)
{
    atomic_store_explicit(number, value, memory_order_relaxed);
}

static void add_number(_Atomic int64_t *number, int64_t n)
{
    if (n != 0) {
        atomic_fetch_add_explicit(number, n, memory_order_relaxed);
    }
}

/* --- histograms ------------------------------------------------------------------------------- */

static const int64_t api_us[] = {1000,   2500,   5000,    10000,   25000,   50000,    100000,
                                 250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000};

#define BOUNDS(bounds) bounds, sizeof(bounds) / sizeof(bounds)[0]
#define API_ROW(endpoint)                                                                 \
    {                                                                                     \
        "api_latency_seconds", "endpoint=\"" endpoint "\"",                               \
            "how long requests took, from their start to the end of the answer", 1000000, \
            BOUNDS(api_us)                                                                \
    }
static const struct stats_histogram_row histogram_rows[STATS_HISTOGRAMS] = {
    [HISTOGRAM_API_SMS] = API_ROW("sms"),
    [HISTOGRAM_API_SMS_BULK] = API_ROW("sms/bulk"),
    [HISTOGRAM_API_HISTORY] = API_ROW("history"),
};

_Static_assert(sizeof api_us / sizeof api_us[0] <= STATS_BOUNDS_MAX, "STATS_BOUNDS_MAX");

const struct stats_histogram_row *stats_histogram_row(enum stats_histogram which)
{
    return &histogram_rows[which];
}

void stats_observe(struct stats *stats, enum stats_histogram which, const int64_t *values,
                   size_t count)
{
    const struct stats_histogram_row *row = &histogram_rows[which];
    int64_t counts[STATS_BOUNDS_MAX + 1] = {0};
    int64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        size_t bucket = 0;
        while (bucket < row->bound_count && values[i] > row->bounds[bucket]) {
            bucket++;
        }
        counts[bucket]++;
        sum += values[i];
    }
    for (size_t bucket = 0; bucket <= row->bound_count; bucket++) {
        add_number(&stats->histograms[which].counts[bucket], counts[bucket]);
    }
    add_number(&stats->histograms[which].sum, sum);
}

void stats_buckets(const struct stats *stats, enum stats_histogram which,
                   struct stats_buckets *buckets)
{
    *buckets = (struct stats_buckets){.sum = read_number(&stats->histograms[which].sum)};
    for (size_t bucket = 0; bucket <= histogram_rows[which].bound_count; bucket++) {
        buckets->counts[bucket] = read_number(&stats->histograms[which].counts[bucket]);
        buckets->count += buckets->counts[bucket];
    }
}

void stats_latency(const struct stats *stats, int64_t *count, int64_t *sum_us)
{
    struct stats_buckets single;
    struct stats_buckets bulk;
    stats_buckets(stats, HISTOGRAM_API_SMS, &single);
    stats_buckets(stats, HISTOGRAM_API_SMS_BULK, &bulk);
    *count = single.count + bulk.count;
    *sum_us = single.sum + bulk.sum;
}

/* --- the API's rate windows ------------------------------------------------------------------- */

void stats_set_window(struct stats *stats, enum api_endpoint endpoint,
                      const struct stats_window *window)
{
    write_number(&stats->windows[endpoint].limit, window->limit);
    write_number(&stats->windows[endpoint].remaining, window->remaining);
    write_number(&stats->windows[endpoint].reset_ms, window->is_known ? window->reset_ms : 0);
}

struct stats_window stats_window(const struct stats *stats, enum api_endpoint endpoint,
                                 int64_t now_ms)
{
    struct stats_window window = {
        .limit = read_number(&stats->windows[endpoint].limit),
        .remaining = read_number(&stats->windows[endpoint].remaining),
        .reset_ms = read_number(&stats->windows[endpoint].reset_ms),
    };
    window.is_known = window.reset_ms > now_ms;
    return window.is_known ? window : (struct stats_window){0};
}
