/*
 * write: one transaction of the store, and what a failed one leaves behind.
 *
 * Owns the database, the outbox's rows, and the rows of messages that are to be undone. Leaves when
 * and what to write to store. For store.c only. Thread: the store's.
 */
#ifndef GATEWAY_STORE_WRITE_H
#define GATEWAY_STORE_WRITE_H

#include "gateway/base/stats.h"
#include "gateway/store/db.h"
#include "gateway/store/notices.h"
#include "gateway/store/place.h"
#include "gateway/store/refs.h"
#include "gateway/store/resume.h"
#include "gateway/store/unfinished.h"
#include "proto/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct queue_record;
struct queue_report;

/* A number that has opted out, or in again. */
struct store_optout {
    STAILQ_ENTRY(store_optout) entry;
    int64_t at_ms; /* Unix */
    bool is_listed;
    char number[NUMBER_SIZE];
};
STAILQ_HEAD(store_optouts, store_optout);

/* Which owner a user is. */
struct store_user {
    STAILQ_ENTRY(store_user) entry;
    int32_t owner;
    char name[];
};
STAILQ_HEAD(store_users, store_user);

/* What one transaction writes. All is borrowed. */
struct store_batch {
    struct message *const *messages; /* new ones */
    size_t message_count;
    struct queue_report *reports; /* gets their outcomes */
    size_t report_count;
    const struct queue_record *records;
    size_t record_count;
    const char *answers; /* of the records */
    const struct store_optouts *optouts;
    const struct store_users *users;
    const struct store_resume *resume; /* NULL = stays as it is */
    bool saves_progress;               /* see store_notices_save_progress */
    bool syncs;                        /* it is on the disk when it is committed */
    bool is_empty;                     /* there is nothing to write */
};

struct store_writer {
    struct store_place place;
    bool is_displaced; /* another file is at queue.path: no new messages */
    int64_t retention_ms;
    struct stats *stats;
    struct store_db db; /* closed while it cannot be used */
    struct store_notices notices;
    struct store_unfinished unfinished;
    struct store_refs refs;
    char failure[STORE_ERROR_SIZE]; /* the last one that was logged */
    /* Rows of refused messages that a failed commit may have left in the file; 0 = none. */
    int64_t undo_first, undo_last;
};

/* Writes a batch and commits it. Returns false on failure: then none of it counts, and
 * store_write_failed comes next. */
bool store_write(struct store_writer *w, const struct store_batch *batch);

/*
 * Something could not be written: logs it, refuses the messages of `batch` (NULL = it was something
 * else) and opens the file again, or leaves it closed.
 */
void store_write_failed(struct store_writer *w, const struct store_batch *batch);

/* Opens the database at the place. Returns false with a sentence in `error`. */
bool store_write_open(struct store_writer *w, char error[STORE_ERROR_SIZE]);

/*
 * Makes a file fit for writing again after a failure; opens it if it is closed. Returns false with a
 * sentence in `error`, and it is closed.
 */
bool store_write_reopen(struct store_writer *w, char error[STORE_ERROR_SIZE]);

/* Logs a failure of the file. */
void store_write_log(struct store_writer *w, const char *reason);

#endif
