/* notices: see notices.h. */
#include "gateway/store/notices.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/queue/records.h"
#include "gateway/queue/reports.h"
#include "gateway/store/rows.h"

#include <stdio.h>
#include <stdlib.h>

enum { NAME_SIZE = 32 };

void store_notices_init(struct store_notices *n, struct outbox *outbox)
{
    *n = (struct store_notices){.outbox = outbox};
    STAILQ_INIT(&n->written);
    STAILQ_INIT(&n->doubtful);
}

void store_notices_clear(struct store_notices *n)
{
    notices_clear(&n->written);
    notices_clear(&n->doubtful);
}

/* --- what earlier runs have left ---------------------------------------------------------------- */

/* The name of the value that holds the number up to which a consumer has acknowledged. */
static void progress_name(int consumer, char name[NAME_SIZE])
{
    snprintf(name, NAME_SIZE, "told_%s", outbox_consumer_name((enum outbox_consumer)consumer));
}

static bool read_progress(struct store_db *db, struct outbox_progress *progress)
{
    char name[NAME_SIZE];
    bool is_good = true;
    for (int i = 0; is_good && i < OUTBOX_CONSUMERS; i++) {
        progress_name(i, name);
        is_good = store_rows_number(db, name, &progress->acknowledged[i]);
    }
    return is_good;
}

bool store_notices_load(struct store_notices *n, struct store_db *db)
{
    struct notices stored = STAILQ_HEAD_INITIALIZER(stored);
    if (n->outbox == NULL) {
        return true;
    }
    if (!read_progress(db, &n->saved) || !store_rows_read_notices(db, &stored)) {
        notices_clear(&stored);
        return false;
    }
    n->saving = n->saved;
    outbox_resume(n->outbox, &n->saved);
    if (!STAILQ_EMPTY(&stored)) {
        outbox_append(n->outbox, &stored);
        LOG(LOG_INFO, "changes_restored", LOG_INT("changes", outbox_count(n->outbox)));
    }
    return true;
}

/* --- within a transaction ----------------------------------------------------------------------- */

static bool add(struct store_notices *n, struct store_db *db, struct notice *notice)
{
    if (notice == NULL) {
        return false;
    }
    STAILQ_INSERT_TAIL(&n->written, notice, entry);
    return store_rows_insert_notice(db, notice);
}

bool store_notices_add_record(struct store_notices *n, struct store_db *db,
                              const struct queue_record *record, const char *answers)
{
    const char *answer = record->answer_at == SIZE_MAX ? NULL : answers + record->answer_at;
    if (n->outbox == NULL || !message_state_is_settled(record->state)) {
        return true;
    }
    if (n->was_in_file && store_rows_has_saved(db, record)) {
        return true; /* recovered from the file */
    }
    return add(n, db, notice_of_record(outbox_next_number(n->outbox), record, answer));
}

bool store_notices_add_report(struct store_notices *n, struct store_db *db,
                              const struct queue_report *report)
{
    return n->outbox == NULL ||
           add(n, db, notice_of_report(outbox_next_number(n->outbox), report, clock_unix_ms()));
}

size_t store_notices_unsaved(const struct store_notices *n)
{
    struct outbox_progress progress;
    if (n->outbox == NULL) {
        return 0;
    }
    outbox_progress(n->outbox, &progress);
    return (size_t)(progress.steps - n->saved.steps);
}

bool store_notices_save_progress(struct store_notices *n, struct store_db *db)
{
    char name[NAME_SIZE];
    bool is_good = true;
    outbox_progress(n->outbox, &n->saving);
    for (int i = 0; is_good && i < OUTBOX_CONSUMERS; i++) {
        progress_name(i, name);
        is_good = store_rows_set_number(db, name, n->saving.acknowledged[i]);
    }
    return is_good && store_rows_delete_notices(db, n->saving.gone);
}

void store_notices_commit(struct store_notices *n)
{
    if (n->outbox != NULL) {
        n->saved = n->saving;
        outbox_append(n->outbox, &n->written);
    }
}

void store_notices_fail(struct store_notices *n)
{
    n->saving = n->saved;
    STAILQ_CONCAT(&n->doubtful, &n->written);
}

bool store_notices_recover(struct store_notices *n, struct store_db *db)
{
    const struct notice *first = STAILQ_FIRST(&n->doubtful);
    if (first == NULL) {
        return true;
    }
    int found = store_rows_has_notice(db, first->number);
    if (found > 0) {
        n->was_in_file = true;
        outbox_append(n->outbox, &n->doubtful);
    }
    if (found >= 0) {
        notices_clear(&n->doubtful);
    }
    return found >= 0;
}

void store_notices_caught_up(struct store_notices *n)
{
    n->was_in_file = false;
}
