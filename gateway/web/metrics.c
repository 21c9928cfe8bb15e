/* metrics: see metrics.h. */
#include "gateway/web/metrics.h"

#include "gateway/base/clock.h"
#include "gateway/base/owner_name.h"
#include "gateway/base/stats.h"
#include "gateway/policy/destination.h"
#include "gateway/queue/admission.h"
#include "gateway/queue/ask.h"
#include "gateway/serve/owner.h"
#include "gateway/serve/relay.h"
#include "proto/session/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "smsrelay_"

enum {
    MS_PER_SECOND = 1000,
    US_PER_SECOND = 1000000,
    OWNERS_MAX = 10 /* that have a label of their own */
};

/* --- the format ------------------------------------------------------------------------------- */

/* The lines before the values of a metric. */
static void write_head(struct buffer *out, const char *name, const char *kind, const char *help)
{
    buffer_printf(out, "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s %s\n", name, help, name, kind);
}

/* Appends `name="value"`. */
static void write_label(struct buffer *out, const char *name, const char *value)
{
    buffer_printf(out, "%s=\"", name);
    for (; *value != '\0'; value++) {
        if (*value == '\n') {
            buffer_puts(out, "\\n");
            continue;
        }
        if (*value == '"' || *value == '\\') {
            buffer_putc(out, '\\');
        }
        buffer_putc(out, *value);
    }
    buffer_putc(out, '"');
}

/* A line up to its value, without a label if `value` is NULL. */
static void begin_line(struct buffer *out, const char *name, const char *label, const char *value)
{
    buffer_printf(out, PREFIX "%s", name);
    if (value != NULL) {
        buffer_putc(out, '{');
        write_label(out, label, value);
        buffer_putc(out, '}');
    }
    buffer_putc(out, ' ');
}

static void write_line(struct buffer *out, const char *name, const char *label, const char *value,
                       int64_t number)
{
    begin_line(out, name, label, value);
    buffer_printf(out, "%" PRId64 "\n", number);
}

static void write_seconds(struct buffer *out, const char *name, const char *label,
                          const char *value, int64_t ms)
{
    begin_line(out, name, label, value);
    buffer_printf(out, "%.3f\n", (double)ms / MS_PER_SECOND);
}

static void write_micros(struct buffer *out, const char *name, const char *label, const char *value,
                         int64_t us)
{
    begin_line(out, name, label, value);
    buffer_printf(out, "%.6f\n", (double)us / US_PER_SECOND);
}

/* A line with two labels. */
static void write_pair(struct buffer *out, const char *name, const char *const labels[2],
                       const char *const values[2], int64_t number)
{
    buffer_printf(out, PREFIX "%s{", name);
    write_label(out, labels[0], values[0]);
    buffer_putc(out, ',');
    write_label(out, labels[1], values[1]);
    buffer_printf(out, "} %" PRId64 "\n", number);
}

static void write_gauge(struct buffer *out, const char *name, const char *help, int64_t number)
{
    write_head(out, name, "gauge", help);
    write_line(out, name, NULL, NULL, number);
}

/* --- stats -------------------------------------------------------------------------------------- */

static void write_numbers(const struct stats *stats, struct buffer *out)
{
    for (int i = 0; i < STATS_COUNT; i++) {
        const struct stats_row *row = stats_row((enum stats_name)i);
        if (row->kind != STATS_SUM) {
            write_head(out, row->name, stats_kind_name(row->kind), row->help);
            write_line(out, row->name, NULL, NULL, stats_get(stats, (enum stats_name)i));
        }
    }
}

static void write_family(const struct stats *stats, enum stats_family which, struct buffer *out)
{
    const struct stats_family_row *row = stats_family_row(which);
    const char *const labels[2] = {row->labels[0].name, row->labels[1].name};
    write_head(out, row->name, "counter", row->help);
    for (int i = 0; i < row->count; i++) {
        const char *const values[2] = {row->labels[0].value(i), row->labels[1].value(i)};
        write_pair(out, row->name, labels, values, stats_series(stats, which, i));
    }
}

/* One bucket; it includes the ones before it. */
static void write_bucket(struct buffer *out, const struct stats_histogram_row *row,
                         const char *bound, int64_t count)
{
    buffer_printf(out, PREFIX "%s_bucket{", row->name);
    if (row->endpoint != NULL) {
        write_label(out, "endpoint", row->endpoint);
        buffer_putc(out, ',');
    }
    buffer_printf(out, "le=\"%s\"} %" PRId64 "\n", bound, count);
}

static void write_histogram(const struct stats *stats, enum stats_histogram which,
                            struct buffer *out)
{
    const struct stats_histogram_row *row = stats_histogram_row(which);
    struct stats_buckets buckets;
    int64_t count = 0;
    char name[64];
    stats_buckets(stats, which, &buckets);
    for (size_t i = 0; i < row->bound_count; i++) {
        char bound[32];
        snprintf(bound, sizeof bound, "%g", (double)row->bounds[i] / (double)row->unit);
        count += buckets.counts[i];
        write_bucket(out, row, bound, count);
    }
    write_bucket(out, row, "+Inf", buckets.count);
    snprintf(name, sizeof name, "%s_sum", row->name);
    begin_line(out, name, "endpoint", row->endpoint);
    buffer_printf(out, "%.9g\n", (double)buckets.sum / (double)row->unit);
    snprintf(name, sizeof name, "%s_count", row->name);
    write_line(out, name, "endpoint", row->endpoint, buckets.count);
}

static void write_histograms(const struct stats *stats, struct buffer *out)
{
    const char *name = "";
    for (int i = 0; i < STATS_HISTOGRAMS; i++) {
        const struct stats_histogram_row *row = stats_histogram_row((enum stats_histogram)i);
        if (strcmp(row->name, name) != 0) {
            write_head(out, row->name, "histogram", row->help);
            name = row->name;
        }
        write_histogram(stats, (enum stats_histogram)i, out);
    }
}

/* --- commands ----------------------------------------------------------------------------------- */

static void write_commands(const struct session_tally *tally, struct buffer *out)
{
    write_head(out, "commands_total", "counter", "commands from clients");
    for (size_t i = 0; i < SESSION_VERBS; i++) {
        write_line(out, "commands_total", "verb", session_verb(i), (int64_t)tally->commands[i]);
    }
}

/* Replies with the same codes are counted together, as the first of them. */
static bool is_counted(enum reply reply)
{
    char line[16];
    enum reply first;
    int len = snprintf(line, sizeof line, "%u %s", reply_code(reply), reply_enhanced(reply));
    return reply_code(reply) >= 400 && reply_read(line, (size_t)len, &first) && first == reply;
}

static void write_refusals(const struct session_tally *tally, struct buffer *out)
{
    static const char *const labels[2] = {"code", "enhanced"};
    write_head(out, "refusals_total", "counter", "replies 4xx and 5xx to clients");
    for (int i = 0; i < REPLIES; i++) {
        if (is_counted((enum reply)i)) {
            char code[8];
            char enhanced[8];
            const char *const values[2] = {code, enhanced};
            const char *text = reply_enhanced((enum reply)i);
            snprintf(code, sizeof code, "%u", reply_code((enum reply)i));
            snprintf(enhanced, sizeof enhanced, "%.*s", (int)strcspn(text, " "), text);
            write_pair(out, "refusals_total", labels, values, (int64_t)tally->refusals[i]);
        }
    }
}

/* --- the queue ---------------------------------------------------------------------------------- */

static void write_lanes(const struct queue_totals *totals, int64_t now_ms, struct buffer *out)
{
    write_head(out, "queue_lane_messages", "gauge", "messages ready to be sent, by lane");
    for (int i = 0; i < MESSAGE_PRIORITIES; i++) {
        write_line(out, "queue_lane_messages", "lane",
                   message_priority_name((enum message_priority)i), (int64_t)totals->by_lane[i]);
    }
    write_head(out, "queue_lane_oldest_seconds", "gauge",
               "how long the first message of the lane has been ready; 0 = the lane is empty");
    for (int i = 0; i < MESSAGE_PRIORITIES; i++) {
        write_seconds(out, "queue_lane_oldest_seconds", "lane",
                      message_priority_name((enum message_priority)i),
                      clock_age_ms(totals->oldest_by_lane_ms[i], now_ms));
    }
}

static void write_queue(struct queue *queue, int64_t now_ms, struct buffer *out)
{
    struct queue_totals totals;
    char trouble[QUEUE_REASON_SIZE];
    queue_totals(queue, &totals);
    write_head(out, "queue_messages", "gauge", "messages held, by state");
    for (int i = 0; i < MESSAGE_STATES; i++) {
        write_line(out, "queue_messages", "state", message_state_name((enum message_state)i),
                   (int64_t)totals.by_state[i]);
    }
    write_head(out, "queue_oldest_seconds", "gauge", "age of the oldest unfinished message");
    write_seconds(out, "queue_oldest_seconds", NULL, NULL, clock_age_ms(totals.oldest_ms, now_ms));
    write_head(out, "queue_waiting_seconds", "gauge",
               "how long the oldest message that may be sent has waited for the relay");
    write_seconds(out, "queue_waiting_seconds", NULL, NULL,
                  clock_age_ms(totals.waits_since_ms, now_ms));
    write_gauge(out, "accepting", "1 = new messages have room, 0 = the store is full or fails",
                !queue_is_in_trouble(queue, trouble));
    write_gauge(out, "queue_bytes", "memory of all messages held", (int64_t)totals.bytes);
    write_lanes(&totals, now_ms, out);
}

/* What the owners with the most messages have. The last one stands for all others. */
static void write_owners(struct queue *queue, struct buffer *out)
{
    static const struct {
        const char *name, *help;
        size_t value_at;
    } rows[] = {
        {"owner_messages",
         "unfinished messages of a user: of those who have most, and of all others",
         offsetof(struct queue_holding, messages)},
        {"owner_bytes", "memory of these messages", offsetof(struct queue_holding, bytes)},
        {"owner_disk_bytes", "what a user's messages take in the file of the queue, about",
         offsetof(struct queue_holding, disk)},
    };
    struct queue_holding holdings[OWNERS_MAX + 1];
    size_t count = queue_holdings(queue, holdings, OWNERS_MAX, &holdings[OWNERS_MAX]);
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        write_head(out, rows[row].name, "gauge", rows[row].help);
        for (size_t i = 0; i <= count; i++) {
            char name[OWNER_NAME_SIZE] = "others";
            size_t value;
            const struct queue_holding *holding = &holdings[i < count ? i : OWNERS_MAX];
            if (i < count) {
                owner_name(holding->owner, name);
            }
            memcpy(&value, (const char *)holding + rows[row].value_at, sizeof value);
            write_line(out, rows[row].name, "owner", name, (int64_t)value);
        }
    }
}

/* What the clients of the owners that have most of it have. Each figure has a list of its own. */
static void write_owner_figures(const struct owners *owners, struct buffer *out)
{
    static const struct {
        const char *name, *kind, *help;
        enum owner_figure figure;
    } rows[] = {
        {"owner_connections", "gauge",
         "connections of a user: of those who have most, and of all others", OWNER_CONNECTIONS},
        {"owner_unanswered", "gauge", "commands of a user's clients that have no reply yet",
         OWNER_UNANSWERED},
        {"owner_awaits", "gauge", "messages that a user's clients wait for", OWNER_AWAITS},
        {"owner_loop_seconds_total", "counter", "time that a user's clients have taken to serve",
         OWNER_LOOP_US},
    };
    struct owner_share shares[OWNERS_MAX + 1];
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        int64_t others;
        size_t count = owners_rank(owners, rows[row].figure, shares, OWNERS_MAX, &others);
        shares[count] = (struct owner_share){.value = others};
        write_head(out, rows[row].name, rows[row].kind, rows[row].help);
        for (size_t i = 0; i <= count; i++) {
            char name[OWNER_NAME_SIZE] = "others";
            if (i < count) {
                owner_name(shares[i].owner, name);
            }
            if (rows[row].figure == OWNER_LOOP_US) {
                write_micros(out, rows[row].name, "owner", name, shares[i].value);
            } else {
                write_line(out, rows[row].name, "owner", name, shares[i].value);
            }
        }
    }
}

/* --- the destination ---------------------------------------------------------------------------- */

static void write_destination(const struct relay *relay, struct buffer *out)
{
    struct queue_relaying relaying;
    queue_relaying(relay->queue, &relaying);
    write_gauge(out, "relaying", "1 = messages are sent, 0 = held or stopped",
                !relaying.is_held && !relaying.is_stopped);
    write_head(out, "destination_state", "gauge",
               "1 for the current state of the API, as seen from here");
    for (int i = DESTINATION_FINE; i <= DESTINATION_STOPPED; i++) {
        write_line(out, "destination_state", "state",
                   destination_state_name((enum destination_state)i),
                   stats_destination(relay->stats) == i);
    }
}

static int64_t window_limit(const struct stats_window *window, int64_t now_ms)
{
    (void)now_ms;
    return window->limit;
}

static int64_t window_remaining(const struct stats_window *window, int64_t now_ms)
{
    (void)now_ms;
    return window->remaining;
}

/* Rounded up: at 0 the next one has begun. */
static int64_t window_reset_s(const struct stats_window *window, int64_t now_ms)
{
    return (window->reset_ms - now_ms + MS_PER_SECOND - 1) / MS_PER_SECOND;
}

/* The rate windows of the API, as far as they are known. */
static void write_windows(const struct stats *stats, int64_t now_ms, struct buffer *out)
{
    static const struct {
        const char *name, *help;
        int64_t (*value)(const struct stats_window *window, int64_t now_ms);
    } rows[] = {
        {"rate_limit", "requests that the API allows per window", window_limit},
        {"rate_remaining", "requests left in this window", window_remaining},
        {"rate_reset_seconds", "time until the next window begins", window_reset_s},
    };
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        write_head(out, rows[row].name, "gauge", rows[row].help);
        for (int i = 0; i < API_ENDPOINTS; i++) {
            enum api_endpoint endpoint = (enum api_endpoint)i;
            struct stats_window window = stats_window(stats, endpoint, now_ms);
            if (window.is_known) {
                write_line(out, rows[row].name, "endpoint", api_endpoint_name(endpoint),
                           rows[row].value(&window, now_ms));
            }
        }
    }
}

void metrics_write(const struct relay *relay, int64_t now_ms, struct buffer *out)
{
    const struct session_tally *tally = relay->rules->tally;
    stats_add_up(relay->stats, tally);
    write_numbers(relay->stats, out);
    for (int i = 0; i < STATS_FAMILIES; i++) {
        write_family(relay->stats, (enum stats_family)i, out);
    }
    write_histograms(relay->stats, out);
    write_commands(tally, out);
    write_refusals(tally, out);
    write_queue(relay->queue, clock_steady_ms(), out);
    write_owners(relay->queue, out);
    if (relay->owners != NULL) {
        write_owner_figures(relay->owners, out);
    }
    write_destination(relay, out);
    write_windows(relay->stats, now_ms, out);
    write_head(out, "build_info", "gauge", "always 1; the label is the version");
    write_line(out, "build_info", "version", relay->rules->version, 1);
}
