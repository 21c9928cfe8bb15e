/*
 * changes: the durable half of the outbox.
 *
 * A change is written in the transaction that makes it true, and told after that is committed: so
 * nothing is told that a kill could undo, and nothing that is true is forgotten. What every consumer
 * has is deleted, and how far each of them is noted, in a later transaction: what was told just before
 * a kill is told again, in the same words.
 *
 * A commit that failed may be in the file all the same (see store.c, reopen): its changes are then
 * told from there, and what is written again of the same messages tells of nothing.
 * For store*.c only. Thread: that of the store_db.
 */
#ifndef GATEWAY_STORE_NOTICES_H
#define GATEWAY_STORE_NOTICES_H

#include "gateway/notify/outbox.h"
#include "gateway/store/db.h"

#include <stdbool.h>
#include <stddef.h>

struct store_notices {
    struct outbox *outbox;         /* NULL = nobody is told: nothing is written */
    struct notices written;        /* with the transaction under way */
    struct notices doubtful;       /* with one whose commit failed */
    bool has_come_back;            /* some of those were in the file: what is written may be told */
    struct outbox_progress saved;  /* what is in the file of it */
    struct outbox_progress saving; /* when the transaction under way is committed */
};

void store_notices_init(struct store_notices *n, struct outbox *outbox);
void store_notices_clear(struct store_notices *n);

/* Gives the outbox what an earlier run has left. Returns false on failure (store_db_error) or without
 * memory. */
bool store_notices_load(struct store_notices *n, struct store_db *db);

/* --- with a transaction: false = it is to be given up ----------------------------------------- */

/* Before a record is saved: writes what it tells, if anything. `answers` as queue_records_take. */
bool store_notices_add_record(struct store_notices *n, struct store_db *db,
                              const struct queue_record *record, const char *answers);
/* A report that says something new, or an inbound message that is new. */
bool store_notices_add_report(struct store_notices *n, struct store_db *db,
                              const struct queue_report *report);
/* How many changes have been told or dropped since that was noted. */
size_t store_notices_unsaved(const struct store_notices *n);
/* Notes how far the consumers are and deletes what all have. */
bool store_notices_save_progress(struct store_notices *n, struct store_db *db);

/* It is committed: what it has written is told. */
void store_notices_commit(struct store_notices *n);
/* It has failed. */
void store_notices_fail(struct store_notices *n);
/* The file was opened anew: tells what a failed commit has left in it. False = it cannot be read. */
bool store_notices_recover(struct store_notices *n, struct store_db *db);
/* All that had to be written again has been. */
void store_notices_caught_up(struct store_notices *n);

#endif
