/* metrics: see metrics.h. */
#include "gateway/metrics.h"

#include <inttypes.h>

/* What precedes the values of a metric. */
static void write_head(struct buffer *out, const char *name, const char *kind, const char *help)
{
    buffer_printf(out, "# HELP smsrelay_%s %s\n# TYPE smsrelay_%s %s\n", name, help, name, kind);
}

static void write_gauge(struct buffer *out, const char *name, const char *help, int64_t value)
{
    write_head(out, name, "gauge", help);
    buffer_printf(out, "smsrelay_%s %" PRId64 "\n", name, value);
}

static void write_stats(const struct stats *stats, struct buffer *out)
{
    for (int i = 0; i < STATS_COUNT; i++) {
        const struct stats_row *row = stats_row((enum stats_name)i);
        write_head(out, row->name, stats_kind_name(row->kind), row->help);
        buffer_printf(out, "smsrelay_%s %" PRId64 "\n", row->name,
                      stats_get(stats, (enum stats_name)i));
    }
}

static void write_queue(struct queue *queue, int64_t now_ms, struct buffer *out)
{
    struct queue_totals totals;
    struct queue_relaying relaying;
    queue_totals(queue, &totals);
    queue_relaying(queue, &relaying);
    write_head(out, "queue_messages", "gauge", "messages held, by state");
    for (int i = 0; i < MESSAGE_STATES; i++) {
        buffer_printf(out, "smsrelay_queue_messages{state=\"%s\"} %zu\n",
                      message_state_name((enum message_state)i), totals.by_state[i]);
    }
    int64_t age_ms = totals.oldest_ms == 0 ? 0 : now_ms - totals.oldest_ms;
    write_head(out, "queue_oldest_seconds", "gauge", "age of the oldest unfinished message");
    buffer_printf(out, "smsrelay_queue_oldest_seconds %.3f\n",
                  age_ms > 0 ? (double)age_ms / 1000 : 0);
    write_gauge(out, "queue_bytes", "memory of all messages held", (int64_t)totals.bytes);
    write_gauge(out, "relaying", "1 = messages are sent, 0 = held or stopped",
                !relaying.is_held && !relaying.is_stopped);
}

void metrics_write(const struct relay *relay, int64_t now_ms, struct buffer *out)
{
    write_stats(relay->stats, out);
    write_queue(relay->queue, now_ms, out);
    write_head(out, "build_info", "gauge", "always 1; says the version");
    buffer_printf(out, "smsrelay_build_info{version=\"%s\"} 1\n", relay->rules->version);
}
