/*
 * wal: whether the write-ahead log is whole.
 *
 * SQLite reads the log up to the first frame that is not sound, and drops what follows. That is right
 * at a torn end, which nobody was told of; but a log that was damaged within loses what was
 * acknowledged. To tell the two apart, a small file beside the log (-synced) says how much of it is on
 * the disk for certain. That file is written after each synced commit, but synced only when the log
 * starts over: whatever state of it a power loss leaves, what it says is true.
 *
 * Owns that file, and reads the log as sqlite.org/fileformat2.html, section 4, describes it. Leaves
 * writing the log to SQLite. For db.c and offline.c. Thread: that of the store_db.
 */
#ifndef GATEWAY_STORE_WAL_H
#define GATEWAY_STORE_WAL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

struct store_wal;

enum { STORE_WAL_ERROR_SIZE = 512, STORE_PAGE_BYTES = 4096 };

/*
 * Checks the log of the database at `path`, before SQLite opens it. Returns false, with what is wrong
 * in `error` (STORE_WAL_ERROR_SIZE bytes), if it is damaged. If the log is not the one that was noted,
 * because it is missing or another program has moved it into the database, then `*row` gets a row
 * which the database must have had at some time, otherwise 0.
 */
bool store_wal_check(const char *path, int64_t *row, char *error);

/* Bytes of a log with so many frames, of which each holds a page. */
int64_t store_wal_bytes(int frames);

/* Opens no file yet. `is_over`: what the file says is about another log. NULL on allocation failure. */
struct store_wal *store_wal_new(const char *path, bool is_over);
/* Closes the file; `removes` it, too, when there is no log any more. NULL is fine. */
void store_wal_free(struct store_wal *w, bool removes);

/*
 * The log is about to be written to: opens the file, unless it is open, and creates a missing one,
 * synced. Returns false on failure; but where there is no room to create it, an existing database
 * goes without: its log is then checked less well.
 */
bool store_wal_begin(struct store_wal *w);
/* Everything up to now is synced: so many frames of the `log`, and messages up to `row`. */
void store_wal_note(struct store_wal *w, sqlite3_file *log, int frames, int64_t row);
/* Everything is synced in the database, and the log may start over. Returns false if this cannot be
 * noted: then it must not. */
bool store_wal_reset(struct store_wal *w);

#endif
