/*
 * store: the durable half of the queue: a SQLite database and the thread that writes it.
 *
 * Group commit: what is to be inserted, and what has changed of the messages that are there, go into
 * one transaction; while that is written the next one gathers. A commit with new messages is on the
 * disk (synced) before anybody is told; one with nothing but changes is safe from the end of this
 * process, and synced within a second.
 *
 * When the disk fails, inserts are refused and changes wait in the queue's list; the store tries
 * again every second, and undoes what may have been half-written, until the disk is well.
 *
 * Owns the file, the thread, the transactions, the purge of what is old. Leaves to others: what is
 * accepted (intake, queue), and which changes there are (queue_records_take). Threads: store_open to
 * store_start and store_stop to store_free are daemon's; the rest says whose it is.
 */
#ifndef GATEWAY_STORE_STORE_H
#define GATEWAY_STORE_STORE_H

#include "gateway/base/stats.h"
#include "gateway/notify/outbox.h"
#include "gateway/store/ask.h"
#include "gateway/store/resume.h"
#include "proto/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue;
struct queue_report;
struct store;

struct store_options {
    const char *path;     /* of the database; its directory exists */
    int64_t retention_ms; /* how long finished messages can be asked for */
    bool recalls_api_ids; /* store_restore tells the queue those of what is relayed */
    int log_pages;        /* of 4 KB: how long the write-ahead log gets; 0 = the usual 1000 */
    struct stats *stats;
    struct outbox *outbox; /* what changes is told there when it is committed; NULL = to nobody */

    /* Called in the store's thread. The first: store_deliver has something. The second: changes have
     * been saved, or cannot be for now. Must not block. */
    void (*notify)(void *arg);
    void *notify_arg;
    void (*saved)(void *arg);
    void *saved_arg;
};

/*
 * Opens the store, locked for this process alone, brings it up to date and checks it. A file that is
 * not there is made (mode 0600). Returns NULL with a sentence in `error` that says what to do.
 * Options are copied, but for the path.
 */
struct store *store_open(const struct store_options *options, char *error, size_t error_size);

/*
 * Takes what the store holds into the queue (queue_restore): everything unfinished, and what has a
 * REF and is not past its retention; and the API ids of the last messages that were relayed. Returns false with a sentence in `error`. `*count` = messages.
 */
bool store_restore(struct store *s, struct queue *queue, size_t *count, char *error,
                   size_t error_size);

/* Starts the thread, with all signals blocked. Returns 0 or an errno value. */
int store_start(struct store *s);

/*
 * Saves what is unsaved, ends the thread if there is one and closes the file. All other threads that
 * use the queue have ended. Returns false when something could not be saved; the log says what.
 */
bool store_stop(struct store *s);
/* NULL is fine. */
void store_free(struct store *s);

/* There are records to take: for queue_options.wake_store. Any thread. */
void store_wake(void *store);

/* --- accepting: the loop thread ------------------------------------------------------------------ */

/* The highest row of the store: rows of new messages must be above it. Before store_start. */
int64_t store_last_row(const struct store *s);

/*
 * Inserts messages in one transaction; `inserted` is called by store_deliver when they are on the
 * disk, or when they are not and will not be. They and the array are borrowed until then. One call
 * at a time.
 */
void store_insert(struct store *s, struct message *const *messages, size_t count,
                  void (*inserted)(void *arg, bool is_stored), void *arg);

/*
 * Saves reports that queue_reports_match has seen, in one transaction: fills in what is known of the
 * messages that are not in memory, and keeps the REPORT_NEW with their messages, and the last ten
 * thousand that are REPORT_UNMATCHED. `reported` is called by store_deliver when they are on the
 * disk, or when they are not and will not be. The array is borrowed until then. One call at a time.
 */
void store_report(struct store *s, struct queue_report *reports, size_t count,
                  void (*reported)(void *arg, bool is_stored), void *arg);

/* Calls back for whatever has ended. */
void store_deliver(struct store *s);

/* Nothing is under way for which store_deliver would call back. */
bool store_is_idle(const struct store *s);

/* --- asking: the loop thread --------------------------------------------------------------------- */

/* Asks; `answered` is called by store_deliver. The question is copied. Returns false without memory. */
bool store_ask(struct store *s, const struct store_question *question);

/* --- what else is kept --------------------------------------------------------------------------- */

/*
 * An API id that was known to be relayed before any request that is in doubt began (reconcile_add)
 * and how many messages may have been relayed since; and whether the operator holds the relay: as
 * saved by an earlier run, and from now on. Any thread.
 */
void store_anchor(struct store *s, char anchor[STORE_ANCHOR_SIZE], uint64_t *relayed_since);
void store_set_anchor(struct store *s, const char *anchor, uint64_t relayed_since);
bool store_is_held(struct store *s);
void store_set_held(struct store *s, bool is_held);

/*
 * The numbers that have opted out: as saved by an earlier run, before store_start; and a change of
 * them, saved with the next transaction (ask for a sync to know when); returns false without memory.
 */
void store_each_optout(struct store *s,
                       void (*show)(void *arg, const char *number, int64_t since_ms), void *arg);
bool store_note_optout(struct store *s, const char *number, bool is_listed, int64_t at_ms);

/*
 * Need one not wait for the store? All changes up to `mark` (queue_records_mark) are saved, or they
 * cannot be for now. When it becomes so, `saved` is called. Any thread.
 */
bool store_has_saved(struct store *s, uint64_t mark);

/*
 * Calls `show` for the messages that were relayed after `since_ms` and whose final status nobody has
 * reported, in the order in which they were submitted, the last `max` of them. Before store_start.
 */
typedef void store_unreported(void *arg, const struct ulid *id, const char *api_id,
                              int64_t relayed_ms);
void store_each_unreported(struct store *s, int64_t since_ms, size_t max, store_unreported *show,
                           void *arg);

#endif
