/*
 * refs: finds the messages of a REF in the file, without an index of the database.
 *
 * An index would cost every message with a REF a page of the disk at random. So the hashes of REFs
 * are gathered in memory and written as *runs*: each covers the rows of some hundred thousand
 * messages, is written once, in pages, and is dropped with the last of its messages. In memory remain
 * a filter of two bytes for each REF of a run, and the hashes that are in no run yet; a start reads
 * those from the messages again, in the background. Hashes only say where to look: the messages decide.
 *
 * Owns the tables `ref_run` and `ref_page`, and the secret of the hashes. For store*.c only.
 * Thread: that of the store_db.
 */
#ifndef GATEWAY_STORE_REFS_H
#define GATEWAY_STORE_REFS_H

#include "gateway/store/db.h"
#include "gateway/store/ref_filter.h"
#include "gateway/store/ref_table.h"
#include "proto/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store_ref_run {
    int64_t number;
    int64_t first_row, last_row;
    unsigned page_bits; /* of a hash that name its page */
    struct store_ref_filter filter;
};

/* All zero before store_refs_load. */
struct store_refs {
    uint64_t secret[2];
    struct store_ref_run *runs; /* oldest first */
    size_t run_count;
    int64_t indexed_row; /* everything up to it is in a run or a table */
    bool is_complete;    /* that is everything */
    size_t rows;         /* messages in `recent`, with a REF or without */
    struct store_ref_table recent;

    /* The run that is being written. */
    struct store_ref_table frozen; /* empty = there is none */
    struct store_ref_run next;
    size_t next_page;

    size_t run_rows;  /* messages a run; 0 = the usual number */
    int64_t drop_ms;  /* monotonic: when to look for runs that can go */
    int64_t retry_ms; /* monotonic: no step before it, after an allocation has failed */
};

/* Reads the runs. Returns false on failure (store_db_error), allocation failure included. */
bool store_refs_load(struct store_refs *refs, struct store_db *db);
void store_refs_free(struct store_refs *refs);

/* Messages have been inserted, and committed: those above all others. */
void store_refs_add(struct store_refs *refs, struct message *const *messages, size_t count);

/* When store_refs_step is due (monotonic). */
int64_t store_refs_due_ms(const struct store_refs *refs);
/*
 * Makes a step: reads some messages that are not indexed yet, writes some pages, or drops a run.
 * Returns false when the disk fails: the transaction is to be rolled back.
 */
bool store_refs_step(struct store_refs *refs, struct store_db *db, int64_t now_ms);

/*
 * The row of the newest message with the owner, REF and recipient of `m`, which has a REF. 0 = there
 * is none, -1 on failure. May be that of another one, or of one that has been purged. The index must be
 * complete.
 */
int64_t store_refs_newest(const struct store_refs *refs, struct store_db *db,
                          const struct message *m);

/*
 * The rows of the messages with this owner's REF, and maybe of others: in rising order, the newest
 * `max` at most; malloc'ed, NULL if there are none. Returns false on failure. The index must be
 * complete.
 */
bool store_refs_list(const struct store_refs *refs, struct store_db *db, int32_t owner,
                     const char *ref, size_t max, int64_t **rows, size_t *count);

#endif
