/*
 * store: see store.h. Owns the thread, its rounds, and what other threads ask of it; the rows are
 * store_rows's, the file store_db's, and what is old goes with store_purge.
 */
#include "gateway/store/store.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/thread.h"
#include "gateway/queue/admission.h"
#include "gateway/queue/records.h"
#include "gateway/queue/reports.h"
#include "gateway/store/db.h"
#include "gateway/store/notices.h"
#include "gateway/store/purge.h"
#include "gateway/store/rows.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    RECORDS_MAX = 4096,   /* changes that one transaction writes */
    RESTORE_SLICE = 1000, /* messages that queue_restore takes under one lock */
    LOG_PAGES = 1000,     /* 4 MB: what is written over is faster synced than what is appended */
    RETRY_MS = 1000,      /* between tries while the disk fails */
    SYNC_WITHIN_MS =
        1000, /* what was committed without a sync is synced after this at the latest */
    NOTE_WITHIN_MS = 1000, /* the same for how far the consumers of changes are ... */
    NOTE_AT_ONCE = 256,    /* ... unless so many were told: then with whatever is written */
    ANSWERS_KEPT = 1 << 20 /* bytes of the buffer for answers that are kept between rounds */
};

enum { API_IDS_MAX = 100000 }; /* of an earlier run that are recalled: 0.2 s */
enum { STRAYS_MAX = 10000 };   /* reports of no message that are kept */
enum { NUMBER_NOTE_SIZE = sizeof "18446744073709551615" };
#define NOTE_ANCHOR "anchor"
#define NOTE_SINCE  "relayed_since" /* the anchor */
#define NOTE_HELD   "held"

/* Messages to be inserted together. */
struct insertion {
    struct message *const *messages;
    size_t count;
    void (*inserted)(void *arg, bool is_stored);
    void *arg;
    bool is_stored; /* the result */
};

/* Reports to be saved together. */
struct reporting {
    struct queue_report *reports;
    size_t count;
    void (*reported)(void *arg, bool is_stored);
    void *arg;
    bool is_stored; /* the result */
};

struct questions {
    struct store_question *first, **end;
};

/* What other threads have asked for and a round has not taken. */
struct work {
    struct insertion insertion; /* count 0 = none */
    struct reporting reporting; /* count 0 = none */
    struct questions questions;
    bool has_notes;                /* a note has changed */
    bool saves_progress;           /* store_notices_save_progress is due */
    struct optout_change *optouts; /* taken at the last moment, so that any round has them */
};

/* What is kept beside the messages: see store.h. */
struct notes {
    char anchor[STORE_ANCHOR_SIZE];
    uint64_t relayed_since;
    bool is_held;
};

/* A number that has opted out, or in again. */
struct optout_change {
    struct optout_change *next;
    int64_t at_ms;
    bool is_listed;
    char number[NUMBER_SIZE];
};

struct store {
    struct store_options options;
    struct queue *queue;
    int lock_fd;
    pthread_t thread;
    bool has_thread;
    size_t calls_due; /* the loop's: insertions and questions without their call */
    int64_t last_row;

    pthread_mutex_t mutex;
    pthread_cond_t woken;
    /* Under the mutex. */
    bool is_woken, is_stopping;
    int64_t note_ms; /* monotonic: when progress is saved; INT64_MAX = no news */
    struct work work;
    struct insertion ended;    /* for store_deliver; count 0 = none */
    struct reporting reported; /* the same */
    struct questions answered;
    struct notes notes;
    struct optout_change *optouts; /* not saved yet, in their order */

    atomic_bool is_failing; /* the last try to write has failed; the thread's to change */

    /* The thread's own. */
    struct store_db db;
    struct queue_record *records;
    struct buffer answers;
    struct notes kept;  /* notes that are true of what is in the file */
    int64_t retry_ms;   /* monotonic: not before, while it fails */
    int64_t sync_ms;    /* monotonic: when to sync what was not; INT64_MAX = nothing */
    int64_t undo_first; /* rows of refused messages that a failed commit may have left; 0 = none */
    int64_t undo_last;
    struct store_purge purge;
    struct store_notices notices;
};

/* --- lists of questions ----------------------------------------------------------------------- */

static void questions_clear(struct questions *list)
{
    list->first = NULL;
    list->end = &list->first;
}

static void questions_append(struct questions *list, struct store_question *question)
{
    question->next = NULL;
    *list->end = question;
    list->end = &question->next;
}

static struct store_question *questions_pop(struct questions *list)
{
    struct store_question *question = list->first;
    if (question != NULL) {
        list->first = question->next;
        list->end = list->first == NULL ? &list->first : list->end;
    }
    return question;
}

static void question_free(struct store_question *question)
{
    for (size_t i = 0; i < question->count; i++) {
        message_free(question->messages[i]);
    }
    free(question->messages);
    free(question);
}

/* --- orders: any thread ------------------------------------------------------------------------ */

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

/* The consumers are further than the file says. Any thread. */
static void note_progress(void *arg)
{
    struct store *s = arg;
    pthread_mutex_lock(&s->mutex);
    if (s->note_ms == INT64_MAX) {
        s->note_ms = clock_monotonic_ms() + NOTE_WITHIN_MS;
        pthread_cond_signal(&s->woken); /* for it to know how long it may sleep */
    }
    pthread_mutex_unlock(&s->mutex);
}

void store_insert(struct store *s, struct message *const *messages, size_t count,
                  void (*inserted)(void *arg, bool is_stored), void *arg)
{
    s->calls_due++;
    pthread_mutex_lock(&s->mutex);
    s->work.insertion = (struct insertion){messages, count, inserted, arg, false};
    wake_locked(s);
    pthread_mutex_unlock(&s->mutex);
}

void store_report(struct store *s, struct queue_report *reports, size_t count,
                  void (*reported)(void *arg, bool is_stored), void *arg)
{
    s->calls_due++;
    pthread_mutex_lock(&s->mutex);
    s->work.reporting = (struct reporting){reports, count, reported, arg, false};
    wake_locked(s);
    pthread_mutex_unlock(&s->mutex);
}

bool store_ask(struct store *s, const struct store_question *question)
{
    struct store_question *copy = malloc(sizeof *copy);
    if (copy == NULL) {
        return false;
    }
    *copy = *question;
    copy->has_failed = false;
    copy->messages = NULL;
    copy->count = 0;
    s->calls_due++;
    pthread_mutex_lock(&s->mutex);
    questions_append(&s->work.questions, copy);
    wake_locked(s);
    pthread_mutex_unlock(&s->mutex);
    return true;
}

void store_deliver(struct store *s)
{
    pthread_mutex_lock(&s->mutex);
    struct insertion ended = s->ended;
    struct reporting reported = s->reported;
    struct store_question *question = s->answered.first;
    s->ended.count = 0;
    s->reported.count = 0;
    questions_clear(&s->answered);
    pthread_mutex_unlock(&s->mutex);

    if (ended.count > 0) {
        s->calls_due--;
        ended.inserted(ended.arg, ended.is_stored);
    }
    if (reported.count > 0) {
        s->calls_due--;
        reported.reported(reported.arg, reported.is_stored);
    }
    while (question != NULL) {
        struct store_question *next = question->next;
        s->calls_due--;
        question->answered(question->arg, question);
        question_free(question);
        question = next;
    }
}

bool store_is_idle(const struct store *s)
{
    return s->calls_due == 0;
}

void store_anchor(struct store *s, char anchor[STORE_ANCHOR_SIZE], uint64_t *relayed_since)
{
    pthread_mutex_lock(&s->mutex);
    memcpy(anchor, s->notes.anchor, STORE_ANCHOR_SIZE);
    *relayed_since = s->notes.relayed_since;
    pthread_mutex_unlock(&s->mutex);
}

void store_set_anchor(struct store *s, const char *anchor, uint64_t relayed_since)
{
    pthread_mutex_lock(&s->mutex);
    if (strcmp(s->notes.anchor, anchor) != 0 || s->notes.relayed_since != relayed_since) {
        /* Wakes nobody: it goes with the changes that it belongs to. */
        snprintf(s->notes.anchor, sizeof s->notes.anchor, "%s", anchor);
        s->notes.relayed_since = relayed_since;
        s->work.has_notes = true;
    }
    pthread_mutex_unlock(&s->mutex);
}

bool store_is_held(struct store *s)
{
    pthread_mutex_lock(&s->mutex);
    bool is_held = s->notes.is_held;
    pthread_mutex_unlock(&s->mutex);
    return is_held;
}

void store_set_held(struct store *s, bool is_held)
{
    pthread_mutex_lock(&s->mutex);
    s->notes.is_held = is_held;
    s->work.has_notes = true;
    wake_locked(s);
    pthread_mutex_unlock(&s->mutex);
}

bool store_note_optout(struct store *s, const char *number, bool is_listed, int64_t at_ms)
{
    struct optout_change *change = calloc(1, sizeof *change);
    if (change == NULL) {
        return false;
    }
    change->at_ms = at_ms;
    change->is_listed = is_listed;
    memcpy(change->number, number, strlen(number) + 1);
    pthread_mutex_lock(&s->mutex);
    struct optout_change **end = &s->optouts;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = change;
    wake_locked(s);
    pthread_mutex_unlock(&s->mutex);
    return true;
}

void store_each_optout(struct store *s,
                       void (*show)(void *arg, const char *number, int64_t since_ms), void *arg)
{
    if (!store_rows_each_optout(&s->db, show, arg)) {
        LOG(LOG_ERROR, "store_failed", LOG_STR("reason", store_db_error(&s->db)),
            LOG_STR("path", s->options.path));
    }
}

void store_each_unreported(struct store *s, int64_t since_ms, size_t max, store_unreported *show,
                           void *arg)
{
    if (!store_rows_each_unreported(&s->db, since_ms, max, show, arg)) {
        LOG(LOG_ERROR, "store_failed", LOG_STR("reason", store_db_error(&s->db)),
            LOG_STR("path", s->options.path));
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

/* --- writing ---------------------------------------------------------------------------------- */

static bool write_insertion(struct store *s, const struct insertion *insertion)
{
    bool is_good = true;
    for (size_t i = 0; is_good && i < insertion->count; i++) {
        struct message *m = insertion->messages[i];
        is_good = store_rows_insert(&s->db, message_row_links(m)->row, m);
    }
    return is_good;
}

/* With no retention a message that has ended leaves nothing behind. */
static bool write_record(struct store *s, const struct queue_record *record)
{
    if (!store_notices_add_record(&s->notices, &s->db, record, s->answers.data)) {
        return false;
    }
    if (s->options.retention_ms == 0 && message_state_is_finished(record->state)) {
        return store_rows_delete(&s->db, record->row, record->row);
    }
    return store_rows_save(&s->db, record, s->answers.data);
}

/*
 * Weighs a report against what is stored of its message. Returns whether that is to change. What the
 * queue holds may know less, since a commit that failed can be in the file all the same: then it is
 * news there still.
 */
static bool weigh(struct queue_report *r, const struct message *m)
{
    bool was_attempted = r->outcome != REPORT_UNMATCHED;
    bool is_news_in_memory = r->is_held && r->outcome == REPORT_NEW;
    if (!r->is_held) {
        queue_report_fill_in(r, m);
        was_attempted = m->state == MESSAGE_RELAYED || m->attempts > 0;
    }
    struct report known = message_report(m);
    bool is_news = was_attempted && (r->text != NULL || report_supersedes(&r->report, &known));
    if (was_attempted) {
        r->outcome = is_news || is_news_in_memory ? REPORT_NEW : REPORT_OLD;
    }
    return is_news;
}

/* Reports of one transaction may be of one message: each is weighed against those before it. */
static bool write_report(struct store *s, struct queue_report *r)
{
    bool has_failed = false;
    bool is_good = true;
    struct message *m = r->has_id ? store_rows_find(&s->db, &r->id, &has_failed) : NULL;
    bool is_news = m != NULL ? weigh(r, m) : r->outcome == REPORT_NEW;
    if (has_failed) {
        return false;
    }
    if (m == NULL || r->outcome == REPORT_UNMATCHED) {
        is_good = store_rows_insert_stray(&s->db, r);
    } else if (is_news && r->text != NULL) {
        is_good = store_rows_insert_inbound(&s->db, message_row_links(m)->row, r);
        is_news = r->outcome == REPORT_NEW;
    } else if (is_news) {
        is_good = store_rows_save_report(&s->db, message_row_links(m)->row, &r->report);
    }
    message_free(m);
    return is_good && (!is_news || store_notices_add_report(&s->notices, &s->db, r));
}

static bool write_reporting(struct store *s, const struct reporting *reporting)
{
    bool is_good = true;
    bool has_stray = false;
    for (size_t i = 0; is_good && i < reporting->count; i++) {
        is_good = write_report(s, &reporting->reports[i]);
        has_stray = has_stray || reporting->reports[i].outcome == REPORT_UNMATCHED;
    }
    return is_good && (!has_stray || store_rows_delete_strays(&s->db, STRAYS_MAX));
}

static bool write_notes(struct store *s, const struct notes *notes)
{
    char since[NUMBER_NOTE_SIZE];
    snprintf(since, sizeof since, "%" PRIu64, notes->relayed_since);
    return store_rows_set_note(&s->db, NOTE_ANCHOR, notes->anchor) &&
           store_rows_set_note(&s->db, NOTE_SINCE, since) &&
           store_rows_set_note(&s->db, NOTE_HELD, notes->is_held ? "yes" : "no");
}

static bool write_optouts(struct store *s, const struct optout_change *change)
{
    bool is_good = true;
    for (; is_good && change != NULL; change = change->next) {
        is_good = store_rows_set_optout(&s->db, change->number, change->is_listed, change->at_ms);
    }
    return is_good;
}

static struct optout_change *take_optouts(struct store *s)
{
    pthread_mutex_lock(&s->mutex);
    struct optout_change *optouts = s->optouts;
    s->optouts = NULL;
    pthread_mutex_unlock(&s->mutex);
    return optouts;
}

/* They are saved; or they are not, and come before those that came since. */
static void end_optouts(struct store *s, struct optout_change *optouts, bool is_saved)
{
    struct optout_change **end = &optouts;
    while (is_saved && optouts != NULL) {
        struct optout_change *next = optouts->next;
        free(optouts);
        optouts = next;
    }
    while (*end != NULL) {
        end = &(*end)->next;
    }
    pthread_mutex_lock(&s->mutex);
    *end = s->optouts;
    s->optouts = optouts;
    pthread_mutex_unlock(&s->mutex);
}

static bool write_all(struct store *s, const struct work *work, const struct notes *notes,
                      size_t records)
{
    bool is_good = write_insertion(s, &work->insertion) && write_optouts(s, work->optouts);
    for (size_t i = 0; is_good && i < records; i++) {
        is_good = write_record(s, &s->records[i]);
    }
    /* That a message was relayed is told before what is reported of it. */
    is_good = is_good && write_reporting(s, &work->reporting);
    return is_good && (!work->has_notes || write_notes(s, notes)) &&
           (!work->saves_progress || store_notices_save_progress(&s->notices, &s->db));
}

static void count_commit(struct store *s, const struct work *work, size_t records, int64_t took_us,
                         bool syncs)
{
    int64_t rows = (int64_t)(work->insertion.count + work->reporting.count + records);
    stats_observe(s->options.stats, HISTOGRAM_COMMIT_ROWS, &rows, 1);
    stats_observe(s->options.stats, HISTOGRAM_COMMIT_LATENCY, &took_us, 1);
    stats_add(s->options.stats, STAT_STORE_COMMITS, 1);
    stats_add(s->options.stats, STAT_STORE_SYNCS, syncs ? 1 : 0);
    stats_add(s->options.stats, STAT_STORE_INSERTED, (int64_t)work->insertion.count);
    if (syncs) {
        s->sync_ms = INT64_MAX;
    } else if (s->sync_ms == INT64_MAX) {
        s->sync_ms = clock_monotonic_ms() + SYNC_WITHIN_MS;
    }
}

/* One transaction. Returns false when nothing of it counts. */
static bool transact(struct store *s, const struct work *work, const struct notes *notes,
                     size_t records, bool syncs)
{
    int64_t began_us = clock_monotonic_us();
    if (!store_db_begin(&s->db, syncs) || !write_all(s, work, notes, records) ||
        !store_db_commit(&s->db)) {
        return false;
    }
    count_commit(s, work, records, clock_monotonic_us() - began_us, syncs);
    store_notices_commit(&s->notices);
    return true;
}

/* --- when the disk fails ---------------------------------------------------------------------- */

/* The rows of messages that are refused now, though a commit may have written them. */
static void must_undo(struct store *s, const struct insertion *insertion)
{
    if (insertion->count == 0) {
        return;
    }
    int64_t first = message_row_links(insertion->messages[0])->row;
    s->undo_first = s->undo_first == 0 ? first : s->undo_first;
    s->undo_last = message_row_links(insertion->messages[insertion->count - 1])->row;
}

/* Deletes what was refused, should it be there. Nothing is written if it is not. */
static bool undo(struct store *s)
{
    int there = s->undo_first == 0 ? 0 : store_rows_count(&s->db, s->undo_first, s->undo_last);
    if (there <= 0) {
        return there == 0;
    }
    bool is_undone = store_db_begin(&s->db, false) &&
                     store_rows_delete(&s->db, s->undo_first, s->undo_last) &&
                     store_db_commit(&s->db);
    if (!is_undone) {
        LOG(LOG_ERROR, "refused_messages_kept", LOG_STR("reason", store_db_error(&s->db)),
            LOG_INT("messages", there));
    }
    return is_undone;
}

/*
 * A commit that failed in its sync may be in the file all the same. Only the file can tell, so it is
 * opened anew, as it would be after a crash, and what was refused is deleted, should it be there:
 * without a sync, since that is what has failed; it is enough should this process end. Then the log
 * goes into the database and begins anew: a sync that has failed makes the system forget what it
 * was to write, so nothing that comes may rest on what is in the log.
 */
static bool reopen(struct store *s, char error[STORE_ERROR_SIZE])
{
    if (s->db.handle == NULL && !store_db_open(&s->db, s->options.path, false, error)) {
        return false;
    }
    if (!undo(s) || !store_db_checkpoint(&s->db, true) ||
        !store_notices_recover(&s->notices, &s->db)) {
        snprintf(error, STORE_ERROR_SIZE, "%s", store_db_error(&s->db));
        store_db_roll_back(&s->db);
        store_db_close(&s->db);
        return false;
    }
    s->undo_first = s->undo_last = 0;
    return true;
}

/* Something could not be written. */
static void fail(struct store *s, const struct insertion *insertion)
{
    char error[STORE_ERROR_SIZE];
    LOG(LOG_ERROR, "store_failed", LOG_STR("reason", store_db_error(&s->db)),
        LOG_STR("path", s->options.path));
    stats_add(s->options.stats, STAT_STORE_FAILURES, 1);
    must_undo(s, insertion);
    store_notices_fail(&s->notices);
    store_db_roll_back(&s->db);
    store_db_close(&s->db);
    if (!reopen(s, error)) {
        LOG(LOG_ERROR, "store_unusable", LOG_STR("reason", error));
    }
    atomic_store(&s->is_failing, true);
    s->retry_ms = clock_monotonic_ms() + RETRY_MS;
    s->options.saved(s->options.saved_arg); /* who waits need not wait for this disk */
}

static void recover(struct store *s)
{
    LOG(LOG_WARN, "store_recovered", LOG_STR("path", s->options.path));
    atomic_store(&s->is_failing, false);
}

/* May something be written? While the disk fails, only every now and then. */
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
    if (reopen(s, error)) {
        return true;
    }
    LOG(LOG_ERROR, "store_failed", LOG_STR("reason", error), LOG_STR("path", s->options.path));
    return false;
}

/* --- answering -------------------------------------------------------------------------------- */

/* Reads the messages that a question asks for. */
static void read_messages(struct store *s, struct store_question *question)
{
    struct store_rows_reader reader;
    bool is_relayed = question->state == MESSAGE_RELAYED;
    store_rows_begin(&reader, &s->db, is_relayed ? STORE_READ_RELAYED : STORE_READ_FAILED,
                     is_relayed ? (int64_t)question->max : (int64_t)question->state,
                     (int64_t)question->max);
    question->messages = calloc(question->max, sizeof(struct message *));
    struct message *m;
    while (question->messages != NULL && question->count < question->max &&
           (m = store_rows_next(&reader)) != NULL) {
        question->messages[question->count++] = m;
    }
    question->has_failed = question->messages == NULL || reader.fault != NULL;
    store_rows_end(&reader);
}

static void read_message(struct store *s, struct store_question *question)
{
    question->messages = calloc(1, sizeof(struct message *));
    struct message *m = question->messages == NULL
                            ? NULL
                            : store_rows_find(&s->db, &question->id, &question->has_failed);
    if (m != NULL) {
        question->messages[question->count++] = m;
    }
}

/* `is_saved`: everything that was so when it was asked is in the store. */
static void answer(struct store *s, struct store_question *question, bool is_saved)
{
    question->has_failed = !is_saved || s->db.handle == NULL;
    if (question->has_failed) {
        return;
    }
    switch (question->kind) {
    case STORE_ASK_ID:
        read_message(s, question);
        break;
    case STORE_ASK_STATE:
        read_messages(s, question);
        break;
    case STORE_ASK_NOTHING:
        break;
    }
}

/* Hands over what a round has ended: first what 250s wait for, then what takes reading. */
static void tell(struct store *s, struct work *work, bool is_stored, bool is_saved)
{
    struct store_question *question;
    if (work->insertion.count > 0 || work->reporting.count > 0) {
        work->insertion.is_stored = work->reporting.is_stored = is_stored;
        pthread_mutex_lock(&s->mutex);
        s->ended = work->insertion.count > 0 ? work->insertion : s->ended;
        s->reported = work->reporting.count > 0 ? work->reporting : s->reported;
        pthread_mutex_unlock(&s->mutex);
        s->options.notify(s->options.notify_arg);
    }
    while ((question = questions_pop(&work->questions)) != NULL) {
        answer(s, question, is_saved);
        pthread_mutex_lock(&s->mutex);
        questions_append(&s->answered, question);
        pthread_mutex_unlock(&s->mutex);
        s->options.notify(s->options.notify_arg);
    }
}

/* --- rounds ----------------------------------------------------------------------------------- */

static bool asks_sync(const struct work *work)
{
    for (const struct store_question *q = work->questions.first; q != NULL; q = q->next) {
        if (q->syncs) {
            return true;
        }
    }
    return false;
}

static void take_work(struct store *s, struct work *work)
{
    pthread_mutex_lock(&s->mutex);
    *work = s->work;
    if (work->questions.first == NULL) {
        questions_clear(&work->questions);
    }
    s->work.insertion.count = 0;
    s->work.reporting.count = 0;
    s->work.has_notes = false;
    questions_clear(&s->work.questions);
    pthread_mutex_unlock(&s->mutex);
}

static void keep_notes(struct store *s, bool has_notes)
{
    pthread_mutex_lock(&s->mutex);
    s->work.has_notes = s->work.has_notes || has_notes;
    pthread_mutex_unlock(&s->mutex);
}

static struct notes read_notes(struct store *s)
{
    pthread_mutex_lock(&s->mutex);
    struct notes notes = s->notes;
    pthread_mutex_unlock(&s->mutex);
    return notes;
}

/* The records that were taken are saved, or not. */
static void end_records(struct store *s, size_t records, bool is_saved)
{
    if (records > 0) {
        queue_records_done(s->queue, s->records, records, is_saved);
    }
    if (s->answers.size > ANSWERS_KEPT) {
        buffer_free(&s->answers);
    }
    buffer_clear(&s->answers);
    if (records > 0) {
        s->options.saved(s->options.saved_arg);
    }
    if (records == RECORDS_MAX) {
        store_wake(s); /* there may be more */
    }
}

/* Is how far the consumers are to be written down now, `with_others` or alone? */
static bool takes_progress(struct store *s, bool with_others)
{
    pthread_mutex_lock(&s->mutex);
    /* Within it: note_progress leaves a time alone that it finds, and what it is for must be seen. */
    size_t unnoted = store_notices_unsaved(&s->notices);
    bool is_time = clock_monotonic_ms() >= s->note_ms || (with_others && unnoted >= NOTE_AT_ONCE);
    s->note_ms = is_time ? INT64_MAX : s->note_ms;
    pthread_mutex_unlock(&s->mutex);
    return is_time && unnoted > 0;
}

/*
 * Writes what there is in one transaction. The anchor says that all that was relayed before it is
 * known, so it may be written only with the changes that were there when it was set: it is read
 * before they are taken, and waits where they are too many for one transaction. `*records` is how many changes that were; RECORDS_MAX:
 * there may be more, and the thread will come again. Returns false when it failed.
 */
static bool write_round(struct store *s, struct work *work, size_t *records)
{
    struct notes notes = read_notes(s);
    *records = queue_records_take(s->queue, s->records, RECORDS_MAX, &s->answers);
    bool is_all = *records < RECORDS_MAX && !s->answers.has_failed;
    if (!is_all) {
        memcpy(notes.anchor, s->kept.anchor, sizeof notes.anchor);
        notes.relayed_since = s->kept.relayed_since;
    }
    bool has_arrivals = work->insertion.count > 0 || work->reporting.count > 0;
    bool syncs = has_arrivals || asks_sync(work) || atomic_load(&s->is_failing) ||
                 clock_monotonic_ms() >= s->sync_ms;
    /* Where there is nothing to write, a note is what is synced. */
    work->optouts = take_optouts(s);
    bool has_rows = has_arrivals || work->optouts != NULL || *records > 0;
    work->has_notes = work->has_notes || (syncs && !has_rows);
    work->saves_progress = takes_progress(s, has_rows || work->has_notes);
    bool has_work = has_rows || work->has_notes || work->saves_progress;
    bool is_good = !has_work || transact(s, work, &notes, *records, syncs);
    if (!is_good) {
        fail(s, &work->insertion);
        note_progress(s);
    } else {
        s->kept = notes;
        if (is_all) {
            store_notices_caught_up(&s->notices);
        }
        if (has_work && atomic_load(&s->is_failing)) {
            recover(s);
        }
    }
    keep_notes(s, work->has_notes && !(is_good && is_all));
    end_optouts(s, work->optouts, is_good);
    end_records(s, *records, is_good);
    return is_good;
}

/* The same when nobody has asked for anything. */
static bool write_changes(struct store *s, size_t *records)
{
    struct work nothing = {.insertion = {.count = 0}};
    questions_clear(&nothing.questions);
    return write_round(s, &nothing, records);
}

/* Everything that has been asked for so far. */
static void go_round(struct store *s)
{
    struct work work;
    size_t records = 0;
    take_work(s, &work);
    bool is_good = may_try(s);
    if (is_good) {
        is_good = write_round(s, &work, &records);
    } else {
        keep_notes(s, work.has_notes);
    }
    bool is_stored = is_good;
    /* A question is answered when all that was before it is saved. */
    while (is_good && records == RECORDS_MAX && work.questions.first != NULL) {
        s->sync_ms = asks_sync(&work) ? 0 : s->sync_ms;
        is_good = write_changes(s, &records);
    }
    tell(s, &work, is_stored, is_good);
}

/* When there is something to do though nobody asks. Under the mutex. */
static int64_t next_ms(const struct store *s)
{
    if (atomic_load(&s->is_failing)) {
        return s->retry_ms;
    }
    int64_t purge_ms = store_purge_due_ms(&s->purge);
    int64_t write_ms = s->sync_ms < s->note_ms ? s->sync_ms : s->note_ms;
    return write_ms < purge_ms ? write_ms : purge_ms;
}

/* Returns false when the time has come for something that nobody asks for. */
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
    bool is_due = now_ms >= s->sync_ms || now_ms >= s->note_ms;
    pthread_mutex_unlock(&s->mutex);
    return is_due;
}

static void do_chores(struct store *s)
{
    size_t records;
    int64_t now_ms = clock_monotonic_ms();
    if (atomic_load(&s->is_failing)) {
        if (may_try(s)) {
            write_changes(s, &records);
        }
        return;
    }
    if (is_write_due(s, now_ms)) {
        write_changes(s, &records);
    }
    int log_pages = s->options.log_pages > 0 ? s->options.log_pages : LOG_PAGES;
    if (s->db.log_pages >= log_pages && !store_db_checkpoint(&s->db, false)) {
        fail(s, &(struct insertion){.count = 0});
    }
    if (!atomic_load(&s->is_failing) && now_ms >= store_purge_due_ms(&s->purge)) {
        int64_t cutoff_ms = clock_unix_ms() - s->options.retention_ms;
        size_t purged = 0;
        if (!store_purge_step(&s->purge, &s->db, cutoff_ms, now_ms, &purged)) {
            fail(s, &(struct insertion){.count = 0});
        } else {
            stats_add(s->options.stats, STAT_STORE_PURGED, (int64_t)purged);
        }
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

/* --- life ------------------------------------------------------------------------------------- */

static bool load_notes(struct store *s, char *error, size_t error_size)
{
    char held[sizeof "yes"];
    char since[NUMBER_NOTE_SIZE];
    int64_t last_row = store_rows_last(&s->db);
    if (last_row < 0 ||
        !store_rows_note(&s->db, NOTE_ANCHOR, s->notes.anchor, sizeof s->notes.anchor) ||
        !store_rows_note(&s->db, NOTE_SINCE, since, sizeof since) ||
        !store_rows_note(&s->db, NOTE_HELD, held, sizeof held)) {
        snprintf(error, error_size, "queue.path: %s: %s", s->options.path, store_db_error(&s->db));
        return false;
    }
    s->notes.is_held = strcmp(held, "yes") == 0;
    s->notes.relayed_since = strtoull(since, NULL, 10);
    s->kept = s->notes;
    s->last_row = last_row;
    return true;
}

/*
 * Its file is locked: makes the rest. What a process that was killed has left in the log may not be
 * on the disk, whatever is to be read there (see reopen): the log begins anew.
 */
static bool open_rest(struct store *s, char *error, size_t error_size)
{
    char words[STORE_ERROR_SIZE] = "out of memory";
    s->records = malloc(RECORDS_MAX * sizeof *s->records);
    bool is_good = s->records != NULL && store_db_open(&s->db, s->options.path, false, words) &&
                   store_db_check(&s->db, s->options.path, words);
    snprintf(error, error_size, "%s", words);
    if (!is_good || !load_notes(s, error, error_size)) {
        return false;
    }
    if (!store_db_checkpoint(&s->db, true)) {
        /* It can be read, so what is in it can be relayed. */
        LOG(LOG_ERROR, "store_failed", LOG_STR("reason", store_db_error(&s->db)),
            LOG_STR("path", s->options.path));
        atomic_store(&s->is_failing, true);
    }
    return true;
}

struct store *store_open(const struct store_options *options, char *error, size_t error_size)
{
    char words[STORE_ERROR_SIZE] = "out of memory";
    struct store *s = calloc(1, sizeof *s);
    if (s == NULL) {
        snprintf(error, error_size, "%s", words);
        return NULL;
    }
    s->options = *options;
    s->sync_ms = s->note_ms = INT64_MAX;
    store_notices_init(&s->notices, options->outbox);
    if (options->outbox != NULL) {
        outbox_set_keeper(options->outbox, note_progress, s);
    }
    questions_clear(&s->work.questions);
    questions_clear(&s->answered);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->woken, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&s->mutex, NULL);
    store_purge_init(&s->purge);
    s->lock_fd = store_db_lock(options->path, true, words);
    snprintf(error, error_size, "%s", words);
    if (s->lock_fd < 0 || !open_rest(s, error, error_size)) {
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

/* Reports may name a message of an earlier run by its API id alone. */
static bool recall_api_ids(struct store *s, char *error, size_t error_size)
{
    bool is_good = !s->options.recalls_api_ids ||
                   store_rows_each_api_id(&s->db, API_IDS_MAX, queue_remember_api_id, s->queue);
    if (!is_good) {
        snprintf(error, error_size, "queue.path: %s: %s", s->options.path, store_db_error(&s->db));
    }
    return is_good;
}

bool store_restore(struct store *s, struct queue *queue, size_t *count, char *error,
                   size_t error_size)
{
    struct store_rows_reader reader;
    struct message *slice[RESTORE_SLICE];
    size_t read;
    int64_t now_ms = clock_unix_ms();
    s->queue = queue;
    *count = 0;
    store_rows_begin(&reader, &s->db, STORE_READ_HELD, now_ms - s->options.retention_ms, 0);
    while ((read = read_slice(&reader, slice)) > 0) {
        if (!queue_restore(queue, slice, read, now_ms)) {
            while (read > 0) {
                message_free(slice[--read]);
            }
            reader.fault = "out of memory";
            break;
        }
        *count += read;
    }
    store_rows_end(&reader);
    if (reader.fault != NULL) {
        snprintf(error, error_size, "queue.path: %s: %s", s->options.path, reader.fault);
        return false;
    }
    if (!recall_api_ids(s, error, error_size)) {
        return false;
    }
    if (!store_notices_load(&s->notices, &s->db)) {
        snprintf(error, error_size, "queue.path: %s: %s", s->options.path, store_db_error(&s->db));
        return false;
    }
    return true;
}

int store_start(struct store *s)
{
    int error = thread_start(&s->thread, run, s);
    s->has_thread = error == 0;
    return error;
}

/* Writes all that the queue has listed, and syncs it. */
static bool save_rest(struct store *s)
{
    size_t records;
    bool is_good;
    s->retry_ms = 0;
    do {
        s->sync_ms = s->note_ms = 0; /* the thread has ended, and so have the consumers */
        is_good = may_try(s) && write_changes(s, &records);
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
    bool is_saved = save_rest(s);
    if (is_saved && !store_db_finish(&s->db)) {
        LOG(LOG_WARN, "store_log_left", LOG_STR("path", s->options.path));
    }
    store_db_close(&s->db);
    return is_saved;
}

void store_free(struct store *s)
{
    if (s == NULL) {
        return;
    }
    struct store_question *question;
    while ((question = questions_pop(&s->work.questions)) != NULL ||
           (question = questions_pop(&s->answered)) != NULL) {
        question_free(question);
    }
    end_optouts(s, take_optouts(s), true);
    store_notices_clear(&s->notices);
    store_db_close(&s->db);
    if (s->lock_fd >= 0) {
        close(s->lock_fd);
    }
    buffer_free(&s->answers);
    free(s->records);
    pthread_cond_destroy(&s->woken);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}
