/*
 * store: see store.h. Owns the thread, its rounds, and what other threads ask of it. A transaction
 * is write's, an answer ask's; the purge has a file of its own.
 */
#include "gateway/store/store.h"

#include "gateway/base/clock.h"
#include "gateway/base/int64.h"
#include "gateway/base/log.h"
#include "gateway/base/thread.h"
#include "gateway/queue/admission.h"
#include "gateway/queue/ask.h"
#include "gateway/queue/records.h"
#include "gateway/queue/reports.h"
#include "gateway/store/db.h"
#include "gateway/store/holders.h"
#include "gateway/store/notices.h"
#include "gateway/store/purge.h"
#include "gateway/store/resume.h"
#include "gateway/store/room.h"
#include "gateway/store/rows.h"
#include "gateway/store/write.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    RECORDS_MAX = 4096,        /* changed messages that one transaction saves */
    RESTORE_SLICE = 1000,      /* messages that queue_restore takes under one lock */
    API_IDS_MAX = 100000,      /* recalled from earlier runs: 0.2 s */
    RETRY_MS = 1000,           /* between tries while the disk fails */
    MUCH_ROOM = 256 << 20,     /* bytes: more than come in between two looks */
    LOOK_MS = 1000,            /* between looks at the file and its volume: others use them, too */
    HURRY_MS = 1000,           /* between passes of the purge, where room is short */
    SYNC_WITHIN_MS = 1000,     /* a commit without a sync is synced within this time */
    PROGRESS_WITHIN_MS = 1000, /* the progress of consumers is saved within this time ... */
    PROGRESS_AT_ONCE = 256,    /* ... or, from so many notices on, with the next transaction */
    ANSWERS_KEPT = 1 << 20     /* bytes of the buffer for answers that are kept between rounds */
};

/* Messages to be inserted together. */
struct insertion {
    struct message *const *messages;
    size_t count;
    void (*inserted)(void *arg, const struct store_insertion *insertion);
    void *arg;
    struct store_insertion result;
};

/* Reports to be saved together. */
struct reporting {
    struct queue_report *reports;
    size_t count;
    void (*reported)(void *arg, bool is_stored);
    void *arg;
    bool is_stored; /* the result */
};

/* What other threads ask for: on its way to a round, and on its way back. */
struct work {
    struct insertion insertion; /* count 0 = none */
    struct reporting reporting; /* count 0 = none */
    struct store_questions questions;
};

struct store {
    struct store_options options;
    struct queue *queue;
    pthread_t thread;
    bool has_thread;
    size_t calls_due; /* the loop's: callbacks that store_deliver owes */
    int64_t last_row;

    pthread_mutex_t mutex;
    pthread_cond_t woken;
    /* Under the mutex. */
    bool is_woken, is_stopping;
    int64_t progress_ms; /* monotonic: when to save the consumers' progress; INT64_MAX = it is */
    struct work asked;   /* for the next round */
    struct work ended;   /* for store_deliver */
    struct store_resume resume;
    struct store_optouts optouts; /* for the next round */
    struct store_users users;     /* for the next round */

    atomic_bool is_failing; /* the last try to write has failed; only the thread sets it */

    /* The thread's own. */
    struct store_writer writer;
    struct queue_record *records; /* of this round */
    struct buffer answers;        /* of the records */
    struct store_optouts unsaved_optouts;
    struct store_users unsaved_users;
    struct store_resume saved_resume; /* what the file has ... */
    bool is_resume_in_doubt;          /* ... unless a commit has failed since */
    struct store_purge purge;
    struct store_room room;
    size_t unfinished; /* messages, when the room was measured last */
    int64_t look_ms;   /* monotonic: when to look at the file and its volume again */
    int64_t retry_ms;  /* monotonic: no try before it, while the disk fails */
    int64_t sync_ms;   /* monotonic: when to sync; INT64_MAX = everything is synced */
};

/* --- orders: any thread ------------------------------------------------------------------------- */

static void wake_locked(struct store *s)
{
    s->is_woken = true;
    pthread_cond_signal(&s->woken);
}

void store_wake(void *arg)
{
    struct store *s = arg;
    pthread_mutex_lock(&s->mutex);
    wake_locked(s);
    pthread_mutex_unlock(&s->mutex);
}

/* The consumers have made progress that is not saved. Any thread. */
static void note_progress(void *arg)
{
    struct store *s = arg;
    pthread_mutex_lock(&s->mutex);
    if (s->progress_ms == INT64_MAX) {
        s->progress_ms = clock_monotonic_ms() + PROGRESS_WITHIN_MS;
        pthread_cond_signal(&s->woken); /* it must not sleep past that time */
    }
    pthread_mutex_unlock(&s->mutex);
}

static void work_init(struct work *work)
{
    *work = (struct work){.insertion = {.count = 0}};
    STAILQ_INIT(&work->questions);
}

static void move_work(struct work *to, struct work *from)
{
    *to = *from;
    STAILQ_INIT(&to->questions);
    STAILQ_CONCAT(&to->questions, &from->questions);
    from->insertion.count = from->reporting.count = 0;
}

void store_insert(struct store *s, struct message *const *messages, size_t count,
                  void (*inserted)(void *arg, const struct store_insertion *insertion), void *arg)
{
    s->calls_due++;
    pthread_mutex_lock(&s->mutex);
    s->asked.insertion = (struct insertion){messages, count, inserted, arg, {.is_stored = false}};
    wake_locked(s);
    pthread_mutex_unlock(&s->mutex);
}

void store_report(struct store *s, struct queue_report *reports, size_t count,
                  void (*reported)(void *arg, bool is_stored), void *arg)
{
    s->calls_due++;
    pthread_mutex_lock(&s->mutex);
    s->asked.reporting = (struct reporting){reports, count, reported, arg, false};
    wake_locked(s);
    pthread_mutex_unlock(&s->mutex);
}

bool store_ask(struct store *s, const struct store_question *question)
{
    struct store_question *copy = store_question_copy(question);
    if (copy == NULL) {
        return false;
    }
    s->calls_due++;
    pthread_mutex_lock(&s->mutex);
    STAILQ_INSERT_TAIL(&s->asked.questions, copy, entry);
    wake_locked(s);
    pthread_mutex_unlock(&s->mutex);
    return true;
}

void store_deliver(struct store *s)
{
    struct work ended;
    struct store_question *question;
    pthread_mutex_lock(&s->mutex);
    move_work(&ended, &s->ended);
    pthread_mutex_unlock(&s->mutex);

    if (ended.insertion.count > 0) {
        s->calls_due--;
        ended.insertion.inserted(ended.insertion.arg, &ended.insertion.result);
    }
    if (ended.reporting.count > 0) {
        s->calls_due--;
        ended.reporting.reported(ended.reporting.arg, ended.reporting.is_stored);
    }
    while ((question = STAILQ_FIRST(&ended.questions)) != NULL) {
        STAILQ_REMOVE_HEAD(&ended.questions, entry);
        s->calls_due--;
        question->answered(question->arg, question);
        store_question_free(question);
    }
}

bool store_is_idle(const struct store *s)
{
    return s->calls_due == 0;
}

void store_anchor(struct store *s, char anchor[STORE_ANCHOR_SIZE], uint64_t *relayed_since,
                  bool *is_deep)
{
    pthread_mutex_lock(&s->mutex);
    memcpy(anchor, s->resume.anchor, STORE_ANCHOR_SIZE);
    *relayed_since = s->resume.relayed_since;
    *is_deep = s->resume.is_deep;
    pthread_mutex_unlock(&s->mutex);
}

/* Wakes nobody: the anchor goes with the records that it belongs to. */
void store_set_anchor(struct store *s, const char *anchor, uint64_t relayed_since, bool is_deep)
{
    pthread_mutex_lock(&s->mutex);
    snprintf(s->resume.anchor, sizeof s->resume.anchor, "%s", anchor);
    s->resume.relayed_since = relayed_since;
    s->resume.is_deep = is_deep;
    pthread_mutex_unlock(&s->mutex);
}

bool store_is_held(struct store *s)
{
    pthread_mutex_lock(&s->mutex);
    bool is_held = s->resume.is_held;
    pthread_mutex_unlock(&s->mutex);
    return is_held;
}

void store_set_held(struct store *s, bool is_held)
{
    pthread_mutex_lock(&s->mutex);
    s->resume.is_held = is_held;
    wake_locked(s);
    pthread_mutex_unlock(&s->mutex);
}

bool store_note_optout(struct store *s, const char *number, bool is_listed, int64_t at_ms)
{
    struct store_optout *optout = calloc(1, sizeof *optout);
    if (optout == NULL) {
        return false;
    }
    optout->at_ms = at_ms;
    optout->is_listed = is_listed;
    memcpy(optout->number, number, strlen(number) + 1);
    pthread_mutex_lock(&s->mutex);
    STAILQ_INSERT_TAIL(&s->optouts, optout, entry);
    wake_locked(s);
    pthread_mutex_unlock(&s->mutex);
    return true;
}

bool store_note_user(struct store *s, const char *name, int32_t owner)
{
    size_t size = strlen(name) + 1;
    struct store_user *user = calloc(1, sizeof *user + size);
    if (user == NULL) {
        return false;
    }
    user->owner = owner;
    memcpy(user->name, name, size);
    pthread_mutex_lock(&s->mutex);
    STAILQ_INSERT_TAIL(&s->users, user, entry);
    wake_locked(s);
    pthread_mutex_unlock(&s->mutex);
    return true;
}

static void free_users(struct store_users *users)
{
    struct store_user *user;
    while ((user = STAILQ_FIRST(users)) != NULL) {
        STAILQ_REMOVE_HEAD(users, entry);
        free(user);
    }
}

static void free_optouts(struct store_optouts *optouts)
{
    struct store_optout *optout;
    while ((optout = STAILQ_FIRST(optouts)) != NULL) {
        STAILQ_REMOVE_HEAD(optouts, entry);
        free(optout);
    }
}

void store_each_optout(struct store *s,
                       void (*show)(void *arg, const char *number, int64_t since_ms), void *arg)
{
    if (!store_rows_each_optout(&s->writer.db, show, arg)) {
        store_write_log(&s->writer, store_db_error(&s->writer.db));
    }
}

void store_each_user(struct store *s, void (*show)(void *arg, const char *name, int32_t owner),
                     void *arg)
{
    if (!store_rows_each_user(&s->writer.db, show, arg)) {
        store_write_log(&s->writer, store_db_error(&s->writer.db));
    }
}

void store_each_unreported(struct store *s, int64_t since_ms, size_t max, store_unreported *show,
                           void *arg)
{
    if (!store_rows_each_unreported(&s->writer.db, since_ms, max, show, arg)) {
        store_write_log(&s->writer, store_db_error(&s->writer.db));
    }
}

bool store_has_saved(struct store *s, uint64_t mark)
{
    return atomic_load(&s->is_failing) || queue_records_are_saved(s->queue, mark);
}

int64_t store_last_row(const struct store *s)
{
    return s->last_row;
}

/* --- while the disk fails ----------------------------------------------------------------------- */

/* The disk fails: new messages are refused one by one, each after a try or while none is due. */
static void tell_failure(struct store *s)
{
    char trouble[STORE_ERROR_SIZE + sizeof "the store cannot be written: "];
    snprintf(trouble, sizeof trouble, "the store cannot be written: %s", s->writer.failure);
    queue_set_room(s->queue, SIZE_MAX, trouble);
}

/* Something could not be written; `batch` as store_write_failed. */
static void fail(struct store *s, const struct store_batch *batch)
{
    store_write_failed(&s->writer, batch);
    tell_failure(s);
    atomic_store(&s->is_failing, true);
    s->is_resume_in_doubt = true;
    s->retry_ms = clock_monotonic_ms() + RETRY_MS;
    s->options.saved(s->options.saved_arg); /* nobody has to wait for this disk ... */
    store_wake(s);                          /* ... nor for the REFs that it has: see postpone */
}

/* May something be written? While the disk fails, only once a second. */
static bool may_try(struct store *s)
{
    char error[STORE_ERROR_SIZE];
    if (!atomic_load(&s->is_failing)) {
        return true;
    }
    if (clock_monotonic_ms() < s->retry_ms) {
        return false;
    }
    s->retry_ms = clock_monotonic_ms() + RETRY_MS;
    if (store_write_reopen(&s->writer, error)) {
        return true;
    }
    store_write_log(&s->writer, error);
    tell_failure(s);
    return false;
}

/* --- room --------------------------------------------------------------------------------------- */

/* Says in the log when messages begin to be refused, and when they no longer are. */
static void log_room(const struct store *s, bool was_refusing)
{
    bool is_refusing = s->room.words[0] != '\0';
    if (is_refusing && !was_refusing) {
        LOG(LOG_ERROR, "store_full", LOG_STR("reason", s->room.words),
            LOG_STR("path", s->options.path));
    } else if (was_refusing && !is_refusing) {
        LOG(LOG_WARN, "store_has_room", LOG_STR("path", s->options.path));
    }
}

static void tell_room(struct store *s)
{
    static const char displaced[] =
        "queue.path was replaced: restart the relay; this one has kept its "
        "messages in ";
    char words[sizeof displaced + sizeof s->writer.place.path];
    if (s->writer.is_displaced) {
        snprintf(words, sizeof words, "%s%s", displaced, s->writer.place.path);
        queue_set_room(s->queue, SIZE_MAX, words); /* each is refused with 451 */
    } else {
        queue_set_room(s->queue, s->room.bytes, s->room.words);
    }
}

/* Looks how full the volume is, and tells the queue how much it may add. */
static void measure_room(struct store *s)
{
    struct queue_totals totals;
    bool was_refusing = s->room.words[0] != '\0';
    int64_t now_ms = clock_monotonic_ms();
    queue_totals(s->queue, &totals);
    /* Has something ended that a pass may not have seen? */
    bool is_news = !s->room.is_tight || totals.unfinished < s->unfinished;
    s->unfinished = totals.unfinished;
    store_room_measure(&s->room, &s->writer.db, s->writer.place.lock_fd, totals.unfinished);
    log_room(s, was_refusing);
    tell_room(s);
    s->look_ms = now_ms + LOOK_MS;
    if (s->room.is_tight) {
        s->purge.due_ms = int64_min(s->purge.due_ms, is_news ? now_ms : now_ms + HURRY_MS);
    }
}

/* Does the file that is written to still stand where the next start looks for it? */
static void check_place(struct store *s)
{
    if (!atomic_load(&s->is_failing) &&
        store_place_check(&s->writer.place, &s->writer.db) != STORE_SOUND) {
        fail(s, NULL);
    }
}

/* --- rounds ------------------------------------------------------------------------------------- */

static bool has_ref(const struct insertion *insertion)
{
    bool has_ref = false;
    for (size_t i = 0; !has_ref && i < insertion->count; i++) {
        has_ref = insertion->messages[i]->ref_len > 0;
    }
    return has_ref;
}

/* Is it time to save the consumers' progress, `with_others` or alone? */
static bool takes_progress(struct store *s, bool with_others)
{
    pthread_mutex_lock(&s->mutex);
    /* Under the mutex, or progress that finds the time still set could be forgotten. */
    size_t unsaved = store_notices_unsaved(&s->writer.notices);
    bool is_time =
        clock_monotonic_ms() >= s->progress_ms || (with_others && unsaved >= PROGRESS_AT_ONCE);
    s->progress_ms = is_time ? INT64_MAX : s->progress_ms;
    pthread_mutex_unlock(&s->mutex);
    return is_time && unsaved > 0;
}

/*
 * Takes the records, and where the next run resumes. The anchor promises that everything relayed
 * before it is in the file, so it may be written only with the records of that time: it is read
 * before they are taken, and stays as it was if they are too many for one transaction.
 * Returns whether all records were taken.
 */
static bool take_records(struct store *s, struct store_resume *resume, size_t *count)
{
    pthread_mutex_lock(&s->mutex);
    *resume = s->resume;
    pthread_mutex_unlock(&s->mutex);
    *count = queue_records_take(s->queue, s->records, RECORDS_MAX, &s->answers);
    bool is_all = *count < RECORDS_MAX && !s->answers.has_failed;
    if (!is_all) {
        memcpy(resume->anchor, s->saved_resume.anchor, sizeof resume->anchor);
        resume->relayed_since = s->saved_resume.relayed_since;
        resume->is_deep = s->saved_resume.is_deep;
    }
    return is_all;
}

static void end_records(struct store *s, size_t count, bool is_saved)
{
    if (count > 0) {
        queue_records_done(s->queue, s->records, count, is_saved);
    }
    if (s->answers.size > ANSWERS_KEPT) {
        buffer_free(&s->answers);
    }
    buffer_clear(&s->answers);
    if (count > 0) {
        s->options.saved(s->options.saved_arg);
    }
    if (count == RECORDS_MAX) {
        store_wake(s); /* there may be more */
    }
}

/* Those that a failed transaction has left come first. */
static void take_notes(struct store *s)
{
    pthread_mutex_lock(&s->mutex);
    STAILQ_CONCAT(&s->unsaved_optouts, &s->optouts);
    STAILQ_CONCAT(&s->unsaved_users, &s->users);
    pthread_mutex_unlock(&s->mutex);
}

/* Plans a transaction: `work`, the records taken, and whatever else is due. */
static void plan_batch(struct store *s, const struct work *work, size_t records,
                       const struct store_resume *resume, struct store_batch *batch)
{
    bool takes_messages = !s->writer.is_displaced && work->insertion.result.holder_count == 0;
    bool has_arrivals = (takes_messages && work->insertion.count > 0) || work->reporting.count > 0;
    take_notes(s);
    *batch = (struct store_batch){
        .messages = work->insertion.messages,
        .message_count = takes_messages ? work->insertion.count : 0,
        .reports = work->reporting.reports,
        .report_count = work->reporting.count,
        .records = s->records,
        .record_count = records,
        .answers = s->answers.data,
        .optouts = &s->unsaved_optouts,
        .users = &s->unsaved_users,
        .syncs = has_arrivals || store_questions_sync(&work->questions) ||
                 atomic_load(&s->is_failing) || clock_monotonic_ms() >= s->sync_ms,
    };
    bool has_rows = has_arrivals || records > 0 || !STAILQ_EMPTY(&s->unsaved_optouts) ||
                    !STAILQ_EMPTY(&s->unsaved_users);
    bool is_news = s->is_resume_in_doubt || !store_resume_is_same(resume, &s->saved_resume);
    /* A sync needs something to write; if there is nothing else, this. */
    batch->resume = is_news || (batch->syncs && !has_rows) ? resume : NULL;
    batch->saves_progress = takes_progress(s, has_rows || batch->resume != NULL);
    batch->is_empty = !has_rows && batch->resume == NULL && !batch->saves_progress;
}

static void end_batch(struct store *s, const struct store_batch *batch)
{
    if (batch->resume != NULL) {
        s->saved_resume = *batch->resume;
        s->is_resume_in_doubt = false;
    }
    free_optouts(&s->unsaved_optouts);
    free_users(&s->unsaved_users);
    if (batch->syncs) {
        s->sync_ms = INT64_MAX;
    } else if (s->sync_ms == INT64_MAX) {
        s->sync_ms = clock_monotonic_ms() + SYNC_WITHIN_MS;
    }
    bool has_recovered = atomic_load(&s->is_failing);
    if (has_recovered) {
        LOG(LOG_WARN, "store_recovered", LOG_STR("path", s->options.path));
        atomic_store(&s->is_failing, false);
    }
    if (has_recovered || s->room.bytes < MUCH_ROOM) {
        measure_room(s);
    }
}

/*
 * Writes everything due in one transaction. `*records` = how many changed messages that saves;
 * RECORDS_MAX: there may be more, which the next round saves. Returns false if it failed.
 */
static bool write_round(struct store *s, const struct work *work, size_t *records)
{
    struct store_resume resume;
    struct store_batch batch;
    bool is_all = take_records(s, &resume, records);
    plan_batch(s, work, *records, &resume, &batch);
    bool is_good = batch.is_empty || store_write(&s->writer, &batch);
    if (!is_good) {
        fail(s, &batch);
        note_progress(s);
    } else if (!batch.is_empty) {
        end_batch(s, &batch);
    }
    if (is_good && is_all) {
        store_notices_caught_up(&s->writer.notices);
    }
    end_records(s, *records, is_good);
    return is_good;
}

/* A round without work from other threads. */
static bool write_records(struct store *s, size_t *records)
{
    struct work nothing;
    work_init(&nothing);
    return write_round(s, &nothing, records);
}

/* Hands over the results of a round: first those that 250s wait for, then those that take reading. */
static void tell(struct store *s, struct work *work, bool is_stored, bool is_saved)
{
    struct store_question *question;
    if (work->insertion.count > 0 || work->reporting.count > 0) {
        work->insertion.result.is_stored =
            is_stored && work->insertion.result.holder_count == 0 && !s->writer.is_displaced;
        work->reporting.is_stored = is_stored;
        pthread_mutex_lock(&s->mutex);
        s->ended.insertion = work->insertion.count > 0 ? work->insertion : s->ended.insertion;
        s->ended.reporting = work->reporting.count > 0 ? work->reporting : s->ended.reporting;
        pthread_mutex_unlock(&s->mutex);
        s->options.notify(s->options.notify_arg);
    }
    while ((question = STAILQ_FIRST(&work->questions)) != NULL) {
        STAILQ_REMOVE_HEAD(&work->questions, entry);
        store_question_answer(question, &s->writer.db, &s->writer.refs, is_saved);
        pthread_mutex_lock(&s->mutex);
        STAILQ_INSERT_TAIL(&s->ended.questions, question, entry);
        pthread_mutex_unlock(&s->mutex);
        s->options.notify(s->options.notify_arg);
    }
}

/* What can only be done once all REFs are known goes back until then. */
static void postpone(struct store *s, struct work *work)
{
    struct store_questions kept = STAILQ_HEAD_INITIALIZER(kept);
    struct store_question *question;
    if (s->writer.refs.is_complete || atomic_load(&s->is_failing)) {
        return;
    }
    pthread_mutex_lock(&s->mutex);
    if (has_ref(&work->insertion)) {
        s->asked.insertion = work->insertion;
        work->insertion.count = 0;
    }
    while ((question = STAILQ_FIRST(&work->questions)) != NULL) {
        bool waits = question->kind == STORE_ASK_REF;
        STAILQ_REMOVE_HEAD(&work->questions, entry);
        STAILQ_INSERT_TAIL(waits ? &s->asked.questions : &kept, question, entry);
    }
    STAILQ_CONCAT(&work->questions, &kept);
    pthread_mutex_unlock(&s->mutex);
}

/* Looks for messages that were submitted before. Returns false if that cannot be told. */
static bool find_holders(struct store *s, struct insertion *insertion)
{
    if (!s->writer.refs.is_complete && has_ref(insertion)) {
        return false; /* the disk has just recovered */
    }
    struct store_insertion *result = &insertion->result;
    bool is_good = store_holders_find(&s->writer.refs, &s->writer.db, insertion->messages,
                                      insertion->count, clock_unix_ms() - s->options.retention_ms,
                                      &result->holders, &result->holder_count);
    if (!is_good) {
        fail(s, NULL);
    }
    return is_good;
}

/* A round for everything asked so far. */
static void go_round(struct store *s)
{
    struct work work;
    size_t records = 0;
    pthread_mutex_lock(&s->mutex);
    move_work(&work, &s->asked);
    pthread_mutex_unlock(&s->mutex);
    postpone(s, &work);
    bool is_stored =
        may_try(s) && find_holders(s, &work.insertion) && write_round(s, &work, &records);
    bool is_saved = is_stored;
    /* A question is answered when everything before it is saved. */
    while (is_saved && records == RECORDS_MAX && !STAILQ_EMPTY(&work.questions)) {
        s->sync_ms = store_questions_sync(&work.questions) ? 0 : s->sync_ms;
        is_saved = write_records(s, &records);
    }
    tell(s, &work, is_stored, is_saved);
}

/* --- the thread --------------------------------------------------------------------------------- */

/* When the thread has something to do of its own (monotonic). Under the mutex. */
static int64_t next_ms(const struct store *s)
{
    if (atomic_load(&s->is_failing)) {
        return s->retry_ms;
    }
    const int64_t times_ms[] = {s->sync_ms,
                                s->progress_ms,
                                s->purge.due_ms,
                                s->look_ms,
                                s->writer.unfinished.due_ms,
                                store_refs_due_ms(&s->writer.refs)};
    int64_t next_ms = INT64_MAX;
    for (size_t i = 0; i < sizeof times_ms / sizeof times_ms[0]; i++) {
        next_ms = int64_min(next_ms, times_ms[i]);
    }
    return next_ms;
}

/* Returns whether another thread has woken it; otherwise it is next_ms. */
static bool wait_for_work(struct store *s)
{
    pthread_mutex_lock(&s->mutex);
    while (!s->is_woken && !s->is_stopping && clock_monotonic_ms() < next_ms(s)) {
        int64_t until_ms = next_ms(s);
        struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
        pthread_cond_timedwait(&s->woken, &s->mutex, &until);
    }
    bool is_woken = s->is_woken || s->is_stopping;
    s->is_woken = false;
    pthread_mutex_unlock(&s->mutex);
    return is_woken;
}

static bool is_stopping(struct store *s)
{
    pthread_mutex_lock(&s->mutex);
    bool is_stopping = s->is_stopping;
    pthread_mutex_unlock(&s->mutex);
    return is_stopping;
}

static bool is_write_due(struct store *s, int64_t now_ms)
{
    pthread_mutex_lock(&s->mutex);
    bool is_due = now_ms >= s->sync_ms || now_ms >= s->progress_ms;
    pthread_mutex_unlock(&s->mutex);
    return is_due;
}

static void purge(struct store *s, int64_t now_ms)
{
    int64_t kept_ms = s->room.is_tight ? 0 : s->options.retention_ms;
    int64_t cutoff_ms = clock_unix_ms() - kept_ms;
    struct store_purged purged;
    if (!store_purge_step(&s->purge, &s->writer.db, cutoff_ms, !s->room.is_tight, now_ms,
                          &purged)) {
        fail(s, NULL);
    } else {
        stats_add(s->options.stats, STAT_STORE_PURGED, (int64_t)purged.count);
        for (size_t i = 0; i < purged.runs; i++) {
            queue_disk_freed(s->queue, purged.freed[i].owner, purged.freed[i].bytes);
        }
        measure_room(s);
    }
}

/* Makes it quicker to start, and to find REFs. */
static void index_rows(struct store *s, int64_t now_ms)
{
    struct store_writer *w = &s->writer;
    bool was_complete = w->refs.is_complete;
    if ((now_ms >= w->unfinished.due_ms &&
         !store_unfinished_step(&w->unfinished, &w->db, now_ms)) ||
        (now_ms >= store_refs_due_ms(&w->refs) && !store_refs_step(&w->refs, &w->db, now_ms))) {
        fail(s, NULL);
    } else if (w->refs.is_complete && !was_complete) {
        store_wake(s); /* for what was postponed */
    }
}

/* What others may have done to the file and its volume. */
static void look(struct store *s)
{
    check_place(s);
    if (!atomic_load(&s->is_failing)) {
        measure_room(s);
    }
}

static void do_chores(struct store *s)
{
    size_t records;
    int64_t now_ms = clock_monotonic_ms();
    int log_pages = s->options.log_pages > 0 ? s->options.log_pages : s->room.log_pages;
    if (atomic_load(&s->is_failing)) {
        if (may_try(s)) {
            write_records(s, &records);
        }
        return;
    }
    if (is_write_due(s, now_ms)) {
        write_records(s, &records);
    }
    if (s->writer.db.log_pages >= log_pages && !store_db_checkpoint(&s->writer.db, false)) {
        fail(s, NULL);
    }
    if (!atomic_load(&s->is_failing) && now_ms >= s->purge.due_ms) {
        purge(s, now_ms);
    }
    if (!atomic_load(&s->is_failing) && now_ms >= s->look_ms) {
        look(s);
    }
    if (!atomic_load(&s->is_failing)) {
        index_rows(s, now_ms);
    }
}

static void *run(void *arg)
{
    struct store *s = arg;
    pthread_setname_np(pthread_self(), "store");
    while (!is_stopping(s)) {
        if (wait_for_work(s)) {
            go_round(s);
        }
        do_chores(s);
    }
    return NULL;
}

/* --- life --------------------------------------------------------------------------------------- */

/* Returns false, with a sentence that ends in `reason`. */
static bool complain(const struct store *s, const char *reason, char *error, size_t error_size)
{
    snprintf(error, error_size, "queue.path: %s: %s", s->options.path, reason);
    return false;
}

/*
 * Opens the locked file and loads everything but the messages. What a killed process has left in
 * the log can be read, but may not be on the disk (see store_write_reopen): the log starts over.
 */
static bool open_file(struct store *s, char *error, size_t error_size)
{
    char words[STORE_ERROR_SIZE] = "out of memory";
    struct store_db *db = &s->writer.db;
    s->records = malloc(RECORDS_MAX * sizeof *s->records);
    if (s->records == NULL || !store_write_open(&s->writer, words) ||
        !store_db_check(db, s->options.path, words)) {
        snprintf(error, error_size, "%s", words);
        return false;
    }
    s->last_row = store_rows_last(db);
    if (s->last_row < 0 || !store_resume_load(db, &s->resume) ||
        !store_refs_load(&s->writer.refs, db)) {
        return complain(s, store_db_error(db), error, error_size);
    }
    s->saved_resume = s->resume;
    if (!store_db_checkpoint(db, true)) {
        /* It can still be read, so its messages can be relayed. */
        store_write_log(&s->writer, store_db_error(db));
        atomic_store(&s->is_failing, true);
    }
    return true;
}

static void init_lock(struct store *s)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->woken, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&s->mutex, NULL);
}

static struct store *store_new(const struct store_options *options)
{
    struct store *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    s->options = *options;
    s->sync_ms = s->progress_ms = INT64_MAX;
    s->room.reserve = options->reserve;
    s->room.max_disk = options->max_disk;
    s->writer = (struct store_writer){
        .place.lock_fd = -1, .retention_ms = options->retention_ms, .stats = options->stats};
    store_notices_init(&s->writer.notices, options->outbox);
    work_init(&s->asked);
    work_init(&s->ended);
    STAILQ_INIT(&s->optouts);
    STAILQ_INIT(&s->unsaved_optouts);
    STAILQ_INIT(&s->users);
    STAILQ_INIT(&s->unsaved_users);
    init_lock(s);
    return s;
}

struct store *store_open(const struct store_options *options, char *error, size_t error_size)
{
    char words[STORE_ERROR_SIZE] = "out of memory";
    struct store *s = store_new(options);
    if (s == NULL) {
        snprintf(error, error_size, "%s", words);
        return NULL;
    }
    if (options->outbox != NULL) {
        outbox_set_keeper(options->outbox, note_progress, s);
    }
    snprintf(s->writer.place.path, sizeof s->writer.place.path, "%s", options->path);
    s->writer.place.lock_fd = store_db_lock(options->path, true, words);
    snprintf(error, error_size, "%s", words);
    if (s->writer.place.lock_fd < 0 || !open_file(s, error, error_size)) {
        store_free(s);
        return NULL;
    }
    return s;
}

/* Reads up to a slice of messages. */
static size_t read_slice(struct store_rows_reader *reader, struct message **messages)
{
    size_t count = 0;
    while (count < RESTORE_SLICE && (messages[count] = store_rows_next(reader)) != NULL) {
        count++;
    }
    return count;
}

/* Returns false with `reader->fault` set. */
static bool restore_messages(struct store *s, struct store_rows_reader *reader, size_t *count)
{
    struct message *slice[RESTORE_SLICE];
    size_t read;
    int64_t now_ms = clock_steady_ms();
    *count = 0;
    store_rows_begin(reader, &s->writer.db, STORE_READ_HELD, 0, 0);
    while ((read = read_slice(reader, slice)) > 0) {
        if (!queue_restore(s->queue, slice, read, now_ms)) {
            while (read > 0) {
                message_free(slice[--read]);
            }
            reader->fault = "out of memory";
            break;
        }
        *count += read;
    }
    store_rows_end(reader);
    return reader->fault == NULL;
}

bool store_restore(struct store *s, struct queue *queue, size_t *count, char *error,
                   size_t error_size)
{
    struct store_rows_reader reader;
    struct store_db *db = &s->writer.db;
    s->queue = queue;
    if (!restore_messages(s, &reader, count)) {
        return complain(s, reader.fault, error, error_size);
    }
    /* Reports may name a message of an earlier run by its API id alone. */
    bool is_good = !s->options.recalls_api_ids ||
                   store_rows_each_api_id(db, API_IDS_MAX, queue_remember_api_id, queue);
    if (!is_good || !store_notices_load(&s->writer.notices, db)) {
        return complain(s, store_db_error(db), error, error_size);
    }
    if (atomic_load(&s->is_failing)) {
        tell_failure(s);
    } else {
        measure_room(s);
    }
    return true;
}

int store_start(struct store *s)
{
    int error = thread_start(&s->thread, run, s);
    s->has_thread = error == 0;
    return error;
}

/* Saves everything that the queue has listed, and syncs it. */
static bool save_rest(struct store *s)
{
    size_t records;
    bool is_good;
    s->retry_ms = 0;
    do {
        s->sync_ms = s->progress_ms = 0; /* the thread has ended, and so have the consumers */
        is_good = may_try(s) && write_records(s, &records);
    } while (is_good && records > 0);
    return is_good;
}

bool store_stop(struct store *s)
{
    if (s->has_thread) {
        pthread_mutex_lock(&s->mutex);
        s->is_stopping = true;
        wake_locked(s);
        pthread_mutex_unlock(&s->mutex);
        pthread_join(s->thread, NULL);
        s->has_thread = false;
    }
    check_place(s);
    bool is_saved = save_rest(s);
    if (is_saved && !store_db_finish(&s->writer.db)) {
        LOG(LOG_WARN, "store_log_left", LOG_STR("path", s->options.path));
    }
    store_db_close(&s->writer.db);
    return is_saved;
}

/* Of an insertion that nobody was told of. */
static void free_holders(struct insertion *insertion)
{
    struct store_insertion *result = &insertion->result;
    while (insertion->count > 0 && result->holder_count > 0) {
        message_free(result->holders[--result->holder_count]);
    }
    if (insertion->count > 0) {
        free(result->holders);
    }
}

void store_free(struct store *s)
{
    if (s == NULL) {
        return;
    }
    free_holders(&s->ended.insertion);
    store_questions_clear(&s->asked.questions);
    store_questions_clear(&s->ended.questions);
    free_optouts(&s->optouts);
    free_optouts(&s->unsaved_optouts);
    free_users(&s->users);
    free_users(&s->unsaved_users);
    store_notices_clear(&s->writer.notices);
    store_refs_free(&s->writer.refs);
    store_db_close(&s->writer.db);
    if (s->writer.place.lock_fd >= 0) {
        close(s->writer.place.lock_fd);
    }
    buffer_free(&s->answers);
    free(s->records);
    pthread_cond_destroy(&s->woken);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}
