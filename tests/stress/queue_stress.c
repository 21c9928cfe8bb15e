/*
 * queue_stress: the queue under several threads at once, for a second or two.
 *
 * Producers submit, one forwarder takes and settles with random fates, a canceler cancels, an asker
 * asks. All messages are watched, so at the end the events tell the life of each: it must begin once
 * and end once, in the state that the thread that ended it remembers, and no event's number
 * may be missing. A watchdog finds a wake-up that does not come.
 * Prints "ok" and exits 0, or says what is wrong and exits 1. To be run under ThreadSanitizer.
 */
#include "gateway/queue/admission.h"
#include "gateway/queue/ask.h"
#include "gateway/queue/control.h"
#include "gateway/queue/dispatch.h"
#include "gateway/queue/events.h"
#include "gateway/queue/queue.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    PRODUCERS = 3,
    SUBMISSIONS = 6000, /* of each producer, of one to five messages each */
    SUBMISSION_MAX = 5,
    IDS_MAX = PRODUCERS * SUBMISSIONS * SUBMISSION_MAX,
    QUEUE_MAX = 3000, /* messages: so that it is full now and then */
    BATCH = 100,
    WATCHDOG_MS = 5000
};

/* --- what the threads share ----------------------------------------------------------------- */

static struct queue *q;
static atomic_bool has_failed;
static atomic_int producers_left;
static atomic_bool is_over; /* for the canceler and the asker */

/* Ids of accepted messages. Written once each; `published` of them may be read. */
static pthread_mutex_t ids_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct ulid *ids;
static size_t ids_count;

/* How many messages the threads ended, and how. */
static size_t relayed, rejected, canceled;

static pthread_mutex_t wake_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake_condition;
static bool is_woken;

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

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
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

static void publish(const struct ulid *id)
{
    pthread_mutex_lock(&ids_mutex);
    ids[ids_count++] = *id;
    pthread_mutex_unlock(&ids_mutex);
}

/* Picks an accepted message; returns false while there is none. */
static bool pick(uint64_t *seed, struct ulid *id)
{
    pthread_mutex_lock(&ids_mutex);
    size_t count = ids_count;
    if (count > 0) {
        *id = ids[count - 1 - next_random(seed) % (count < QUEUE_MAX ? count : QUEUE_MAX)];
    }
    pthread_mutex_unlock(&ids_mutex);
    return count > 0;
}

/* --- producers ------------------------------------------------------------------------------ */

static struct message *make(uint64_t *seed)
{
    unsigned char random[ULID_RANDOM_BYTES] = {0};
    uint64_t hash = next_random(seed);
    char ref[32] = "", to[NUMBER_SIZE];
    memcpy(random + 2, &hash, sizeof(hash));
    snprintf(to, sizeof(to), "+3460000%04u", (unsigned)(next_random(seed) % 100));
    if (one_in(seed, 3)) {
        snprintf(ref, sizeof(ref), "ref-%u", (unsigned)(next_random(seed) % 20));
    }
    int64_t now = now_ms();
    bool has_ttl = one_in(seed, 5), has_at = one_in(seed, 5);
    int64_t due_ms = has_at ? now + (int64_t)(next_random(seed) % 200) : 0;
    int64_t ttl_ms = has_ttl ? 1 + (int64_t)(next_random(seed) % 100) : 3600000;
    return message_new(&(struct message_content){
        .id = ulid_make(now, random),
        .to = to,
        .from = "Acme",
        .ref = ref,
        .text = "hello",
        .text_len = 5,
        .size = {TEXT_GSM7, 5, 1},
        .priority = (enum message_priority)(next_random(seed) % MESSAGE_PRIORITIES),
        .allow_unicode = one_in(seed, 50), /* with a REF, that is a conflict */
        .has_ttl = has_ttl,
        .due_ms = due_ms,
        .expires_ms = (due_ms != 0 ? due_ms : now) + ttl_ms,
        .owner = OWNER_LOCAL,
    });
}

/* Submits a few messages; tries again until the queue has room. */
static void submit(uint64_t *seed)
{
    struct message *messages[SUBMISSION_MAX];
    struct ulid own[SUBMISSION_MAX];
    struct queue_receipt receipts[SUBMISSION_MAX];
    struct queue_submission s = {
        messages, 1 + next_random(seed) % SUBMISSION_MAX, receipts, QUEUE_FULL, 0, {0}};
    for (size_t i = 0; i < s.count; i++) {
        messages[i] = make(seed);
        own[i] = messages[i]->id;
    }
    queue_add(q, &s, 1, now_ms());
    while (s.verdict == QUEUE_FULL && !atomic_load(&has_failed)) {
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
        queue_add(q, &s, 1, now_ms());
    }
    for (size_t i = 0; i < s.count; i++) {
        if (s.verdict != QUEUE_ACCEPTED) {
            message_free(messages[i]);
            continue;
        }
        if (receipts[i].is_duplicate == (memcmp(&receipts[i].id, &own[i], sizeof(own[i])) == 0)) {
            fail("a receipt tells of the wrong message");
        }
        if (!receipts[i].is_duplicate) {
            publish(&own[i]);
        }
        free(receipts[i].answer);
    }
}

static void *produce(void *arg)
{
    uint64_t seed = *(const uint64_t *)arg;
    for (int i = 0; i < SUBMISSIONS && !atomic_load(&has_failed); i++) {
        submit(&seed);
    }
    atomic_fetch_sub(&producers_left, 1);
    return NULL;
}

/* --- forwarder ------------------------------------------------------------------------------ */

static void wake(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&wake_mutex);
    is_woken = true;
    pthread_cond_signal(&wake_condition);
    pthread_mutex_unlock(&wake_mutex);
}

/* Sleeps until woken or `end_ms`. Returns whether it was woken. */
static bool sleep_until(int64_t end_ms)
{
    struct timespec t = {.tv_sec = end_ms / 1000, .tv_nsec = end_ms % 1000 * 1000000};
    int error = 0;
    pthread_mutex_lock(&wake_mutex);
    while (!is_woken && error == 0) {
        error = pthread_cond_timedwait(&wake_condition, &wake_mutex, &t);
    }
    bool was_woken = is_woken;
    is_woken = false;
    pthread_mutex_unlock(&wake_mutex);
    return was_woken;
}

static size_t count_queued(void)
{
    struct queue_totals totals;
    queue_totals(q, &totals);
    return totals.by_state[MESSAGE_QUEUED];
}

/* Sleeps until there is something to do; queue_sleep was told to wake for a single message. */
static void wait_for_messages(int64_t due_ms)
{
    /* Not for long: the last thing that happens may wake nobody. */
    int64_t soon_ms = now_ms() + 20;
    if (!sleep_until(due_ms < soon_ms ? due_ms : soon_ms) && count_queued() > 0 &&
        !sleep_until(now_ms() + WATCHDOG_MS)) {
        fail("there are messages, but nobody woke the forwarder");
    }
}

static enum queue_fate draw_fate(uint64_t *seed, bool is_drain)
{
    static const enum queue_fate fates[] = {
        FATE_RELAYED,  FATE_RELAYED,  FATE_RELAYED,   FATE_RELAYED,   FATE_REJECTED,
        FATE_RETURNED, FATE_RETURNED, FATE_AMBIGUOUS, FATE_AMBIGUOUS, FATE_UNRESOLVED,
    };
    return is_drain ? FATE_RELAYED : fates[next_random(seed) % 10];
}

static void settle(struct message **taken, size_t count, uint64_t *seed, bool is_drain)
{
    struct queue_settlement s[BATCH];
    uint32_t group = one_in(seed, 10) ? 1 + (uint32_t)(next_random(seed) % 5) : 0;
    for (size_t i = 0; i < count; i++) {
        if (taken[i]->expires_ms <= taken[i]->updated_ms) {
            fail("taken after its time");
        }
        s[i] = (struct queue_settlement){
            .message = taken[i], .fate = draw_fate(seed, is_drain), .group = group};
        if (s[i].fate == FATE_RETURNED && one_in(seed, 4)) {
            s[i].due_ms = now_ms() + (int64_t)(next_random(seed) % 20);
        }
        if (s[i].fate == FATE_RELAYED) {
            s[i].answer = message_answer_new("api", "");
        }
        relayed += s[i].fate == FATE_RELAYED;
        rejected += s[i].fate == FATE_REJECTED;
    }
    queue_settle(q, s, count, now_ms());
}

/* Resolves what is ambiguous, and retries what is unresolved as an operator would. */
static void reconcile(uint64_t *seed, bool is_drain)
{
    size_t count;
    size_t left_out;
    struct queue_doubtful *doubtful = queue_ambiguous(q, INT64_MAX, &count, &left_out);
    for (size_t i = 0; i < count; i++) {
        bool is_found = !is_drain && one_in(seed, 4);
        struct queue_resolution r = {.id = doubtful[i].id,
                                     .fate = is_found ? FATE_UNRESOLVED : FATE_RETURNED};
        queue_resolve(q, &r, 1, now_ms());
    }
    free(doubtful);
    struct ulid *list = queue_list(q, MESSAGE_UNRESOLVED, QUEUE_LIST_MAX, &count);
    for (size_t i = 0; i < count; i++) {
        queue_retry(q, &list[i], now_ms());
    }
    free(list);
}

static size_t count_unfinished(void)
{
    struct queue_totals totals;
    size_t count = 0;
    queue_totals(q, &totals);
    for (int state = 0; state < MESSAGE_STATES; state++) {
        count += message_state_is_finished((enum message_state)state) ? 0 : totals.by_state[state];
    }
    return count;
}

static void *forward(void *arg)
{
    uint64_t seed = *(const uint64_t *)arg;
    struct message *taken[BATCH];
    bool is_drain = false;
    while (!atomic_load(&has_failed)) {
        struct queue_depth depth;
        queue_advance(q, now_ms(), &depth);
        size_t count = queue_take(q, 1 + next_random(&seed) % BATCH, now_ms(), taken);
        if (count > 0) {
            if (one_in(&seed, 10)) { /* a slow answer */
                nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
            }
            settle(taken, count, &seed, is_drain);
        }
        if (count == 0 || is_drain || one_in(&seed, 20)) {
            is_drain = atomic_load(&producers_left) == 0;
            reconcile(&seed, is_drain);
        }
        if (is_drain && count_unfinished() == 0) {
            break;
        }
        if (count == 0 && !queue_sleep(q, 1, true)) {
            wait_for_messages(depth.next_due_ms);
        }
    }
    return NULL;
}

/* --- canceler and asker --------------------------------------------------------------------- */

static void *cancel(void *arg)
{
    uint64_t seed = *(const uint64_t *)arg;
    while (!atomic_load(&is_over)) {
        struct ulid id;
        if (pick(&seed, &id)) {
            canceled += queue_cancel(q, &id, 0, true, now_ms()) == QUEUE_DONE;
        }
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
    return NULL;
}

static void *ask(void *arg)
{
    uint64_t seed = *(const uint64_t *)arg;
    while (!atomic_load(&is_over)) {
        struct ulid id;
        struct message_status status;
        size_t count;
        if (pick(&seed, &id) && queue_status(q, &id, OWNER_LOCAL, false, &status)) {
            if (memcmp(&status.id, &id, sizeof(id)) != 0) {
                fail("STATUS tells of the wrong message");
            }
            message_status_free(&status);
        }
        free(queue_list(q, (int)(next_random(&seed) % (MESSAGE_STATES + 1)) - 1, 100, &count));
        free(queue_find_ref(q, "ref-7", OWNER_LOCAL, &count));
        if (one_in(&seed, 20)) {
            queue_flush(q, now_ms());
        }
        nanosleep(&(struct timespec){.tv_nsec = 300000}, NULL);
    }
    return NULL;
}

/* --- the reckoning -------------------------------------------------------------------------- */

struct life {
    struct ulid id;
    int state; /* -1 = not begun */
};

static int compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct ulid));
}

/* Follows the lives of the messages through their events. */
static void follow(const struct queue_event *events, size_t count, struct life *lives)
{
    for (size_t i = 0; i < count; i++) {
        const struct queue_event *c = &events[i];
        struct life *life = bsearch(&c->id, lives, ids_count, sizeof(*lives), compare_ids);
        if (c->number != i + 1) {
            fail("event %zu is numbered %zu", i + 1, (size_t)c->number);
            return;
        }
        if (life == NULL) {
            fail("an event of a message that nobody submitted");
            return;
        }
        bool is_first = c->state == MESSAGE_QUEUED || c->state == MESSAGE_SCHEDULED;
        if (life->state < 0 ? !is_first
                            : message_state_is_finished((enum message_state)life->state)) {
            fail("a message came back, or began, as %s", message_state_name(c->state));
        }
        if (c->state == MESSAGE_RELAYED &&
            (c->answer == NULL || strcmp(message_answer_api_id(c->answer), "api") != 0)) {
            fail("a relayed message without its answer");
        }
        life->state = (int)c->state;
    }
}

static void check_lives(const struct life *lives, bool is_retained)
{
    size_t by_state[MESSAGE_STATES] = {0};
    struct queue_totals totals;
    queue_totals(q, &totals);
    for (size_t i = 0; i < ids_count; i++) {
        struct message_status status;
        if (lives[i].state < 0 || !message_state_is_finished((enum message_state)lives[i].state)) {
            fail("a message never ended");
            return;
        }
        by_state[lives[i].state]++;
        bool is_known = queue_status(q, &lives[i].id, 0, true, &status);
        if (is_known != is_retained || (is_known && (int)status.state != lives[i].state)) {
            fail("a message is not what its events say");
        }
        if (is_known) {
            message_status_free(&status);
        }
    }
    if (by_state[MESSAGE_RELAYED] != relayed || by_state[MESSAGE_REJECTED] != rejected ||
        by_state[MESSAGE_CANCELED] != canceled || by_state[MESSAGE_EXPIRED] == 0) {
        fail("relayed %zu of %zu, rejected %zu of %zu, canceled %zu of %zu, expired %zu",
             by_state[MESSAGE_RELAYED], relayed, by_state[MESSAGE_REJECTED], rejected,
             by_state[MESSAGE_CANCELED], canceled, by_state[MESSAGE_EXPIRED]);
    }
    for (int state = 0; state < MESSAGE_STATES; state++) {
        if (totals.by_state[state] != (is_retained ? by_state[state] : 0)) {
            fail("the totals are wrong about %s", message_state_name((enum message_state)state));
        }
    }
    if (!is_retained && totals.bytes != 0) {
        fail("%zu bytes are left", totals.bytes);
    }
}

static void reckon(bool is_retained)
{
    size_t count;
    struct queue_event *events = queue_events_take(q, &count);
    struct life *lives = calloc(ids_count, sizeof(*lives));
    qsort(ids, ids_count, sizeof(*ids), compare_ids);
    for (size_t i = 0; i < ids_count; i++) {
        lives[i] = (struct life){ids[i], -1};
    }
    follow(events, count, lives);
    check_lives(lives, is_retained);
    queue_events_free(events, count);
    free(lives);
}

static void run(bool is_retained)
{
    struct queue_options options = {
        .max_messages = QUEUE_MAX,
        .max_bytes = SIZE_MAX / 2,
        .retention_ms = is_retained ? 3600000 : 0,
        .wake_forwarder = wake,
    };
    uint64_t seeds[PRODUCERS + 3];
    pthread_t threads[PRODUCERS + 3];
    q = queue_new(&options);
    ids_count = relayed = rejected = canceled = 0;
    atomic_store(&producers_left, PRODUCERS);
    atomic_store(&is_over, false);
    queue_watch_all(q, true);
    for (size_t i = 0; i < PRODUCERS + 3; i++) {
        static void *(*const others[])(void *) = {forward, cancel, ask};
        seeds[i] = i + (is_retained ? 0 : 100);
        pthread_create(&threads[i], NULL, i < PRODUCERS ? produce : others[i - PRODUCERS],
                       &seeds[i]);
    }
    for (size_t i = 0; i < PRODUCERS + 1; i++) {
        pthread_join(threads[i], NULL);
    }
    atomic_store(&is_over, true);
    pthread_join(threads[PRODUCERS + 1], NULL);
    pthread_join(threads[PRODUCERS + 2], NULL);
    if (!atomic_load(&has_failed)) {
        reckon(is_retained);
    }
    queue_free(q);
}

int main(void)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&wake_condition, &attributes);
    ids = calloc(IDS_MAX, sizeof(*ids));
    run(true);
    run(false);
    free(ids);
    pthread_cond_destroy(&wake_condition);
    pthread_condattr_destroy(&attributes);
    puts(atomic_load(&has_failed) ? "failed" : "ok");
    return atomic_load(&has_failed) ? 1 : 0;
}
