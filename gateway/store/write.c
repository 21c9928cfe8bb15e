/* write: see write.h. */
#include "gateway/store/write.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/queue/records.h"
#include "gateway/queue/reports.h"
#include "gateway/store/rows.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { STRAYS_MAX = 10000 }; /* kept of the reports that belong to no message */

/* --- a transaction ------------------------------------------------------------------------------ */

static bool write_messages(struct store_writer *w, const struct store_batch *batch)
{
    bool is_good =
        batch->message_count == 0 ||
        store_unfinished_cover(&w->unfinished, &w->db, message_row_links(batch->messages[0])->row,
                               message_row_links(batch->messages[batch->message_count - 1])->row);
    for (size_t i = 0; is_good && i < batch->message_count; i++) {
        struct message *m = batch->messages[i];
        is_good = store_rows_insert(&w->db, message_row_links(m)->row, m);
    }
    return is_good;
}

static bool write_optouts(struct store_writer *w, const struct store_batch *batch)
{
    const struct store_optout *optout = STAILQ_FIRST(batch->optouts);
    bool is_good = true;
    for (; is_good && optout != NULL; optout = STAILQ_NEXT(optout, entry)) {
        is_good = store_rows_set_optout(&w->db, optout->number, optout->is_listed, optout->at_ms);
    }
    return is_good;
}

/* In the same transaction as the first message of that owner, or before: so no owner is another's later. */
static bool write_users(struct store_writer *w, const struct store_batch *batch)
{
    const struct store_user *user = STAILQ_FIRST(batch->users);
    bool is_good = true;
    for (; is_good && user != NULL; user = STAILQ_NEXT(user, entry)) {
        is_good = store_rows_add_user(&w->db, user->name, user->owner);
    }
    return is_good;
}

/* With no retention a finished message leaves nothing behind. */
static bool write_record(struct store_writer *w, const struct queue_record *record,
                         const char *answers)
{
    if (!store_notices_add_record(&w->notices, &w->db, record, answers)) {
        return false;
    }
    if (w->retention_ms == 0 && message_state_is_finished(record->state)) {
        return store_rows_delete(&w->db, record->row, record->row);
    }
    return store_rows_save(&w->db, record, answers) &&
           (!message_ended_unsent(record->state, record->attempts, record->may_be_sent) ||
            store_rows_drop_text(&w->db, record->row));
}

static bool write_records(struct store_writer *w, const struct store_batch *batch)
{
    bool is_good = true;
    for (size_t i = 0; is_good && i < batch->record_count; i++) {
        is_good = write_record(w, &batch->records[i], batch->answers);
    }
    return is_good;
}

/*
 * Compares a report with what is stored of its message, and sets its outcome. Returns whether the
 * file is to change. The queue may know less than the file, where a failed commit may have left
 * something: then the report is still news there.
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

/* Several reports of a batch may be of one message: each is weighed against those before it. */
static bool write_report(struct store_writer *w, struct queue_report *r)
{
    bool has_failed = false;
    bool is_good = true;
    struct message *m = r->has_id ? store_rows_find(&w->db, &r->id, &has_failed) : NULL;
    bool is_news = m != NULL ? weigh(r, m) : r->outcome == REPORT_NEW;
    if (has_failed) {
        return false;
    }
    if (m == NULL || r->outcome == REPORT_UNMATCHED) {
        is_good = store_rows_insert_stray(&w->db, r);
    } else if (is_news && r->text != NULL) {
        is_good = store_rows_insert_inbound(&w->db, message_row_links(m)->row, r);
        is_news = r->outcome == REPORT_NEW;
    } else if (is_news) {
        is_good = store_rows_save_report(&w->db, message_row_links(m)->row, &r->report);
    }
    message_free(m);
    return is_good && (!is_news || store_notices_add_report(&w->notices, &w->db, r));
}

static bool write_reports(struct store_writer *w, const struct store_batch *batch)
{
    bool is_good = true;
    bool has_stray = false;
    for (size_t i = 0; is_good && i < batch->report_count; i++) {
        is_good = write_report(w, &batch->reports[i]);
        has_stray = has_stray || batch->reports[i].outcome == REPORT_UNMATCHED;
    }
    return is_good && (!has_stray || store_rows_delete_strays(&w->db, STRAYS_MAX));
}

/* Records before reports: the notice that a message was relayed precedes those of its reports. */
static bool write_all(struct store_writer *w, const struct store_batch *batch)
{
    return write_users(w, batch) && write_messages(w, batch) && write_optouts(w, batch) &&
           write_records(w, batch) && write_reports(w, batch) &&
           (batch->resume == NULL || store_resume_save(&w->db, batch->resume)) &&
           (!batch->saves_progress || store_notices_save_progress(&w->notices, &w->db));
}

static void count_commit(struct store_writer *w, const struct store_batch *batch, int64_t took_us)
{
    int64_t rows = (int64_t)(batch->message_count + batch->report_count + batch->record_count);
    stats_observe(w->stats, HISTOGRAM_COMMIT_ROWS, &rows, 1);
    stats_observe(w->stats, HISTOGRAM_COMMIT_LATENCY, &took_us, 1);
    stats_add(w->stats, STAT_STORE_COMMITS, 1);
    stats_add(w->stats, STAT_STORE_SYNCS, batch->syncs ? 1 : 0);
    stats_add(w->stats, STAT_STORE_INSERTED, (int64_t)batch->message_count);
}

/*
 * What was committed to a file that nobody will find is not stored. That it was cut off shows before
 * the write only: the write makes it long again.
 */
bool store_write(struct store_writer *w, const struct store_batch *batch)
{
    int64_t began_us = clock_monotonic_us();
    if (store_place_is_cut_off(&w->place, &w->db) || !store_db_begin(&w->db, batch->syncs) ||
        !write_all(w, batch) || !store_db_commit(&w->db) ||
        store_place_check(&w->place, &w->db) != STORE_SOUND) {
        return false;
    }
    count_commit(w, batch, clock_monotonic_us() - began_us);
    store_notices_commit(&w->notices);
    if (batch->message_count > 0) {
        store_unfinished_commit(&w->unfinished);
        store_refs_add(&w->refs, batch->messages, batch->message_count);
    }
    return true;
}

/* --- when the disk fails ------------------------------------------------------------------------ */

void store_write_log(struct store_writer *w, const char *reason)
{
    snprintf(w->failure, sizeof w->failure, "%s", reason);
    LOG(LOG_ERROR, "store_failed", LOG_STR("reason", reason), LOG_STR("path", w->place.path));
}

/* Notes the rows of messages that are refused now, though a commit may have written them. */
static void must_undo(struct store_writer *w, const struct store_batch *batch)
{
    if (batch == NULL || batch->message_count == 0) {
        return;
    }
    int64_t first = message_row_links(batch->messages[0])->row;
    w->undo_first = w->undo_first == 0 ? first : w->undo_first;
    w->undo_last = message_row_links(batch->messages[batch->message_count - 1])->row;
}

/* Deletes what was refused, if it is in the file; otherwise nothing is written. */
static bool undo(struct store_writer *w)
{
    int found = w->undo_first == 0 ? 0 : store_rows_count(&w->db, w->undo_first, w->undo_last);
    if (found <= 0) {
        return found == 0;
    }
    bool is_undone = store_db_begin(&w->db, false) &&
                     store_rows_delete(&w->db, w->undo_first, w->undo_last) &&
                     store_db_commit(&w->db);
    if (!is_undone) {
        LOG(LOG_ERROR, "refused_messages_kept", LOG_STR("reason", store_db_error(&w->db)),
            LOG_INT("messages", found));
    }
    return is_undone;
}

bool store_write_open(struct store_writer *w, char error[STORE_ERROR_SIZE])
{
    bool is_open = store_db_open(&w->db, w->place.path, false, error);
    store_place_note(&w->place);
    return is_open;
}

/* The connection has everything; the copy takes its place. */
static bool rescue(struct store_writer *w, char error[STORE_ERROR_SIZE])
{
    char path[PATH_MAX];
    memcpy(path, w->place.path, sizeof path);
    int old_lock_fd = store_place_rescue(&w->place, &w->db, error);
    if (old_lock_fd < 0) {
        return false;
    }
    store_db_close(&w->db);
    close(old_lock_fd);
    w->is_displaced = w->is_displaced || strcmp(path, w->place.path) != 0;
    LOG(LOG_WARN, "store_rescued", LOG_STR("path", w->place.path));
    return true;
}

/* Nobody needs the log once it is in the database. */
static bool give_up_log(struct store_writer *w, char error[STORE_ERROR_SIZE])
{
    if (!store_db_checkpoint(&w->db, true)) {
        snprintf(error, STORE_ERROR_SIZE, "%s", store_db_error(&w->db));
        return false;
    }
    store_db_close(&w->db);
    store_place_clear_log(&w->place);
    return true;
}

/* Puts back what somebody has removed, as far as a connection still has it. */
static bool heal(struct store_writer *w, char error[STORE_ERROR_SIZE])
{
    enum store_fault fault = store_place_check(&w->place, &w->db);
    bool is_open = w->db.handle != NULL;
    snprintf(error, STORE_ERROR_SIZE, "%s", store_fault_words(fault));
    switch (fault) {
    case STORE_SOUND:
        return true;
    case STORE_FILE_GONE:
        return is_open && rescue(w, error);
    case STORE_LOG_GONE:
        return !is_open || give_up_log(w, error);
    case STORE_CUT_OFF:
        break;
    }
    return false;
}

/*
 * A commit whose sync failed may be in the file nevertheless. Only the file can tell, so it is opened
 * again as after a crash, and refused messages that are in it are deleted: without a sync, since
 * syncs are what fails; that is enough if only this process ends. Then the log goes into the database
 * and starts over: after a failed sync the system drops the pages that it could not write, so nothing
 * new may rest on what is in the log.
 */
bool store_write_reopen(struct store_writer *w, char error[STORE_ERROR_SIZE])
{
    if (!heal(w, error) || (w->db.handle == NULL && !store_write_open(w, error))) {
        return false;
    }
    if (!undo(w) || !store_db_checkpoint(&w->db, true) ||
        !store_notices_recover(&w->notices, &w->db)) {
        snprintf(error, STORE_ERROR_SIZE, "%s", store_db_error(&w->db));
        store_db_roll_back(&w->db);
        store_db_close(&w->db);
        return false;
    }
    w->undo_first = w->undo_last = 0;
    return true;
}

void store_write_failed(struct store_writer *w, const struct store_batch *batch)
{
    char error[STORE_ERROR_SIZE];
    enum store_fault fault = store_place_check(&w->place, &w->db);
    store_write_log(w, fault == STORE_SOUND ? store_db_error(&w->db) : store_fault_words(fault));
    stats_add(w->stats, STAT_STORE_FAILURES, 1);
    must_undo(w, batch);
    store_notices_fail(&w->notices);
    store_db_roll_back(&w->db);
    if (fault != STORE_SOUND) {
        return; /* the connection may be all that is left: store_write_reopen, a second later */
    }
    store_db_close(&w->db);
    if (!store_write_reopen(w, error)) {
        LOG(LOG_ERROR, "store_unusable", LOG_STR("reason", error));
    }
}
