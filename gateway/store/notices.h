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

struct store_changes {
    struct outbox *outbox;         /* NULL = nobody is told: nothing is written */
    struct changes written;        /* with the transaction under way */
    struct changes doubtful;       /* with one whose commit failed */
    bool has_come_back;            /* some of those were in the file: what is written may be told */
    struct outbox_progress noted;  /* what is in the file of it */
    struct outbox_progress noting; /* when the transaction under way is committed */
};

void store_changes_init(struct store_changes *c, struct outbox *outbox);
void store_changes_clear(struct store_changes *c);

/* Gives the outbox what an earlier run has left. Returns false on failure (store_db_error) or without
 * memory. */
bool store_changes_load(struct store_changes *c, struct store_db *db);

/* --- with a transaction: false = it is to be given up ----------------------------------------- */

/* Before a record is saved: writes what it tells, if anything. `answers` as queue_records_take. */
bool store_changes_add_record(struct store_changes *c, struct store_db *db,
                              const struct queue_record *record, const char *answers);
/* A report that says something new, or an inbound message that is new. */
bool store_changes_add_report(struct store_changes *c, struct store_db *db,
                              const struct queue_report *report);
/* How many changes have been told or dropped since that was noted. */
size_t store_changes_unnoted(const struct store_changes *c);
/* Notes how far the consumers are and deletes what all have. */
bool store_changes_note(struct store_changes *c, struct store_db *db);

/* It is committed: what it has written is told. */
void store_changes_commit(struct store_changes *c);
/* It has failed. */
void store_changes_fail(struct store_changes *c);
/* The file was opened anew: tells what a failed commit has left in it. False = it cannot be read. */
bool store_changes_recover(struct store_changes *c, struct store_db *db);
/* All that had to be written again has been. */
void store_changes_caught_up(struct store_changes *c);

/* queue.durability=shutdown: what was loaded leaves the file at the start; at the end, in one
 * transaction, what is left and how far all are. */
bool store_changes_take_out(struct store_changes *c, struct store_db *db);
bool store_changes_keep(struct store_changes *c, struct store_db *db);

#endif
