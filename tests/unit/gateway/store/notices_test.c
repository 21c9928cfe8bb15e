/*
 * store_notices: notices survive a restart, with the same words and number; and when the disk fails,
 * however much of a commit is in the file afterwards, each is delivered once. The test is the loop
 * thread and the webhook.
 */
#include "gateway/base/clock.h"
#include "gateway/notify/outbox.h"
#include "gateway/queue/admission.h"
#include "gateway/queue/ask.h"
#include "gateway/queue/dispatch.h"
#include "gateway/queue/queue.h"
#include "gateway/queue/records.h"
#include "gateway/queue/reports.h"
#include "gateway/store/row.h"
#include "gateway/store/store.h"
#include "tests/support/faulty_vfs.h"

#include <criterion/criterion.h>
#include <semaphore.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { HOUR_MS = 3600 * 1000, PATIENCE_S = 60, TOLD_MAX = 64, JSON_SIZE = 512 };

static struct store *s;
static struct queue *q;
static struct outbox *o;
static struct stats stats;
static struct store_options options;
static char folder[64], path[128];
static sem_t news;

/* --- a relay's queue, store and outbox ---------------------------------------------------------- */

static void bring_news(void *arg)
{
    (void)arg;
    sem_post(&news);
}

static void wait_for_news(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    cr_assert_eq(sem_timedwait(&news, &until), 0, "the store says nothing");
}

static void wake_store(void *arg)
{
    (void)arg;
    store_wake(s);
}

static void start(void)
{
    char error[512];
    size_t restored;
    o = outbox_new(1000, &stats);
    outbox_join(o, OUTBOX_WEBHOOK, bring_news, NULL);
    options.path = path;
    options.stats = &stats;
    options.outbox = o;
    options.notify = options.saved = bring_news;
    s = store_open(&options, error, sizeof error);
    cr_assert_not_null(s, "%s", error);
    q = queue_new(&(struct queue_options){.max_messages = 1000,
                                          .max_bytes = SIZE_MAX / 2,
                                          .retention_ms = options.retention_ms,
                                          .wake_store = wake_store});
    cr_assert(store_restore(s, q, &restored, error, sizeof error), "%s", error);
    cr_assert(store_start(s) == 0);
}

static void stop(void)
{
    cr_expect(store_stop(s));
    store_free(s);
    queue_free(q);
    outbox_free(o);
}

static void setup(void)
{
    strcpy(folder, "/tmp/smsrelay-notices-test-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/queue.db", folder);
    options = (struct store_options){.retention_ms = HOUR_MS};
    sem_init(&news, 0, 0);
    cr_assert(faulty_vfs_install());
    start();
}

static void teardown(void)
{
    stop();
    faulty_vfs_remove();
    unlink(path);
    rmdir(folder);
}

/* --- what happens ------------------------------------------------------------------------------- */

struct ending {
    bool has_ended, is_stored;
};

static void on_ended(void *arg, bool is_stored)
{
    *(struct ending *)arg = (struct ending){true, is_stored};
}

static bool await(struct ending *ending)
{
    for (store_deliver(s); !ending->has_ended; store_deliver(s)) {
        wait_for_news();
    }
    return ending->is_stored;
}

static void on_inserted(void *arg, const struct store_insertion *insertion)
{
    on_ended(arg, insertion->is_stored);
}

static struct ulid accept_message(void)
{
    static uint64_t count;
    unsigned char random[ULID_RANDOM_BYTES] = {0};
    int64_t now_ms = clock_unix_ms();
    memcpy(random, &(uint64_t){++count * 0x9E3779B97F4A7C15}, sizeof count);
    struct message_content content = {.id = ulid_make(now_ms, random),
                                      .to = "+34600000000",
                                      .from = "Acme",
                                      .ref = "",
                                      .text = "hello",
                                      .text_len = 5,
                                      .expires_ms = INT64_MAX / 2};
    content.row = store_row_first(ulid_time_ms(&content.id)) + (int64_t)count;
    struct message *m = message_new(&content);
    struct queue_receipt receipt;
    struct queue_submission submission = {.messages = &m, .count = 1, .receipts = &receipt};
    struct ending ending = {false, false};
    queue_prepare(q, &submission, 1, now_ms);
    store_insert(s, &m, 1, on_inserted, &ending);
    cr_assert(await(&ending));
    queue_admit(q, &submission, 1, true, now_ms);
    return content.id;
}

/* Relays the next message; `saves` = and waits until that is in the store. */
static void relay_one(bool saves)
{
    struct message *m;
    cr_assert_eq(queue_take(q, 1, clock_unix_ms(), &m), 1);
    struct queue_settlement settlement = {
        .message = m, .fate = FATE_RELAYED, .answer = message_answer_new("api", "")};
    queue_settle(q, &settlement, 1, clock_unix_ms());
    uint64_t mark = queue_records_mark(q);
    while (saves && !queue_records_are_saved(q, mark)) {
        wait_for_news();
    }
}

/* A report arrives. Returns whether the API gets its 200. */
static bool report(const struct ulid *id, const char *status)
{
    struct queue_report r = {.has_id = true, .id = *id, .report = {.event_ms = 1}};
    struct ending ending = {false, false};
    strcpy(r.report.status, status);
    queue_reports_match(q, &r, 1);
    store_report(s, &r, 1, on_ended, &ending);
    if (!await(&ending)) {
        return false;
    }
    queue_reports_apply(q, &r, 1, clock_unix_ms());
    return true;
}

/* --- notices ------------------------------------------------------------------------------------ */

static struct told {
    size_t count;
    uint64_t numbers[TOLD_MAX];
    char json[TOLD_MAX][JSON_SIZE];
} told;

static bool hear(void *arg, const struct notice *notice)
{
    struct told *to = arg;
    cr_assert_lt(to->count, TOLD_MAX);
    cr_assert_lt(notice->len, JSON_SIZE);
    to->numbers[to->count] = notice->number;
    strcpy(to->json[to->count++], notice->json);
    return true;
}

/* Takes notices until `count` have come; there must be no more. */
static void listen(struct told *to, size_t count)
{
    to->count = 0;
    while (outbox_take(o, OUTBOX_WEBHOOK, TOLD_MAX, hear, to), to->count < count) {
        wait_for_news();
    }
    cr_expect_eq(to->count, count, "%zu were told, not %zu: %s", to->count, count,
                 to->json[to->count - 1]);
}

static void acknowledge(void)
{
    outbox_acknowledge(o, OUTBOX_WEBHOOK, told.numbers[told.count - 1], told.count);
}

static void expect_words(size_t which, const char *words)
{
    cr_expect_not_null(strstr(told.json[which], words), "%s", told.json[which]);
}

/* Waits until everything so far is in the store, or has failed. */
static void on_answered(void *arg, const struct store_question *question)
{
    *(struct ending *)arg = (struct ending){true, !question->has_failed};
}

static void ask_sync(struct ending *ending)
{
    const struct store_question question = {
        .kind = STORE_ASK_NOTHING, .syncs = true, .answered = on_answered, .arg = ending};
    cr_assert(store_ask(s, &question));
}

/* --- tests -------------------------------------------------------------------------------------- */

Test(store_notices, outlive_a_restart_until_they_are_told, .init = setup, .fini = teardown)
{
    struct told again;
    struct ulid id = accept_message();
    relay_one(true);
    cr_expect(report(&id, "sent"));
    cr_expect(report(&id, "sent"));
    cr_expect(report(&id, "delivered"));
    listen(&told, 3);
    expect_words(0, "\"state\":\"relayed\"");
    expect_words(1, "\"status\":\"sent\"");
    expect_words(2, "\"status\":\"delivered\"");
    stop();
    start();
    listen(&again, 3);
    for (size_t i = 0; i < 3; i++) {
        cr_expect_eq(again.numbers[i], told.numbers[i]);
        cr_expect_str_eq(again.json[i], told.json[i]);
    }
    acknowledge();
    stop();
    start();
    listen(&again, 0);
    cr_expect_gt(outbox_next_number(o), told.numbers[2]);
}

/* Progress is saved without being asked for: after a kill the next run begins there. */
Test(store_notices, are_noted_as_told, .init = setup, .fini = teardown)
{
    sqlite3 *db;
    sqlite3_stmt *row;
    accept_message();
    relay_one(true);
    listen(&told, 1);
    int64_t commits = stats_get(&stats, STAT_STORE_COMMITS);
    acknowledge();
    while (stats_get(&stats, STAT_STORE_COMMITS) == commits) {
        struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
        nanosleep(&pause, NULL); /* nothing reports it */
    }
    stop();
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(db, "SELECT count(*) FROM change", -1, &row, NULL), SQLITE_OK);
    cr_assert_eq(sqlite3_step(row), SQLITE_ROW);
    cr_expect_eq(sqlite3_column_int(row, 0), 0);
    sqlite3_finalize(row);
    sqlite3_close(db);
    start();
}

/* The commit fails before any of it is in the file, or in its sync, when all of it is. */
static void fail_once(enum faulty_operation operation, int error)
{
    faulty_vfs_order(&(struct faulty_order){
        .operation = operation, .nth = 1, .error = error, .is_sticky = false});
}

static void fail_while_a_report_comes(enum faulty_operation operation)
{
    struct told again;
    struct ulid id = accept_message();
    relay_one(true);
    listen(&told, 1);
    acknowledge();
    fail_once(operation, SQLITE_IOERR);
    cr_expect_not(report(&id, "delivered"), "the API is not told 200");
    cr_expect_eq(faulty_vfs_struck(), 1);
    while (!report(&id, "delivered")) {
    }
    listen(&told, 1);
    expect_words(0, "\"status\":\"delivered\"");
    stop();
    start();
    listen(&again, 1);
    cr_expect_eq(again.numbers[0], told.numbers[0]);
}

Test(store_notices, a_report_whose_commit_fails_is_told_once, .init = setup, .fini = teardown)
{
    fail_while_a_report_comes(FAULTY_WRITE);
}

Test(store_notices, and_so_is_one_that_is_in_the_file_all_the_same, .init = setup, .fini = teardown)
{
    fail_while_a_report_comes(FAULTY_SYNC);
}

/* Of a message still in memory: what the failed commit has left in the file reaches it, too. */
Test(store_notices, and_the_queue_hears_of_it, .init = setup, .fini = teardown)
{
    struct message *m;
    struct message_status status;
    struct ulid id = accept_message();
    cr_assert_eq(queue_take(q, 1, clock_unix_ms(), &m), 1);
    fail_once(FAULTY_SYNC, SQLITE_IOERR);
    cr_expect_not(report(&id, "delivered"));
    while (!report(&id, "delivered")) {
    }
    cr_assert(queue_status(q, &id, 0, true, &status));
    cr_expect_str_eq(status.report.status, "delivered");
    message_status_free(&status);
    listen(&told, 1);
    expect_words(0, "\"status\":\"delivered\"");
}

static void fail_while_states_change(enum faulty_operation operation)
{
    struct told again;
    struct ending ending = {false, false};
    for (int i = 0; i < 3; i++) {
        accept_message();
    }
    fail_once(operation, SQLITE_IOERR);
    for (int i = 0; i < 3; i++) {
        relay_one(false);
    }
    ask_sync(&ending);
    await(&ending);
    cr_expect_eq(faulty_vfs_struck(), 1);
    uint64_t mark = queue_records_mark(q);
    while (!queue_records_are_saved(q, mark)) {
        wait_for_news();
    }
    listen(&told, 3);
    stop();
    start();
    listen(&again, 3);
    cr_expect_eq(memcmp(again.numbers, told.numbers, 3 * sizeof told.numbers[0]), 0);
}

Test(store_notices, states_whose_commit_fails_are_told_once, .init = setup, .fini = teardown)
{
    fail_while_states_change(FAULTY_WRITE);
}

Test(store_notices, and_so_are_those_that_are_in_the_file, .init = setup, .fini = teardown)
{
    fail_while_states_change(FAULTY_SYNC);
}

Test(store_notices, and_so_are_those_of_messages_that_are_not_kept, .init = setup, .fini = teardown)
{
    stop();
    options.retention_ms = 0;
    start();
    fail_while_states_change(FAULTY_SYNC);
}
