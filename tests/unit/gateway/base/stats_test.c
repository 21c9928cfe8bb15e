/* Tests of stats: what a reader of STATS or of the metrics sees. */
#include "gateway/base/stats.h"
#include "proto/session/session.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <pthread.h>
#include <string.h>

static bool is_metric_name(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz_");
    return len > 0 && name[len] == '\0';
}

static bool ends_in_total(const char *name)
{
    size_t len = strlen(name);
    return len > 6 && strcmp(name + len - 6, "_total") == 0;
}

Test(stats, names_follow_the_conventions_of_metrics)
{
    for (int i = 0; i < STATS_COUNT; i++) {
        const struct stats_row *row = stats_row((enum stats_name)i);
        cr_expect(is_metric_name(row->name), "%s", row->name);
        cr_expect_eq(ends_in_total(row->name), row->kind != STATS_GAUGE, "%s", row->name);
        cr_expect(islower((unsigned char)row->help[0]), "%s", row->name);
        cr_expect_null(strchr(row->help, '\n'), "%s", row->name);
        for (int j = 0; j < i; j++) {
            cr_expect_str_neq(row->name, stats_row((enum stats_name)j)->name);
        }
    }
    cr_expect_str_eq(stats_kind_name(STATS_COUNTER), "counter");
    cr_expect_str_eq(stats_kind_name(STATS_GAUGE), "gauge");
    cr_expect_str_eq(stats_kind_name(STATS_SUM), "counter");
}

struct seen {
    int count;
    int64_t relayed, connections, sum;
};

static void see(const char *name, int64_t value, void *arg)
{
    struct seen *seen = arg;
    seen->count++;
    seen->sum += value;
    if (strcmp(name, "messages_relayed_total") == 0) {
        seen->relayed = value;
    }
    if (strcmp(name, "connections") == 0) {
        seen->connections = value;
    }
}

Test(stats, each_number_is_shown_once_with_its_name)
{
    static struct stats stats;
    struct seen seen = {0};
    stats_each(&stats, see, &seen);
    cr_expect_eq(seen.count, STATS_COUNT);
    cr_expect_eq(seen.sum, 0);

    stats_add(&stats, STAT_MESSAGES_RELAYED, 100);
    stats_add(&stats, STAT_MESSAGES_RELAYED, 1);
    stats_set(&stats, STAT_CONNECTIONS, 7);
    stats_add(&stats, STAT_CONNECTIONS, -2);
    seen = (struct seen){0};
    stats_each(&stats, see, &seen);
    cr_expect_eq(seen.relayed, 101);
    cr_expect_eq(seen.connections, 5);
    cr_expect_eq(seen.sum, 106);
}

static void *add_often(void *arg)
{
    for (int i = 0; i < 10000; i++) {
        stats_add(arg, STAT_COMMANDS, 1);
    }
    return NULL;
}

Test(stats, threads_lose_no_count)
{
    static struct stats stats;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        pthread_create(&threads[i], NULL, add_often, &stats);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    cr_expect_eq(stats_get(&stats, STAT_COMMANDS), 40000);
}

/* --- families --------------------------------------------------------------------------------- */

/* The number of a family with these labels. */
static int64_t labelled(const struct stats *stats, enum stats_family which, const char *first,
                        const char *second)
{
    const struct stats_family_row *row = stats_family_row(which);
    for (int i = 0; i < row->count; i++) {
        if (strcmp(row->labels[0].value(i), first) == 0 &&
            strcmp(row->labels[1].value(i), second) == 0) {
            return stats_series(stats, which, i);
        }
    }
    cr_assert_fail("%s: no %s, %s", row->name, first, second);
    return -1;
}

static int64_t total(const struct stats *stats, enum stats_family which)
{
    int64_t sum = 0;
    for (int i = 0; i < stats_family_row(which)->count; i++) {
        sum += stats_series(stats, which, i);
    }
    return sum;
}

Test(stats, families_follow_the_conventions_of_metrics)
{
    int end = 0;
    for (int which = 0; which < STATS_FAMILIES; which++) {
        const struct stats_family_row *row = stats_family_row((enum stats_family)which);
        cr_expect(is_metric_name(row->name) && ends_in_total(row->name), "%s", row->name);
        cr_expect(islower((unsigned char)row->help[0]), "%s", row->name);
        cr_expect(is_metric_name(row->labels[0].name) && is_metric_name(row->labels[1].name));
        cr_expect_eq(row->first, end, "%s", row->name);
        end += row->count;
        for (int i = 0; i < row->count; i++) {
            for (int j = 0; j < i; j++) {
                cr_expect(strcmp(row->labels[0].value(i), row->labels[0].value(j)) != 0 ||
                              strcmp(row->labels[1].value(i), row->labels[1].value(j)) != 0,
                          "%s: %d and %d", row->name, i, j);
            }
        }
    }
    cr_expect_eq(end, STATS_SERIES);
}

Test(stats, an_end_counts_by_reason_and_in_its_sum)
{
    static struct stats stats;
    stats_count_end(&stats, END_REJECTED_API);
    stats_count_end(&stats, END_REJECTED_OPTED_OUT);
    stats_count_end(&stats, END_REJECTED_OPTED_OUT);
    stats_count_end(&stats, END_EXPIRED_TTL);
    cr_expect_eq(labelled(&stats, FAMILY_MESSAGES_ENDED, "rejected", "api"), 1);
    cr_expect_eq(labelled(&stats, FAMILY_MESSAGES_ENDED, "rejected", "opted_out"), 2);
    cr_expect_eq(labelled(&stats, FAMILY_MESSAGES_ENDED, "expired", "ttl"), 1);
    cr_expect_eq(total(&stats, FAMILY_MESSAGES_ENDED), 4);
    cr_expect_eq(stats_get(&stats, STAT_MESSAGES_REJECTED), 3);
    cr_expect_eq(stats_get(&stats, STAT_MESSAGES_EXPIRED), 1);
    cr_expect_eq(stats_get(&stats, STAT_MESSAGES_RELAYED), 0);
}

Test(stats, a_request_counts_by_how_it_ended)
{
    static const struct {
        enum api_endpoint endpoint;
        enum api_transport transport;
        int status;
        const char *endpoint_label, *status_label;
    } cases[] = {
        {API_SINGLE, API_ANSWERED, 201, "sms", "201"},
        {API_BULK, API_ANSWERED, 201, "sms/bulk", "201"},
        {API_BULK, API_ANSWERED, 429, "sms/bulk", "429"},
        {API_HISTORY, API_ANSWERED, 504, "history", "504"},
        {API_HISTORY, API_ANSWERED, 200, "history", "200"},
        {API_SINGLE, API_ANSWERED, 418, "sms", "other"},
        {API_SINGLE, API_ANSWERED, 0, "sms", "other"},
        {API_SINGLE, API_NOT_SENT, 0, "sms", "not_sent"},
        {API_HISTORY, API_NO_ANSWER, 0, "history", "no_answer"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static struct stats stats;
        stats = (struct stats){0};
        stats_count_request(&stats, cases[i].endpoint, cases[i].transport, cases[i].status);
        cr_expect_eq(
            labelled(&stats, FAMILY_REQUESTS, cases[i].endpoint_label, cases[i].status_label), 1,
            "case %zu", i);
        cr_expect_eq(total(&stats, FAMILY_REQUESTS), 1, "case %zu", i);
    }
}

Test(stats, a_report_counts_by_status_and_in_its_sum)
{
    static const struct {
        enum stats_name outcome;
        const char *status, *status_label, *outcome_label;
    } cases[] = {
        {STAT_REPORTS_NEW, "delivered", "delivered", "new"},
        {STAT_REPORTS_OLD, "sent", "sent", "old"},
        {STAT_REPORTS_UNMATCHED, "stop", "stop", "unmatched"},
        {STAT_REPORTS_NEW, "unknown", "unknown", "new"},
        {STAT_REPORTS_NEW, "eaten_by_a_dog", "other", "new"},
        {STAT_REPORTS_NEW, "inbound", "other", "new"}, /* not a status, even if the API sends it */
        {STAT_REPORTS_OLD, "", "other", "old"},
        {STAT_REPORTS_UNMATCHED, NULL, "inbound", "unmatched"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static struct stats stats;
        stats = (struct stats){0};
        stats_count_report(&stats, cases[i].outcome, cases[i].status);
        cr_expect_eq(
            labelled(&stats, FAMILY_REPORTS, cases[i].status_label, cases[i].outcome_label), 1,
            "case %zu", i);
        cr_expect_eq(total(&stats, FAMILY_REPORTS), 1, "case %zu", i);
        cr_expect_eq(stats_get(&stats, cases[i].outcome), 1, "case %zu", i);
    }
}

Test(stats, the_tally_is_added_up)
{
    static struct stats stats;
    struct session_tally tally = {.commands = {3, 0, 4}, .strangers = 2};
    tally.refusals[REPLY_MALFORMED] = 1;
    tally.refusals[REPLY_BAD_SEQUENCE] = 2;
    tally.refusals[REPLY_BAD_NUMBER] = 100;
    for (int i = 0; i < 2; i++) { /* the second time changes nothing */
        stats_add_up(&stats, &tally);
        cr_expect_eq(stats_get(&stats, STAT_COMMANDS), 7);
        cr_expect_eq(stats_get(&stats, STAT_PROTOCOL_ERRORS), 3);
        cr_expect_eq(stats_get(&stats, STAT_GUARD_CLOSED), 2);
    }
}

/* --- histograms ------------------------------------------------------------------------------- */

Test(stats, histograms_follow_the_conventions_of_metrics)
{
    for (int i = 0; i < STATS_HISTOGRAMS; i++) {
        const struct stats_histogram_row *row = stats_histogram_row((enum stats_histogram)i);
        cr_expect(is_metric_name(row->name), "%s", row->name);
        cr_expect_not(ends_in_total(row->name), "%s", row->name);
        cr_expect(islower((unsigned char)row->help[0]), "%s", row->name);
        cr_expect_gt(row->unit, 0, "%s", row->name);
        cr_expect_gt(row->bound_count, 0, "%s", row->name);
        cr_assert_leq(row->bound_count, STATS_BOUNDS_MAX, "%s", row->name);
        for (size_t j = 1; j < row->bound_count; j++) {
            cr_expect_gt(row->bounds[j], row->bounds[j - 1], "%s", row->name);
        }
    }
}

Test(stats, a_value_is_in_the_first_bucket_whose_bound_it_does_not_exceed)
{
    const struct stats_histogram_row *row = stats_histogram_row(HISTOGRAM_API_SMS);
    const size_t last = row->bound_count;
    const struct {
        int64_t value;
        size_t bucket;
    } cases[] = {
        {0, 0},
        {-5, 0}, /* a clock was set back */
        {row->bounds[0], 0},
        {row->bounds[0] + 1, 1},
        {row->bounds[1], 1},
        {row->bounds[last - 1], last - 1},
        {row->bounds[last - 1] + 1, last},
        {INT64_MAX / 4, last},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static struct stats stats;
        struct stats_buckets buckets;
        stats = (struct stats){0};
        stats_observe(&stats, HISTOGRAM_API_SMS, &cases[i].value, 1);
        stats_buckets(&stats, HISTOGRAM_API_SMS, &buckets);
        cr_expect_eq(buckets.counts[cases[i].bucket], 1, "case %zu", i);
        cr_expect_eq(buckets.count, 1, "case %zu", i);
        cr_expect_eq(buckets.sum, cases[i].value, "case %zu", i);
        stats_buckets(&stats, HISTOGRAM_API_SMS_BULK, &buckets);
        cr_expect_eq(buckets.count, 0, "case %zu", i);
    }
}

Test(stats, latency_is_that_of_requests_that_send)
{
    static struct stats stats;
    const int64_t values[] = {1000, 3000, 1000000000};
    int64_t count;
    int64_t sum_us;
    stats_latency(&stats, &count, &sum_us);
    cr_expect_eq(count, 0);
    cr_expect_eq(sum_us, 0);
    stats_observe(&stats, HISTOGRAM_API_SMS, values, 3);
    stats_observe(&stats, HISTOGRAM_API_SMS_BULK, values, 2);
    stats_observe(&stats, HISTOGRAM_API_HISTORY, values, 1);
    stats_latency(&stats, &count, &sum_us);
    cr_expect_eq(count, 5);
    cr_expect_eq(sum_us, 1000008000);
}

/* --- windows ---------------------------------------------------------------------------------- */

Test(stats, a_window_is_known_until_it_ends)
{
    static struct stats stats;
    cr_expect_not(stats_window(&stats, API_BULK, 1000).is_known);
    stats_set_window(&stats, API_BULK, &(struct stats_window){true, 600, 7, 2000});
    struct stats_window window = stats_window(&stats, API_BULK, 1999);
    cr_expect(window.is_known);
    cr_expect_eq(window.limit, 600);
    cr_expect_eq(window.remaining, 7);
    cr_expect_eq(window.reset_ms, 2000);
    cr_expect_not(stats_window(&stats, API_SINGLE, 1999).is_known);
    cr_expect_not(stats_window(&stats, API_BULK, 2000).is_known);
    stats_set_window(&stats, API_BULK, &(struct stats_window){.is_known = false});
    cr_expect_not(stats_window(&stats, API_BULK, 1000).is_known);
}
