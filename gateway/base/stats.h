/*
 * stats: the relay's counters. STATS shows the plain numbers, the metrics endpoint all.
 *
 * Owns the tables of names, and the numbers: plain ones, families of numbers with labels, histograms,
 * and what is known about the API. Commands of clients are counted in the sessions' tally, which
 * stats only adds up. Each number is a relaxed atomic: exact by itself, but two of them need not be
 * from the same moment.
 * Thread: any.
 */
#ifndef GATEWAY_BASE_STATS_H
#define GATEWAY_BASE_STATS_H

#include "gateway/base/endpoint.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct session_tally; /* of proto/session/session.h */

enum stats_kind {
    STATS_COUNTER, /* only rises, from 0 at the start */
    STATS_GAUGE,   /* the current value */
    STATS_SUM      /* a counter for STATS only: the metrics split it by labels or buckets */
};

/*
 * X(NAME, "name", kind, "help"). The loop thread's come first and the forwarding thread's last, so
 * that the two rarely write to the same cache line. Names are part of proto/PROTOCOL.md.
 */
/* clang-format off */
#define STATS_TABLE(X) \
    X(CONNECTIONS, "connections", STATS_GAUGE, "clients connected now") \
    X(CONNECTIONS_TOTAL, "connections_total", STATS_COUNTER, "clients that connected") \
    X(CONNECTIONS_REFUSED, "connections_refused_total", STATS_COUNTER, \
       "clients sent away: listen.max_connections, or stopping") \
    X(CONNECTIONS_TIMED_OUT, "connections_timed_out_total", STATS_COUNTER, \
       "clients closed after an idle timeout") \
    X(CONNECTIONS_LIMITED, "connections_limited_total", STATS_COUNTER, \
       "clients sent away: too many connections or commands from their address (limits.peer_...)") \
    X(CONNECTIONS_LOCAL, "connections_local_total", STATS_COUNTER, \
       "clients that share the owner local: the system did not tell their user") \
    X(BYTES_IN, "bytes_in_total", STATS_COUNTER, "bytes read from clients") \
    X(BYTES_OUT, "bytes_out_total", STATS_COUNTER, "bytes written to clients") \
    X(COMMANDS, "commands_total", STATS_SUM, "commands from clients") \
    X(PROTOCOL_ERRORS, "protocol_errors_total", STATS_SUM, \
       "commands answered 500, 501 or 503") \
    X(GUARD_CLOSED, "guard_closed_total", STATS_COUNTER, \
       "connections closed because they spoke another protocol") \
    X(TLS_CERTIFICATE_NOT_AFTER, "tls_certificate_not_after", STATS_GAUGE, \
       "when the certificate ends, in seconds since 1970; 0 = there is none") \
    X(TLS_HANDSHAKES, "tls_handshakes_total", STATS_COUNTER, \
       "connections of clients that were encrypted") \
    X(TLS_RESUMED, "tls_resumed_total", STATS_COUNTER, "of these, with a session of before") \
    X(TLS_FAILED, "tls_failed_total", STATS_COUNTER, \
       "handshakes of clients that failed, or took too long") \
    X(TLS_REFUSED, "tls_refused_total", STATS_COUNTER, \
       "handshakes of clients that did not begin, since too many were under way") \
    X(TLS_INJECTIONS, "tls_injections_total", STATS_COUNTER, \
       "connections closed because plain text came behind STARTTLS") \
    X(LOGINS, "logins_total", STATS_COUNTER, "logins of users") \
    X(LOGINS_WRONG, "logins_wrong_total", STATS_COUNTER, \
       "logins refused because there is no such user and password") \
    X(LOGINS_TOO_SOON, "logins_too_soon_total", STATS_COUNTER, \
       "logins refused without a look at the password, too soon after wrong ones") \
    X(LOGINS_BUSY, "logins_busy_total", STATS_COUNTER, \
       "logins refused because too many passwords waited to be compared") \
    X(HTTP_CLOSED, "http_closed_total", STATS_COUNTER, \
       "connections over HTTP closed: request not whole in time, or place needed") \
    X(HTTP_MALFORMED, "http_malformed_total", STATS_COUNTER, \
       "requests over HTTP refused because a proxy might read them in another way") \
    X(HTTP_REFUSED, "http_refused_total", STATS_COUNTER, \
       "requests to http.address refused because of where they came from") \
    X(SUBMIT_REQUESTS, "submit_requests_total", STATS_COUNTER, "requests to submit.address") \
    X(SUBMIT_REFUSED, "submit_refused_total", STATS_COUNTER, \
       "of these, those answered 4xx or 5xx as a whole") \
    X(SUBMISSIONS_ACCEPTED, "submissions_accepted_total", STATS_COUNTER, \
       "submissions answered 250") \
    X(SUBMISSIONS_REFUSED, "submissions_refused_total", STATS_COUNTER, \
       "submissions that were not accepted") \
    X(SUBMISSIONS_FULL, "submissions_full_total", STATS_COUNTER, \
       "of these, because the queue was full") \
    X(SUBMISSIONS_OWNER_FULL, "submissions_owner_full_total", STATS_COUNTER, \
       "of these, because the user had all that one may have") \
    X(MESSAGES_ACCEPTED, "messages_accepted_total", STATS_COUNTER, \
       "messages accepted into the queue") \
    X(MESSAGES_DUPLICATE, "messages_duplicate_total", STATS_COUNTER, \
       "messages with a known REF, not accepted again") \
    X(PARTS_ACCEPTED, "parts_accepted_total", STATS_COUNTER, "parts of the messages accepted") \
    X(TEXTS_CUT, "texts_cut_total", STATS_COUNTER, "mails of which only the start is sent") \
    X(MAILS_REPAIRED, "mails_repaired_total", STATS_COUNTER, \
       "mails with something that could not be read") \
    X(MAIL_OPTIONS_IGNORED, "mail_options_ignored_total", STATS_COUNTER, \
       "mails with X-SMS- headers that smtp.options does not obey") \
    X(MESSAGES_CANCELED, "messages_canceled_total", STATS_SUM, \
       "messages canceled by clients") \
    X(SUBMISSIONS_NOT_STORED, "submissions_not_stored_total", STATS_COUNTER, \
       "submissions refused because the store could not write them") \
    X(WATCHERS, "watchers", STATS_GAUGE, "clients watching now") \
    X(WATCHERS_CUT_OFF, "watchers_cut_off_total", STATS_COUNTER, "watchers disconnected because they did not read") \
    X(LOG_LINES_DROPPED, "log_lines_dropped_total", STATS_COUNTER, \
       "lines of the log lost because nobody read them") \
    X(MESSAGES_RELAYED, "messages_relayed_total", STATS_SUM, "messages that the API accepted") \
    X(MESSAGES_REJECTED, "messages_rejected_total", STATS_SUM, \
       "messages that the API refused") \
    X(MESSAGES_EXPIRED, "messages_expired_total", STATS_SUM, \
       "messages that expired before they were sent") \
    X(MESSAGES_UNRESOLVED, "messages_unresolved_total", STATS_SUM, \
       "messages that the API may or may not have accepted") \
    X(MESSAGES_AMBIGUOUS, "messages_ambiguous_total", STATS_COUNTER, \
       "messages in requests without a trustworthy answer, counted each time") \
    X(MESSAGES_SET_ASIDE, "messages_set_aside_total", STATS_COUNTER, \
       "messages refused alone, that wait until others show whose fault it is; counted each time") \
    X(REQUESTS_SMS, "requests_sms_total", STATS_SUM, "requests POST /sms") \
    X(REQUESTS_SMS_BULK, "requests_sms_bulk_total", STATS_SUM, "requests POST /sms/bulk") \
    X(REQUESTS_HISTORY, "requests_history_total", STATS_SUM, "requests GET /sms") \
    X(POLLS, "polls_total", STATS_COUNTER, \
       "requests of the API's history for delivery statuses, by reports.poll") \
    X(REQUESTS_IN_FLIGHT, "requests_in_flight", STATS_GAUGE, \
       "requests waiting for an answer") \
    X(REQUESTS_FAILED, "requests_failed_total", STATS_SUM, \
       "requests answered with anything but 2xx, or not sent") \
    X(REQUESTS_AMBIGUOUS, "requests_ambiguous_total", STATS_COUNTER, \
       "requests without a trustworthy answer") \
    X(REQUESTS_RATE_LIMITED, "requests_rate_limited_total", STATS_SUM, \
       "requests answered 429") \
    X(BULK_MESSAGES, "bulk_messages_total", STATS_SUM, "messages in POST /sms/bulk") \
    X(BULK_FULL, "bulk_full_total", STATS_COUNTER, "requests POST /sms/bulk that were full") \
    X(SPLITS, "splits_total", STATS_COUNTER, "batches split in halves") \
    X(PROBES, "probes_total", STATS_COUNTER, \
       "requests made to find out whether relaying works again") \
    X(RECONCILE_SCANS, "reconcile_scans_total", STATS_COUNTER, "searches of the API's history") \
    X(RECONCILE_FOUND, "reconcile_found_total", STATS_COUNTER, \
       "ambiguous messages found there: relayed") \
    X(RECONCILE_ABSENT, "reconcile_absent_total", STATS_COUNTER, \
       "ambiguous messages not there: sent again") \
    X(POLLED, "polled_messages", STATS_GAUGE, \
       "relayed messages polled until their status is final") \
    X(OPTOUTS, "optouts", STATS_GAUGE, "numbers that have opted out") \
    X(REPORTS_NEW, "reports_new_total", STATS_SUM, \
       "delivery reports and inbound messages with something new") \
    X(REPORTS_OLD, "reports_old_total", STATS_SUM, \
       "delivery reports and inbound messages with nothing new: repeated or late") \
    X(REPORTS_UNMATCHED, "reports_unmatched_total", STATS_SUM, \
       "delivery reports and inbound messages for unknown messages") \
    X(REPORTS_REFUSED, "reports_refused_total", STATS_COUNTER, \
       "calls to reports.address answered 404 or 400") \
    X(CHANGES_WAITING, "changes_waiting", STATS_GAUGE, \
       "notices that the webhook or the program has yet to receive") \
    X(CHANGES_DROPPED, "changes_dropped_total", STATS_COUNTER, \
       "notices dropped because reports.backlog was full") \
    X(CHANGES_TOLD_WEBHOOK, "changes_told_webhook_total", STATS_COUNTER, \
       "notices that reports.webhook has accepted") \
    X(CHANGES_TOLD_EXEC, "changes_told_exec_total", STATS_COUNTER, \
       "notices that the program of reports.exec has read") \
    X(WEBHOOK_FAILURES, "webhook_failures_total", STATS_COUNTER, \
       "requests that reports.webhook did not accept") \
    X(WEBHOOK_GONE, "webhook_gone", STATS_GAUGE, \
       "whether reports.webhook has answered 410: nothing is posted until SIGHUP or a restart") \
    X(EXEC_STARTS, "exec_starts_total", STATS_COUNTER, \
       "starts of the program of reports.exec") \
    X(STORE_COMMITS, "store_commits_total", STATS_SUM, "transactions of the store") \
    X(STORE_SYNCS, "store_syncs_total", STATS_COUNTER, \
       "those of them that waited for the disk") \
    X(STORE_INSERTED, "store_inserted_total", STATS_COUNTER, "messages that the store has written") \
    X(STORE_PURGED, "store_purged_total", STATS_COUNTER, \
       "messages that the store has deleted after queue.retention") \
    X(STORE_FAILURES, "store_failures_total", STATS_COUNTER, "transactions that failed")
/* clang-format on */

#define STATS_ENUM_(NAME, name, kind, help) STAT_##NAME,
enum stats_name { STATS_TABLE(STATS_ENUM_) STATS_COUNT };
#undef STATS_ENUM_

/* --- families --------------------------------------------------------------------------------- */

/* How messages end. X(NAME, state, reason, the plain number that includes it) */
/* clang-format off */
#define STATS_ENDS_TABLE(X) \
    X(RELAYED_API, "relayed", "api", MESSAGES_RELAYED) \
    X(RELAYED_HISTORY, "relayed", "history", MESSAGES_RELAYED) \
    X(RELAYED_REPORT, "relayed", "report", MESSAGES_RELAYED) \
    X(REJECTED_API, "rejected", "api", MESSAGES_REJECTED) \
    X(REJECTED_OPTED_OUT, "rejected", "opted_out", MESSAGES_REJECTED) \
    X(EXPIRED_TTL, "expired", "ttl", MESSAGES_EXPIRED) \
    X(EXPIRED_MAX_AGE, "expired", "max_age", MESSAGES_EXPIRED) \
    X(CANCELED, "canceled", "client", MESSAGES_CANCELED) \
    X(UNRESOLVED_HISTORY, "unresolved", "history", MESSAGES_UNRESOLVED) \
    X(UNRESOLVED_EXPIRED, "unresolved", "expired", MESSAGES_UNRESOLVED)
/* clang-format on */

#define STATS_ENUM_(NAME, state, reason, sum) END_##NAME,
enum stats_end { STATS_ENDS_TABLE(STATS_ENUM_) STATS_ENDS };
#undef STATS_ENUM_

enum stats_family { FAMILY_MESSAGES_ENDED, FAMILY_REQUESTS, FAMILY_REPORTS, STATS_FAMILIES };

/* How many numbers the families have; they follow one another in `struct stats`. */
enum {
    STATS_STATUSES = 18,        /* ways in which a request ends */
    STATS_REPORT_STATUSES = 13, /* of delivery reports */
    STATS_OUTCOMES = STAT_REPORTS_UNMATCHED - STAT_REPORTS_NEW + 1,
    SERIES_ENDED = 0,
    SERIES_REQUESTS = SERIES_ENDED + STATS_ENDS,
    SERIES_REPORTS = SERIES_REQUESTS + API_ENDPOINTS * STATS_STATUSES,
    STATS_SERIES = SERIES_REPORTS + STATS_REPORT_STATUSES * STATS_OUTCOMES
};

/* A row of the table: counters with the same two labels, whose values are a closed set. */
struct stats_family_row {
    const char *name;
    const char *help;
    int first, count; /* in the series */
    struct {
        const char *name;
        const char *(*value)(int i); /* of the i-th number */
    } labels[2];
};
const struct stats_family_row *stats_family_row(enum stats_family which);

/* --- histograms ------------------------------------------------------------------------------- */

enum stats_histogram {
    HISTOGRAM_API_SMS, /* duration of requests, in us; in the order of enum api_endpoint */
    HISTOGRAM_API_SMS_BULK,
    HISTOGRAM_API_HISTORY,
    HISTOGRAM_BULK,           /* messages in a bulk */
    HISTOGRAM_QUEUE,          /* ms from submission to the request that relayed it */
    HISTOGRAM_DELIVERY,       /* ms from relayed to delivered */
    HISTOGRAM_COMMIT_ROWS,    /* rows in a transaction of the store */
    HISTOGRAM_COMMIT_LATENCY, /* its duration, in us */
    STATS_HISTOGRAMS
};
enum { STATS_BOUNDS_MAX = 14 };

/* A row of the table. Rows with the same name follow one another. */
struct stats_histogram_row {
    const char *name;
    const char *endpoint; /* its label; NULL = none */
    const char *help;
    int64_t unit;          /* divides what is observed, to convert it to the unit in the name */
    const int64_t *bounds; /* rising; the upper bounds of buckets, inclusive */
    size_t bound_count;
};
const struct stats_histogram_row *stats_histogram_row(enum stats_histogram which);

/* The current values of a histogram; `count` is the sum of all buckets. The last one is unbounded. */
struct stats_buckets {
    int64_t counts[STATS_BOUNDS_MAX + 1];
    int64_t count, sum;
};

/* --- the numbers ------------------------------------------------------------------------------ */

/* Starts all zero: `static struct stats stats;` is ready for use. */
struct stats {
    _Atomic int64_t values[STATS_COUNT];
    _Atomic int64_t series[STATS_SERIES];
    _Atomic int destination; /* enum destination_state */
    struct {
        _Atomic int64_t counts[STATS_BOUNDS_MAX + 1], sum;
    } histograms[STATS_HISTOGRAMS];
    struct {
        _Atomic int64_t limit, remaining, reset_ms;
    } windows[API_ENDPOINTS];
};

/* A row of the table. The strings are literals. */
struct stats_row {
    const char *name;
    enum stats_kind kind;
    const char *help; /* one line without a full stop */
};
const struct stats_row *stats_row(enum stats_name which);

/* "counter" or "gauge". */
const char *stats_kind_name(enum stats_kind kind);

/* Adds `n`, which may be negative for a gauge. */
static inline void stats_add(struct stats *stats, enum stats_name which, int64_t n)
{
    atomic_fetch_add_explicit(&stats->values[which], n, memory_order_relaxed);
}

/* Sets a gauge. */
static inline void stats_set(struct stats *stats, enum stats_name which, int64_t value)
{
    atomic_store_explicit(&stats->values[which], value, memory_order_relaxed);
}

static inline int64_t stats_get(const struct stats *stats, enum stats_name which)
{
    return atomic_load_explicit(&stats->values[which], memory_order_relaxed);
}

/* Calls `show` for every number, in the order of the table. `name` is a literal. */
void stats_each(const struct stats *stats, void (*show)(const char *name, int64_t value, void *arg),
                void *arg);

/* Counts a message that has ended, also in the plain number that includes it. */
void stats_count_end(struct stats *stats, enum stats_end end);
/* Counts a request that has ended. */
void stats_count_request(struct stats *stats, enum api_endpoint endpoint,
                         enum api_transport transport, int status);
/*
 * Counts a report. `outcome` is STAT_REPORTS_NEW, _OLD or _UNMATCHED, which it counts, too; `status`
 * is the API's word, or NULL for an inbound message.
 */
void stats_count_report(struct stats *stats, enum stats_name outcome, const char *status);
/* The i-th number of a family. */
int64_t stats_series(const struct stats *stats, enum stats_family which, int i);

/* Sets the plain numbers that others count: the tally, the log. Call it in the loop thread before showing them. */
void stats_add_up(struct stats *stats, const struct session_tally *tally);

/* Adds `count` values to a histogram, with one atomic addition per bucket. */
void stats_observe(struct stats *stats, enum stats_histogram which, const int64_t *values,
                   size_t count);
void stats_buckets(const struct stats *stats, enum stats_histogram which,
                   struct stats_buckets *buckets);

/*
 * How many requests that send messages have ended, and how long they took in total. The average
 * between two readings is the difference of the sums over that of the counts.
 */
void stats_latency(const struct stats *stats, int64_t *count, int64_t *sum_us);

/* --- the API ---------------------------------------------------------------------------------- */

/* Sets the enum destination_state. Thread: the forwarding thread. */
static inline void stats_set_destination(struct stats *stats, int state)
{
    atomic_store_explicit(&stats->destination, state, memory_order_relaxed);
}

static inline int stats_destination(const struct stats *stats)
{
    return atomic_load_explicit(&stats->destination, memory_order_relaxed);
}

/* The rate window of an endpoint, as the API has reported it. */
struct stats_window {
    bool is_known; /* reported and not over; otherwise nothing else is set */
    int64_t limit, remaining;
    int64_t reset_ms; /* Unix time of its end */
};

/* Sets what is known now. Thread: the forwarding thread. */
void stats_set_window(struct stats *stats, enum api_endpoint endpoint,
                      const struct stats_window *window);
struct stats_window stats_window(const struct stats *stats, enum api_endpoint endpoint,
                                 int64_t now_ms);

#endif
