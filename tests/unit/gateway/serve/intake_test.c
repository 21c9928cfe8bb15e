/*
 * Tests of intake: verdicts and when they come, rising ids and rows, times from options, and what is
 * on disk when a client is told so. Uses an event base without a network.
 */
#include "gateway/base/clock.h"
#include "gateway/queue/ask.h"
#include "gateway/queue/dispatch.h"
#include "gateway/queue/queue.h"
#include "gateway/serve/intake.h"

#include "gateway/store/row.h"

#include <criterion/criterion.h>
#include <event2/thread.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

enum {
    MAX_AGE_MS = 100000,
    HOUR_MS = 3600000,
    MAX_MESSAGES = 100000,
    VERDICTS = 40,
    PATIENCE_S = 60,
    PATH_SIZE = 200
};
#define FAR (INT64_MAX / 4)

static struct event_base *base;
static struct event *deliver_event;
static struct queue *q;
static struct store *s;
static struct intake *in;
static struct stats stats;
static char folder[PATH_SIZE], path[PATH_SIZE];

/* What clients were told. */
static struct told {
    uintptr_t client;
    uint32_t slot;
    bool is_accepted;
    enum reply refusal;
    size_t count;
    struct session_receipt receipts[3]; /* the first ones, without their answers */
    char api_id[16];                    /* of the first one */
} told[VERDICTS];
static size_t told_count, settled_count;

/* --- a relay without a network ---------------------------------------------------------------- */

static void settle(const struct intake_verdict *verdict)
{
    struct told *t = &told[told_count++ % VERDICTS];
    *t = (struct told){.client = (uintptr_t)verdict->client,
                       .slot = verdict->slot,
                       .is_accepted = verdict->is_accepted,
                       .refusal = verdict->refusal,
                       .count = verdict->count};
    for (size_t i = 0; verdict->is_accepted && i < verdict->count && i < 3; i++) {
        t->receipts[i] = verdict->receipts[i];
        t->receipts[i].answer = NULL;
    }
    if (verdict->is_accepted) {
        snprintf(t->api_id, sizeof t->api_id, "%s",
                 message_answer_api_id(verdict->receipts[0].answer));
    }
}

static void settled(void *arg)
{
    (void)arg;
    settled_count++;
}

static void on_deliver(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    store_deliver(s);
}

static void notify(void *arg)
{
    (void)arg;
    event_active(deliver_event, EV_TIMEOUT, 0);
}

static void ignore(void *arg)
{
    (void)arg;
}

static void wake_store(void *arg)
{
    (void)arg;
    store_wake(s);
}

struct bounds {
    size_t max_messages, max_bytes, gathered_bytes;
};
static const struct bounds wide = {MAX_MESSAGES, SIZE_MAX / 2, SIZE_MAX / 2};

static void begin(bool has_store, const struct bounds *bounds)
{
    size_t restored;
    char error[512] = "";
    told_count = settled_count = 0;
    memset(&stats, 0, sizeof stats);
    evthread_use_pthreads();
    base = event_base_new();
    deliver_event = event_new(base, -1, 0, on_deliver, NULL);
    q = queue_new(&(struct queue_options){.max_messages = bounds->max_messages,
                                          .max_bytes = bounds->max_bytes,
                                          .retention_ms = FAR,
                                          .wake_store = has_store ? wake_store : NULL});
    if (has_store) {
        s = store_open(&(struct store_options){.path = path,
                                               .retention_ms = FAR,
                                               .stats = &stats,
                                               .notify = notify,
                                               .saved = ignore},
                       error, sizeof error);
        cr_assert(s != NULL && store_restore(s, q, &restored, error, sizeof error) &&
                      store_start(s) == 0,
                  "%s", error);
    }
    in = intake_new(base, q, &stats,
                    &(struct intake_options){.max_age_ms = MAX_AGE_MS,
                                             .max_bytes = bounds->gathered_bytes,
                                             .store = s,
                                             .settled = settled});
    cr_assert_not_null(in);
}

static void end(void)
{
    cr_expect(s == NULL || store_stop(s));
    intake_free(in);
    queue_free(q);
    store_free(s);
    s = NULL;
    event_free(deliver_event);
    event_base_free(base);
}

static void setup(void)
{
    begin(false, &wide);
}

static void setup_folder(void)
{
    snprintf(folder, sizeof folder, "/tmp/smsrelay-intake-test-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%.100s/queue.db", folder);
}

static int remove_one(const char *name, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(name);
}

static void remove_folder(void)
{
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void setup_store(void)
{
    setup_folder();
    begin(true, &wide);
}

static void end_store(void)
{
    end();
    remove_folder();
}

/* --- submitting ------------------------------------------------------------------------------- */

/* The parts of a submission that matter to a test. */
struct spec {
    size_t recipients; /* 0 = one */
    const char *ref, *text;
    int64_t at_ms, ttl_ms;
    enum option_ack ack;
};

static void submit_at(uintptr_t client, const struct spec *spec, int64_t now_ms)
{
    static const char to[3][NUMBER_SIZE] = {"+34600000001", "+34600000002", "+34600000003"};
    struct options asked;
    options_init(&asked, TEXT_UNICODE_AUTO);
    asked.ack = spec->ack;
    asked.at_ms = spec->at_ms;
    asked.ttl_ms = spec->ttl_ms;
    snprintf(asked.ref, sizeof asked.ref, "%s", spec->ref == NULL ? "" : spec->ref);
    const char *text = spec->text == NULL ? "hello" : spec->text;
    struct submission submission = {.from = "Acme",
                                    .to = to,
                                    .count = spec->recipients == 0 ? 1 : spec->recipients,
                                    .text = text,
                                    .text_len = strlen(text),
                                    .size = {TEXT_GSM7, 5, 2},
                                    .options = &asked};
    const struct intake_client who = {(void *)client, OWNER_LOCAL, settle};
    cr_assert(intake_submit(in, &who, (uint32_t)client + 100, &submission, now_ms));
}

static void submit(uintptr_t client, const struct spec *spec)
{
    submit_at(client, spec, 1000);
}

static void loop_once(void)
{
    event_base_loop(base, EVLOOP_NONBLOCK);
}

static void on_impatience(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    *(bool *)arg = true;
}

/* Runs the loop until `count` verdicts have come. */
static void await(size_t count)
{
    bool is_late = false;
    struct event *timeout = event_new(base, -1, 0, on_impatience, &is_late);
    event_add(timeout, &(struct timeval){.tv_sec = PATIENCE_S});
    while (told_count < count && !is_late) {
        event_base_loop(base, EVLOOP_ONCE);
    }
    event_free(timeout);
    cr_assert_eq(told_count, count);
}

/* --- verdicts --------------------------------------------------------------------------------- */

Test(intake, verdicts_come_later_in_order_and_together, .init = setup, .fini = end)
{
    static const struct spec specs[] = {{.recipients = 3}, {.ref = "r"}, {.at_ms = 5000}};
    for (size_t i = 0; i < COUNT(specs); i++) {
        submit(i, &specs[i]);
    }
    cr_expect_eq(told_count, 0, "not within the call");
    loop_once();
    cr_assert_eq(told_count, COUNT(specs));
    cr_expect_eq(settled_count, 1);
    for (size_t i = 0; i < COUNT(specs); i++) {
        cr_expect_eq(told[i].client, i);
        cr_expect_eq(told[i].slot, i + 100);
        cr_expect(told[i].is_accepted);
        cr_expect_eq(told[i].count, specs[i].recipients == 0 ? 1 : specs[i].recipients);
    }
    static const char *const to[] = {"+34600000001", "+34600000002", "+34600000003"};
    for (size_t i = 0; i < 3; i++) {
        const struct session_receipt *receipt = &told[0].receipts[i];
        struct message_status status;
        cr_expect_str_eq(receipt->to, to[i]);
        cr_expect_eq(receipt->parts, 2);
        cr_expect(!receipt->is_duplicate && !receipt->tells_state);
        cr_assert(queue_status(q, &receipt->id, OWNER_LOCAL, false, &status), "it is there");
        cr_expect_str_eq(status.to, to[i]);
        message_status_free(&status);
    }
    cr_expect_eq(told[2].receipts[0].state, MESSAGE_SCHEDULED);
    cr_expect_eq(stats_get(&stats, STAT_SUBMISSIONS_ACCEPTED), 3);
    cr_expect_eq(stats_get(&stats, STAT_MESSAGES_ACCEPTED), 5);
    cr_expect_eq(stats_get(&stats, STAT_PARTS_ACCEPTED), 10);
    loop_once();
    cr_expect_eq(settled_count, 1, "nothing more");
}

/* --- what a client has written at once -------------------------------------------------------- */

static void hold(uintptr_t client, bool is_unfinished)
{
    intake_hold(in, (void *)client, is_unfinished);
}

static void submit_many(uintptr_t client, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        submit(client, &(struct spec){0});
    }
}

Test(intake, waits_for_the_rest_of_what_a_client_has_written, .init = setup, .fini = end)
{
    for (int turn = 0; turn < 3; turn++) {
        submit_many(1, 10);
        hold(1, true);
        loop_once();
        cr_assert_eq(told_count, 0);
    }
    submit_many(1, 1);
    hold(1, false);
    loop_once();
    cr_expect_eq(told_count, 31);
    cr_expect_eq(settled_count, 1, "together");
    submit_many(1, 1);
    loop_once();
    cr_expect_eq(told_count, 32);
}

Test(intake, nobody_waits_for_the_rest_of_anothers, .init = setup, .fini = end)
{
    submit_many(1, 3);
    hold(1, true);
    hold(2, true);
    hold(3, false);
    loop_once();
    cr_assert_eq(told_count, 0, "they have submitted nothing");
    submit_many(2, 1);
    submit_many(1, 1);
    hold(1, true);
    loop_once();
    cr_expect_eq(told_count, 5);
}

Test(intake, waits_for_a_thousand_at_most, .init = setup, .fini = end)
{
    submit_many(1, 999);
    hold(1, true);
    loop_once();
    cr_assert_eq(told_count, 0);
    submit_many(1, 1);
    hold(1, true);
    loop_once();
    cr_expect_eq(told_count, 1000);
}

Test(intake, waits_while_a_batch_is_written, .init = setup_store, .fini = end_store)
{
    submit(1, &(struct spec){0});
    loop_once();
    submit(2, &(struct spec){0});
    hold(2, true);
    await(1);
    submit(2, &(struct spec){0});
    cr_expect_eq(told_count, 1);
    hold(2, false);
    await(3);
    cr_expect_eq(settled_count, 2, "in one batch");
}

Test(intake, refs, .init = setup, .fini = end)
{
    submit(0, &(struct spec){.ref = "r"});
    submit(1, &(struct spec){.ref = "r", .text = "other"});
    submit(2, &(struct spec){.ref = "r"});
    loop_once();
    cr_expect(!told[1].is_accepted && told[1].refusal == REPLY_REF_CONFLICT);
    cr_expect(told[2].is_accepted && told[2].receipts[0].is_duplicate);
    struct message *m;
    cr_assert_eq(queue_take(q, 2, 1000, &m), 1);
    struct queue_settlement relayed = {
        .message = m, .fate = FATE_RELAYED, .answer = message_answer_new("api-1", "")};
    queue_settle(q, &relayed, 1, 1000);
    submit(3, &(struct spec){.ref = "r", .recipients = 2, .ack = ACK_RELAYED});
    loop_once();
    const struct told *t = &told[3];
    cr_assert(t->is_accepted);
    cr_expect(t->receipts[0].is_duplicate && !t->receipts[1].is_duplicate, "another recipient");
    cr_expect_eq(memcmp(&t->receipts[0].id, &told[0].receipts[0].id, sizeof(struct ulid)), 0);
    cr_expect_eq(t->receipts[0].state, MESSAGE_RELAYED);
    cr_expect(t->receipts[0].tells_state);
    cr_expect_str_eq(t->api_id, "api-1");
    cr_expect_eq(stats_get(&stats, STAT_MESSAGES_DUPLICATE), 2);
    cr_expect_eq(stats_get(&stats, STAT_SUBMISSIONS_REFUSED), 1);
}

Test(intake, full_is_full)
{
    static const struct {
        const char *what;
        struct bounds bounds;
    } cases[] = {
        {"messages", {2, SIZE_MAX / 2, SIZE_MAX / 2}},
        {"bytes", {MAX_MESSAGES, 2 * 128, SIZE_MAX / 2}},
        {"bytes that gather", {MAX_MESSAGES, SIZE_MAX / 2, 128 + 1}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        begin(false, &cases[i].bounds);
        for (uintptr_t client = 0; client < 3; client++) {
            submit(client, &(struct spec){.text = "12"});
        }
        loop_once();
        cr_assert_eq(told_count, 3);
        cr_expect(told[0].is_accepted && told[1].is_accepted, "%s", cases[i].what);
        cr_expect(!told[2].is_accepted && told[2].refusal == REPLY_QUEUE_FULL, "%s", cases[i].what);
        cr_expect_eq(stats_get(&stats, STAT_SUBMISSIONS_FULL), 1);
        end();
    }
    begin(false, &cases[0].bounds);
    submit(0, &(struct spec){.recipients = 3});
    submit(1, &(struct spec){.recipients = 2});
    loop_once();
    cr_expect(!told[0].is_accepted && told[1].is_accepted, "all of its recipients or none");
    end();

    begin(false, &cases[2].bounds);
    for (int turn = 0; turn < 3; turn++) {
        submit(0, &(struct spec){.text = "12"});
        submit(1, &(struct spec){.text = "12"});
        loop_once();
    }
    cr_expect_eq(stats_get(&stats, STAT_SUBMISSIONS_ACCEPTED), 6, "each turn gathers its own");
    end();
}

Test(intake, what_was_not_committed_is_dropped, .init = setup, .fini = end)
{
    submit(0, &(struct spec){.recipients = 3, .ref = "r"});
    cr_expect_eq(told_count, 0);
}

/* A flood, then quiet, then a flood: the arrays grow and are freed. */
Test(intake, floods, .init = setup, .fini = end)
{
    static const unsigned submissions[] = {3000, 1, 1, 5000, 0, 2};
    size_t expected = 0;
    for (size_t i = 0; i < COUNT(submissions); i++) {
        for (unsigned n = 0; n < submissions[i]; n++) {
            submit(n, &(struct spec){.recipients = 1 + n % 3});
        }
        loop_once();
        expected += submissions[i];
        cr_assert_eq(told_count, expected);
    }
    cr_expect_eq(stats_get(&stats, STAT_SUBMISSIONS_ACCEPTED), (int64_t)expected);
}

enum { FLOOD = 10000 }; /* submissions of three recipients */

static void flood(void)
{
    for (uintptr_t i = 0; i < FLOOD; i++) {
        submit(i, &(struct spec){.recipients = 3});
    }
}

Test(intake, a_flood_gets_its_verdicts_over_several_turns, .init = setup, .fini = end)
{
    flood();
    for (size_t last = 0; told_count < FLOOD; last = told_count) {
        event_base_loop(base, EVLOOP_ONCE);
        cr_assert_gt(told_count, last);
        cr_assert_lt(told_count - last, FLOOD / 2);
        cr_expect_eq(told[(told_count - 1) % VERDICTS].client, told_count - 1, "in their order");
    }
    cr_expect_eq(stats_get(&stats, STAT_MESSAGES_ACCEPTED), 3 * FLOOD);
}

Test(intake, a_flood_is_stored_in_several_batches, .init = setup_store, .fini = end_store)
{
    flood();
    await(FLOOD);
    cr_expect_eq(stats_get(&stats, STAT_STORE_INSERTED), 3 * FLOOD);
    cr_expect_gt(settled_count, 2);
}

Test(intake, what_is_left_of_a_flood_is_dropped, .init = setup, .fini = end)
{
    flood();
    event_base_loop(base, EVLOOP_ONCE);
    cr_expect_gt(told_count, 0);
    cr_expect_lt(told_count, FLOOD);
    cr_expect_not(intake_is_full(in), "what is under way does not count");
    for (int i = 0; i < 3; i++) {
        flood();
    }
    cr_expect(intake_is_full(in));
}

/* --- times and ids ---------------------------------------------------------------------------- */

Test(intake, times_that_options_ask_for)
{
    static const struct {
        int64_t at_ms, ttl_ms, life_ms;
    } cases[] = {
        {0, 0, MAX_AGE_MS},
        {0, HOUR_MS, HOUR_MS},
        {5000, 0, MAX_AGE_MS},
        {5000, HOUR_MS, HOUR_MS},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        setup();
        int64_t begins_ms = cases[i].at_ms != 0 ? cases[i].at_ms : clock_steady_ms();
        submit(0, &(struct spec){.at_ms = cases[i].at_ms, .ttl_ms = cases[i].ttl_ms});
        loop_once();
        struct queue_depth depth;
        struct message *m;
        queue_advance(q, 1000, &depth);
        cr_expect_eq(queue_take(q, 1, 1000, &m), cases[i].at_ms == 0, "case %zu", i);
        if (cases[i].at_ms != 0) {
            queue_advance(q, cases[i].at_ms, &depth);
            cr_assert_eq(queue_take(q, 1, cases[i].at_ms, &m), 1);
        }
        int64_t took_ms = cases[i].at_ms != 0 ? 0 : clock_steady_ms() - begins_ms;
        cr_expect_geq(m->expires_ms, begins_ms + cases[i].life_ms, "case %zu", i);
        cr_expect_leq(m->expires_ms, begins_ms + cases[i].life_ms + took_ms, "case %zu", i);
        cr_expect_eq(m->has_ttl, cases[i].ttl_ms != 0, "case %zu", i);
        end();
    }
}

static int64_t told_ms(size_t i)
{
    return ulid_time_ms(&told[i].receipts[0].id);
}

Test(intake, ids_rise_when_the_clock_goes_back, .init = setup, .fini = end)
{
    static const struct {
        int64_t now_ms, id_ms;
    } cases[] = {{7000, 7000}, {7000, 7000}, {3000, 7000}, {1, 7000}, {7001, 7001}, {6000, 7001}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        submit_at(i, &(struct spec){0}, cases[i].now_ms);
        loop_once();
        cr_expect_eq(told_ms(i), cases[i].id_ms, "submission %zu: %d", i, (int)told_ms(i));
        for (size_t j = 0; j < i; j++) {
            cr_expect_neq(
                memcmp(&told[i].receipts[0].id, &told[j].receipts[0].id, sizeof(struct ulid)), 0,
                "random nonetheless");
        }
    }
}

/* More than a millisecond has rows: ids run ahead, and the clock catches up. */
Test(intake, ids_rise_in_a_flood, .init = setup, .fini = end)
{
    enum { ROWS = 1 << STORE_ROW_COUNTER_BITS };
    for (int i = 0; i < ROWS + 1; i++) {
        submit_at(0, &(struct spec){0}, 7000);
    }
    loop_once();
    cr_expect_eq(told_ms((ROWS - 1) % VERDICTS), 7000);
    cr_expect_eq(told_ms(ROWS % VERDICTS), 7001);
}

/* --- with a store ----------------------------------------------------------------------------- */

Test(intake, told_when_it_is_on_the_disk, .init = setup_store, .fini = end_store)
{
    submit(0, &(struct spec){.recipients = 2});
    submit(1, &(struct spec){.ref = "r"});
    await(2);
    cr_expect_eq(settled_count, 1);
    cr_expect_eq(stats_get(&stats, STAT_STORE_INSERTED), 3);
    cr_expect_eq(stats_get(&stats, STAT_STORE_SYNCS), 1, "in one commit");
    struct message *taken[3];
    cr_assert_eq(queue_take(q, 3, 1000, taken), 3);
    for (size_t i = 0; i < 3; i++) {
        cr_expect(taken[i]->is_durable);
        int64_t row = message_row_links(taken[i])->row;
        cr_expect_eq(store_row_ms(row), ulid_time_ms(&taken[i]->id));
        cr_expect(i == 0 || row > message_row_links(taken[i - 1])->row);
    }
}

Test(intake, one_batch_is_written_while_the_next_gathers, .init = setup_store, .fini = end_store)
{
    enum { SUBMISSIONS = 30 };
    for (uintptr_t i = 0; i < SUBMISSIONS; i++) {
        submit(i, &(struct spec){.ref = i % 3 == 0 ? "same" : ""});
        loop_once();
    }
    await(SUBMISSIONS);
    for (size_t i = 0; i < SUBMISSIONS; i++) {
        cr_expect_eq(told[i].client, i, "in their order");
        cr_expect(told[i].is_accepted);
        cr_expect_eq(told[i].receipts[0].is_duplicate, i > 0 && i % 3 == 0, "submission %zu", i);
        cr_expect_eq(
            memcmp(&told[i].receipts[0].id, &told[0].receipts[0].id, sizeof(struct ulid)) == 0,
            i % 3 == 0);
    }
    cr_expect_eq(stats_get(&stats, STAT_STORE_INSERTED), SUBMISSIONS - SUBMISSIONS / 3 + 1);
}

Test(intake, what_is_refused_or_known_needs_no_disk, .init = setup_store, .fini = end_store)
{
    submit(0, &(struct spec){.ref = "r"});
    await(1);
    int64_t commits = stats_get(&stats, STAT_STORE_COMMITS);
    submit(1, &(struct spec){.ref = "r"});
    submit(2, &(struct spec){.ref = "r", .text = "other"});
    loop_once();
    cr_assert_eq(told_count, 3, "at once");
    cr_expect(told[1].is_accepted && told[1].receipts[0].is_duplicate);
    cr_expect_eq(told[2].refusal, REPLY_REF_CONFLICT);
    cr_expect_eq(stats_get(&stats, STAT_STORE_COMMITS), commits);
    cr_expect(store_is_idle(s));
}

Test(intake, rows_rise_over_a_restart_with_the_clock_set_back, .init = setup_folder,
     .fini = remove_folder)
{
    static const int64_t clocks[] = {7000, 3000, 7000, 9000, 1};
    int64_t last = 0;
    for (size_t i = 0; i < COUNT(clocks); i++) {
        begin(true, &wide);
        cr_expect_eq(store_last_row(s), last, "start %zu", i);
        submit_at(0, &(struct spec){0}, clocks[i]);
        await(1);
        struct message *m;
        cr_assert_eq(queue_take(q, 1, 1000, &m), 1);
        int64_t row = message_row_links(m)->row;
        cr_expect_gt(row, last, "start %zu", i);
        cr_expect_eq(store_row_ms(row), told_ms(0));
        last = row;
        end();
    }
}

Test(intake, a_ref_over_a_restart, .init = setup_folder, .fini = remove_folder)
{
    begin(true, &wide);
    submit(0, &(struct spec){.ref = "r"});
    await(1);
    struct ulid id = told[0].receipts[0].id;
    end();
    begin(true, &wide);
    submit(0, &(struct spec){.ref = "r"});
    submit(1, &(struct spec){.ref = "r", .text = "other"});
    await(2);
    cr_expect(told[0].receipts[0].is_duplicate);
    cr_expect_eq(memcmp(&told[0].receipts[0].id, &id, sizeof id), 0);
    cr_expect_eq(told[1].refusal, REPLY_REF_CONFLICT);
    end();
}
