/*
 * purge: deletes messages that finished too long ago, and gives their space back to the file system.
 *
 * It works in steps too small to delay a commit: each is one transaction over a few hundred rows. Rows
 * lie in order of submission, so a pass goes from the oldest one to the first that is too young to be
 * past, and then rests. Owns how far the pass is. For store.c only. Thread: the store's.
 */
#ifndef GATEWAY_STORE_PURGE_H
#define GATEWAY_STORE_PURGE_H

#include "gateway/store/db.h"
#include "gateway/store/rows.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STORE_PURGE_ROWS_MAX = 256 }; /* a step looks at: 0.5 ms if it deletes all of them */

/* What a step has deleted. */
struct store_purged {
    size_t count;                                        /* messages */
    struct store_rows_freed freed[STORE_PURGE_ROWS_MAX]; /* for each run of one owner's, the sum */
    size_t runs;
};

/* All zero at first. */
struct store_purge {
    int64_t next_row;  /* where the pass continues; 0 = a new one */
    int64_t due_ms;    /* monotonic: when the next step is due */
    bool is_shrinking; /* the pass is over, and pages are given back */
    int free_pages;    /* before the last step of that */
};

/*
 * Makes a step: deletes what finished at or before `cutoff_ms` (Unix); `purged` gets which messages.
 * After a pass it gives pages back to the file system, if it `shrinks`. Returns false when the disk
 * fails: the transaction is to be rolled back.
 */
bool store_purge_step(struct store_purge *purge, struct store_db *db, int64_t cutoff_ms,
                      bool shrinks, int64_t now_ms, struct store_purged *purged);

#endif
