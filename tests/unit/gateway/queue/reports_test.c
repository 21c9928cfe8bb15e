/* queue_reports: what a report does to its message in each state; reading recent events again. */
#include "gateway/queue/admission.h"
#include "gateway/queue/api_ids.h"
#include "gateway/queue/ask.h"
#include "gateway/queue/control.h"
#include "gateway/queue/dispatch.h"
#include "gateway/queue/events.h"
#include "gateway/queue/queue.h"
#include "gateway/queue/reports.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

enum { FAR = 1000000, FIRST_EVENT = 1000, RECENT = 8 };

static struct queue *q;
static struct ulid id;

static void setup(void)
{
    struct queue_options options = {.max_messages = 100,
                                    .max_bytes = FAR,
                                    .retention_ms = FAR,
                                    .first_event = FIRST_EVENT,
                                    .recent_events = RECENT,
                                    .expects_reports = true};
    q = queue_new(&options);
    cr_assert_not_null(q);
    queue_watch_all(q, true);
}

static void teardown(void)
{
    queue_free(q);
}

TestSuite(queue_reports, .init = setup, .fini = teardown);

static void add(int64_t due_ms)
{
    unsigned char random[ULID_RANDOM_BYTES] = "random";
    struct message *m = message_new(&(struct message_content){.id = ulid_make(7, random),
                                                              .to = "+34600000000",
                                                              .from = "Acme",
                                                              .ref = "",
                                                              .text = "hello",
                                                              .text_len = 5,
                                                              .size = {TEXT_GSM7, 5, 1},
                                                              .due_ms = due_ms,
                                                              .expires_ms = FAR});
    struct queue_receipt receipt;
    struct queue_submission s = {&m, 1, &receipt, QUEUE_FULL, 0, {0}};
    queue_add(q, &s, 1, 7);
    cr_assert_eq(s.verdict, QUEUE_ACCEPTED);
    id = receipt.id;
}

static struct message *take(void)
{
    struct message *m = NULL;
    struct queue_depth depth;
    queue_advance(q, 8, &depth);
    cr_assert_eq(queue_take(q, 1, 8, &m), 1);
    return m;
}

static void end(struct message *m, enum queue_fate fate, const char *api_id)
{
    struct queue_settlement s = {.message = m, .fate = fate};
    s.answer = api_id == NULL ? NULL : message_answer_new(api_id, "words");
    queue_settle(q, &s, 1, 9);
}

static enum queue_report_outcome report(const char *status, int64_t event_ms, bool by_api_id)
{
    struct queue_report r = {.has_id = !by_api_id, .report = {.event_ms = event_ms}};
    r.id = by_api_id ? r.id : id;
    strcpy(r.api_id, "api");
    strcpy(r.report.status, status);
    queue_reports_match(q, &r, 1);
    queue_reports_apply(q, &r, 1, 10);
    return r.outcome;
}

static struct message_status status_of(void)
{
    struct message_status status;
    cr_assert(queue_status(q, &id, 0, true, &status));
    return status;
}

/* What happened to the message before the report came. */
static void nothing(void)
{
    add(0);
}
static void scheduled(void)
{
    add(500);
}
static void canceled_unsent(void)
{
    add(0);
    queue_cancel(q, &id, 0, true, 9);
}
static void relayed(void)
{
    add(0);
    end(take(), FATE_RELAYED, "api");
}
static void rejected(void)
{
    add(0);
    end(take(), FATE_REJECTED, NULL);
}
static void ambiguous(void)
{
    add(0);
    end(take(), FATE_AMBIGUOUS, NULL);
}
static void unresolved(void)
{
    add(0);
    end(take(), FATE_UNRESOLVED, NULL);
}
static void absent(void)
{
    ambiguous();
    struct queue_resolution r = {.id = id, .fate = FATE_RETURNED};
    queue_resolve(q, &r, 1, 9);
}
static void returned(void)
{
    add(0);
    end(take(), FATE_RETURNED, NULL);
}

Test(queue_reports, each_state)
{
    static const struct {
        void (*before)(void);
        enum queue_report_outcome outcome;
        enum message_state state;
    } cases[] = {
        {nothing, REPORT_UNMATCHED, MESSAGE_QUEUED},
        {scheduled, REPORT_UNMATCHED, MESSAGE_SCHEDULED},
        {canceled_unsent, REPORT_UNMATCHED, MESSAGE_CANCELED},
        {returned, REPORT_UNMATCHED, MESSAGE_QUEUED},
        {relayed, REPORT_NEW, MESSAGE_RELAYED},
        {rejected, REPORT_NEW, MESSAGE_REJECTED},
        {ambiguous, REPORT_NEW, MESSAGE_RELAYED},
        {unresolved, REPORT_NEW, MESSAGE_RELAYED},
        {absent, REPORT_NEW, MESSAGE_RELAYED},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        cases[i].before();
        cr_expect_eq(report("delivered", 5, false), cases[i].outcome, "case %zu", i);
        struct message_status status = status_of();
        cr_expect_eq(status.state, cases[i].state, "case %zu: %s", i,
                     message_state_name(status.state));
        cr_expect_str_eq(status.report.status, cases[i].outcome == REPORT_NEW ? "delivered" : "");
        message_status_free(&status);
        teardown();
        setup();
    }
}

/* However the request ends: the API has what it reports on. */
Test(queue_reports, while_it_is_sent)
{
    static const enum queue_fate fates[] = {FATE_RELAYED, FATE_REJECTED, FATE_RETURNED,
                                            FATE_AMBIGUOUS, FATE_UNRESOLVED};
    for (size_t i = 0; i < COUNT(fates); i++) {
        add(0);
        struct message *m = take();
        cr_expect_eq(report("sent", 5, false), REPORT_NEW);
        struct message_status status = status_of();
        cr_expect_eq(status.state, MESSAGE_SENDING);
        message_status_free(&status);
        end(m, fates[i], fates[i] == FATE_RELAYED ? "other" : NULL);
        status = status_of();
        cr_expect_eq(status.state, MESSAGE_RELAYED, "case %zu", i);
        cr_expect_str_eq(status.report.status, "sent");
        cr_expect_str_eq(message_answer_api_id(status.answer), i == 0 ? "other" : "api");
        message_status_free(&status);
        teardown();
        setup();
    }
}

Test(queue_reports, order_and_repetition)
{
    relayed();
    cr_expect_eq(report("sent", 5, true), REPORT_NEW, "by its API id");
    cr_expect_eq(report("sent", 5, false), REPORT_OLD);
    cr_expect_eq(report("delivered", 4, false), REPORT_NEW);
    cr_expect_eq(report("buffered", 9, false), REPORT_OLD);
    struct message_status status = status_of();
    cr_expect_str_eq(status.report.status, "delivered");
    message_status_free(&status);
    struct queue_totals totals;
    queue_totals(q, &totals);
    cr_expect_eq(totals.by_state[MESSAGE_RELAYED], 1);
}

/* Two in one call are applied one after the other. */
Test(queue_reports, two_at_once)
{
    relayed();
    struct queue_report r[2] = {
        {.has_id = true, .id = id, .report = {.status = "delivered", .event_ms = 5}},
        {.has_id = true, .id = id, .report = {.status = "sent", .event_ms = 4}}};
    queue_reports_match(q, r, 2);
    queue_reports_apply(q, r, 2, 10);
    cr_expect_eq(r[0].outcome, REPORT_NEW);
    cr_expect_eq(r[1].outcome, REPORT_OLD);
    struct message_status status = status_of();
    cr_expect_str_eq(status.report.status, "delivered");
    message_status_free(&status);
}

Test(queue_reports, unknown)
{
    relayed();
    memset(&id, 7, sizeof id);
    cr_expect_eq(report("delivered", 5, false), REPORT_UNMATCHED);
    struct queue_report r = {.api_id = "nobody's", .report = {.status = "sent"}};
    queue_reports_match(q, &r, 1);
    cr_expect_eq(r.outcome, REPORT_UNMATCHED);
    cr_expect_not(r.has_id);
}

/* Ids of one request differ in their last digits only: all are remembered. */
Test(queue_reports, api_ids_in_sequence)
{
    static const char *const forms[] = {"%d", "sms_%012d", "65a1b2c3d4e5f6a7%08x"};
    enum { IDS = 10000, FIRST = 1000000 };
    for (size_t form = 0; form < COUNT(forms); form++) {
        struct queue_api_ids *ids = queue_api_ids_new();
        char api_id[QUEUE_API_ID_SIZE];
        struct ulid found = {{0}};
        size_t lost = 0;
        for (int i = 0; i < IDS; i++) {
            memcpy(found.bytes, &i, sizeof i);
            snprintf(api_id, sizeof api_id, forms[form], FIRST + i);
            queue_api_ids_add(ids, api_id, &found);
        }
        for (int i = 0; i < IDS; i++) {
            snprintf(api_id, sizeof api_id, forms[form], FIRST + i);
            lost +=
                !queue_api_ids_find(ids, api_id, &found) || memcmp(found.bytes, &i, sizeof i) != 0;
        }
        cr_expect_leq(lost, 5, "%s: %zu of %d are forgotten", forms[form], lost, IDS);
        queue_api_ids_free(ids);
    }
}

/* It was relayed and forgotten while the report was being written. */
Test(queue_reports, forgotten_meanwhile)
{
    teardown();
    struct queue_options options = {.max_messages = 100, .max_bytes = FAR};
    q = queue_new(&options);
    queue_watch_all(q, true);
    add(0);
    struct message *m = take();
    struct queue_report r = {.has_id = true, .id = id, .report = {.status = "sent"}};
    queue_reports_match(q, &r, 1);
    end(m, FATE_RELAYED, "api");
    queue_reports_apply(q, &r, 1, 10);
    size_t count;
    struct queue_event *events = queue_events_take(q, &count);
    cr_assert_eq(count, 4);
    cr_expect_str_eq(events[3].report.status, "sent");
    cr_expect_eq(events[3].state, MESSAGE_RELAYED, "%s", message_state_name(events[3].state));
    queue_events_free(events, count);
}

static size_t since(uint64_t number, struct queue_event *events, bool *is_gone)
{
    size_t count = queue_events_since(q, number, events, 2 * RECENT, is_gone);
    queue_events_drop(events, count);
    return count;
}

Test(queue_reports, recent_events)
{
    struct queue_event events[2 * RECENT];
    bool is_gone;
    relayed(); /* queued, sending, relayed */
    report("sent", 1, false);
    cr_assert_eq(since(FIRST_EVENT, events, &is_gone), 4);
    cr_expect_not(is_gone);
    for (size_t i = 0; i < 4; i++) {
        cr_expect_eq(events[i].number, FIRST_EVENT + 1 + i);
    }
    cr_expect_eq(events[1].state, MESSAGE_SENDING);
    cr_expect_str_eq(events[1].report.status, "");
    cr_expect_str_eq(events[3].report.status, "sent");
    cr_expect_str_eq(events[1].to, events[3].to);
    cr_expect_eq(events[1].to[0], '+');
    cr_expect_eq(queue_last_event(q), FIRST_EVENT + 4);
    cr_expect_eq(since(FIRST_EVENT + 4, events, &is_gone), 0);
    cr_expect_not(is_gone);
    for (int i = 2; i < 12; i++) {
        report("sent", i, false);
    }
    cr_expect_eq(since(FIRST_EVENT + 4, events, &is_gone), RECENT);
    cr_expect(is_gone);
    cr_expect_eq(events[RECENT - 1].number, FIRST_EVENT + 14);
    cr_expect_eq(since(FIRST_EVENT + 6, events, &is_gone), RECENT);
    cr_expect_not(is_gone);
    cr_expect_eq(since(3, events, &is_gone), RECENT);
    cr_expect(is_gone, "from an earlier run");
}

/* `arg` is the recipient's last digit. */
static bool ends_in(const void *arg, const struct ulid *of, const char *to)
{
    cr_expect_eq(memcmp(of, &id, sizeof id), 0);
    return to[strlen(to) - 1] == *(const char *)arg;
}

Test(queue_reports, recent_events_that_are_searched_for)
{
    struct queue_event events[2 * RECENT];
    relayed(); /* queued, sending, relayed */
    queue_clock_set(q, 1000000, 0);
    report("sent", 1, false);
    cr_assert_eq(queue_events_find(q, ends_in, "0", events, 3), 3);
    cr_expect_str_eq(events[0].report.status, "sent"); /* the last one first */
    cr_expect_eq(events[1].state, MESSAGE_RELAYED);
    cr_expect_eq(events[2].number, FIRST_EVENT + 2);
    cr_expect(events[0].at_ms >= events[1].at_ms && events[2].at_ms >= 1000000, "Unix time");
    queue_events_drop(events, 3);
    cr_expect_eq(queue_events_find(q, ends_in, "1", events, 3), 0);
    size_t count;
    cr_expect_null(queue_find_ref_of_any(q, "nothing", 10, &count));
    cr_expect_eq(count, 0);
}
