/* Tests of metrics: the text, line by line. */
#include "gateway/web/metrics.h"

#include "gateway/base/stats.h"
#include "gateway/policy/destination.h"
#include "gateway/queue/admission.h"
#include "gateway/queue/queue.h"
#include "gateway/serve/owner.h"
#include "gateway/serve/relay.h"
#include "proto/session/session.h"

#include <criterion/criterion.h>
#include <string.h>

enum { NOW_MS = 1000000 };

static struct stats stats;
static struct session_tally tally;
static struct session_rules rules;
static struct relay relay;
static struct buffer text;

static void setup(void)
{
    struct queue_options options = {.max_messages = 100, .max_bytes = 100000, .stats = &stats};
    rules = (struct session_rules){.version = "1.2", .tally = &tally};
    relay = (struct relay){.rules = &rules, .stats = &stats, .queue = queue_new(&options)};
    cr_assert_not_null(relay.queue);
}

static void teardown(void)
{
    queue_free(relay.queue);
    buffer_free(&text);
}

TestSuite(metrics, .init = setup, .fini = teardown);

static const char *all(void)
{
    buffer_clear(&text);
    metrics_write(&relay, NOW_MS, &text);
    buffer_append(&text, "", 1);
    cr_assert_not(text.has_failed);
    return text.data;
}

/* Queues a message. */
static void submit(int32_t owner)
{
    static unsigned char count;
    unsigned char random[ULID_RANDOM_BYTES] = {++count};
    struct queue_receipt receipt;
    struct message *m = message_new(&(struct message_content){.id = ulid_make(count, random),
                                                              .to = "+34600000000",
                                                              .from = "Acme",
                                                              .ref = "",
                                                              .text = "text",
                                                              .text_len = 4,
                                                              .size = {TEXT_GSM7, 4, 1},
                                                              .expires_ms = INT64_MAX,
                                                              .owner = owner});
    struct queue_submission submission = {&m, 1, &receipt, QUEUE_FULL, 0, {0}};
    queue_add(relay.queue, &submission, 1, 0);
    cr_assert_eq(submission.verdict, QUEUE_ACCEPTED);
}

/* Is this a whole line of the text? */
static bool has_line(const char *line)
{
    size_t len = strlen(line);
    for (const char *at = all(); at != NULL; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, line, len) == 0 && at[len] == '\n') {
            return true;
        }
    }
    return false;
}

static void expect_lines(const char *const *lines, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cr_expect(has_line(lines[i]), "no line %s", lines[i]);
    }
}
#define EXPECT_LINES(...)                            \
    expect_lines((const char *const[]){__VA_ARGS__}, \
                 sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

Test(metrics, label_values_are_escaped)
{
    static const struct {
        const char *version, *line;
    } cases[] = {
        {"1.2", "smsrelay_build_info{version=\"1.2\"} 1"},
        {"", "smsrelay_build_info{version=\"\"} 1"},
        {"a\"b", "smsrelay_build_info{version=\"a\\\"b\"} 1"},
        {"a\\b", "smsrelay_build_info{version=\"a\\\\b\"} 1"},
        {"a\nb", "smsrelay_build_info{version=\"a\\nb\"} 1"},
        {"\xc3\xa9", "smsrelay_build_info{version=\"\xc3\xa9\"} 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rules.version = cases[i].version;
        cr_expect(has_line(cases[i].line), "%s", cases[i].line);
    }
}

Test(metrics, buckets_add_up)
{
    const int64_t bulks[] = {1, 2, 2, 50, 99, 100, 101};
    const int64_t latencies_us[] = {1000, 2600, 45000000};
    stats_observe(&stats, HISTOGRAM_BULK, bulks, 7);
    stats_observe(&stats, HISTOGRAM_API_HISTORY, latencies_us, 3);
    EXPECT_LINES(
        "# TYPE smsrelay_bulk_messages histogram", "smsrelay_bulk_messages_bucket{le=\"1\"} 1",
        "smsrelay_bulk_messages_bucket{le=\"2\"} 3", "smsrelay_bulk_messages_bucket{le=\"20\"} 3",
        "smsrelay_bulk_messages_bucket{le=\"50\"} 4", "smsrelay_bulk_messages_bucket{le=\"100\"} 6",
        "smsrelay_bulk_messages_bucket{le=\"+Inf\"} 7", "smsrelay_bulk_messages_sum 355",
        "smsrelay_bulk_messages_count 7");
    EXPECT_LINES("smsrelay_api_latency_seconds_bucket{endpoint=\"history\",le=\"0.001\"} 1",
                 "smsrelay_api_latency_seconds_bucket{endpoint=\"history\",le=\"0.0025\"} 1",
                 "smsrelay_api_latency_seconds_bucket{endpoint=\"history\",le=\"0.005\"} 2",
                 "smsrelay_api_latency_seconds_bucket{endpoint=\"history\",le=\"30\"} 2",
                 "smsrelay_api_latency_seconds_bucket{endpoint=\"history\",le=\"+Inf\"} 3",
                 "smsrelay_api_latency_seconds_sum{endpoint=\"history\"} 45.0036",
                 "smsrelay_api_latency_seconds_count{endpoint=\"history\"} 3",
                 "smsrelay_api_latency_seconds_count{endpoint=\"sms\"} 0");
}

/* Some readers refuse a head without values, or one that repeats. */
Test(metrics, each_metric_has_one_head)
{
    char *const lines = strdup(all());
    for (char *line = strtok(lines, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (strncmp(line, "# TYPE ", 7) == 0) {
            const char *first = strstr(text.data, line);
            cr_expect_not_null(first, "%s", line);
            cr_expect_null(strstr(first + 1, line), "%s", line);
        }
    }
    free(lines);
}

/* However many users there are, few have labels. */
Test(metrics, owners_are_few)
{
    EXPECT_LINES("smsrelay_owner_messages{owner=\"others\"} 0");
    for (int32_t owner = -1; owner < 20; owner++) {
        submit(owner);
    }
    submit(-1);
    submit(7);
    EXPECT_LINES("smsrelay_owner_messages{owner=\"local\"} 2",
                 "smsrelay_owner_messages{owner=\"7\"} 2",
                 "smsrelay_owner_messages{owner=\"others\"} 11",
                 "smsrelay_owner_disk_bytes{owner=\"others\"} 0");
    size_t labels = 0;
    for (const char *at = all(); (at = strstr(at, "smsrelay_owner_bytes{")) != NULL; at++) {
        labels++;
    }
    cr_expect_eq(labels, 11);
}

/* Each figure shows those who have most of it. */
Test(metrics, what_clients_of_owners_have)
{
    struct owners owners = {0};
    struct owner *owner[12];
    relay.owners = &owners;
    for (int32_t i = 0; i < 12; i++) {
        owner[i] = owner_enter(&owners, i - 1);
        owner[i]->awaits.used = (size_t)i;
    }
    owner_enter(&owners, 3);
    owner_count_unanswered(owner[0], &(size_t){0}, 5);
    owner_charge(&owners, owner[11], 1500000, 0);
    EXPECT_LINES("smsrelay_owner_connections{owner=\"3\"} 2",
                 "smsrelay_owner_connections{owner=\"others\"} 2",
                 "smsrelay_owner_unanswered{owner=\"local\"} 5",
                 "smsrelay_owner_awaits{owner=\"10\"} 11", "smsrelay_owner_awaits{owner=\"1\"} 2",
                 "smsrelay_owner_awaits{owner=\"others\"} 1",
                 "smsrelay_owner_loop_seconds_total{owner=\"10\"} 1.500000",
                 "smsrelay_owner_loop_seconds_total{owner=\"others\"} 0.000000");
    owner_leave(&owners, owner[4]);
    for (int i = 0; i < 12; i++) {
        owner_leave(&owners, owner[i]);
    }
    owners_free(&owners);
}

Test(metrics, a_window_is_shown_while_it_is_known)
{
    cr_expect_null(strstr(all(), "smsrelay_rate_limit{"));
    stats_set_window(&stats, API_BULK, &(struct stats_window){true, 600, 7, NOW_MS + 1500});
    stats_set_window(&stats, API_SINGLE, &(struct stats_window){true, 600, 7, NOW_MS});
    EXPECT_LINES("smsrelay_rate_limit{endpoint=\"sms/bulk\"} 600",
                 "smsrelay_rate_remaining{endpoint=\"sms/bulk\"} 7",
                 "smsrelay_rate_reset_seconds{endpoint=\"sms/bulk\"} 2");
    cr_expect_null(strstr(all(), "smsrelay_rate_limit{endpoint=\"sms\"}"));
}

Test(metrics, the_destination_is_in_one_state)
{
    EXPECT_LINES("smsrelay_destination_state{state=\"fine\"} 1",
                 "smsrelay_destination_state{state=\"stopped\"} 0", "smsrelay_relaying 1");
    stats_set_destination(&stats, DESTINATION_STOPPED);
    EXPECT_LINES("smsrelay_destination_state{state=\"fine\"} 0",
                 "smsrelay_destination_state{state=\"stopped\"} 1");
}

/* Replies with the same codes are one series. */
Test(metrics, refusals_by_both_codes)
{
    tally.refusals[REPLY_QUEUE_FULL] = 3;
    tally.refusals[REPLY_CONTROL_CHARS] = 2;
    tally.commands[0] = 4;
    EXPECT_LINES("smsrelay_refusals_total{code=\"452\",enhanced=\"4.3.1\"} 3",
                 "smsrelay_refusals_total{code=\"452\",enhanced=\"4.5.3\"} 0",
                 "smsrelay_refusals_total{code=\"501\",enhanced=\"5.5.2\"} 2",
                 "smsrelay_commands_total{verb=\"SEND\"} 4");
    const char *one = strstr(all(), "smsrelay_refusals_total{code=\"501\",enhanced=\"5.5.2\"}");
    cr_assert_not_null(one);
    cr_expect_null(strstr(one + 1, "smsrelay_refusals_total{code=\"501\",enhanced=\"5.5.2\"}"));
    cr_expect_null(strstr(all(), "smsrelay_refusals_total{code=\"2"));
}
