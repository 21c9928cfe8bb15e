/*
 * store_stress: queue and store under several threads at once, for a second or two.
 *
 * The main thread is the relay's loop: it accepts batches, asks and cancels. A forwarder takes
 * messages, waits until its mark is saved and settles with random fates; a reconciler resolves
 * ambiguous ones and retries unresolved ones; an operator holds and releases; a listener consumes
 * notices. In the end every message must be finished, with one notice of that. Then the store is
 * stopped and asked: it must know how each message finished, none may be left in memory, and every
 * answer must include what happened before its question.
 * Prints "ok" and exits 0, or says what is wrong and exits 1. Meant for ThreadSanitizer.
 */
#include "gateway/base/clock.h"
#include "gateway/notify/outbox.h"
#include "gateway/queue/admission.h"
#include "gateway/queue/ask.h"
#include "gateway/queue/control.h"
#include "gateway/queue/dispatch.h"
#include "gateway/queue/queue.h"
#include "gateway/queue/records.h"
#include "gateway/store/row.h"
#include "gateway/store/store.h"

#include <ftw.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BATCHES = 400,
    BATCH_MAX = 40, /* messages */
    MESSAGES_MAX = BATCHES * BATCH_MAX,
    TAKEN_MAX = 100,
    TOLD_MAX = 37,
    WATCHDOG_MS = 20000,
    HOUR_MS = 3600 * 1000,
    PATH_SIZE = 200
};

static struct queue *q;
static struct store *s;
static struct outbox *o;
static struct stats stats;
static atomic_bool has_failed, is_drain, is_over, is_all_told;
static bool is_retained; /* finished messages are kept in the store */
static char folder[PATH_SIZE], path[PATH_SIZE];

/* The main thread's: what it accepted, and what it canceled. */
static struct ulid ids[MESSAGES_MAX];
static bool is_canceled[MESSAGES_MAX];
static size_t ids_count;

static void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    atomic_store(&has_failed, true);
}

static uint64_t next_random(uint64_t *seed)
{
    *seed += 0x9E3779B97F4A7C15;
    uint64_t x = *seed;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
    x = (x ^ x >> 27) * 0x94D049BB133111EB;
    return x ^ x >> 31;
}

static bool one_in(uint64_t *seed, uint64_t n)
{
    return next_random(seed) % n == 0;
}

/* --- a bell that a thread waits for ----------------------------------------------------------- */

struct bell {
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    bool has_rung;
};
static struct bell loop_bell = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
static struct bell forwarder_bell = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
static struct bell listener_bell = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};

static void ring(void *arg)
{
    struct bell *bell = arg;
    pthread_mutex_lock(&bell->mutex);
    bell->has_rung = true;
    pthread_cond_signal(&bell->condition);
    pthread_mutex_unlock(&bell->mutex);
}

/* Waits until it rings, for a while. Returns whether it rang. */
static bool wait_for(struct bell *bell, int64_t ms)
{
    int64_t end_ms = clock_unix_ms() + ms;
    struct timespec t = {.tv_sec = end_ms / 1000, .tv_nsec = end_ms % 1000 * 1000000};
    int error = 0;
    pthread_mutex_lock(&bell->mutex);
    while (!bell->has_rung && error == 0) {
        error = pthread_cond_timedwait(&bell->condition, &bell->mutex, &t);
    }
    bool has_rung = bell->has_rung;
    bell->has_rung = false;
    pthread_mutex_unlock(&bell->mutex);
    return has_rung;
}

static void wake_store(void *arg)
{
    (void)arg;
    store_wake(s);
}

/* --- the forwarder, the reconciler, the operator ---------------------------------------------- */

/* A message marked as being sent must be marked in the store, or it could be sent unmarked. */
static void await_mark(void)
{
    uint64_t mark = queue_records_mark(q);
    while (!store_has_saved(s, mark) && !atomic_load(&has_failed)) {
        if (!wait_for(&forwarder_bell, WATCHDOG_MS) && !store_has_saved(s, mark)) {
            fail("a mark is never reached");
        }
    }
}

static enum queue_fate draw_fate(uint64_t *seed)
{
    static const enum queue_fate fates[] = {FATE_RELAYED,   FATE_RELAYED,   FATE_RELAYED,
                                            FATE_REJECTED,  FATE_RETURNED,  FATE_RETURNED,
                                            FATE_AMBIGUOUS, FATE_UNRESOLVED};
    return atomic_load(&is_drain) ? FATE_RELAYED : fates[next_random(seed) % 8];
}

static void settle(struct message **taken, size_t count, uint64_t *seed)
{
    struct queue_settlement settlements[TAKEN_MAX];
    for (size_t i = 0; i < count; i++) {
        settlements[i] = (struct queue_settlement){.message = taken[i], .fate = draw_fate(seed)};
        if (settlements[i].fate == FATE_RELAYED) {
            char api_id[ULID_SIZE];
            ulid_format(&taken[i]->id, api_id);
            settlements[i].answer = message_answer_new(api_id, "");
        }
    }
    queue_settle(q, settlements, count, clock_unix_ms());
    store_set_anchor(s, count % 2 == 0 ? "even" : "odd", count, false);
}

static size_t count_unfinished(void)
{
    struct queue_totals totals;
    size_t count = 0;
    queue_totals(q, &totals);
    for (int state = 0; state < MESSAGE_RELAYED; state++) {
        count += totals.by_state[state];
    }
    return count;
}

static void *forward(void *arg)
{
    uint64_t seed = 1;
    (void)arg;
    while (!atomic_load(&has_failed)) {
        struct queue_depth depth;
        struct message *taken[TAKEN_MAX];
        bool drains = atomic_load(&is_drain);
        queue_advance(q, clock_unix_ms(), &depth);
        size_t count = queue_take(q, 1 + next_random(&seed) % TAKEN_MAX, clock_unix_ms(), taken);
        if (count > 0) {
            await_mark();
            settle(taken, count, &seed);
        } else if (drains && count_unfinished() == 0) {
            break;
        } else if (!queue_sleep(q, 1, true)) {
            wait_for(&forwarder_bell, 5); /* the others need not wake it */
        }
    }
    return NULL;
}

static void *reconcile(void *arg)
{
    uint64_t seed = 2;
    (void)arg;
    while (!atomic_load(&is_over)) {
        static const enum queue_fate fates[] = {FATE_RETURNED, FATE_RETURNED, FATE_UNRESOLVED};
        size_t count;
        size_t left_out;
        struct queue_doubtful *doubtful = queue_ambiguous(q, INT64_MAX, &count, &left_out);
        for (size_t i = 0; i < count; i++) {
            struct queue_resolution r = {.id = doubtful[i].id,
                                         .fate = fates[next_random(&seed) % 3]};
            queue_resolve(q, &r, 1, clock_unix_ms());
        }
        free(doubtful);
        struct ulid *found = queue_list(q, MESSAGE_UNRESOLVED, 1000, &count);
        for (size_t i = 0; i < count; i++) {
            queue_retry(q, &found[i], clock_unix_ms());
        }
        free(found);
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
    }
    return NULL;
}

static void *operate(void *arg)
{
    bool is_held = false;
    (void)arg;
    while (!atomic_load(&is_over)) {
        char anchor[STORE_ANCHOR_SIZE];
        uint64_t since;
        bool is_deep;
        is_held = !is_held && !atomic_load(&is_drain);
        queue_hold(q, is_held);
        store_set_held(s, is_held);
        if (store_is_held(s) != is_held) {
            fail("HOLD is not what it was set to");
        }
        store_anchor(s, anchor, &since, &is_deep);
        if (anchor[0] != '\0' && strcmp(anchor, since % 2 == 0 ? "even" : "odd") != 0) {
            fail("an anchor with the number of another");
        }
        nanosleep(&(struct timespec){.tv_nsec = 700000}, NULL);
    }
    return NULL;
}

/* --- the listener ------------------------------------------------------------------------------- */

struct heard {
    size_t ends; /* of messages */
    uint64_t last;
};

static bool hear(void *arg, const struct notice *notice)
{
    struct heard *heard = arg;
    if (notice->number <= heard->last) {
        fail("the numbers of notices do not rise");
    }
    heard->last = notice->number;
    heard->ends += strstr(notice->json, "\"state\":\"unresolved\"") == NULL ? 1 : 0;
    return true;
}

/* Runs until nothing more can come. */
static void *listen(void *arg)
{
    struct heard *heard = arg;
    while (!atomic_load(&has_failed)) {
        bool is_last = atomic_load(&is_all_told);
        size_t count = outbox_take(o, OUTBOX_WEBHOOK, TOLD_MAX, hear, heard);
        if (count > 0) {
            outbox_acknowledge(o, OUTBOX_WEBHOOK, heard->last, count);
        } else if (is_last) {
            break;
        } else {
            wait_for(&listener_bell, WATCHDOG_MS);
        }
    }
    return NULL;
}

/* --- the loop thread -------------------------------------------------------------------------- */

static size_t answers_due;

static void on_inserted(void *arg, const struct store_insertion *insertion)
{
    *(bool *)arg = true;
    if (!insertion->is_stored) {
        fail("the disk fails");
    }
}

static struct message *make(uint64_t *seed, int64_t row)
{
    unsigned char random[ULID_RANDOM_BYTES] = {0};
    uint64_t hash = next_random(seed);
    char ref[32] = "";
    memcpy(random + 2, &hash, sizeof hash);
    if (one_in(seed, 3)) {
        snprintf(ref, sizeof ref, "ref-%lld", (long long)row);
    }
    return message_new(&(struct message_content){
        .id = ulid_make(store_row_ms(row), random),
        .to = "+34600000000",
        .from = "Acme",
        .ref = ref,
        .text = "hello",
        .text_len = 5,
        .size = {TEXT_GSM7, 5, 1},
        .priority = (enum message_priority)(next_random(seed) % MESSAGE_PRIORITIES),
        .due_ms = one_in(seed, 10) ? clock_unix_ms() + 20 : 0,
        .expires_ms = clock_unix_ms() + HOUR_MS,
        .owner = OWNER_LOCAL,
        .row = row,
    });
}

/* An answer includes what happened before the question: here, that the message is canceled. */
static void on_answered(void *arg, const struct store_question *question)
{
    const struct ulid *canceled = arg;
    answers_due--;
    if (question->has_failed) {
        fail("the store cannot be read");
    } else if (canceled != NULL && !is_retained) {
        if (question->count != 0) {
            fail("what is canceled is in the store, without a retention");
        }
    } else if (canceled != NULL &&
               (question->count != 1 || memcmp(&question->messages[0]->id, canceled, 16) != 0 ||
                question->messages[0]->state != MESSAGE_CANCELED)) {
        fail("CANCEL was answered with something else");
    }
}

static void ask(uint64_t *seed)
{
    struct store_question question = {.answered = on_answered, .syncs = one_in(seed, 4)};
    size_t which = next_random(seed) % ids_count;
    if (queue_cancel(q, &ids[which], 0, true, clock_unix_ms()) == QUEUE_DONE) {
        is_canceled[which] = true;
        question.kind = STORE_ASK_ID;
        question.id = ids[which];
        question.arg = &ids[which];
    } else if (one_in(seed, 10)) {
        question.kind = STORE_ASK_STATE;
        question.state = (enum message_state)(MESSAGE_RELAYED + next_random(seed) % 4);
        question.max = 50;
    } else {
        question.kind = STORE_ASK_NOTHING;
    }
    answers_due += store_ask(s, &question) ? 1 : 0;
}

static void deliver_until(const bool *is_done)
{
    store_deliver(s);
    while (!*is_done && !atomic_load(&has_failed)) {
        if (!wait_for(&loop_bell, WATCHDOG_MS)) {
            fail("the store says nothing");
        }
        store_deliver(s);
    }
}

static void accept_batch(uint64_t *seed, int64_t *row)
{
    struct message *messages[BATCH_MAX];
    struct queue_receipt receipts[BATCH_MAX];
    struct queue_submission submission = {
        messages, 1 + next_random(seed) % BATCH_MAX, receipts, QUEUE_FULL, 0, {0}};
    bool has_ended = false;
    for (size_t i = 0; i < submission.count; i++) {
        int64_t first = store_row_first(clock_unix_ms());
        *row = first > *row ? first : *row + 1;
        messages[i] = make(seed, *row);
        ids[ids_count + i] = messages[i]->id;
    }
    queue_prepare(q, &submission, 1, clock_unix_ms());
    if (submission.verdict != QUEUE_ACCEPTED) {
        fail("not accepted");
        return;
    }
    store_insert(s, messages, submission.count, on_inserted, &has_ended);
    for (size_t i = 0; ids_count > 0 && i < 5; i++) { /* while it is written */
        ask(seed);
    }
    deliver_until(&has_ended);
    queue_admit(q, &submission, 1, true, clock_unix_ms());
    ids_count += submission.count;
}

static void loop(void)
{
    uint64_t seed = 3;
    int64_t row = 0;
    for (int i = 0; i < BATCHES && !atomic_load(&has_failed); i++) {
        accept_batch(&seed, &row);
    }
    while (answers_due > 0 && !atomic_load(&has_failed)) {
        store_deliver(s);
        if (answers_due > 0 && !wait_for(&loop_bell, WATCHDOG_MS)) {
            fail("a question is not answered");
        }
    }
    atomic_store(&is_drain, true);
    ring(&forwarder_bell);
}

/* --- checking ------------------------------------------------------------------------------- */

static bool open_store(int64_t retention_ms)
{
    char error[512] = "";
    size_t restored;
    o = outbox_new(MESSAGES_MAX, &stats);
    outbox_join(o, OUTBOX_WEBHOOK, ring, &listener_bell);
    s = store_open(&(struct store_options){.path = path,
                                           .retention_ms = retention_ms,
                                           .stats = &stats,
                                           .outbox = o,
                                           .notify = ring,
                                           .notify_arg = &loop_bell,
                                           .saved = ring,
                                           .saved_arg = &forwarder_bell},
                   error, sizeof error);
    q = queue_new(&(struct queue_options){.max_messages = MESSAGES_MAX,
                                          .max_bytes = SIZE_MAX / 2,
                                          .retention_ms = retention_ms,
                                          .wake_forwarder = ring,
                                          .wake_arg = &forwarder_bell,
                                          .wake_store = wake_store});
    if (s == NULL || !store_restore(s, q, &restored, error, sizeof error)) {
        fail("%s", error);
    }
    return s != NULL;
}

static void close_store(void)
{
    if (!store_stop(s)) {
        fail("something could not be saved");
    }
    queue_free(q);
    store_free(s);
    outbox_free(o);
}

static size_t by_end[2]; /* relayed or rejected; canceled */

static void on_found(void *arg, const struct store_question *question)
{
    const bool *was_canceled = arg;
    answers_due--;
    if (question->count != 1) {
        fail("a message is lost");
        return;
    }
    struct message *m = question->messages[0];
    char api_id[ULID_SIZE];
    ulid_format(&m->id, api_id);
    bool is_right = *was_canceled ? m->state == MESSAGE_CANCELED
                                  : m->state == MESSAGE_RELAYED || m->state == MESSAGE_REJECTED;
    if (!is_right || (m->state == MESSAGE_RELAYED && strcmp(message_api_id(m), api_id) != 0)) {
        fail("a message ended %s in the store", message_state_name((enum message_state)m->state));
    }
    by_end[*was_canceled]++;
}

static void reckon(void)
{
    if (!open_store(HOUR_MS) || store_start(s) != 0) {
        return;
    }
    if (outbox_count(o) > 0) {
        fail("%zu notices would be sent again", outbox_count(o));
    }
    if (count_unfinished() > 0) {
        fail("%zu messages have not ended in the store", count_unfinished());
    }
    for (size_t i = 0; i < ids_count; i++) {
        struct store_question question = {
            .kind = STORE_ASK_ID, .id = ids[i], .answered = on_found, .arg = &is_canceled[i]};
        answers_due += store_ask(s, &question) ? 1 : 0;
    }
    while (answers_due > 0 && !atomic_load(&has_failed)) {
        store_deliver(s);
        if (answers_due > 0 && !wait_for(&loop_bell, WATCHDOG_MS)) {
            fail("a question is not answered");
        }
    }
    if (by_end[0] + by_end[1] != ids_count || by_end[1] == 0) {
        fail("%zu + %zu of %zu messages", by_end[0], by_end[1], ids_count);
    }
    close_store();
}

static void check_memory(void)
{
    struct queue_totals totals;
    queue_totals(q, &totals);
    for (int state = 0; state < MESSAGE_STATES; state++) {
        if (totals.by_state[state] > 0) {
            fail("%zu are %s in memory", totals.by_state[state],
                 message_state_name((enum message_state)state));
        }
    }
}

/* With no retention, store and memory are empty in the end. */
static void run(bool retains)
{
    static void *(*const threads[])(void *) = {forward, reconcile, operate};
    enum { THREADS = sizeof threads / sizeof threads[0] };
    pthread_t started[THREADS], listener;
    struct heard heard = {0, 0};
    is_retained = retains;
    if (!open_store(is_retained ? HOUR_MS : 0) || store_start(s) != 0) {
        return;
    }
    ids_count = 0;
    memset(is_canceled, 0, sizeof is_canceled);
    atomic_store(&is_drain, false);
    atomic_store(&is_over, false);
    atomic_store(&is_all_told, false);
    pthread_create(&listener, NULL, listen, &heard);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_create(&started[i], NULL, threads[i], NULL);
    }
    loop();
    pthread_join(started[0], NULL);
    atomic_store(&is_over, true);
    for (size_t i = 1; i < THREADS; i++) {
        pthread_join(started[i], NULL);
    }
    await_mark();
    atomic_store(&is_all_told, true);
    ring(&listener_bell);
    pthread_join(listener, NULL);
    if (heard.ends != ids_count) {
        fail("the ends of %zu messages were told, of %zu", heard.ends, ids_count);
    }
    if (is_retained) {
        close_store();
        reckon();
    } else {
        check_memory();
        close_store();
    }
}

static int remove_one(const char *name, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(name);
}

int main(void)
{
    snprintf(folder, sizeof folder, "/tmp/smsrelay-store-stress-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        perror(folder);
        return 1;
    }
    snprintf(path, sizeof path, "%.100s/queue.db", folder);
    run(true);
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    mkdir(folder, 0700);
    if (!atomic_load(&has_failed)) {
        run(false);
    }
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    puts(atomic_load(&has_failed) ? "failed" : "ok");
    return atomic_load(&has_failed) ? 1 : 0;
}
