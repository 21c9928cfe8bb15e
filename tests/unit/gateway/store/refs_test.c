/*
 * refs, unfinished: what a start need not read. Every REF is found wherever it is kept, in memory or in
 * runs, over restarts and purges; every unfinished message lies in a span, whatever the pass has cut.
 */
#include "gateway/queue/records.h"
#include "gateway/store/db.h"
#include "gateway/store/refs.h"
#include "gateway/store/row.h"
#include "gateway/store/rows.h"
#include "gateway/store/unfinished.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

enum { MESSAGES = 1000, RUN = 100, FIRST_ROW = 1 << 20 };

static char path[] = "/tmp/smsrelay-refs-test-XXXXXX";
static struct store_db db;
static struct store_refs refs;
static struct store_unfinished unfinished;

static void open_store(void)
{
    char error[STORE_ERROR_SIZE];
    cr_assert(store_db_open(&db, path, false, error), "%s", error);
    refs = (struct store_refs){.run_rows = RUN};
    unfinished = (struct store_unfinished){.covered = 0};
    cr_assert(store_refs_load(&refs, &db));
}

static void close_store(void)
{
    store_refs_free(&refs);
    cr_expect(store_db_finish(&db));
}

static void setup(void)
{
    close(mkstemp(path));
    open_store();
}

static void teardown(void)
{
    close_store();
    unlink(path);
}

/* Message i has the REF "ref-<i>", or, of every tenth, "shared", or, of every seventh, none. */
static struct message *make(int i)
{
    char ref[REF_MAX + 1], to[NUMBER_SIZE];
    unsigned char random[ULID_RANDOM_BYTES] = {(unsigned char)i, (unsigned char)(i >> 8)};
    snprintf(ref, sizeof ref, i % 10 == 0 ? "shared" : "ref-%d", i);
    snprintf(to, sizeof to, "+346%08d", i);
    struct message *m = message_new(&(struct message_content){
        .id = ulid_make(store_row_ms(FIRST_ROW + i), random),
        .to = to,
        .from = "Acme",
        .ref = i % 7 == 0 ? "" : ref,
        .text = "hello",
        .text_len = 5,
        .size = {.parts = 1},
        .expires_ms = INT64_MAX / 2,
        .row = FIRST_ROW + i,
    });
    cr_assert_not_null(m);
    return m;
}

/* Writes the messages `first` to `end` - 1, as store.c does. */
static void insert(int first, int end)
{
    cr_assert(store_db_begin(&db, false));
    cr_assert(store_unfinished_cover(&unfinished, &db, FIRST_ROW + first, FIRST_ROW + end - 1));
    struct message *messages[MESSAGES];
    for (int i = first; i < end; i++) {
        messages[i - first] = make(i);
        cr_assert(store_rows_insert(&db, FIRST_ROW + i, messages[i - first]));
    }
    cr_assert(store_db_commit(&db));
    store_unfinished_commit(&unfinished);
    store_refs_add(&refs, messages, (size_t)(end - first));
    for (int i = first; i < end; i++) {
        message_free(messages[i - first]);
    }
}

/* Steps until nothing is due any more. */
static void index_all(void)
{
    while (store_refs_due_ms(&refs) <= 1) {
        cr_assert(store_refs_step(&refs, &db, 1));
    }
    cr_assert(refs.is_complete);
}

static void expect_found(int first, int end, const char *when)
{
    for (int i = first; i < end; i++) {
        struct message *m = make(i);
        if (m->ref_len > 0) {
            cr_expect_eq(store_refs_newest(&refs, &db, m), FIRST_ROW + i, "%s: message %d", when,
                         i);
        }
        message_free(m);
    }
}

static void expect_shared(size_t want, const char *when)
{
    int64_t *rows;
    size_t count;
    cr_assert(store_refs_list(&refs, &db, 0, "shared", MESSAGES, &rows, &count));
    cr_expect_eq(count, want, "%s: %zu of %zu", when, count, want);
    for (size_t i = 1; i < count; i++) {
        cr_expect_lt(rows[i - 1], rows[i], "%s", when);
    }
    free(rows);
    cr_assert(store_refs_list(&refs, &db, 0, "shared", 3, &rows, &count));
    cr_expect_eq(count, want < 3 ? want : 3, "%s: the newest", when);
    free(rows);
    cr_assert(store_refs_list(&refs, &db, 1, "shared", 3, &rows, &count));
    cr_expect_eq(count, 0, "%s: of another owner", when);
}

static size_t shared_of(int first, int end)
{
    size_t count = 0;
    for (int i = first; i < end; i++) {
        count += i % 10 == 0 && i % 7 != 0;
    }
    return count;
}

Test(store_refs, are_found_wherever_they_are, .init = setup, .fini = teardown)
{
    index_all();
    for (int i = 0; i < MESSAGES; i += 50) {
        insert(i, i + 50);
        expect_found(0, i + 50, "as they come");
        if (i % 100 == 0) {
            store_refs_step(&refs, &db, 1); /* begins a run, or writes it, or neither */
        }
    }
    index_all();
    cr_expect_gt(refs.run_count, 3);
    expect_found(0, MESSAGES, "in runs");
    expect_shared(shared_of(0, MESSAGES), "in runs");
    close_store();
    open_store();
    cr_expect_not(refs.is_complete, "what no run has is read again");
    index_all();
    expect_found(0, MESSAGES, "after a restart");
    expect_shared(shared_of(0, MESSAGES), "after a restart");
}

/* As of an older version, which kept no runs. */
Test(store_refs, of_a_file_without_runs_are_read, .init = setup, .fini = teardown)
{
    insert(0, MESSAGES);
    cr_expect_not(refs.is_complete);
    index_all();
    expect_found(0, MESSAGES, "read");
    struct message *unknown = make(MESSAGES + 2);
    cr_expect_eq(store_refs_newest(&refs, &db, unknown), 0);
    message_free(unknown);
}

Test(store_refs, go_with_their_messages, .init = setup, .fini = teardown)
{
    insert(0, MESSAGES);
    index_all();
    size_t runs = refs.run_count;
    cr_assert(store_db_begin(&db, false));
    cr_assert(store_rows_delete(&db, FIRST_ROW, FIRST_ROW + MESSAGES / 2));
    cr_assert(store_db_commit(&db));
    refs.drop_ms = 0;
    index_all();
    cr_expect_leq(refs.run_count, runs / 2 + 2);
    expect_found(MESSAGES / 2 + 200, MESSAGES, "the rest");
    close_store();
    open_store();
    index_all();
    expect_found(MESSAGES / 2 + 200, MESSAGES, "the rest, after a restart");
}

/* --- unfinished ------------------------------------------------------------------------------- */

static void finish(int i)
{
    struct queue_record record = {
        .row = FIRST_ROW + i, .state = MESSAGE_RELAYED, .answer_at = SIZE_MAX};
    cr_assert(store_rows_save(&db, &record, NULL));
}

/* Whole passes, until one has come to its end. */
static void pass(void)
{
    do {
        cr_assert(store_unfinished_step(&unfinished, &db, 1));
    } while (unfinished.next_row != 0);
}

/* Reads what a start would. Returns how many messages it finds, of which message `i` must be one if it
 * is not finished. */
static int restore(bool is_finished(int i), int end, const char *when)
{
    struct store_rows_reader reader;
    struct message *m;
    int next = 0, count = 0;
    store_rows_begin(&reader, &db, STORE_READ_HELD, 0, 0);
    for (; (m = store_rows_next(&reader)) != NULL; count++) {
        while (next < end && is_finished(next)) {
            next++;
        }
        cr_expect_eq(message_row_links(m)->row, FIRST_ROW + next++, "%s", when);
        message_free(m);
    }
    cr_assert_null(reader.fault);
    store_rows_end(&reader);
    while (next < end && is_finished(next)) {
        next++;
    }
    cr_expect_eq(next, end, "%s: message %d is missing", when, next);
    return count;
}

static bool is_none(int i)
{
    (void)i;
    return false;
}

static bool is_most(int i)
{
    return i % 100 != 5 && i < MESSAGES - 10;
}

static bool is_any(int i)
{
    (void)i;
    return true;
}

static void finish_all(bool is_finished(int i))
{
    cr_assert(store_db_begin(&db, false));
    for (int i = 0; i < MESSAGES; i++) {
        if (is_finished(i)) {
            finish(i);
        }
    }
    cr_assert(store_db_commit(&db));
}

static int64_t number(const char *text)
{
    sqlite3_stmt *statement;
    cr_assert_eq(sqlite3_prepare_v2(db.handle, text, -1, &statement, NULL), SQLITE_OK);
    cr_assert_eq(sqlite3_step(statement), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

Test(store_unfinished, spans_hold_all_of_them_and_little_else, .init = setup, .fini = teardown)
{
    static const char covered[] =
        "SELECT count(*) FROM unfinished u JOIN message m ON m.row BETWEEN u.first AND u.last";
    insert(0, MESSAGES);
    cr_expect_eq(restore(is_none, MESSAGES, "all"), MESSAGES);
    pass();
    cr_expect_eq(restore(is_none, MESSAGES, "all, after a pass"), MESSAGES);
    finish_all(is_most);
    cr_expect_eq(restore(is_most, MESSAGES, "some"), 20);
    pass();
    cr_expect_eq(restore(is_most, MESSAGES, "some, after a pass"), 20);
    cr_expect_eq(number(covered), 20);
    close_store();
    open_store();
    cr_expect_eq(restore(is_most, MESSAGES, "some, after a restart"), 20);
    finish_all(is_any);
    pass();
    cr_expect_eq(restore(is_any, MESSAGES, "none"), 0);
    cr_expect_eq(number("SELECT count(*) FROM unfinished"), 0);
}

Test(store_unfinished, messages_of_a_minute_share_a_span, .init = setup, .fini = teardown)
{
    insert(0, 10);
    cr_expect_eq(number("SELECT count(*) FROM unfinished"), 1);
    insert(10, 20);
    cr_expect_eq(number("SELECT count(*) FROM unfinished"), 1);
    pass();
    insert(20, 30);
    cr_expect_eq(restore(is_none, 30, "what comes after a pass is covered"), 30);
}

/* The spans of an earlier run reach beyond its last message. */
Test(store_unfinished, spans_never_overlap, .init = setup, .fini = teardown)
{
    insert(0, 10);
    close_store();
    open_store();
    insert(10, 20);
    cr_expect_eq(restore(is_none, 20, "two runs"), 20);
    pass();
    cr_expect_eq(restore(is_none, 20, "two runs, after a pass"), 20);
}

Test(store_unfinished, a_transaction_that_fails_covers_nothing, .init = setup, .fini = teardown)
{
    cr_assert(store_db_begin(&db, false));
    cr_assert(store_unfinished_cover(&unfinished, &db, FIRST_ROW, FIRST_ROW));
    store_db_roll_back(&db);
    insert(0, 10);
    cr_expect_eq(restore(is_none, 10, "afterwards"), 10);
}
