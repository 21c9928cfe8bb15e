/*
 * notices: the durable half of the outbox.
 *
 * A notice is written in the transaction that makes it true, and delivered after the commit: so no
 * notice is sent that a kill could undo, and none is forgotten. Acknowledged notices are deleted, and
 * the consumers' progress is saved, in a later transaction: notices acknowledged just before a kill
 * are delivered again, in the same words.
 *
 * A failed commit may be in the file nevertheless (see store_write_reopen). Its notices are then
 * delivered from there, and writing the same records again makes no new ones.
 * For store*.c only. Thread: that of the store_db.
 */
#ifndef GATEWAY_STORE_NOTICES_H
#define GATEWAY_STORE_NOTICES_H

#include "gateway/notify/outbox.h"
#include "gateway/store/db.h"

#include <stdbool.h>
#include <stddef.h>

struct queue_record;
struct queue_report;

struct store_notices {
    struct outbox *outbox;   /* NULL = no notices */
    struct notices written;  /* by the transaction in progress */
    struct notices doubtful; /* by a transaction whose commit failed */
    bool was_in_file;        /* they were in the file: records that are written may have theirs */
    struct outbox_progress saved;  /* what the file has */
    struct outbox_progress saving; /* what it has once the transaction in progress is committed */
};

void store_notices_init(struct store_notices *n, struct outbox *outbox);
void store_notices_clear(struct store_notices *n);

/* Gives the outbox the notices and the progress of earlier runs. Returns false on failure
 * (store_db_error), allocation failure included. */
bool store_notices_load(struct store_notices *n, struct store_db *db);

/* --- within a transaction: false = give it up --------------------------------------------------- */

/* Writes the notice of a record, if it deserves one; before the record is saved. `answers` as
 * queue_records_take. */
bool store_notices_add_record(struct store_notices *n, struct store_db *db,
                              const struct queue_record *record, const char *answers);
/* Writes the notice of a REPORT_NEW. */
bool store_notices_add_report(struct store_notices *n, struct store_db *db,
                              const struct queue_report *report);
/* How many notices were acknowledged or dropped since progress was saved. */
size_t store_notices_unsaved(const struct store_notices *n);
/* Saves the consumers' progress and deletes what all have acknowledged. */
bool store_notices_save_progress(struct store_notices *n, struct store_db *db);

/* --- after it ----------------------------------------------------------------------------------- */

/* It is committed: hands its notices to the outbox. */
void store_notices_commit(struct store_notices *n);
/* It has failed. */
void store_notices_fail(struct store_notices *n);
/* The file was opened again: hands the outbox what a failed commit has left there. Returns false if it
 * cannot be read. */
bool store_notices_recover(struct store_notices *n, struct store_db *db);
/* Every record that had to be written again has been. */
void store_notices_caught_up(struct store_notices *n);

#endif
