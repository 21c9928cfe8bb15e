/*
 * queue_records: what the store has to write, when a mark is reached, and how long a durable
 * message stays. The test plays the store: it takes records and says whether they were written.
 */
#include "gateway/queue/admission.h"
#include "gateway/queue/ask.h"
#include "gateway/queue/control.h"
#include "gateway/queue/dispatch.h"
#include "gateway/queue/queue.h"
#include "gateway/queue/records.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

enum { FAR = 1000000, ALL = 100 };

static struct queue *q;
static unsigned wakes;
static struct buffer answers;
static struct queue_record records[ALL];

static void count_call(void *arg)
{
    ++*(unsigned *)arg;
}

static void begin(int64_t retention_ms, size_t max_bytes)
{
    struct queue_options options = {
        .max_messages = 1000,
        .max_bytes = max_bytes,
        .retention_ms = retention_ms,
        .wake_store = count_call,
        .store_arg = &wakes,
    };
    wakes = 0;
    q = queue_new(&options);
    cr_assert_not_null(q);
}

static void setup(void)
{
    begin(FAR, SIZE_MAX / 2);
}

static void teardown(void)
{
    queue_free(q);
    buffer_free(&answers);
}

/* A message in row `n`, submitted at `n`; 0 = not durable. */
static struct message *make(int64_t n, const char *ref)
{
    static uint64_t count;
    uint64_t mixed = ++count * 0x9E3779B97F4A7C15;
    unsigned char random[ULID_RANDOM_BYTES] = {0};
    memcpy(random + 2, &mixed, sizeof mixed);
    struct message *m = message_new(&(struct message_content){
        .id = ulid_make(n, random),
        .to = "+34600000000",
        .from = "Acme",
        .ref = ref,
        .text = "hello",
        .text_len = 5,
        .size = {TEXT_GSM7, 5, 1},
        .priority = PRIORITY_NORMAL,
        .expires_ms = FAR,
        .row = n,
    });
    cr_assert_not_null(m);
    return m;
}

static struct ulid add_with_ref(int64_t row, const char *ref)
{
    struct message *m = make(row, ref);
    struct queue_receipt receipt;
    struct queue_submission s = {&m, 1, &receipt, QUEUE_FULL, 0, {0}};
    queue_add(q, &s, 1, 0);
    cr_assert_eq(s.verdict, QUEUE_ACCEPTED);
    return receipt.id;
}

static struct ulid add(int64_t row)
{
    return add_with_ref(row, "");
}

static struct message *take_one(void)
{
    struct message *m = NULL;
    cr_assert_eq(queue_take(q, 1, 0, &m), 1);
    return m;
}

static void settle_one(struct message *m, enum queue_fate fate)
{
    struct queue_settlement s = {.message = m, .fate = fate};
    queue_settle(q, &s, 1, 0);
}

static void cancel(const struct ulid *id)
{
    cr_assert_eq(queue_cancel(q, id, 0, true, 10), QUEUE_DONE);
}

static bool is_known(const struct ulid *id)
{
    struct message_status status;
    bool is_there = queue_status(q, id, 0, true, &status);
    if (is_there) {
        message_status_free(&status);
    }
    return is_there;
}

static size_t take(size_t max)
{
    buffer_clear(&answers);
    return queue_records_take(q, records, max, &answers);
}

/* Takes all; they must be these rows (ended by 0) in this order. */
static void expect_rows(const char *what, const int64_t *rows)
{
    size_t count = take(ALL), i = 0;
    for (; rows[i] != 0; i++) {
        cr_expect(i < count && records[i].row == rows[i], "%s: place %zu is not row %d", what, i,
                  (int)rows[i]);
    }
    cr_expect_eq(count, i, "%s: %zu records", what, count);
}
#define EXPECT_ROWS(what, ...) expect_rows(what, (const int64_t[]){__VA_ARGS__, 0})
#define EXPECT_NO_ROWS(what)   expect_rows(what, (const int64_t[]){0})

static void done(size_t count, bool is_saved)
{
    queue_records_done(q, records, count, is_saved);
}

static void save_all(void)
{
    done(take(ALL), true);
}

/* --- what is listed --------------------------------------------------------------------------- */

Test(queue_records, a_new_message_is_none_and_each_change_one, .init = setup, .fini = teardown)
{
    add(1);
    EXPECT_NO_ROWS("what was just stored has not changed");
    cr_expect_eq(wakes, 0);
    struct message *m = take_one();
    cr_expect_eq(wakes, 1);
    EXPECT_ROWS("sending", 1);
    cr_expect_eq(records[0].state, MESSAGE_SENDING);
    cr_expect_eq(records[0].attempts, 1);
    cr_expect_eq(records[0].answer_at, SIZE_MAX);
    done(1, true);
    settle_one(m, FATE_RETURNED);
    EXPECT_ROWS("returned", 1);
    cr_expect_eq(records[0].state, MESSAGE_QUEUED);
    cr_expect_eq(records[0].attempts, 0);
    done(1, true);
    EXPECT_NO_ROWS("nothing since");
}

Test(queue_records, only_durable_messages, .init = setup, .fini = teardown)
{
    add(0);
    settle_one(take_one(), FATE_RELAYED);
    EXPECT_NO_ROWS("in memory only");
    cr_expect_eq(wakes, 0);
    cr_expect_eq(queue_records_mark(q), 0);
}

Test(queue_records, changes_of_one_message_are_one_record, .init = setup, .fini = teardown)
{
    struct message *m;
    for (int64_t row = 1; row <= 3; row++) {
        add(row);
    }
    m = take_one();
    settle_one(m, FATE_RETURNED);
    m = take_one(); /* the same one again: it went back to the head */
    take_one();
    settle_one(m, FATE_RELAYED);
    EXPECT_ROWS("in the order of their first change", 1, 2);
    cr_expect_eq(records[0].state, MESSAGE_RELAYED);
    cr_expect_eq(records[1].state, MESSAGE_SENDING);
    done(2, true);
}

Test(queue_records, in_portions, .init = setup, .fini = teardown)
{
    struct message *taken[5];
    for (int64_t row = 1; row <= 5; row++) {
        add(row);
    }
    queue_take(q, 5, 0, taken);
    cr_expect_eq(wakes, 1, "once until all are taken");
    for (size_t i = 0; i < 2; i++) {
        cr_assert_eq(take(2), 2);
        cr_expect_eq(records[0].row, (int)(2 * i + 1));
        done(2, true);
    }
    settle_one(taken[0], FATE_RETURNED);
    cr_expect_eq(wakes, 1, "it has been told that there is more");
    EXPECT_ROWS("the rest", 5, 1);
    done(2, true);
    take_one();
    cr_expect_eq(wakes, 2, "it had all");
}

Test(queue_records, carry_their_answers, .init = setup, .fini = teardown)
{
    static const struct {
        const char *api_id, *reason;
        enum queue_fate fate;
    } cases[] = {{"api-1", "", FATE_RELAYED}, {"", "no such number", FATE_REJECTED}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        add((int64_t)i + 1);
        struct queue_settlement s = {.message = take_one(),
                                     .fate = cases[i].fate,
                                     .answer =
                                         message_answer_new(cases[i].api_id, cases[i].reason)};
        queue_settle(q, &s, 1, 7);
    }
    cr_assert_eq(take(ALL), COUNT(cases));
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *answer = answers.data + records[i].answer_at;
        cr_expect_str_eq(message_answer_api_id(answer), cases[i].api_id);
        cr_expect_str_eq(message_answer_reason(answer), cases[i].reason);
        cr_expect_eq(records[i].updated_ms, 7);
    }
    done(COUNT(cases), true);
}

Test(queue_records, tell_of_doubt, .init = setup, .fini = teardown)
{
    struct ulid id = add(1);
    settle_one(take_one(), FATE_AMBIGUOUS);
    EXPECT_ROWS("ambiguous", 1);
    cr_expect(records[0].state == MESSAGE_DEFERRED && records[0].may_be_sent);
    cr_expect(records[0].ambiguous_ends == 1 && records[0].doubts == 1);
    done(1, true);
    struct queue_resolution r = {.id = id, .fate = FATE_RETURNED, .doubts = 1, .is_absent = true};
    queue_resolve(q, &r, 1, 0);
    EXPECT_ROWS("absent", 1);
    cr_expect(records[0].state == MESSAGE_QUEUED && !records[0].may_be_sent);
    cr_expect(records[0].attempts == 1 && records[0].doubts == 1);
    done(1, true);
    settle_one(take_one(), FATE_AMBIGUOUS);
    r = (struct queue_resolution){.id = id, .fate = FATE_AMBIGUOUS, .doubts = 1, .looks = 1};
    queue_resolve(q, &r, 1, 0);
    EXPECT_ROWS("one of two doubts is gone", 1);
    cr_expect(records[0].state == MESSAGE_DEFERRED && records[0].doubts == 1);
    done(1, true);
    r = (struct queue_resolution){.id = id, .fate = FATE_UNRESOLVED};
    queue_resolve(q, &r, 1, FAR);
    EXPECT_ROWS("not known after its time", 1);
    cr_expect(records[0].state == MESSAGE_UNRESOLVED && records[0].may_be_sent);
    cr_expect_not(records[0].is_expiry_lifted);
    done(1, true);
    cr_assert_eq(queue_retry(q, &id, FAR), QUEUE_DONE);
    EXPECT_ROWS("sent again", 1);
    cr_expect(records[0].state == MESSAGE_QUEUED && records[0].is_expiry_lifted);
    cr_expect(records[0].may_be_sent && records[0].doubts == 0);
    done(1, true);
}

/* Until the history was asked about it: a message that was refused, and that may be taken. */
Test(queue_records, tell_of_a_look_that_is_due, .init = setup, .fini = teardown)
{
    static const enum queue_fate fates[] = {FATE_RETURNED, FATE_SUSPECT};
    for (size_t i = 0; i < COUNT(fates); i++) {
        struct ulid id = add((int64_t)i + 1);
        struct queue_settlement s = {
            .message = take_one(), .fate = fates[i], .may_be_taken = true, .due_ms = 5};
        queue_settle(q, &s, 1, 0);
        cr_assert_eq(take(ALL), 1);
        cr_expect(records[0].is_unlooked && !records[0].may_be_sent);
        done(1, true);
        queue_looked(q, &id, 1);
        cr_assert_eq(take(ALL), 1);
        cr_expect_not(records[0].is_unlooked);
        done(1, true);
        queue_looked(q, &id, 1);
        EXPECT_NO_ROWS("once");
        queue_cancel(q, &id, OWNER_LOCAL, true, 0);
        take(ALL);
        done(1, true);
        queue_looked(q, &id, 1); /* it is gone */
    }
}

/* --- while it is written ---------------------------------------------------------------------- */

Test(queue_records, a_change_during_a_save_is_the_next_record, .init = setup, .fini = teardown)
{
    add(1);
    struct message *m = take_one();
    EXPECT_ROWS("sending", 1);
    settle_one(m, FATE_RELAYED);
    cr_expect_eq(records[0].state, MESSAGE_SENDING, "as it was when it was taken");
    done(1, true);
    EXPECT_ROWS("relayed", 1);
    cr_expect_eq(records[0].state, MESSAGE_RELAYED);
    done(1, true);
    EXPECT_NO_ROWS("all told");
}

Test(queue_records, changes_around_a_save_are_one_record, .init = setup, .fini = teardown)
{
    struct message *taken[2];
    add(1);
    add(2);
    cr_assert_eq(queue_take(q, 2, 0, taken), 2);
    EXPECT_ROWS("sending", 1, 2);
    settle_one(taken[0], FATE_RETURNED); /* while they are written */
    settle_one(taken[1], FATE_AMBIGUOUS);
    done(2, true);
    take_one(); /* and after */
    EXPECT_ROWS("each once", 1, 2);
    done(2, true);
    EXPECT_NO_ROWS("all told");
    cr_expect(queue_records_are_saved(q, queue_records_mark(q)));
}

Test(queue_records, what_could_not_be_written_comes_again_in_order, .init = setup, .fini = teardown)
{
    struct message *taken[3];
    for (int64_t row = 1; row <= 4; row++) {
        add(row);
    }
    queue_take(q, 3, 0, taken);
    cr_assert_eq(take(2), 2);
    take_one();
    done(2, false);
    EXPECT_ROWS("the failed ones first", 1, 2, 3, 4);
    done(4, false);
    EXPECT_ROWS("again", 1, 2, 3, 4);
    settle_one(taken[1], FATE_RELAYED);
    done(4, false);
    cr_expect_eq(take(ALL), 4, "each once, though one has changed twice");
    unsigned relayed = 0;
    for (size_t i = 0; i < 4; i++) {
        relayed += records[i].row == 2 && records[i].state == MESSAGE_RELAYED;
    }
    cr_expect_eq(relayed, 1, "as it is now");
    done(4, true);
    EXPECT_NO_ROWS("all told");
}

/* --- marks ------------------------------------------------------------------------------------ */

Test(queue_records, a_mark_is_reached_when_what_was_before_it_is_saved, .init = setup,
     .fini = teardown)
{
    struct message *taken[2];
    uint64_t none = queue_records_mark(q);
    cr_expect(queue_records_are_saved(q, none), "nothing has changed");
    add(1);
    add(2);
    cr_expect(queue_records_are_saved(q, queue_records_mark(q)), "what is new was stored before");
    taken[0] = take_one();
    uint64_t first = queue_records_mark(q);
    taken[1] = take_one();
    uint64_t second = queue_records_mark(q);
    cr_expect_not(queue_records_are_saved(q, first));
    cr_assert_eq(take(1), 1);
    cr_expect_not(queue_records_are_saved(q, first), "taken is not written");
    settle_one(taken[0], FATE_RETURNED);
    uint64_t third = queue_records_mark(q);
    done(1, true);
    cr_expect(queue_records_are_saved(q, first));
    cr_expect_not(queue_records_are_saved(q, second));
    EXPECT_ROWS("the others", 2, 1);
    done(2, true);
    cr_expect(queue_records_are_saved(q, second) && queue_records_are_saved(q, third));
}

Test(queue_records, a_failed_save_reaches_no_mark_and_leaves_none_behind, .init = setup,
     .fini = teardown)
{
    uint64_t marks[20];
    size_t count = 0;
    for (int64_t row = 1; row <= 3; row++) {
        add(row);
    }
    for (int round = 0; round < 3; round++) {
        struct message *taken[3];
        cr_assert_eq(queue_take(q, 3, 0, taken), 3);
        marks[count++] = queue_records_mark(q);
        cr_assert_eq(take(ALL), 3);
        settle_one(taken[round], FATE_RETURNED); /* changes while it is written */
        marks[count++] = queue_records_mark(q);
        done(3, false);
        marks[count++] = queue_records_mark(q);
        for (int i = 0; i < 3; i++) {
            if (i != round) {
                settle_one(taken[i], FATE_RETURNED);
            }
        }
        for (size_t i = 0; i < count; i++) {
            cr_expect_not(queue_records_are_saved(q, marks[i]), "round %d, mark %zu", round, i);
        }
    }
    save_all();
    for (size_t i = 0; i < count; i++) {
        cr_expect(queue_records_are_saved(q, marks[i]), "mark %zu is stuck", i);
    }
    cr_expect(queue_records_are_saved(q, queue_records_mark(q)));
    /* From here on they count as before. */
    take_one();
    cr_expect_not(queue_records_are_saved(q, queue_records_mark(q)));
    save_all();
    cr_expect(queue_records_are_saved(q, queue_records_mark(q)));
}

/* One that changed while a write failed is now written after others that changed later. */
Test(queue_records, a_mark_waits_for_what_was_moved_back, .init = setup, .fini = teardown)
{
    add(1);
    add(2);
    struct message *m = take_one();
    uint64_t mark = queue_records_mark(q);
    take_one();
    EXPECT_ROWS("sending", 1, 2);
    settle_one(m, FATE_RETURNED);
    done(2, false);
    bool is_written = false;
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(take(1), 1);
        is_written = is_written || records[0].row == 1;
        done(1, true);
        cr_expect_eq(queue_records_are_saved(q, mark), is_written);
    }
    cr_expect(queue_records_are_saved(q, queue_records_mark(q)));
}

Test(queue_records, marks_are_reached_while_there_is_always_more, .init = setup, .fini = teardown)
{
    enum { ROUNDS = 50 };
    add(1);
    add(2);
    struct message *taken[2] = {take_one(), take_one()};
    cr_assert_eq(take(ALL), 2);
    settle_one(taken[0], FATE_RETURNED);
    done(2, false); /* one of them counts twice from here on, until the list is empty */
    uint64_t mark = queue_records_mark(q);
    int round = 0;
    for (; round < ROUNDS && !queue_records_are_saved(q, mark); round++) {
        size_t count = take(ALL);
        taken[0] = take_one(); /* the list is not empty when the write ends */
        settle_one(taken[0], FATE_RETURNED);
        done(count, true);
    }
    cr_expect_lt(round, 5, "%d rounds", round);
}

/* --- how long a message stays ----------------------------------------------------------------- */

/* With ASan this also finds a message that is freed while it is written. */
Test(queue_records, the_finished_stay_until_they_are_saved, .init = setup, .fini = teardown)
{
    struct ulid id = add(1);
    settle_one(take_one(), FATE_RELAYED);
    cr_expect(is_known(&id), "the store does not know yet");
    for (int try = 0; try < 3; try++) {
        EXPECT_ROWS("relayed", 1);
        cr_expect(is_known(&id));
        cr_expect_eq(records[0].message->to_len, 12, "still there to be written");
        done(1, false);
        cr_expect(is_known(&id), "still not");
    }
    save_all();
    cr_expect_not(is_known(&id), "now the store can be asked");
    struct queue_totals totals;
    queue_totals(q, &totals);
    cr_expect_eq(totals.bytes, 0);
}

Test(queue_records, it_ends_while_it_is_written, .init = setup, .fini = teardown)
{
    struct ulid id = add(1);
    struct message *m = take_one();
    EXPECT_ROWS("sending", 1);
    settle_one(m, FATE_RELAYED);
    done(1, true);
    cr_expect(is_known(&id), "only its mark is saved");
    save_all();
    cr_expect_not(is_known(&id));
}

Test(queue_records, those_with_a_ref_stay_for_the_retention)
{
    begin(50, SIZE_MAX / 2);
    struct ulid relayed = add_with_ref(1, "r"), canceled = add_with_ref(2, "c");
    settle_one(take_one(), FATE_RELAYED);
    cancel(&canceled);
    struct queue_depth depth;
    queue_advance(q, 200, &depth);
    cr_expect(is_known(&relayed) && is_known(&canceled), "past the retention, but not saved");
    save_all();
    queue_advance(q, 49, &depth);
    cr_expect(is_known(&relayed) && is_known(&canceled));
    queue_advance(q, 50, &depth);
    cr_expect(!is_known(&relayed) && is_known(&canceled));
    queue_advance(q, 60, &depth);
    cr_expect_not(is_known(&canceled));
    teardown();
}

Test(queue_records, a_duplicate_of_what_is_not_saved_yet, .init = setup, .fini = teardown)
{
    struct ulid first = add_with_ref(1, "r");
    settle_one(take_one(), FATE_RELAYED);
    for (int is_saved = 0; is_saved <= 1; is_saved++) {
        struct message *m = make(2, "r");
        struct queue_receipt receipt;
        struct queue_submission s = {&m, 1, &receipt, QUEUE_FULL, 0, {0}};
        queue_add(q, &s, 1, 0);
        cr_assert_eq(s.verdict, QUEUE_ACCEPTED);
        cr_expect(receipt.is_duplicate && receipt.state == MESSAGE_RELAYED);
        cr_expect_eq(memcmp(&receipt.id, &first, sizeof first), 0);
        free(receipt.answer);
        save_all();
    }
}

Test(queue_records, without_retention_nothing_stays_once_it_is_saved)
{
    begin(0, SIZE_MAX / 2);
    struct ulid id = add_with_ref(1, "r");
    settle_one(take_one(), FATE_RELAYED);
    struct queue_depth depth;
    queue_advance(q, 500, &depth);
    cr_expect(is_known(&id));
    save_all();
    cr_expect_not(is_known(&id));
    teardown();
}

Test(queue_records, what_is_not_saved_makes_no_room)
{
    struct message *sample = make(1, "r");
    size_t bytes = message_bytes(sample);
    message_free(sample);
    begin(FAR, 2 * bytes);
    add_with_ref(1, "1");
    struct ulid second = add_with_ref(2, "2");
    settle_one(take_one(), FATE_RELAYED);
    struct message *m = make(3, "3");
    struct queue_receipt receipt;
    struct queue_submission s = {&m, 1, &receipt, QUEUE_ACCEPTED, 0, {0}};
    queue_add(q, &s, 1, 0);
    cr_expect_eq(s.verdict, QUEUE_FULL, "the store does not know its end");
    save_all();
    queue_add(q, &s, 1, 0);
    cr_expect_eq(s.verdict, QUEUE_ACCEPTED);
    cr_expect(is_known(&second) && is_known(&receipt.id));
    teardown();
}

/* The first to finish is not saved, the second is: but room is made in order only. */
Test(queue_records, what_is_saved_first_does_not_drag_others_along)
{
    struct message *sample = make(1, "1");
    size_t bytes = message_bytes(sample);
    message_free(sample);
    begin(FAR, 2 * bytes);
    struct message *taken[2];
    struct ulid first = add_with_ref(1, "1"), second = add_with_ref(2, "2");
    taken[0] = take_one();
    taken[1] = take_one();
    save_all();
    settle_one(taken[1], FATE_RETURNED);
    settle_one(taken[0], FATE_RELAYED);
    settle_one(take_one(), FATE_RELAYED);
    cr_assert_eq(take(1), 1);
    cr_assert_eq(records[0].row, 2);
    done(1, true);
    struct message *m = make(3, "3");
    struct queue_receipt receipt;
    struct queue_submission s = {&m, 1, &receipt, QUEUE_ACCEPTED, 0, {0}};
    queue_add(q, &s, 1, 0);
    cr_expect_eq(s.verdict, QUEUE_FULL);
    cr_expect(is_known(&first) && is_known(&second));
    save_all();
    queue_add(q, &s, 1, 0);
    cr_expect_eq(s.verdict, QUEUE_ACCEPTED);
    teardown();
}

Test(queue_records, a_ref_is_held_until_its_end_is_saved, .fini = teardown)
{
    begin(50, SIZE_MAX / 2);
    struct ulid first = add_with_ref(1, "r");
    settle_one(take_one(), FATE_RELAYED);
    for (int is_saved = 0; is_saved <= 1; is_saved++) { /* its retention is over */
        struct message *m = make(2, "r");
        struct queue_receipt receipt;
        struct queue_submission s = {&m, 1, &receipt, QUEUE_FULL, 0, {0}};
        queue_add(q, &s, 1, 200);
        cr_expect_eq(receipt.is_duplicate, !is_saved);
        cr_expect_eq(is_known(&first), !is_saved);
        free(receipt.answer);
        save_all();
    }
}
