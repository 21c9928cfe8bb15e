/*
 * faulty_vfs: a disk for tests that fills up, breaks and loses its power; a VFS of SQLite over the
 * host's own.
 *
 * Owns two things. Faults: writes, syncs, opens and truncations are counted, and one order at a
 * time makes the n-th of them (or all from there on) fail, tear or call the test. And a model of
 * what would survive if the power went: for each file what every program sees (the page cache)
 * and what is on the platter. Locks, shared memory and everything else pass through, so a process
 * that is killed needs no model: the file is what it left.
 *
 * What the model takes from a real disk under Linux:
 * - A write, a new size, a new name lasts from the file's next successful sync on. Until then it
 *   may last or not: each block by itself, in any order, a new size without its bytes (zeros).
 * - A sync that fails forgets: the pages it was to write count as clean although the platter has
 *   not got them. They are seen until the power goes, and a later sync does not bring them there
 *   unless they are written again.
 * - A page (4096 bytes) goes to the platter whole, with whatever bytes are in it by then.
 * - A failed write may have reached the file up to any byte.
 * - A removal without a sync of the folder may come undone.
 * - Bytes beside a write are safe (SQLite calls it powersafe overwrite), and a file's first sync
 *   makes its name last too, as ext4, XFS and btrfs do it. A removal lasts from the next such
 *   first sync on, for they share a folder.
 * What it leaves out: a page that reached the platter between two writes to it within the same
 * sync, other than sector by sector; stale bytes of other files in a new size; a platter that says
 * synced and lies; errors of reading; files that were renamed or removed behind SQLite's back, and
 * everything that is no database, journal or WAL (the shared memory of a WAL is never synced).
 *
 * Built as a shared object with FAULTY_VFS_PRELOAD it needs no test around it: preloaded into a
 * program it puts itself in place and takes its orders from the file that the environment variable
 * FAULTY_VFS names, which it reads before each operation. One line:
 *     ok | <open|write|sync|truncate|any> <ioerr|full|readonly|cantopen> [once] [torn=<bytes>]
 *        | <open|write|sync|truncate|any> hang [once]
 * What hangs does so until the FIFO <that file>.gate is opened for writing. A file that is missing, empty or unreadable says "ok". Replace it by renaming. It keeps no model.
 *
 * Thread: any; one mutex, held also while the host's disk works.
 */
#ifndef TESTS_SUPPORT_FAULTY_VFS_H
#define TESTS_SUPPORT_FAULTY_VFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum faulty_operation { FAULTY_OPEN, FAULTY_WRITE, FAULTY_SYNC, FAULTY_TRUNCATE, FAULTY_ANY };
enum { FAULTY_OPERATIONS = FAULTY_ANY + 1 };

/* "open", "write", ... "any". */
const char *faulty_operation_name(enum faulty_operation operation);

/* What is to go wrong, and when. */
struct faulty_order {
    enum faulty_operation operation;
    uint64_t nth;   /* 1 = the next one; 0 = never */
    bool is_sticky; /* and every one after it */

    /* SQLITE_FULL, SQLITE_READONLY, SQLITE_CANTOPEN, ...; SQLITE_IOERR becomes the one of the
     * operation. An open with SQLITE_READONLY opens for reading only, as on a disk that was
     * mounted so. SQLITE_OK = nothing fails. */
    int error;
    int torn_bytes; /* so many bytes of a failing write reach the file all the same */

    /* Called before the operation, without the mutex, in the thread that works on the file. */
    void (*call)(void *arg); /* NULL = nobody */
    void *arg;
};

/*
 * Puts the faulty VFS in place as SQLite's default, without an order. Files that are opened from
 * now on and that exist count as synced. Returns false if SQLite refuses.
 */
bool faulty_vfs_install(void);
/* Puts the host's VFS back and forgets all images. No file may be open. */
void faulty_vfs_remove(void);

/*
 * Keeps in a file what is on the platter and what is on its way there; and takes it up in another
 * process, before a file is opened, as after a process that was killed while the machine went on.
 * Return false if that file cannot be written, or is not there.
 */
bool faulty_vfs_save(const char *path);
bool faulty_vfs_resume(const char *path);

/* Gives an order in place of the one before, and counts from zero. NULL = nothing goes wrong. */
void faulty_vfs_order(const struct faulty_order *order);
/* How many operations there were since the last order, failed ones included; FAULTY_ANY = all. */
uint64_t faulty_vfs_count(enum faulty_operation operation);
/* How many times the last order has struck. */
uint64_t faulty_vfs_struck(void);

/* How much of what was not synced is lost. */
struct faulty_loss {
    uint64_t seed;      /* 0 = all of it; else each block is lost or not, by chance */
    size_t block_bytes; /* 512 or 4096: what the platter writes whole; with a seed */
    bool is_torn;       /* the last unsynced write is cut at any byte; with a seed */
};

/*
 * Writes what would be there after the power went now into `folder`, each file under its own name;
 * what would be gone is removed there. May be called at any moment, also by an order's call. All
 * files are taken to be in one folder; what was opened in `folder` itself is passed over. Returns
 * false if that cannot be written.
 */
bool faulty_vfs_lose_power(const char *folder, const struct faulty_loss *loss);

#endif
