/*
 * db: the store's file, a SQLite database that one process has open at a time.
 *
 * Owns the file's lock, the connection, the schema and its versions, the statements, and how a
 * transaction begins and ends. Leaves the contents of rows to rows, and when to write them to store.
 * For store*.c only. Thread: one at a time.
 */
#ifndef GATEWAY_STORE_DB_H
#define GATEWAY_STORE_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STORE_ERROR_SIZE = 512 };

/* Every statement that the store runs more than once; db.c has their texts. */
enum store_statement {
    STORE_BEGIN,
    STORE_COMMIT,
    STORE_ROLLBACK,
    STORE_INSERT_MESSAGE,
    STORE_SAVE_PROGRESS,
    STORE_READ_SIZE,
    STORE_DROP_TEXT, /* and takes the row away, ... */
    STORE_BRING_BACK,
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
    STORE_ADD_USER,
    STORE_READ_USERS,
    STORE_INSERT_NOTICE,
    STORE_DELETE_NOTICES, /* up to number ?1 */
    STORE_COUNT_NOTICE,   /* of number ?1 */
    STORE_READ_NOTICES,   /* number, body */
    STORE_LAST_ROW,
    STORE_COUNT_RANGE,
    STORE_READ_HELD,       /* what a start loads: the unfinished */
    STORE_READ_MESSAGE,    /* the one with the id ?3, whose row is from ?1 to ?2 */
    STORE_READ_ROW,        /* the one in row ?1 */
    STORE_READ_API_IDS,    /* of the relayed among the last ?1, oldest first: id, API id */
    STORE_READ_RELAYED,    /* the first ?1 after row ?2 that are relayed */
    STORE_READ_FAILED,     /* the first ?1 after row ?2 in a state ?3 beyond that */
    STORE_READ_OWNER,      /* ?2 of owner ?1 among the newest, newest first, without the first ?3 */
    STORE_READ_UNREPORTED, /* the last ?2 relayed after ?1 that have no final report */
    STORE_READ_PROGRESS,   /* from row ?1 on, at most ?2: row, state, time of the last change */
    STORE_INSERT_SPAN,     /* see unfinished.h: rows from ?1 to ?2 */
    STORE_DELETE_SPAN,     /* the one that begins at row ?1 */
    STORE_DELETE_SPANS,    /* all that begin at row ?1 or later */
    STORE_CUT_SPANS,       /* all end before row ?1 */
    STORE_NEXT_SPAN,       /* the first that begins at row ?1 or later: first, last */
    STORE_READ_SPAN,       /* the first ?3 messages from row ?1 to ?2: row, state */
    STORE_READ_REFS,       /* the first ?2 messages after row ?1: row, owner, REF, recipient */
    STORE_READ_REF_RUNS,   /* see refs.h; oldest first */
    STORE_READ_REF_PAGE,   /* of key ?1 */
    STORE_INSERT_REF_RUN,
    STORE_INSERT_REF_PAGE,
    STORE_DELETE_REF_RUN,   /* of number ?1 */
    STORE_DELETE_REF_PAGES, /* from key ?1 to ?2 */
    STORE_HAS_ROWS,         /* a row if there is a message from row ?1 to ?2 */
    STORE_STATEMENTS
};

struct store_wal;

struct store_db {
    sqlite3 *handle;
    sqlite3_stmt *statements[STORE_STATEMENTS];
    bool is_syncing; /* commits are synced */
    int log_pages;   /* pages of the write-ahead log, as of the last commit */
    struct store_wal *wal;
    int64_t row;         /* of the last message that was inserted */
    const char *failure; /* of the last step, if it was not SQLite's; NULL = it was */
};

/*
 * Locks the store's file. For a relay: for this process alone; creates a missing file (mode 0600),
 * and waits up to ten seconds for readers. For a reader: no relay can start on the store meanwhile, so
 * it should read without delay.
 *
 * Returns a descriptor, to be closed after everything else that concerns the file, since closing it
 * ends SQLite's locks, too. Returns -1 with a sentence in `error` (STORE_ERROR_SIZE bytes); errno is
 * EWOULDBLOCK if another process has locked it, otherwise why the file cannot be opened.
 */
int store_db_lock(const char *path, bool is_relay, char *error);

/*
 * Opens the database and prepares the statements. `is_read_only` = nothing is ever written, not even
 * when it is closed, no file is created, and permission to read is enough. Returns false with a
 * sentence in `error`.
 */
bool store_db_open(struct store_db *db, const char *path, bool is_read_only, char *error);

/*
 * Checks that the database is sound; reads all of it, unless it is so large that a start would take
 * long: then damage shows when what is damaged is read. Returns false with a sentence in `error` that
 * says what to do.
 */
bool store_db_check(struct store_db *db, const char *path, char *error);

/* Closes the connection; the log stays as it is. One that is not open is fine. */
void store_db_close(struct store_db *db);
/* Moves the log into the database, removes it, and closes. Returns false if the log stays: nothing is
 * lost, the next start reads it. */
bool store_db_finish(struct store_db *db);

/* Begin and commit a transaction that writes. `syncs` = the commit is synced to the disk; otherwise it
 * survives the end of this process only, until the next commit that is synced. Return false on
 * failure. */
bool store_db_begin(struct store_db *db, bool syncs);
bool store_db_commit(struct store_db *db);
/* Rolls back the transaction that was begun, if any. */
void store_db_roll_back(struct store_db *db);

/* Runs a statement that gives no rows, after its values were bound, and resets it. */
bool store_db_run(struct store_db *db, enum store_statement which);
/* Steps a statement that gives rows. Returns true for each row; at the end, or on failure
 * (`*has_failed`), it resets the statement. */
bool store_db_next_row(struct store_db *db, enum store_statement which, bool *has_failed);

/*
 * Copies the log into the database, both synced. `empties` = and truncates the log, so that nothing
 * new rests on what is in it now. Returns false on failure.
 */
bool store_db_checkpoint(struct store_db *db, bool empties);

/* Copies all of the database, log included, into the empty file `to`. The log is not needed any more
 * then. Returns false with a sentence in `error`. */
bool store_db_copy(struct store_db *db, const char *to, char *error);

/* Is the log shorter than what was written to it? */
bool store_db_is_log_cut_off(struct store_db *db);
/* How many pages the file has once the log is in it, and how many of them are free; -1 on failure. */
int store_db_pages(struct store_db *db);
int store_db_free_pages(struct store_db *db);
/* Gives up to `pages` free pages back to the file system, in an unsynced transaction of its own.
 * Returns false on failure. */
bool store_db_vacuum(struct store_db *db, int pages);

/* The last failure, in SQLite's words. Valid until the next call. */
const char *store_db_error(const struct store_db *db);

#endif
