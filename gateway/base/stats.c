/* stats: see stats.h. */
#include "gateway/base/stats.h"

#include "gateway/base/log_writer.h"
#include "proto/session/session.h"

#include <string.h>

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
    case STATS_SUM:
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

/* --- families --------------------------------------------------------------------------------- */

#define END_ROW_(NAME, state, reason, sum) {state, reason, STAT_##sum},
static const struct {
    const char *state, *reason;
    enum stats_name sum;
} ends[STATS_ENDS] = {STATS_ENDS_TABLE(END_ROW_)};
#undef END_ROW_

/* How a request can end: the statuses worth a number; then other ones, and none. */
static const struct {
    const char *word;
    int status;
} statuses[STATS_STATUSES] = {
    {"200", 200}, {"201", 201}, {"400", 400}, {"401", 401}, {"402", 402},     {"403", 403},
    {"404", 404}, {"405", 405}, {"413", 413}, {"422", 422}, {"429", 429},     {"500", 500},
    {"502", 502}, {"503", 503}, {"504", 504}, {"other", 0}, {"not_sent", -1}, {"no_answer", -1},
};
enum { STATUS_OTHER = STATS_STATUSES - 3, STATUS_NOT_SENT, STATUS_NO_ANSWER };

/* Statuses of reports; then inbound messages, which have none, and other statuses. */
static const char *const report_statuses[STATS_REPORT_STATUSES] = {
    "sent",     "accepted", "buffered", "delivered", "error",   "failed", "expired",
    "canceled", "rejected", "unknown",  "stop",      "inbound", "other",
};
enum { REPORT_STATUS_INBOUND = STATS_REPORT_STATUSES - 2, REPORT_STATUS_OTHER };

static const char *end_state(int i)
{
    return ends[i].state;
}

static const char *end_reason(int i)
{
    return ends[i].reason;
}

static const char *request_endpoint(int i)
{
    return api_endpoint_name((enum api_endpoint)(i / STATS_STATUSES));
}

static const char *request_status(int i)
{
    return statuses[i % STATS_STATUSES].word;
}

static const char *report_status(int i)
{
    return report_statuses[i / STATS_OUTCOMES];
}

static const char *report_outcome(int i)
{
    static const char *const names[STATS_OUTCOMES] = {"new", "old", "unmatched"};
    return names[i % STATS_OUTCOMES];
}

static const struct stats_family_row family_rows[STATS_FAMILIES] = {
    [FAMILY_MESSAGES_ENDED] = {"messages_ended_total",
                               "messages that have ended, by state and reason",
                               SERIES_ENDED,
                               STATS_ENDS,
                               {{"state", end_state}, {"reason", end_reason}}},
    [FAMILY_REQUESTS] = {"requests_total",
                         "requests made to the API",
                         SERIES_REQUESTS,
                         API_ENDPOINTS *STATS_STATUSES,
                         {{"endpoint", request_endpoint}, {"status", request_status}}},
    [FAMILY_REPORTS] =
        {"reports_total",
         "delivery reports and inbound messages, and whether they said something new",
         SERIES_REPORTS,
         STATS_REPORT_STATUSES *STATS_OUTCOMES,
         {{"status", report_status}, {"outcome", report_outcome}}},
};

const struct stats_family_row *stats_family_row(enum stats_family which)
{
    return &family_rows[which];
}

int64_t stats_series(const struct stats *stats, enum stats_family which, int i)
{
    return read_number(&stats->series[family_rows[which].first + i]);
}

void stats_count_end(struct stats *stats, enum stats_end end)
{
    add_number(&stats->series[SERIES_ENDED + (int)end], 1);
    stats_add(stats, ends[end].sum, 1);
}

void stats_count_request(struct stats *stats, enum api_endpoint endpoint,
                         enum api_transport transport, int status)
{
    int way = transport == API_NOT_SENT ? STATUS_NOT_SENT : STATUS_NO_ANSWER;
    if (transport == API_ANSWERED) {
        way = 0;
        while (way < STATUS_OTHER && statuses[way].status != status) {
            way++;
        }
    }
    add_number(&stats->series[SERIES_REQUESTS + (int)endpoint * STATS_STATUSES + way], 1);
}

void stats_count_report(struct stats *stats, enum stats_name outcome, const char *status)
{
    int row = status == NULL ? REPORT_STATUS_INBOUND : 0;
    while (status != NULL && row < REPORT_STATUS_OTHER &&
           (row == REPORT_STATUS_INBOUND || strcmp(report_statuses[row], status) != 0)) {
        row++;
    }
    int i = row * STATS_OUTCOMES + (int)(outcome - STAT_REPORTS_NEW);
    add_number(&stats->series[SERIES_REPORTS + i], 1);
    stats_add(stats, outcome, 1);
}

void stats_add_up(struct stats *stats, const struct session_tally *tally)
{
    uint64_t commands = 0;
    uint64_t errors = 0;
    for (size_t i = 0; i < SESSION_VERBS; i++) {
        commands += tally->commands[i];
    }
    for (int i = 0; i < REPLIES; i++) {
        errors += reply_is_syntax_error((enum reply)i) ? tally->refusals[i] : 0;
    }
    stats_set(stats, STAT_COMMANDS, (int64_t)commands);
    stats_set(stats, STAT_PROTOCOL_ERRORS, (int64_t)errors);
    stats_set(stats, STAT_GUARD_CLOSED, (int64_t)tally->strangers);
    stats_set(stats, STAT_TLS_INJECTIONS, (int64_t)tally->injections);
    stats_set(stats, STAT_LOG_LINES_DROPPED, log_writer_dropped());
}

/* --- histograms ------------------------------------------------------------------------------- */

enum { US_PER_SECOND = 1000000, MS_PER_SECOND = 1000 };

static const int64_t api_us[] = {1000,   2500,   5000,    10000,   25000,   50000,    100000,
                                 250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000};
static const int64_t bulk_messages[] = {1, 2, 5, 10, 20, 50, 99, 100};
static const int64_t queue_ms[] = {5,    10,   25,    50,    100,    250,    500,
                                   1000, 5000, 15000, 60000, 300000, 900000, 3600000};
static const int64_t delivery_ms[] = {1000,   2000,   5000,    10000,    30000,    60000,
                                      300000, 900000, 3600000, 14400000, 43200000, 86400000};
static const int64_t commit_rows[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000};
static const int64_t commit_us[] = {250,   500,    1000,   2500,   5000,    10000,   25000,
                                    50000, 100000, 250000, 500000, 1000000, 2500000, 10000000};

#define BOUNDS(bounds) bounds, sizeof(bounds) / sizeof(bounds)[0]
#define API_ROW(endpoint)                                                                     \
    {                                                                                         \
        "api_latency_seconds", endpoint,                                                      \
            "duration of requests, from their start to the end of the answer", US_PER_SECOND, \
            BOUNDS(api_us)                                                                    \
    }
static const struct stats_histogram_row histogram_rows[STATS_HISTOGRAMS] = {
    [HISTOGRAM_API_SMS] = API_ROW("sms"),
    [HISTOGRAM_API_SMS_BULK] = API_ROW("sms/bulk"),
    [HISTOGRAM_API_HISTORY] = API_ROW("history"),
    [HISTOGRAM_BULK] = {"bulk_messages", NULL, "messages in a request POST /sms/bulk", 1,
                        BOUNDS(bulk_messages)},
    [HISTOGRAM_QUEUE] =
        {"time_in_queue_seconds", NULL,
         "from submission to the request that relayed the message; not counting those with AT",
         MS_PER_SECOND, BOUNDS(queue_ms)},
    [HISTOGRAM_DELIVERY] = {"time_to_delivery_seconds", NULL,
                            "from relayed to delivered, by the time in the report", MS_PER_SECOND,
                            BOUNDS(delivery_ms)},
    [HISTOGRAM_COMMIT_ROWS] = {"store_commit_rows", NULL,
                               "messages, changes and reports in a transaction of the store", 1,
                               BOUNDS(commit_rows)},
    [HISTOGRAM_COMMIT_LATENCY] = {"store_commit_seconds", NULL,
                                  "duration of a transaction of the store", US_PER_SECOND,
                                  BOUNDS(commit_us)},
};

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
