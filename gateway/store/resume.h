/*
 * resume: what the next run takes up beside the messages: where its scan of the API's history may
 * end, and whether the operator holds the relay.
 *
 * Owns how the file spells it. When it is saved is store's business. For store*.c only.
 * Thread: that of the store_db.
 */
#ifndef GATEWAY_STORE_RESUME_H
#define GATEWAY_STORE_RESUME_H

#include <stdbool.h>
#include <stdint.h>

struct store_db;

enum { STORE_ANCHOR_SIZE = 64 };

struct store_resume {
    char anchor[STORE_ANCHOR_SIZE]; /* see store_set_anchor */
    uint64_t relayed_since;
    bool is_deep, is_held;
};

bool store_resume_is_same(const struct store_resume *a, const struct store_resume *b);
/* Reads it; what the file does not have is empty. Returns false on failure (store_db_error). */
bool store_resume_load(struct store_db *db, struct store_resume *resume);
/* Writes it, within a transaction. Returns false on failure. */
bool store_resume_save(struct store_db *db, const struct store_resume *resume);

#endif
