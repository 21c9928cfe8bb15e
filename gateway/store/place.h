/*
 * place: whether the files that the store has open are still those at its path.
 *
 * Somebody may remove, replace or truncate them while the relay runs; what is written then is lost
 * with the process. What is open can still be read, so it is put back. Owns how to tell, and the
 * copy; leaves to write what follows from it. For store.c and write.c only. Thread: the store's.
 */
#ifndef GATEWAY_STORE_PLACE_H
#define GATEWAY_STORE_PLACE_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

struct store_db;

enum store_fault {
    STORE_SOUND,
    STORE_FILE_GONE, /* the database is no longer at its path; there may be another file */
    STORE_LOG_GONE,  /* the same of the write-ahead log alone */
    STORE_CUT_OFF    /* one of them is shorter than what was written to it */
};

struct store_place {
    char path[PATH_MAX]; /* of the database */
    int lock_fd;         /* of the database, from store_db_lock; -1 = not open */
    struct store_inode {
        dev_t device;
        ino_t inode;
    } file, log; /* that are open */
};

/* Remembers which files were opened. */
void store_place_note(struct store_place *place);

/* Compares what is at the path with what is open. */
enum store_fault store_place_check(const struct store_place *place, struct store_db *db);
/* Only whether it is STORE_CUT_OFF: the next write hides that. */
bool store_place_is_cut_off(const struct store_place *place, struct store_db *db);
/* A sentence about a fault. */
const char *store_fault_words(enum store_fault fault);

/* The log that was open is not needed any more: removes it if it is still at the path. Another one,
 * which does not belong to the database there, gets another name. */
void store_place_clear_log(const struct store_place *place);

/*
 * STORE_FILE_GONE: copies the open database, log included, to its path; or, if another file is there,
 * to one beside it, which then is the path. The copy is synced and locked. Returns the descriptor of
 * the database before, to be closed after that; -1 on failure, with a sentence in `error`
 * (STORE_ERROR_SIZE bytes).
 */
int store_place_rescue(struct store_place *place, struct store_db *db, char *error);

#endif
