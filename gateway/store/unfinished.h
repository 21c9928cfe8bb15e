/*
 * unfinished: which rows a start has to read, however many finished messages the file holds.
 *
 * The table `unfinished` holds spans of rows, which do not overlap. Every unfinished message lies in
 * one of them; most of what lies there beside it has finished since. A span is written when the first
 * message of a minute comes, and covers all rows of that minute: so most messages need none. A pass in
 * the store's thread later cuts the spans down to what is still unfinished.
 *
 * Owns the spans, and how far the pass is. For store*.c only. Thread: that of the store_db.
 */
#ifndef GATEWAY_STORE_UNFINISHED_H
#define GATEWAY_STORE_UNFINISHED_H

#include "gateway/store/db.h"

#include <stdbool.h>
#include <stdint.h>

/* All zero at first. */
struct store_unfinished {
    int64_t covered;  /* new rows up to this one lie in a span */
    int64_t promised; /* the same, as the transaction that is under way has it */
    int64_t next_row; /* where the pass continues; 0 = a new one */
    int64_t began_ms; /* monotonic: when it began */
    int64_t due_ms;   /* monotonic: when its next step is due */
};

/* Covers the rows `first` to `last`, above all others, which the transaction that has begun inserts.
 * Returns false on failure. */
bool store_unfinished_cover(struct store_unfinished *u, struct store_db *db, int64_t first,
                            int64_t last);

/* That transaction is committed. */
void store_unfinished_commit(struct store_unfinished *u);

/*
 * Makes a step of the pass: a few hundred rows, in a transaction of its own if it changes something.
 * Returns false when the disk fails: the transaction is to be rolled back.
 */
bool store_unfinished_step(struct store_unfinished *u, struct store_db *db, int64_t now_ms);

#endif
