/*
 * offline: the store of a relay that does not run, for other programs to look at.
 *
 * Changes nothing: no byte of the files, and it makes none. While it is open no relay can start on
 * the store (one that tries waits a little), so who reads keeps what he needs and closes it, before
 * he writes to whoever may be slow. Thread: one at a time.
 */
#ifndef GATEWAY_STORE_OFFLINE_H
#define GATEWAY_STORE_OFFLINE_H

#include "proto/message.h"

#include <stddef.h>

struct store_read;

enum { STORE_READ_ERROR_SIZE = 512 };

/* `state` of store_read_begin: every message that has not come to its end. */
enum { STORE_UNFINISHED = -1 };

enum store_read_verdict {
    STORE_IS_OPEN,
    STORE_IS_MISSING,  /* there is no such file */
    STORE_IS_DENIED,   /* this user may not read it */
    STORE_IS_IN_USE,   /* a relay is running on it */
    STORE_IS_UNUSABLE, /* it is no store, damaged, or of another version */
};

/*
 * Opens the store at `path`, with the verdict STORE_IS_OPEN; on any other `*store` is NULL, and a
 * sentence is in `error`.
 */
enum store_read_verdict store_read_open(const char *path, struct store_read **store,
                                        char error[STORE_READ_ERROR_SIZE]);
/* NULL is fine. */
void store_read_close(struct store_read *store);

/* Begins to read the messages in `state`, up to `max` of them: in the order of submission. */
void store_read_begin(struct store_read *store, int state, size_t max);

/*
 * The next of them as it was saved, the caller's to free; NULL at the end, or, where the store
 * cannot be read any further, with a sentence in `error`, which is "" otherwise.
 */
struct message *store_read_next(struct store_read *store, char error[STORE_READ_ERROR_SIZE]);

#endif
