/*
 * offline: reads the store of a relay that is not running, for other programs.
 *
 * Changes nothing: it writes no byte and creates no file. No relay can start on the store while it is
 * open (one that tries waits a little): so a reader copies what it needs and closes it before it
 * writes to anybody slow. Thread: one at a time.
 */
#ifndef GATEWAY_STORE_OFFLINE_H
#define GATEWAY_STORE_OFFLINE_H

#include "proto/message.h"

#include <stddef.h>

struct store_read;

enum { STORE_READ_ERROR_SIZE = 512 };

/* `state` of store_read_begin: every message that is not finished. */
enum { STORE_UNFINISHED = -1 };

enum store_read_verdict {
    STORE_IS_OPEN,
    STORE_IS_MISSING,  /* there is no such file */
    STORE_IS_DENIED,   /* this user may not read it */
    STORE_IS_IN_USE,   /* a relay is running on it */
    STORE_IS_UNUSABLE, /* no store, damaged, or of another version */
};

/*
 * Opens the store at `path`. On any verdict but STORE_IS_OPEN, `*store` is NULL and `error` holds a
 * sentence.
 */
enum store_read_verdict store_read_open(const char *path, struct store_read **store,
                                        char error[STORE_READ_ERROR_SIZE]);
/* NULL is fine. */
void store_read_close(struct store_read *store);

/* Begins to read the messages in `state`, in order of submission, up to `max` of them. */
void store_read_begin(struct store_read *store, int state, size_t max);

/*
 * The next message as it was saved; the caller frees it. NULL at the end, with `error` empty, or when
 * the store cannot be read any further, with a sentence in `error`.
 */
struct message *store_read_next(struct store_read *store, char error[STORE_READ_ERROR_SIZE]);

#endif
