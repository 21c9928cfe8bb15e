/*
 * store: what was written is there after a restart, questions are answered from it in order, old
 * messages are purged, and a bad file is refused with a sentence. The test is the loop thread; it waits
 * for the store's calls, never for time to pass. For a failing disk see tests/stress/store_faults.
 */
#include "gateway/base/clock.h"
#include "gateway/base/stats.h"
#include "gateway/notify/outbox.h"
#include "gateway/queue/admission.h"
#include "gateway/queue/ask.h"
#include "gateway/queue/control.h"
#include "gateway/queue/dispatch.h"
#include "gateway/queue/queue.h"
#include "gateway/queue/records.h"
#include "gateway/store/row.h"
#include "gateway/store/store.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

enum { HOUR_MS = 3600 * 1000, PATIENCE_S = 60, PATH_SIZE = 200, WORDS_SIZE = 512 };

static struct store *s;
static struct queue *q;
static struct stats stats;
static char folder[PATH_SIZE], path[PATH_SIZE], error[WORDS_SIZE];
static size_t restored;
static bool wakes_store = true;
static struct store_options options; /* of the next start */
static int64_t
    base_ms; /* of the next row; not long ago, or finished messages would be past their retention */

/* --- waiting ---------------------------------------------------------------------------------- */

static pthread_mutex_t news_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t news_came = PTHREAD_COND_INITIALIZER;
static bool has_news;

static void bring_news(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&news_mutex);
    has_news = true;
    pthread_cond_signal(&news_came);
    pthread_mutex_unlock(&news_mutex);
}

static void wait_for_news(void)
{
    struct timespec until;
    int failure = 0;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&news_mutex);
    while (!has_news && failure == 0) {
        failure = pthread_cond_timedwait(&news_came, &news_mutex, &until);
    }
    has_news = false;
    pthread_mutex_unlock(&news_mutex);
    cr_assert_eq(failure, 0, "the store says nothing");
}

/* --- a relay's queue and store ---------------------------------------------------------------- */

static void wake_store(void *arg)
{
    (void)arg;
    store_wake(s);
}

static bool try_start(void)
{
    options.path = path;
    options.stats = &stats;
    options.notify = options.saved = bring_news;
    memset(&stats, 0, sizeof stats);
    s = store_open(&options, error, sizeof error);
    if (s == NULL) {
        return false;
    }
    q = queue_new(&(struct queue_options){
        .max_messages = 100000,
        .max_bytes = SIZE_MAX / 2,
        .retention_ms = options.retention_ms,
        .wake_store = wakes_store ? wake_store : NULL,
    });
    if (!store_restore(s, q, &restored, error, sizeof error)) {
        queue_free(q);
        store_free(s);
        return false;
    }
    cr_assert(store_start(s) == 0);
    return true;
}

static void start(void)
{
    cr_assert(try_start(), "%s", error);
}

static void stop(void)
{
    cr_expect(store_stop(s));
    queue_free(q);
    store_free(s);
}

static void restart(void)
{
    stop();
    start();
}

static void setup(void)
{
    snprintf(folder, sizeof folder, "/tmp/smsrelay-store-test-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%.100s/queue.db", folder);
    options = (struct store_options){.retention_ms = HOUR_MS};
    base_ms = clock_unix_ms();
}

static int remove_one(const char *name, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(name);
}

static void teardown(void)
{
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Changes or queries the store's file behind its back. */
static int count_rows(void *count, int columns, char **values, char **names)
{
    (void)columns;
    (void)names;
    *(int *)count = atoi(values[0]);
    return 0;
}

/* Runs SQL on the file. Returns the number that it gives. */
static int sql(const char *text)
{
    sqlite3 *db;
    int number = 0;
    char *words = NULL;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_exec(db, text, count_rows, &number, &words);
    cr_assert_null(words, "%s: %s", text, words);
    sqlite3_close(db);
    return number;
}

/* --- messages --------------------------------------------------------------------------------- */

/* A message as intake makes it, in the next row; what `like` leaves open gets a default. */
static struct message *make(const struct message_content *like)
{
    static uint64_t count;
    struct message_content content = *like;
    unsigned char random[ULID_RANDOM_BYTES] = {0};
    uint64_t mixed = ++count * 0x9E3779B97F4A7C15;
    memcpy(random + 2, &mixed, sizeof mixed);
    content.id = ulid_make(base_ms, random);
    content.row = store_row_first(base_ms) + (int64_t)count;
    content.to = like->to == NULL ? "+34600000000" : like->to;
    content.from = like->from == NULL ? "Acme" : like->from;
    content.ref = like->ref == NULL ? "" : like->ref;
    if (like->text == NULL) {
        content.text = "hello";
        content.text_len = 5;
    }
    content.size.parts = like->size.parts == 0 ? 1 : like->size.parts;
    content.expires_ms = like->expires_ms == 0 ? INT64_MAX / 2 : like->expires_ms;
    struct message *m = message_new(&content);
    cr_assert_not_null(m);
    return m;
}

struct insertion {
    bool has_ended, is_stored;
    struct message **holders;
    size_t holder_count;
};

static void on_inserted(void *arg, const struct store_insertion *ended)
{
    struct insertion *insertion = arg;
    insertion->has_ended = true;
    insertion->is_stored = ended->is_stored;
    insertion->holders = ended->holders;
    insertion->holder_count = ended->holder_count;
}

/* Inserts messages, or learns that one of them was submitted before. */
static void insert(struct message **messages, size_t count, struct insertion *insertion)
{
    *insertion = (struct insertion){.has_ended = false};
    store_insert(s, messages, count, on_inserted, insertion);
    cr_expect_not(store_is_idle(s));
    for (store_deliver(s); !insertion->has_ended; store_deliver(s)) {
        wait_for_news();
    }
    cr_expect(store_is_idle(s));
}

/* Accepts messages as intake does. The queue owns them from here on. */
static void accept_all(struct message **messages, size_t count, int64_t now_ms)
{
    struct queue_receipt *receipts = calloc(count, sizeof *receipts);
    struct queue_submission submission = {messages, count, receipts, QUEUE_FULL, 0, {0}};
    struct insertion insertion;
    queue_prepare(q, &submission, 1, now_ms);
    cr_assert_eq(submission.verdict, QUEUE_ACCEPTED);
    insert(messages, count, &insertion);
    cr_assert(insertion.is_stored);
    queue_admit(q, &submission, 1, true, now_ms);
    free(receipts);
}

static struct ulid accept_one(const struct message_content *like)
{
    struct message *m = make(like);
    struct ulid id = m->id;
    accept_all(&m, 1, base_ms);
    return id;
}

static struct ulid accept_ref(const char *ref)
{
    return accept_one(&(struct message_content){.ref = ref});
}

static void settle_next_as(struct queue_settlement *settlement)
{
    cr_assert_eq(queue_take(q, 1, base_ms, &settlement->message), 1);
    queue_settle(q, settlement, 1, base_ms + 1);
}

static void settle_next(enum queue_fate fate, const char *api_id, const char *reason)
{
    settle_next_as(
        &(struct queue_settlement){.fate = fate, .answer = message_answer_new(api_id, reason)});
}

static void await_saved(void)
{
    uint64_t mark = queue_records_mark(q);
    while (!store_has_saved(s, mark)) {
        wait_for_news();
    }
}

/* --- questions -------------------------------------------------------------------------------- */

enum { KEPT = 8 };

/* The parts of an answer that tests look at. */
struct answer {
    bool has_come, has_failed;
    size_t count;
    struct message *messages[KEPT]; /* copies of the first ones, without their links */
    unsigned turn;                  /* among all answers */
};
static unsigned turns;

static struct message *copy_message(struct message *m)
{
    struct message *copy = message_new(&(struct message_content){
        .id = m->id,
        .to = message_to(m),
        .from = message_from(m),
        .ref = message_ref(m),
        .text = message_text(m),
        .text_len = m->text_len,
        .size = {.encoding = (enum text_encoding)m->encoding, .parts = m->parts},
        .priority = (enum message_priority)m->priority,
        .allow_unicode = m->allow_unicode,
        .has_ttl = m->has_ttl,
        .due_ms = m->due_ms,
        .expires_ms = m->expires_ms,
        .owner = m->owner,
        .row = m->is_durable ? message_row_links(m)->row : 0,
    });
    copy->state = m->state;
    copy->may_be_sent = m->may_be_sent;
    copy->is_unlooked = m->is_unlooked;
    copy->ambiguous_ends = m->ambiguous_ends;
    copy->doubts = m->doubts;
    copy->attempts = m->attempts;
    copy->updated_ms = m->updated_ms;
    copy->answer = message_answer_copy(m->answer);
    return copy;
}

static void on_answered(void *arg, const struct store_question *question)
{
    struct answer *answer = arg;
    *answer = (struct answer){.has_come = true,
                              .has_failed = question->has_failed,
                              .count = question->count,
                              .turn = turns++};
    for (size_t i = 0; i < question->count && i < KEPT; i++) {
        answer->messages[i] = copy_message(question->messages[i]);
    }
}

static void forget(struct answer *answer)
{
    for (size_t i = 0; i < KEPT; i++) {
        message_free(answer->messages[i]);
        answer->messages[i] = NULL;
    }
}

static void ask_later(struct store_question question, struct answer *answer)
{
    *answer = (struct answer){.has_come = false};
    question.answered = on_answered;
    question.arg = answer;
    cr_assert(store_ask(s, &question));
}

static void await_answer(struct answer *answer)
{
    for (store_deliver(s); !answer->has_come; store_deliver(s)) {
        wait_for_news();
    }
    cr_assert_not(answer->has_failed);
}

static void ask(struct store_question question, struct answer *answer)
{
    ask_later(question, answer);
    await_answer(answer);
}

/* The message with an id as the store has it, for the caller to free; NULL if it is not there. */
static struct message *look_up(const struct ulid *id)
{
    struct answer answer;
    ask((struct store_question){.kind = STORE_ASK_ID, .id = *id}, &answer);
    cr_assert_leq(answer.count, 1);
    return answer.messages[0];
}

static bool is_stored(const struct ulid *id)
{
    struct message *m = look_up(id);
    message_free(m);
    return m != NULL;
}

static bool is_same(const struct ulid *a, const struct ulid *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* --- after a restart -------------------------------------------------------------------------- */

static void expect_equal(struct message *is, struct message *want, const char *what)
{
    cr_assert_not_null(is, "%s: gone", what);
    cr_expect(is_same(&is->id, &want->id), "%s", what);
    cr_expect_eq(message_row_links(is)->row, message_row_links(want)->row, "%s", what);
    cr_expect_str_eq(message_to(is), message_to(want), "%s", what);
    cr_expect_str_eq(message_from(is), message_from(want), "%s", what);
    cr_expect_str_eq(message_ref(is), message_ref(want), "%s", what);
    cr_assert_eq(is->text_len, want->text_len, "%s", what);
    cr_expect_eq(memcmp(message_text(is), message_text(want), want->text_len + 1U), 0, "%s", what);
    cr_expect_eq(is->owner, want->owner, "%s", what);
    cr_expect_eq(is->priority, want->priority, "%s", what);
    cr_expect_eq(is->encoding, want->encoding, "%s", what);
    cr_expect_eq(is->parts, want->parts, "%s", what);
    cr_expect_eq(is->allow_unicode, want->allow_unicode, "%s", what);
    cr_expect_eq(is->has_ttl, want->has_ttl, "%s", what);
    cr_expect_eq(is->due_ms, want->due_ms, "%s", what);
    cr_expect_eq(is->expires_ms, want->expires_ms, "%s", what);
    cr_expect_eq(is->state, want->state, "%s: %s", what,
                 message_state_name((enum message_state)is->state));
    cr_expect_eq(is->attempts, want->attempts, "%s", what);
}

Test(store, every_field_outlives_a_restart, .init = setup, .fini = teardown)
{
    static char long_text[UINT16_MAX + 1], long_ref[REF_MAX + 1];
    memset(long_text, 'x', UINT16_MAX);
    memset(long_ref, '~', REF_MAX);
    const struct message_content cases[] = {
        {.text = NULL},
        {.text = "", .text_len = 0},
        {.text = "a\0b\0", .text_len = 4},
        {.text = "\xE2\x82\xAC \xF0\x9F\x98\x80 'quoted' \"\n\t%s;--", .text_len = 26},
        {.text = long_text, .text_len = UINT16_MAX, .size = {.parts = 255}},
        {.ref = "r"},
        {.ref = long_ref, .to = "+123456789012345", .from = "123456789012345"},
        {.size = {.encoding = TEXT_UCS2, .parts = 7}, .allow_unicode = true},
        {.priority = PRIORITY_HIGH, .owner = OWNER_LOCAL},
        {.priority = PRIORITY_NORMAL, .owner = 0},
        {.priority = PRIORITY_LOW, .owner = INT32_MAX},
        {.due_ms = base_ms + 5, .expires_ms = base_ms + 6, .has_ttl = true},
        {.due_ms = INT64_MAX / 4, .expires_ms = INT64_MAX / 4 + 1},
    };
    struct message *messages[COUNT(cases)], *want[COUNT(cases)];
    start();
    for (size_t i = 0; i < COUNT(cases); i++) {
        messages[i] = make(&cases[i]);
        want[i] = copy_message(messages[i]);
    }
    int64_t last_row = message_row_links(messages[COUNT(cases) - 1])->row;
    accept_all(messages, COUNT(cases), base_ms);
    for (int again = 0; again <= 1; again++) {
        for (size_t i = 0; i < COUNT(cases); i++) {
            char what[40];
            snprintf(what, sizeof what, "case %zu, restart %d", i, again);
            struct message *is = look_up(&want[i]->id);
            expect_equal(is, want[i], what);
            cr_expect_null(is->answer);
            message_free(is);
        }
        restart();
        cr_expect_eq(restored, COUNT(cases));
        cr_expect_eq(store_last_row(s), last_row);
    }
    stop();
    for (size_t i = 0; i < COUNT(cases); i++) {
        message_free(want[i]);
    }
}

Test(store, progress_outlives_a_restart, .init = setup, .fini = teardown)
{
    static const struct {
        enum queue_fate fate;
        const char *api_id, *reason;
        enum message_state state;
        unsigned attempts, ambiguous_ends; /* as many doubts */
        bool may_be_sent, may_be_taken;
    } cases[] = {
        {FATE_RELAYED, "api-1", "", MESSAGE_RELAYED, 1, 0, false, false},
        {FATE_REJECTED, "", "\xE2\x82\xAC 'no'\nsuch \"number\"", MESSAGE_REJECTED, 1, 0, false,
         false},
        {FATE_RETURNED, "", "busy", MESSAGE_QUEUED, 0, 0, false, false},
        {FATE_RETURNED, "", "no", MESSAGE_QUEUED, 0, 0, false, true},
        {FATE_SUSPECT, "", "no", MESSAGE_DEFERRED, 0, 0, false, true},
        {FATE_SUSPECT, "", "no", MESSAGE_DEFERRED, 0, 0, false, false},
        {FATE_AMBIGUOUS, "a", "b", MESSAGE_DEFERRED, 1, 1, true, false},
        {FATE_UNRESOLVED, "", "cannot tell", MESSAGE_UNRESOLVED, 1, 0, false, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        setup();
        start();
        struct ulid id = accept_one(&(struct message_content){.ref = "r"});
        settle_next_as(&(struct queue_settlement){
            .fate = cases[i].fate,
            .may_be_taken = cases[i].may_be_taken,
            .answer = message_answer_new(cases[i].api_id, cases[i].reason)});
        for (int again = 0; again <= 1; again++) {
            struct message *m = look_up(&id);
            cr_assert_not_null(m);
            cr_expect_eq(m->state, cases[i].state, "case %zu, restart %d: %s", i, again,
                         message_state_name((enum message_state)m->state));
            cr_expect_eq(m->attempts, cases[i].attempts, "case %zu", i);
            cr_expect_eq(m->ambiguous_ends, cases[i].ambiguous_ends, "case %zu", i);
            cr_expect_eq(m->doubts, cases[i].ambiguous_ends, "case %zu", i);
            cr_expect_eq(m->may_be_sent, cases[i].may_be_sent, "case %zu", i);
            cr_expect_eq(m->is_unlooked, cases[i].may_be_taken, "case %zu", i);
            cr_expect_eq(m->updated_ms, base_ms + 1, "case %zu", i);
            cr_expect_str_eq(message_api_id(m), cases[i].api_id);
            cr_expect_str_eq(message_reason(m), cases[i].reason);
            message_free(m);
            restart();
        }
        stop();
        teardown();
    }
}

Test(store, times_of_a_message_that_waits, .init = setup, .fini = teardown)
{
    start();
    struct ulid id = accept_one(&(struct message_content){.expires_ms = base_ms + 10});
    struct message *m;
    cr_assert_eq(queue_take(q, 1, base_ms, &m), 1);
    struct queue_settlement later = {.message = m, .fate = FATE_RETURNED, .due_ms = base_ms + 5};
    queue_settle(q, &later, 1, base_ms);
    m = look_up(&id);
    cr_expect_eq(m->state, MESSAGE_DEFERRED);
    cr_expect_eq(m->due_ms, base_ms + 5);
    message_free(m);

    /* The operator sends it after its expiry: that is kept, too. */
    queue_flush(q, base_ms);
    cr_assert_eq(queue_take(q, 1, base_ms, &m), 1);
    struct queue_settlement untold = {.message = m, .fate = FATE_UNRESOLVED};
    queue_settle(q, &untold, 1, base_ms);
    m = look_up(&id);
    cr_expect_eq(m->expires_ms, base_ms + 10);
    message_free(m);
    cr_assert_eq(queue_retry(q, &id, base_ms + 20), QUEUE_DONE);
    for (int again = 0; again <= 1; again++) {
        m = look_up(&id);
        cr_expect_eq(m->state, MESSAGE_QUEUED);
        cr_expect_eq(m->expires_ms, INT64_MAX);
        cr_expect_not(m->has_ttl);
        message_free(m);
        restart();
    }
    stop();
}

/* What the queue holds after a restart, and in which order. */
Test(store, restores_what_is_wanted, .init = setup, .fini = teardown)
{
    start();
    int64_t long_ago = clock_unix_ms() - 2 * HOUR_MS, now = clock_unix_ms();
    base_ms = long_ago;
    accept_one(&(struct message_content){.text = NULL});
    settle_next(FATE_RELAYED, "1", "");
    base_ms = now;
    accept_ref("ref");
    settle_next(FATE_RELAYED, "3", "");
    struct ulid waits[3];
    for (size_t i = 0; i < COUNT(waits); i++) {
        waits[i] = accept_one(&(struct message_content){.text = NULL});
    }
    restart();
    cr_expect_eq(restored, COUNT(waits), "whatever has finished stays in the file");
    size_t count, left_out;
    struct queue_doubtful *doubtful = queue_ambiguous(q, INT64_MAX, &count, &left_out);
    cr_assert_eq(count, COUNT(waits));
    for (size_t i = 0; i < count; i++) {
        cr_expect(is_same(&doubtful[i].id, &waits[i]), "in the order of submission");
    }
    free(doubtful);
    stop();
}

/* --- REFs ------------------------------------------------------------------------------------- */

/* Submits a message that the queue takes for new. Returns the id of the finished message that holds its
 * REF; all zero = it was stored. */
static struct ulid submit(const struct message_content *like)
{
    struct message *m = make(like);
    struct queue_receipt receipt = {.is_duplicate = false};
    struct queue_submission submission = {&m, 1, &receipt, QUEUE_FULL, 0, {0}};
    struct insertion insertion;
    struct ulid id = {{0}};
    queue_prepare(q, &submission, 1, base_ms);
    cr_assert_eq(submission.verdict, QUEUE_ACCEPTED);
    insert(&m, 1, &insertion);
    cr_expect_neq(insertion.is_stored, insertion.holder_count > 0);
    queue_admit(q, &submission, 1, insertion.is_stored, base_ms);
    if (insertion.holder_count == 0) {
        return id;
    }
    cr_expect_eq(insertion.holder_count, 1);
    id = insertion.holders[0]->id;
    message_free(insertion.holders[0]);
    free(insertion.holders);
    message_free(m);
    return id;
}

Test(store, knows_the_refs_of_what_has_finished, .init = setup, .fini = teardown)
{
    static const struct {
        const char *what, *to, *ref;
        int32_t owner;
        bool is_held;
    } cases[] = {
        {"the same", "+34600000000", "r-1", 0, true},
        {"another recipient", "+34600000001", "r-1", 0, false},
        {"another owner", "+34600000000", "r-1", 7, false},
        {"another REF", "+34600000000", "r-2", 0, false},
        {"a rejected one is free again", "+34600000000", "rejected", 0, false},
        {"and then held by the second", "+34600000000", "again", 0, true},
        {"none", "+34600000000", "", 0, false},
    };
    start();
    struct ulid id = accept_ref("r-1");
    settle_next(FATE_RELAYED, "1", "");
    accept_ref("rejected");
    settle_next(FATE_REJECTED, "", "no");
    accept_ref("again");
    settle_next(FATE_REJECTED, "", "no");
    struct ulid again = accept_ref("again");
    settle_next(FATE_RELAYED, "2", "");
    restart();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ulid holder = submit(&(struct message_content){
            .to = cases[i].to, .ref = cases[i].ref, .owner = cases[i].owner});
        struct ulid want = {{0}};
        if (cases[i].is_held) {
            want = strcmp(cases[i].ref, "again") == 0 ? again : id;
        }
        cr_expect(is_same(&holder, &want), "%s", cases[i].what);
    }
    stop();
}

Test(store, a_ref_is_free_after_the_retention, .init = setup, .fini = teardown)
{
    start();
    base_ms = clock_unix_ms() - 2 * HOUR_MS;
    accept_ref("r");
    settle_next(FATE_RELAYED, "1", "");
    base_ms = clock_unix_ms();
    restart();
    struct ulid none = {{0}};
    struct ulid holder = submit(&(struct message_content){.ref = "r"});
    cr_expect(is_same(&holder, &none));
    stop();
}

/* Of a REF all messages are told, in order, and in portions. */
Test(store, asked_by_ref, .init = setup, .fini = teardown)
{
    enum { MANY = STORE_PORTION + 3 };
    static struct message *messages[MANY];
    char numbers[MANY][NUMBER_SIZE];
    start();
    accept_ref("other");
    settle_next(FATE_RELAYED, "1", "");
    for (int i = 0; i < MANY; i++) {
        snprintf(numbers[i], NUMBER_SIZE, "+346000%05d", i);
        messages[i] = make(&(struct message_content){.to = numbers[i], .ref = "r"});
    }
    accept_all(messages, MANY, base_ms);
    settle_next(FATE_RELAYED, "2", "");
    restart();
    struct store_question question = {.kind = STORE_ASK_REF, .ref = "r"};
    struct answer answer;
    ask(question, &answer);
    cr_assert_eq(answer.count, STORE_PORTION);
    cr_expect_str_eq(message_to(answer.messages[0]), numbers[0]);
    cr_expect_eq(answer.messages[0]->state, MESSAGE_RELAYED);
    cr_expect_str_eq(message_to(answer.messages[1]), numbers[1]);
    question.after = message_row_links(answer.messages[0])->row + STORE_PORTION - 1;
    forget(&answer);
    ask(question, &answer);
    cr_assert_eq(answer.count, MANY - STORE_PORTION);
    cr_expect_str_eq(message_to(answer.messages[0]), numbers[STORE_PORTION]);
    forget(&answer);
    question.owner = 7;
    ask(question, &answer);
    cr_expect_eq(answer.count, 0, "each owner has REFs of its own");
    stop();
}

/* The statement and proto/report agree on which statuses are the last ones. */
static void show_unreported(void *arg, const struct ulid *id, const char *api_id,
                            int64_t relayed_ms)
{
    char *shown = arg;
    (void)id;
    cr_expect_eq(relayed_ms, base_ms + 1);
    strcat(strcat(shown, api_id), " ");
}

Test(store, tells_of_what_is_relayed_and_not_reported, .init = setup, .fini = teardown)
{
    static const char *const statuses[] = {"",         "sent",     "error",    "failed",
                                           "rejected", "canceled", "expired",  "delivered",
                                           "unknown",  "accepted", "buffered", "handed-over"};
    char wanted[200] = "", words[300], api_id[8];
    start();
    accept_one(&(struct message_content){.text = NULL});
    settle_next(FATE_REJECTED, "", "no");
    for (size_t i = 0; i < COUNT(statuses); i++) {
        accept_one(&(struct message_content){.text = NULL});
        snprintf(api_id, sizeof api_id, "%zu", i);
        settle_next(FATE_RELAYED, api_id, "");
        if (!report_status_is_final(statuses[i])) {
            strcat(strcat(wanted, api_id), " ");
        }
    }
    accept_one(&(struct message_content){.text = NULL}); /* still queued */
    stop();
    for (size_t i = 1; i < COUNT(statuses); i++) {
        snprintf(words, sizeof words,
                 "INSERT INTO report SELECT row, '%s', 0, 5 FROM progress WHERE api_id = '%zu'",
                 statuses[i], i);
        sql(words);
    }
    static const struct {
        int64_t later_ms;
        size_t max;
        size_t left_out; /* letters of the first ones */
    } cases[] = {{0, 100, 0}, {0, 5, 2}, {1, 100, SIZE_MAX}};
    s = store_open(&options, error, sizeof error);
    cr_assert_not_null(s, "%s", error);
    for (size_t i = 0; i < COUNT(cases); i++) {
        char shown[200] = "";
        store_each_unreported(s, base_ms + cases[i].later_ms, cases[i].max, show_unreported, shown);
        cr_expect_str_eq(shown, cases[i].left_out == SIZE_MAX ? "" : wanted + cases[i].left_out);
    }
    store_free(s);
}

/* Durable before the 250: the relay dies right after it. */
Test(store, outlives_a_crash, .init = setup, .fini = teardown)
{
    int told[2];
    cr_assert_eq(pipe(told), 0);
    pid_t child = fork();
    if (child == 0) {
        start();
        struct ulid id = accept_ref("r");
        struct message *m;
        queue_take(q, 1, base_ms, &m);
        await_saved(); /* ... and its request began */
        _exit(write(told[1], &id, sizeof id) == sizeof id ? 0 : 1);
    }
    struct ulid id;
    int status = 0;
    close(told[1]);
    cr_assert_eq(read(told[0], &id, sizeof id), (ssize_t)sizeof id);
    cr_assert_eq(waitpid(child, &status, 0), child);
    close(told[0]);
    start();
    cr_expect_eq(restored, 1);
    struct message *m = look_up(&id);
    cr_assert_not_null(m);
    cr_expect_eq(m->state, MESSAGE_SENDING);
    message_free(m);
    struct queue_resolution r = {.id = id, .fate = FATE_UNRESOLVED};
    queue_resolve(q, &r, 1, base_ms);
    m = look_up(&id);
    cr_expect_eq(m->state, MESSAGE_UNRESOLVED, "it may have been sent");
    message_free(m);
    stop();
}

/* More messages than a restore reads at once, and than one transaction saves. */
Test(store, many_messages, .init = setup, .fini = teardown)
{
    enum { MESSAGES = 5000 };
    static struct message *messages[MESSAGES], *taken[MESSAGES];
    static struct queue_settlement settlements[MESSAGES];
    start();
    for (size_t i = 0; i < MESSAGES; i++) {
        messages[i] = make(&(struct message_content){.ref = ""});
    }
    accept_all(messages, MESSAGES, base_ms);
    restart();
    cr_expect_eq(restored, MESSAGES);
    size_t count, left_out;
    struct queue_doubtful *doubtful = queue_ambiguous(q, INT64_MAX, &count, &left_out);
    cr_assert_eq(count, MESSAGES);
    static struct queue_resolution resolutions[MESSAGES];
    for (size_t i = 0; i < MESSAGES; i++) {
        resolutions[i] = (struct queue_resolution){.id = doubtful[i].id, .fate = FATE_RETURNED};
    }
    queue_resolve(q, resolutions, MESSAGES, base_ms);
    cr_assert_eq(queue_take(q, MESSAGES, base_ms, taken), MESSAGES);
    for (size_t i = 0; i < MESSAGES; i++) {
        settlements[i] = (struct queue_settlement){.message = taken[i], .fate = FATE_RELAYED};
    }
    queue_settle(q, settlements, MESSAGES, base_ms);
    struct answer answer;
    ask((struct store_question){.kind = STORE_ASK_STATE,
                                .state = MESSAGE_RELAYED,
                                .max = 2 * MESSAGES},
        &answer);
    cr_expect_eq(answer.count, MESSAGES, "%zu", answer.count);
    cr_expect(is_same(&answer.messages[0]->id, &doubtful[0].id));
    forget(&answer);
    free(doubtful);
    struct queue_totals totals;
    await_saved();
    queue_totals(q, &totals);
    cr_expect_eq(totals.bytes, 0, "what has ended is the store's affair");
    restart();
    cr_expect_eq(restored, 0);
    stop();
}

Test(store, notes_outlive_a_restart, .init = setup, .fini = teardown)
{
    char anchor[STORE_ANCHOR_SIZE], longest[STORE_ANCHOR_SIZE];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    const struct {
        const char *anchor;
        uint64_t since;
        bool is_deep, is_held;
    } cases[] = {{"sms_1", 0, true, true},
                 {"sms_1", 7, false, false},
                 {longest, UINT64_MAX, false, true},
                 {"", 1, true, true},
                 {"x", 0, true, false}};
    uint64_t since = 1;
    bool is_deep = true;
    start();
    store_anchor(s, anchor, &since, &is_deep);
    cr_expect_not(is_deep);
    cr_expect_str_eq(anchor, "");
    cr_expect_eq(since, 0);
    cr_expect_not(store_is_held(s));
    for (size_t i = 0; i < COUNT(cases); i++) {
        store_set_anchor(s, cases[i].anchor, cases[i].since, cases[i].is_deep);
        store_set_held(s, cases[i].is_held);
        if (i % 2 == 0) { /* with a record, or alone at the stop */
            accept_one(&(struct message_content){.text = NULL});
        }
        restart();
        store_anchor(s, anchor, &since, &is_deep);
        cr_expect_eq(is_deep, cases[i].is_deep, "case %zu", i);
        cr_expect_str_eq(anchor, cases[i].anchor, "case %zu", i);
        cr_expect_eq(since, cases[i].since, "case %zu", i);
        cr_expect_eq(store_is_held(s), cases[i].is_held, "case %zu", i);
    }
    stop();
}

/* --- questions -------------------------------------------------------------------------------- */

Test(store, asked_by_id, .init = setup, .fini = teardown)
{
    start();
    struct ulid ids[3], unknown;
    for (size_t i = 0; i < COUNT(ids); i++) { /* all of one millisecond */
        ids[i] = accept_one(&(struct message_content){.text = NULL});
    }
    for (size_t i = 0; i < COUNT(ids); i++) {
        settle_next(FATE_RELAYED, "api", "");
    }
    for (size_t i = 0; i < COUNT(ids); i++) {
        struct message *m = look_up(&ids[i]);
        cr_assert_not_null(m);
        cr_expect(is_same(&m->id, &ids[i]));
        cr_expect_eq(m->state, MESSAGE_RELAYED, "its end is saved before the answer");
        message_free(m);
    }
    unknown = ids[1];
    unknown.bytes[ULID_BYTES - 1] ^= 1;
    cr_expect_not(is_stored(&unknown), "another one of that time");
    unknown = ids[1];
    unknown.bytes[2] ^= 1;
    cr_expect_not(is_stored(&unknown), "nothing at that time");
    memset(&unknown, 0xFF, sizeof unknown);
    cr_expect_not(is_stored(&unknown), "the last time there is");
    stop();
}

Test(store, asked_by_state, .init = setup, .fini = teardown)
{
    start();
    struct ulid rejected[3], canceled;
    for (size_t i = 0; i < 3; i++) {
        rejected[i] = accept_one(&(struct message_content){.text = NULL});
        settle_next(FATE_REJECTED, "", "no");
    }
    canceled = accept_one(&(struct message_content){.text = NULL});
    cr_assert_eq(queue_cancel(q, &canceled, 0, true, base_ms), QUEUE_DONE);
    accept_one(&(struct message_content){.text = NULL});
    const struct {
        enum message_state state;
        size_t max, count;
        const struct ulid *first;
    } cases[] = {
        {MESSAGE_REJECTED, 10, 3, rejected},  {MESSAGE_REJECTED, 2, 2, rejected},
        {MESSAGE_CANCELED, 10, 1, &canceled}, {MESSAGE_EXPIRED, 10, 0, NULL},
        {MESSAGE_RELAYED, 10, 0, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct answer answer;
        ask((struct store_question){.kind = STORE_ASK_STATE,
                                    .state = cases[i].state,
                                    .max = cases[i].max},
            &answer);
        cr_expect_eq(answer.count, cases[i].count, "case %zu", i);
        for (size_t j = 0; j < answer.count; j++) {
            cr_expect(is_same(&answer.messages[j]->id, &cases[i].first[j]), "case %zu", i);
        }
        forget(&answer);
    }
    stop();
}

Test(store, answers_come_in_order_and_after_what_was_before_them, .init = setup, .fini = teardown)
{
    enum { QUESTIONS = 20 };
    struct answer answers[QUESTIONS];
    start();
    struct ulid ids[QUESTIONS];
    for (size_t i = 0; i < QUESTIONS; i++) {
        ids[i] = accept_one(&(struct message_content){.text = NULL});
    }
    turns = 0;
    for (size_t i = 0; i < QUESTIONS; i++) {
        cr_assert_eq(queue_cancel(q, &ids[i], 0, true, base_ms + 7), QUEUE_DONE);
        ask_later((struct store_question){.kind = STORE_ASK_ID, .id = ids[i], .syncs = i % 3 == 0},
                  &answers[i]);
        cr_expect_not(store_is_idle(s));
    }
    for (size_t i = 0; i < QUESTIONS; i++) {
        await_answer(&answers[i]);
        cr_expect_eq(answers[i].turn, i);
        cr_assert_eq(answers[i].count, 1);
        cr_expect_eq(answers[i].messages[0]->state, MESSAGE_CANCELED, "question %zu", i);
        cr_expect_str_eq(message_reason(answers[i].messages[0]), "canceled before it was sent");
        forget(&answers[i]);
    }
    cr_expect(store_is_idle(s));
    stop();
}

Test(store, new_messages_and_who_asks_for_it_wait_for_the_disk, .init = setup, .fini = teardown)
{
    struct answer answer;
    start();
    int64_t syncs = stats_get(&stats, STAT_STORE_SYNCS);
    accept_one(&(struct message_content){.text = NULL});
    cr_expect_eq(stats_get(&stats, STAT_STORE_SYNCS), syncs + 1);
    cr_expect_eq(stats_get(&stats, STAT_STORE_INSERTED), 1);
    ask((struct store_question){.kind = STORE_ASK_NOTHING}, &answer);
    cr_expect_eq(stats_get(&stats, STAT_STORE_SYNCS), syncs + 1, "nothing to write");
    /* With a record and without one: earlier commits without a sync are synced, too. */
    settle_next(FATE_RELAYED, "api", "");
    ask((struct store_question){.kind = STORE_ASK_NOTHING, .syncs = true}, &answer);
    cr_expect_geq(stats_get(&stats, STAT_STORE_SYNCS), syncs + 2);
    syncs = stats_get(&stats, STAT_STORE_SYNCS);
    ask((struct store_question){.kind = STORE_ASK_NOTHING, .syncs = true}, &answer);
    cr_expect_eq(stats_get(&stats, STAT_STORE_SYNCS), syncs + 1);
    stop();
}

/* One commit for everything that came together. */
Test(store, commits_in_groups, .init = setup, .fini = teardown)
{
    enum { MESSAGES = 500 };
    struct message *messages[MESSAGES], *taken[MESSAGES];
    start();
    for (size_t i = 0; i < MESSAGES; i++) {
        messages[i] = make(&(struct message_content){.ref = ""});
    }
    int64_t commits = stats_get(&stats, STAT_STORE_COMMITS);
    accept_all(messages, MESSAGES, base_ms);
    cr_expect_eq(stats_get(&stats, STAT_STORE_COMMITS), commits + 1);
    cr_assert_eq(queue_take(q, MESSAGES, base_ms, taken), MESSAGES);
    await_saved();
    cr_expect_eq(stats_get(&stats, STAT_STORE_COMMITS), commits + 2);
    stop();
}

/* More records than one transaction takes: the answer waits for the last of them. */
Test(store, who_asks_for_it_waits_for_the_disk_for_all_of_them, .init = setup, .fini = teardown)
{
    enum { MESSAGES = 5000 };
    static struct message *messages[MESSAGES], *taken[MESSAGES];
    struct answer answer;
    wakes_store = false; /* so that the question finds all of them */
    start();
    for (size_t i = 0; i < MESSAGES; i++) {
        messages[i] = make(&(struct message_content){.ref = ""});
    }
    accept_all(messages, MESSAGES, base_ms);
    int64_t commits = stats_get(&stats, STAT_STORE_COMMITS);
    int64_t syncs = stats_get(&stats, STAT_STORE_SYNCS);
    cr_assert_eq(queue_take(q, MESSAGES, base_ms, taken), MESSAGES);
    ask((struct store_question){.kind = STORE_ASK_NOTHING, .syncs = true}, &answer);
    cr_expect_eq(stats_get(&stats, STAT_STORE_COMMITS) - commits, 2);
    cr_expect_eq(stats_get(&stats, STAT_STORE_SYNCS) - syncs, 2);
    stop();
}

/* --- the purge -------------------------------------------------------------------------------- */

Test(store, without_retention_it_keeps_nothing_that_has_ended, .init = setup, .fini = teardown)
{
    options.retention_ms = 0;
    start();
    struct ulid relayed = accept_ref("r");
    settle_next(FATE_RELAYED, "api", "");
    struct ulid canceled = accept_one(&(struct message_content){.text = NULL});
    queue_cancel(q, &canceled, 0, true, base_ms);
    struct ulid waits = accept_one(&(struct message_content){.text = NULL});
    cr_expect(!is_stored(&relayed) && !is_stored(&canceled) && is_stored(&waits));
    stop();
    cr_expect_eq(sql("SELECT count(*) FROM message"), 1);
    cr_expect_eq(sql("SELECT count(*) FROM progress"), 0);
}

/* Each question makes the store's thread go a round, and each round makes one step of the purge. */
static void await_purged(int64_t count)
{
    struct answer answer;
    for (int rounds = 0; stats_get(&stats, STAT_STORE_PURGED) < count; rounds++) {
        cr_assert_lt(rounds, 10000, "%d are purged", (int)stats_get(&stats, STAT_STORE_PURGED));
        ask((struct store_question){.kind = STORE_ASK_NOTHING}, &answer);
    }
}

Test(store, purges_what_is_old_and_shrinks, .init = setup, .fini = teardown)
{
    enum { OLD = 2000, TEXT = 2000, FREE_PAGES_KEPT = 256 };
    static struct message *messages[OLD], *taken[OLD];
    static struct queue_settlement settlements[OLD];
    static char text[TEXT];
    memset(text, 't', sizeof text);
    start();
    int64_t now = clock_unix_ms();
    base_ms = now - 2 * HOUR_MS;
    struct ulid waiting = accept_one(
        &(struct message_content){.due_ms = now + HOUR_MS, .expires_ms = now + 2 * HOUR_MS});
    for (size_t i = 0; i < OLD; i++) {
        messages[i] = make(&(struct message_content){.text = text, .text_len = TEXT});
    }
    accept_all(messages, OLD, base_ms);
    cr_assert_eq(queue_take(q, OLD, base_ms, taken), OLD);
    struct ulid last = taken[OLD - 1]->id, unresolved = taken[OLD - 2]->id;
    for (size_t i = 0; i < OLD; i++) {
        settlements[i] = (struct queue_settlement){.message = taken[i], .fate = FATE_RELAYED};
    }
    settlements[OLD - 2].fate = FATE_UNRESOLVED;
    queue_settle(q, settlements, OLD - 1, base_ms);
    queue_settle(q, &settlements[OLD - 1], 1, now); /* submitted long ago, finished just now */
    base_ms = now;
    struct ulid new = accept_one(&(struct message_content){.text = NULL});
    settle_next(FATE_REJECTED, "", "");
    await_saved();
    restart();
    int pages = 0;
    await_purged(OLD - 2);
    cr_expect_eq(stats_get(&stats, STAT_STORE_PURGED), OLD - 2);
    cr_expect(is_stored(&waiting) && is_stored(&unresolved), "not finished");
    cr_expect(is_stored(&last) && is_stored(&new), "not old");
    struct answer answer;
    for (int rounds = 0; rounds < 100; rounds++) { /* each gives back 64 pages */
        ask((struct store_question){.kind = STORE_ASK_NOTHING}, &answer);
    }
    stop();
    cr_expect_eq(sql("SELECT count(*) FROM message"), 4);
    cr_expect_eq(sql("SELECT count(*) FROM progress"), 3);
    cr_expect_leq(sql("PRAGMA freelist_count"), FREE_PAGES_KEPT);
    pages = sql("PRAGMA page_count");
    cr_expect_lt(pages, FREE_PAGES_KEPT + 64, "%d pages", pages);
    start();
    cr_expect_eq(restored, 2);
    stop();
}

/* --- bad files -------------------------------------------------------------------------------- */

Test(store, its_files_are_private, .init = setup, .fini = teardown)
{
    char wal[PATH_SIZE + 10];
    struct stat status;
    umask(0);
    start();
    accept_one(&(struct message_content){.text = NULL});
    snprintf(wal, sizeof wal, "%s-wal", path);
    cr_assert_eq(stat(path, &status), 0);
    cr_expect_eq(status.st_mode & 0777, 0600);
    cr_assert_eq(stat(wal, &status), 0);
    cr_expect_eq(status.st_mode & 0777, 0600);
    snprintf(wal, sizeof wal, "%s-shm", path);
    cr_expect_neq(access(wal, F_OK), 0);
    stop();
}

static void expect_refused(const char *what, const char *words)
{
    error[0] = '\0';
    cr_expect_not(try_start(), "%s: it starts", what);
    cr_expect(strncmp(error, "queue.path: ", strlen("queue.path: ")) == 0, "%s: %s", what, error);
    cr_expect_not_null(strstr(error, path), "%s: %s", what, error);
    cr_expect_not_null(strstr(error, words), "%s: %s", what, error);
}

Test(store, one_relay_at_a_time, .init = setup, .fini = teardown)
{
    start();
    char words[WORDS_SIZE];
    cr_expect_null(store_open(&options, words, sizeof words));
    cr_expect_not_null(strstr(words, "another process uses it"), "%s", words);
    cr_expect_not_null(strstr(words, path), "%s", words);
    accept_one(&(struct message_content){.text = NULL});
    restart();
    cr_expect_eq(restored, 1);
    stop();
}

static void write_file(const char *content, size_t len)
{
    FILE *file = fopen(path, "w");
    cr_assert(file != NULL && fwrite(content, 1, len, file) == len && fclose(file) == 0);
}

/* Some messages over several pages, without a log. */
static void fill(void)
{
    char text[3000];
    memset(text, 't', sizeof text);
    start();
    for (size_t i = 0; i < 20; i++) {
        accept_one(&(struct message_content){.text = text, .text_len = sizeof text});
    }
    stop();
    struct stat status;
    cr_assert(stat(path, &status) == 0 && status.st_size > 40000);
}

static void overwrite(long from, size_t len)
{
    FILE *file = fopen(path, "r+");
    cr_assert(file != NULL && fseek(file, from, SEEK_SET) == 0);
    while (len-- > 0) {
        fputc(0xA5, file);
    }
    fclose(file);
}

static void make_directory(void)
{
    cr_assert_eq(mkdir(path, 0700), 0);
}
static void lose_directory(void)
{
    cr_assert_eq(rmdir(folder), 0);
}
static void write_text(void)
{
    char text[8192];
    memset(text, 'x', sizeof text);
    write_file(text, sizeof text);
}
static void make_foreign(void)
{
    sql("CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)");
}
static void make_foreign_with_id(void)
{
    sql("PRAGMA application_id = 7; PRAGMA user_version = 1");
}
static void make_newer(void)
{
    fill();
    sql("PRAGMA user_version = 1000");
}
static void damage_page(void)
{
    fill();
    overwrite(4096 * 5, 4096);
}
static void damage_head(void)
{
    fill();
    overwrite(0, 64);
}
static void damage_schema(void)
{
    fill();
    overwrite(4096 - 600, 600);
}
static void cut(void)
{
    fill();
    cr_assert_eq(truncate(path, 4096 * 4), 0);
}
static void cut_within_page(void)
{
    fill();
    cr_assert_eq(truncate(path, 4096 * 3 + 100), 0);
}
static void lose_table(void)
{
    fill();
    sql("DROP TABLE progress");
}
static void spoil_state(void)
{
    fill();
    sql("INSERT INTO progress SELECT row, -1, 0, 0, 0, 0, 0, 0, NULL, NULL, 0 FROM message LIMIT "
        "1");
}
static void spoil_id(void)
{
    fill();
    sql("UPDATE message SET id = x'00'");
}
static void spoil_number(void)
{
    fill();
    sql("UPDATE message SET recipient = '+34600000000000000000000000000000000000'");
}
static void spoil_priority(void)
{
    fill();
    sql("UPDATE message SET priority = 'high'");
}
static void spoil_text(void)
{
    fill();
    sql("UPDATE message SET text = zeroblob(70000)");
}

/* A checksum of the file; 0 = it cannot be read. */
static uint64_t read_sum(void)
{
    FILE *file = fopen(path, "r");
    uint64_t sum = file == NULL ? 0 : 14695981039346656037U;
    for (int c; file != NULL && (c = fgetc(file)) != EOF;) {
        sum = (sum ^ (uint64_t)c) * 1099511628211U;
    }
    if (file != NULL) {
        fclose(file);
    }
    return sum;
}

Test(store, refuses_with_a_sentence)
{
    static const struct {
        const char *what;
        void (*spoil)(void);
        const char *words;
    } cases[] = {
        {"a directory", make_directory, "Is a directory"},
        {"no directory", lose_directory, "its directory must exist"},
        {"a text", write_text, "not a store of smsrelay"},
        {"somebody's database", make_foreign, "not a store of smsrelay"},
        {"a database with another id", make_foreign_with_id, "not a store of smsrelay"},
        {"a newer version", make_newer, "newer smsrelay"},
        {"a damaged page", damage_page, "damaged"},
        {"a damaged head", damage_head, "damaged"},
        {"a damaged schema", damage_schema, "damaged"},
        {"a file cut short", cut, "damaged"},
        {"a file cut within a page", cut_within_page, "damaged"},
        {"a table less", lose_table, "no such table"},
        {"a state that is none", spoil_state, "an invalid message"},
        {"an id too short", spoil_id, "an invalid message"},
        {"a number too long", spoil_number, "an invalid message"},
        {"a priority in words", spoil_priority, "an invalid message"},
        {"a text too long", spoil_text, "an invalid message"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        setup();
        cases[i].spoil();
        uint64_t sum = read_sum();
        expect_refused(cases[i].what, cases[i].words);
        expect_refused(cases[i].what, cases[i].words);
        cr_expect_eq(read_sum(), sum, "%s: it was left as it is", cases[i].what);
        teardown();
    }
}

#define DROP_USERS   "DROP TABLE user; "
#define DROP_DOUBTS  DROP_USERS "ALTER TABLE progress DROP COLUMN doubts; "
#define DROP_INDEXES "DROP TABLE unfinished; DROP TABLE ref_run; DROP TABLE ref_page; "

/* A file of an earlier version, with a queued message and a relayed one, is brought up to date; then
 * everything added since works. */
Test(store, takes_over_what_an_older_one_has_left)
{
    static const char *const undo[] = {
        DROP_USERS "PRAGMA user_version = 5",
        DROP_DOUBTS "PRAGMA user_version = 4",
        DROP_DOUBTS DROP_INDEXES "PRAGMA user_version = 3",
        DROP_DOUBTS DROP_INDEXES "DROP TABLE change; PRAGMA user_version = 2",
        DROP_DOUBTS DROP_INDEXES
        "DROP TABLE change; DROP TABLE report; DROP TABLE stray; DROP TABLE optout;"
        "DROP TABLE inbound; PRAGMA user_version = 1",
    };
    for (size_t i = 0; i < COUNT(undo); i++) {
        struct outbox *o = outbox_new(100, &stats);
        outbox_join(o, OUTBOX_WEBHOOK, bring_news, NULL);
        setup();
        start();
        struct ulid relayed = accept_ref("one");
        struct ulid waiting = accept_ref("two");
        settle_next(FATE_RELAYED, "api", "");
        stop();
        sql(undo[i]);
        options.outbox = o;
        start();
        cr_expect_eq(restored, 1);
        struct ulid holder = submit(&(struct message_content){.ref = "one"});
        cr_expect(is_same(&holder, &relayed), "its REFs are known");
        cr_expect_eq(outbox_count(o), 0, "what an older one relayed is not told now");
        cr_expect_eq(queue_cancel(q, &waiting, 0, true, base_ms + 2), QUEUE_DONE);
        stop();
        cr_expect_eq(outbox_count(o), 1);
        cr_expect_eq(sql("PRAGMA user_version"), 6);
        cr_expect_eq(sql("SELECT count(*) FROM user"), 0);
        cr_expect_eq(sql("SELECT count(*) FROM message JOIN progress USING (row)"), 2);
        cr_expect_eq(sql("SELECT count(*) FROM change"), 1);
        cr_expect_eq(sql("SELECT count(*) FROM report") + sql("SELECT count(*) FROM optout"), 0);
        outbox_free(o);
        teardown();
    }
}

static void count_user(void *arg, const char *name, int32_t owner)
{
    size_t *count = arg;
    cr_expect_str_eq(name, *count == 0 ? "ann" : "bob");
    cr_expect_eq(owner, *count == 0 ? -2 : -3);
    (*count)++;
}

Test(store, users_and_their_owners, .init = setup, .fini = teardown)
{
    size_t count = 0;
    start();
    cr_assert(store_note_user(s, "ann", -2));
    accept_ref("one");
    cr_assert(store_note_user(s, "bob", -3));
    stop();
    start();
    store_each_user(s, count_user, &count);
    cr_assert_eq(count, 2);
    stop();
}

Test(store, refuses_what_it_may_not_write, .init = setup, .fini = teardown)
{
    if (geteuid() == 0) {
        cr_skip("root may write everything");
    }
    cr_assert_eq(chmod(folder, 0500), 0);
    expect_refused("no permission", "Permission denied");
    chmod(folder, 0700);
}

Test(store, an_empty_file_is_a_new_store, .init = setup, .fini = teardown)
{
    write_file("", 0);
    start();
    cr_expect_eq(restored, 0);
    cr_expect_eq(store_last_row(s), 0);
    struct ulid id = accept_one(&(struct message_content){.text = NULL});
    restart();
    cr_expect(is_stored(&id));
    stop();
}

/* --- a damaged log ---------------------------------------------------------------------------- */

/* The files of a store, as a killed relay leaves them. */
enum { FILE_MAIN, FILE_LOG, FILE_SYNCED, FILES };
static const char *const file_ends[FILES] = {"", "-wal", "-synced"};

struct image {
    unsigned char *bytes;
    size_t len;
    bool exists;
};

static const char *file_name(int file)
{
    static char name[PATH_SIZE + sizeof "-synced"];
    snprintf(name, sizeof name, "%s%s", path, file_ends[file]);
    return name;
}

static struct image read_image(int file)
{
    struct image image = {NULL, 0, false};
    struct stat status;
    FILE *stream = fopen(file_name(file), "r");
    if (stream != NULL && fstat(fileno(stream), &status) == 0) {
        image = (struct image){malloc((size_t)status.st_size + 1), (size_t)status.st_size, true};
        cr_assert_eq(fread(image.bytes, 1, image.len, stream), image.len);
        fclose(stream);
    }
    return image;
}

static void write_image(int file, const struct image *image)
{
    remove(file_name(file));
    if (image->exists) {
        FILE *stream = fopen(file_name(file), "w");
        cr_assert(stream != NULL && fwrite(image->bytes, 1, image->len, stream) == image->len);
        fclose(stream);
    }
}

/* 600 messages in transactions of several sizes, as a kill leaves them. With a short log, the last
 * transactions are followed by older ones. */
enum { LEFT = 600 };
static void leave_killed(int log_pages, struct image left[FILES])
{
    static const size_t sizes[] = {1, 40, 3, 10, 6};
    struct message *messages[40];
    options.log_pages = log_pages;
    start();
    for (size_t made = 0, turn = 0; made < LEFT; turn++) {
        size_t count = sizes[turn % COUNT(sizes)];
        for (size_t i = 0; i < count; i++) {
            messages[i] = make(&(struct message_content){.text = NULL});
        }
        accept_all(messages, count, base_ms);
        made += count;
    }
    for (int i = 0; i < FILES; i++) {
        left[i] = read_image(i);
    }
    stop();
}

static uint32_t dice(uint32_t below)
{
    static uint64_t state = 0x9E3779B97F4A7C15;
    state = state * 6364136223846793005 + 1442695040888963407;
    return (uint32_t)(state >> 33) % below;
}

enum { HEADER_BYTES = 32, FRAME_BYTES = 4096 + 24 };

/* Where damage begins: each kind of place in turn. */
static size_t choose_place(size_t len, unsigned turn)
{
    size_t frames = (len - HEADER_BYTES) / FRAME_BYTES;
    size_t frame = HEADER_BYTES + dice((uint32_t)frames) * FRAME_BYTES;
    size_t places[] = {
        dice(HEADER_BYTES),                                            /* the header */
        frame + dice(24),                                              /* a frame's header */
        frame + 24 + dice(4096),                                       /* a page */
        HEADER_BYTES + (frames - 1) * FRAME_BYTES + dice(FRAME_BYTES), /* the last frame */
        HEADER_BYTES + dice(FRAME_BYTES),                              /* the first frame */
        dice((uint32_t)len),                                           /* anywhere */
    };
    return places[turn % COUNT(places)];
}

/* Changes a bit, some bytes or a block, or cuts the log off, at `at`. Returns what it did. */
static const char *damage(struct image *log, size_t at, unsigned turn)
{
    static char words[100];
    size_t most = log->len - at;
    size_t len = 0;
    const char *what = "cut off";
    switch (dice(5)) {
    case 0:
        what = "a bit";
        log->bytes[at] ^= (unsigned char)(1 << dice(8));
        break;
    case 1:
        what = "some bytes";
        len = 1 + dice(100);
        break;
    case 2:
        what = "zeros";
        len = 4096;
        memset(log->bytes + at, 0, len < most ? len : most);
        len = 0;
        break;
    case 3:
        what = "a block of another place";
        len = 512 + dice(4096);
        len = len < most ? len : most;
        memmove(log->bytes + at, log->bytes + dice((uint32_t)(log->len - len)), len);
        len = 0;
        break;
    default:
        log->len = at;
        break;
    }
    for (size_t i = 0; i < len && i < most; i++) {
        log->bytes[at + i] = (unsigned char)dice(256);
    }
    snprintf(words, sizeof words, "turn %u: %s at %zu of %zu", turn, what, at, at + most);
    return words;
}

/* The relay starts, or it does not, says why and keeps the log. Returns what came back; -1 = refused. */
static int try_log(const char *what, const struct image *log)
{
    if (try_start()) {
        stop();
        return (int)restored;
    }
    struct image kept = read_image(FILE_LOG);
    cr_expect_not_null(strstr(error, "-wal"), "%s: %s", what, error);
    cr_expect(kept.len == log->len &&
                  (log->len == 0 || memcmp(kept.bytes, log->bytes, log->len) == 0),
              "%s: the log was changed", what);
    free(kept.bytes);
    return -1;
}

static void write_images(const struct image left[FILES])
{
    for (int i = 0; i < FILES; i++) {
        write_image(i, &left[i]);
    }
}

static void free_images(struct image left[FILES])
{
    for (int i = 0; i < FILES; i++) {
        free(left[i].bytes);
    }
}

/* Without the file that notes what is synced, it cannot be told from a torn end that the last frames
 * are damaged or missing. */
static bool may_lose(bool has_mark, size_t at, size_t len, size_t len_before)
{
    return !has_mark && (len < len_before || at + (size_t)5 * FRAME_BYTES > len);
}

static void expect_no_silent_loss(int log_pages, bool has_mark)
{
    enum { TURNS = 400 };
    struct image left[FILES];
    unsigned refused = 0;
    leave_killed(log_pages, left);
    cr_assert(left[FILE_SYNCED].exists);
    left[FILE_SYNCED].exists = has_mark;
    struct image log = left[FILE_LOG];
    for (unsigned turn = 0; turn < TURNS; turn++) {
        left[FILE_LOG] = (struct image){malloc(log.len), log.len, true};
        memcpy(left[FILE_LOG].bytes, log.bytes, log.len);
        size_t at = choose_place(log.len, turn);
        const char *what = turn == 0 ? "as it was" : damage(&left[FILE_LOG], at, turn);
        write_images(left);
        int came_back = try_log(what, &left[FILE_LOG]);
        cr_expect(came_back == LEFT || (turn > 0 && came_back < 0) ||
                      may_lose(has_mark, at, left[FILE_LOG].len, log.len),
                  "%s: %d came back: %s", what, came_back, error);
        refused += came_back < 0;
        free(left[FILE_LOG].bytes);
    }
    cr_expect_gt(refused, TURNS / 8);
    left[FILE_LOG] = log;
    free_images(left);
}

Test(store, no_damage_of_the_log_goes_unnoticed, .init = setup, .fini = teardown)
{
    expect_no_silent_loss(0, true);
}

Test(store, nor_does_it_with_older_transactions_behind_the_last, .init = setup, .fini = teardown)
{
    expect_no_silent_loss(30, true);
}

Test(store, nor_does_it_in_a_log_of_an_older_version, .init = setup, .fini = teardown)
{
    expect_no_silent_loss(0, false);
}

/* As the sentence says: cut off where it is damaged, the log is good up to there. */
Test(store, what_a_damaged_log_still_has, .init = setup, .fini = teardown)
{
    struct image left[FILES];
    leave_killed(0, left);
    left[FILE_LOG].bytes[left[FILE_LOG].len / 2] ^= 1;
    write_images(left);
    cr_assert_eq(try_log("a bit", &left[FILE_LOG]), -1);
    const char *words = strstr(error, "truncate -s ");
    cr_assert_not_null(words, "%s", error);
    cr_assert_eq(truncate(file_name(FILE_LOG), atol(words + strlen("truncate -s "))), 0);
    cr_assert_eq(remove(file_name(FILE_SYNCED)), 0);
    start();
    cr_expect(restored > LEFT / 4 && restored < LEFT, "%zu", restored);
    stop();
    free_images(left);
}

Test(store, a_log_that_is_missing, .init = setup, .fini = teardown)
{
    struct image left[FILES];
    leave_killed(0, left);
    write_images(left);
    cr_expect_eq(sql("SELECT count(*) FROM message"), LEFT); /* moves the log into the file */
    cr_assert_neq(access(file_name(FILE_LOG), F_OK), 0);
    start();
    cr_expect_eq(restored, LEFT);
    stop();

    struct image log = left[FILE_LOG];
    left[FILE_LOG].exists = false;
    write_images(left);
    for (int i = 0; i < 2; i++) {
        expect_refused("no log", "its log (-wal) is missing");
        cr_expect_neq(access(file_name(FILE_LOG), F_OK), 0, "it leaves no empty one");
    }
    write_image(FILE_LOG, &log);
    start();
    cr_expect_eq(restored, LEFT);
    stop();
    for (int i = 0; i < FILES; i++) {
        cr_expect_eq(access(file_name(i), F_OK) == 0, i == FILE_MAIN, "%s", file_name(i));
    }
    free_images(left);
}

Test(store, a_new_file_beside_the_log_of_another, .init = setup, .fini = teardown)
{
    struct image left[FILES];
    leave_killed(0, left);
    left[FILE_MAIN].exists = left[FILE_LOG].exists = false;
    write_images(left);
    start();
    cr_expect_eq(restored, 0);
    accept_one(&(struct message_content){.text = NULL});
    restart();
    cr_expect_eq(restored, 1);
    stop();
    free_images(left);
}
