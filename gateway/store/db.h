/*
 * db: the store's file: a SQLite database, open in one process at a time.
 *
 * Owns the file's lock, the connection, the schema and its versions, the statements, and how a
 * transaction begins and ends. What is in the rows is store_rows's affair, when they are written
 * store's. For store*.c only. Thread: one at a time.
 */
#ifndef GATEWAY_STORE_DB_H
#define GATEWAY_STORE_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

enum { STORE_ERROR_SIZE = 512 };

/* Every statement that the store runs more than once; the texts are in store/db.c. */
enum store_statement {
    STORE_BEGIN,
    STORE_COMMIT,
    STORE_ROLLBACK,
    STORE_INSERT_MESSAGE,
    STORE_SAVE_PROGRESS,
    STORE_DELETE_MESSAGES, /* the rows from ?1 to ?2 */
    STORE_DELETE_PROGRESS, /* ... of them */
    STORE_DELETE_REPORTS,  /* ... of them */
    STORE_DELETE_INBOUND,  /* ... of them */
    STORE_SAVE_REPORT,
    STORE_INSERT_INBOUND, /* unless the same is there */
    STORE_INSERT_STRAY,
    STORE_DELETE_STRAYS, /* all but the last ?1 */
    STORE_SET_VALUE,
    STORE_GET_VALUE,
    STORE_ADD_OPTOUT,
    STORE_DELETE_OPTOUT,
    STORE_READ_OPTOUTS,
    STORE_INSERT_NOTICE,
    STORE_DELETE_NOTICES, /* up to number ?1 */
    STORE_COUNT_NOTICE,   /* of number ?1 */
    STORE_READ_NOTICES,   /* number, body */
    STORE_LAST_ROW,
    STORE_COUNT_RANGE,
    STORE_READ_HELD, /* what is loaded at the start: unfinished, or with a REF and changed after ?1 */
    STORE_READ_MESSAGE,    /* the one with the id ?3, whose row is from ?1 to ?2 */
    STORE_READ_API_IDS,    /* of the last ?1 that are relayed, oldest first: id, API id */
    STORE_READ_RELAYED,    /* the first ?1 that are relayed */
    STORE_READ_FAILED,     /* the first ?2 in a state ?1 beyond that */
    STORE_READ_UNREPORTED, /* the last ?2 relayed after ?1 that have no final report */
    STORE_READ_PROGRESS,   /* from row ?1 on, at most ?2: row, state, time of the last change */
    STORE_STATEMENTS
};

struct store_db {
    sqlite3 *handle;
    sqlite3_stmt *statements[STORE_STATEMENTS];
    bool is_syncing; /* commits are synced */
    int log_pages;   /* pages of the write-ahead log, as of the last commit */
};

/*
 * Locks the store's file. For a relay: for this process alone; a file that is not there is made
 * (mode 0600), and readers are waited for, up to ten seconds. Otherwise for a reader: no relay can
 * start on the store, so what is to be read is read without delay.
 *
 * Returns a descriptor, to be closed after everything else that concerns the file, since closing it
 * ends the locks that SQLite holds; -1 with a sentence in `error` (STORE_ERROR_SIZE bytes) and in
 * errno EWOULDBLOCK where another has locked it, or why the file cannot be opened.
 */
int store_db_lock(const char *path, bool is_relay, char *error);

/*
 * Opens the database and prepares the statements. `is_read_only` = nothing is ever written, not
 * even when it is closed, no file is made, and leave to read is all that it takes. Returns false
 * with a sentence in `error`.
 */
bool store_db_open(struct store_db *db, const char *path, bool is_read_only, char *error);

/*
 * Is the database ours, of a version that we know, and sound? Reads all of it. Returns false with a
 * sentence in `error` that says what to do.
 */
bool store_db_check(struct store_db *db, const char *path, char *error);

/* Ends the statements and the connection; the log stays as it is. One that is not open is fine. */
void store_db_close(struct store_db *db);
/* The same in good order: the log goes into the database first, and then goes. Returns false when it
 * stays: nothing is lost, it is read at the next start. */
bool store_db_finish(struct store_db *db);

/* Begins a transaction that writes, and ends it. `syncs` = it is on the disk when it is committed;
 * otherwise only safe from the end of this process, and synced with the next one that is. Return
 * false on failure. */
bool store_db_begin(struct store_db *db, bool syncs);
bool store_db_commit(struct store_db *db);
/* Gives up what was begun and not committed, if anything. */
void store_db_roll_back(struct store_db *db);

/* Runs a statement that gives no row, its values bound, and resets it. */
bool store_db_run(struct store_db *db, enum store_statement which);
/* Steps a statement that gives rows: true while there is one; then, and on failure, it is reset, and
 * `has_failed` says which. */
bool store_db_next_row(struct store_db *db, enum store_statement which, bool *has_failed);

/*
 * Brings the log into the database, both synced; `empties` = and begins the log anew, so that nothing
 * that comes rests on what is in it now. Returns false on failure.
 */
bool store_db_checkpoint(struct store_db *db, bool empties);

/* How many pages of the file hold nothing; -1 on failure. */
int store_db_free_pages(struct store_db *db);
/* Gives up to `pages` of them back to the file system, in a transaction of its own, which is not
 * synced. Returns false on failure. */
bool store_db_vacuum(struct store_db *db, int pages);

/* The last failure, in SQLite's words. Valid until the next call. */
const char *store_db_error(const struct store_db *db);

#endif
