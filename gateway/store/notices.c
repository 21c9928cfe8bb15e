/* notices: see notices.h. */
#include "gateway/store/notices.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/store/rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { NOTE_NAME_SIZE = 32, NUMBER_SIZE_MAX = sizeof "18446744073709551615" };

void store_changes_init(struct store_changes *c, struct outbox *outbox)
{
    *c = (struct store_changes){.outbox = outbox};
    STAILQ_INIT(&c->written);
    STAILQ_INIT(&c->doubtful);
}

void store_changes_clear(struct store_changes *c)
{
    changes_clear(&c->written);
    changes_clear(&c->doubtful);
}

/* --- what an earlier run has left --------------------------------------------------------------- */

/* The name of the note that says how far a consumer is. */
static void note_name(int consumer, char name[NOTE_NAME_SIZE])
{
    snprintf(name, NOTE_NAME_SIZE, "told_%s", outbox_consumer_name((enum outbox_consumer)consumer));
}

static bool read_progress(struct store_db *db, struct outbox_progress *progress)
{
    char name[NOTE_NAME_SIZE], value[NUMBER_SIZE_MAX];
    for (int i = 0; i < OUTBOX_CONSUMERS; i++) {
        note_name(i, name);
        if (!store_rows_note(db, name, value, sizeof value)) {
            return false;
        }
        progress->told[i] = strtoull(value, NULL, 10);
    }
    return true;
}

static bool add_stored(void *arg, uint64_t number, const char *json, size_t len)
{
    struct change *change = change_copy(number, json, len);
    if (change == NULL) {
        return false;
    }
    STAILQ_INSERT_TAIL((struct changes *)arg, change, entry);
    return true;
}

bool store_changes_load(struct store_changes *c, struct store_db *db)
{
    struct changes stored = STAILQ_HEAD_INITIALIZER(stored);
    if (c->outbox == NULL) {
        return true;
    }
    if (!read_progress(db, &c->noted) || !store_rows_each_change(db, add_stored, &stored)) {
        changes_clear(&stored);
        return false;
    }
    c->noting = c->noted;
    outbox_resume(c->outbox, &c->noted);
    if (!STAILQ_EMPTY(&stored)) {
        outbox_append(c->outbox, &stored);
        LOG(LOG_INFO, "changes_restored", LOG_INT("changes", outbox_count(c->outbox)));
    }
    return true;
}

/* --- with a transaction ------------------------------------------------------------------------- */

static bool add(struct store_changes *c, struct store_db *db, struct change *change)
{
    if (change == NULL) {
        return false;
    }
    STAILQ_INSERT_TAIL(&c->written, change, entry);
    return store_rows_insert_change(db, change->number, change->json, change->len);
}

bool store_changes_add_record(struct store_changes *c, struct store_db *db,
                              const struct queue_record *record, const char *answers)
{
    const char *answer = record->answer_at == SIZE_MAX ? NULL : answers + record->answer_at;
    if (c->outbox == NULL || !message_state_is_settled(record->state)) {
        return true;
    }
    if (c->has_come_back && store_rows_has_saved(db, record)) {
        return true; /* it was told from the file */
    }
    return add(c, db, change_of_record(outbox_next_number(c->outbox), record, answer));
}

bool store_changes_add_report(struct store_changes *c, struct store_db *db,
                              const struct queue_report *report)
{
    return c->outbox == NULL ||
           add(c, db, change_of_report(outbox_next_number(c->outbox), report, clock_unix_ms()));
}

size_t store_changes_unnoted(const struct store_changes *c)
{
    struct outbox_progress progress;
    if (c->outbox == NULL) {
        return 0;
    }
    outbox_progress(c->outbox, &progress);
    return (size_t)(progress.steps - c->noted.steps);
}

bool store_changes_note(struct store_changes *c, struct store_db *db)
{
    char name[NOTE_NAME_SIZE], value[NUMBER_SIZE_MAX];
    bool is_good = true;
    outbox_progress(c->outbox, &c->noting);
    for (int i = 0; is_good && i < OUTBOX_CONSUMERS; i++) {
        note_name(i, name);
        snprintf(value, sizeof value, "%" PRIu64, c->noting.told[i]);
        is_good = store_rows_set_note(db, name, value);
    }
    return is_good && store_rows_delete_changes(db, c->noting.gone);
}

void store_changes_commit(struct store_changes *c)
{
    if (c->outbox != NULL) {
        c->noted = c->noting;
        outbox_append(c->outbox, &c->written);
    }
}

void store_changes_fail(struct store_changes *c)
{
    c->noting = c->noted;
    STAILQ_CONCAT(&c->doubtful, &c->written);
}

bool store_changes_recover(struct store_changes *c, struct store_db *db)
{
    const struct change *first = STAILQ_FIRST(&c->doubtful);
    if (first == NULL) {
        return true;
    }
    int there = store_rows_has_change(db, first->number);
    if (there > 0) {
        c->has_come_back = true;
        outbox_append(c->outbox, &c->doubtful);
    }
    if (there >= 0) {
        changes_clear(&c->doubtful);
    }
    return there >= 0;
}

void store_changes_caught_up(struct store_changes *c)
{
    c->has_come_back = false;
}

/* --- durability=shutdown --------------------------------------------------------------------------------- */

bool store_changes_take_out(struct store_changes *c, struct store_db *db)
{
    return c->outbox == NULL || store_rows_delete_changes(db, INT64_MAX);
}

struct keeping {
    struct store_db *db;
    bool is_good;
};

static void keep_one(void *arg, const struct change *change)
{
    struct keeping *keeping = arg;
    keeping->is_good = keeping->is_good && store_rows_insert_change(keeping->db, change->number,
                                                                    change->json, change->len);
}

bool store_changes_keep(struct store_changes *c, struct store_db *db)
{
    struct keeping keeping = {.db = db, .is_good = true};
    if (c->outbox == NULL) {
        return true;
    }
    outbox_each(c->outbox, keep_one, &keeping);
    return keeping.is_good && store_changes_note(c, db);
}
