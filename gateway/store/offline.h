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

struct store_offline;

enum { STORE_OFFLINE_ERROR_SIZE = 512 };

/* `state` of store_offline_begin: every message that is not finished. */
enum { STORE_UNFINISHED = -1 };

enum store_offline_verdict {
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
enum store_offline_verdict store_offline_open(const char *path, struct store_offline **store,
                                              char error[STORE_OFFLINE_ERROR_SIZE]);
/* NULL is fine. */
void store_offline_close(struct store_offline *store);

/* Begins to read the messages in `state`, in order of submission, up to `max` of them. */
void store_offline_begin(struct store_offline *store, int state, size_t max);

/*
 * The next message as it was saved; the caller frees it. NULL at the end, with `error` empty, or when
 * the store cannot be read any further, with a sentence in `error`.
 */
struct message *store_offline_next(struct store_offline *store,
                                   char error[STORE_OFFLINE_ERROR_SIZE]);

#endif
