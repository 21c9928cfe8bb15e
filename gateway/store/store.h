/*
 * store: the durable half of the queue: a SQLite database and the thread that writes it.
 *
 * Group commit: new messages, and whatever has changed of the others, go into one transaction; while
 * it is being written, the next one gathers. A commit with new messages is synced to the disk before
 * anybody learns of it. One with changes only survives the end of this process at once, and is synced
 * within a second.
 *
 * While the disk fails, new messages are refused and changes wait in the queue's list. The store
 * tries again every second, and undoes what a failed commit may have left.
 *
 * Owns the file, the thread and its rounds. Leaves to others: what is accepted (intake, queue), what
 * has changed (queue_records_take), the notices (outbox). Threads: store_open to store_start and
 * store_stop to store_free are daemon's; the others are named below.
 */
#ifndef GATEWAY_STORE_STORE_H
#define GATEWAY_STORE_STORE_H

#include "gateway/store/ask.h"
#include "gateway/store/resume.h"
#include "proto/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct outbox;
struct queue;
struct queue_report;
struct stats;
struct store;

struct store_options {
    const char *path;     /* of the database; its directory exists */
    int64_t retention_ms; /* how long finished messages can be asked for */
    int64_t max_disk;     /* bytes of the file; 0 = no such limit */
    int64_t reserve;      /* bytes of the volume that new messages leave free; see room.h */
    bool recalls_api_ids; /* store_restore gives the queue those of relayed messages */
    int log_pages;        /* of 4 KB: how long the write-ahead log gets; 0 = the usual length */
    struct stats *stats;
    struct outbox
        *outbox; /* gets a notice of each change once it is committed; NULL = no notices */

    /* Called in the store's thread; must not block. `notify`: store_deliver has something to do.
     * `saved`: changes have been saved, or cannot be for now. */
    void (*notify)(void *arg);
    void *notify_arg;
    void (*saved)(void *arg);
    void *saved_arg;
};

/*
 * Locks the store for this process alone, opens it, brings it up to date and checks it; creates a
 * missing file (mode 0600). Options are copied, except for the path. Returns NULL with a sentence in
 * `error` that says what to do.
 */
struct store *store_open(const struct store_options *options, char *error, size_t error_size);

/*
 * Fills the queue (queue_restore) with what is unfinished; recalls API ids; gives the outbox the notices
 * of earlier runs. `*count` = messages.
 * Returns false with a sentence in `error`.
 */
bool store_restore(struct store *s, struct queue *queue, size_t *count, char *error,
                   size_t error_size);

/* Starts the thread, with all signals blocked. Returns 0 or an errno value. */
int store_start(struct store *s);

/*
 * Ends the thread, if there is one, saves what is unsaved and closes the file. All other threads that
 * use the queue have ended. Returns false if something could not be saved; the log says what.
 */
bool store_stop(struct store *s);
/* NULL is fine. */
void store_free(struct store *s);

/* There are records to take: for queue_options.wake_store. Any thread. */
void store_wake(void *store);

/* --- accepting: the loop thread ----------------------------------------------------------------- */

/* The highest row of the store: rows of new messages must be above it. */
int64_t store_last_row(const struct store *s);

/* What became of messages that were to be inserted: all of them, or none. */
struct store_insertion {
    bool is_stored;
    /* Unless stored: finished messages that hold the REF of one of these, for its recipient, though
     * they are not in memory. Passed on to `inserted`; malloc'ed. */
    struct message **holders;
    size_t holder_count;
};

/*
 * Inserts messages, in order of their rows, in one transaction; unless one of them was submitted before.
 * store_deliver calls `inserted` when they are on the disk, or when they are not and never will be. The
 * messages and the array are borrowed until then. One call at a time.
 */
void store_insert(struct store *s, struct message *const *messages, size_t count,
                  void (*inserted)(void *arg, const struct store_insertion *insertion), void *arg);

/*
 * Saves reports that queue_reports_match has seen, in one transaction. Completes those whose messages
 * are not in memory, sets each outcome, and keeps a REPORT_NEW with its message and the last ten
 * thousand REPORT_UNMATCHED. store_deliver calls `reported` when they are on the disk, or when they
 * are not and never will be. The array is borrowed until then. One call at a time.
 */
void store_report(struct store *s, struct queue_report *reports, size_t count,
                  void (*reported)(void *arg, bool is_stored), void *arg);

/* Makes the calls that are due: for store_options.notify. */
void store_deliver(struct store *s);

/* Does store_deliver owe no call? */
bool store_is_idle(const struct store *s);

/* --- asking: the loop thread -------------------------------------------------------------------- */

/* store_deliver will call `answered`. The question is copied. Returns false on allocation failure. */
bool store_ask(struct store *s, const struct store_question *question);

/* --- what else is kept -------------------------------------------------------------------------- */

/*
 * The anchor: an API id known to be relayed before any request that is in doubt began
 * (reconcile_add), and how many messages may have been relayed since; `is_deep` if that is true of
 * every doubt that a message has. As saved by an earlier run, then as set; saved with the next
 * records. Any thread.
 */
void store_anchor(struct store *s, char anchor[STORE_ANCHOR_SIZE], uint64_t *relayed_since,
                  bool *is_deep);
void store_set_anchor(struct store *s, const char *anchor, uint64_t relayed_since, bool is_deep);

/* Does the operator hold the relay? As saved by an earlier run, then as set. Any thread. */
bool store_is_held(struct store *s);
void store_set_held(struct store *s, bool is_held);

/* Shows the numbers that have opted out. Before store_start. */
void store_each_optout(struct store *s,
                       void (*show)(void *arg, const char *number, int64_t since_ms), void *arg);
/* Lists a number or removes it, with the next transaction; ask for a sync to learn when that is done.
 * Returns false on allocation failure. Any thread. */
bool store_note_optout(struct store *s, const char *number, bool is_listed, int64_t at_ms);

/* Shows which owners users are. Before store_start. */
void store_each_user(struct store *s, void (*show)(void *arg, const char *name, int32_t owner),
                     void *arg);
/* Keeps which owner a user is, with the next transaction: at the latest with his first message. Returns
 * false on allocation failure. Any thread. */
bool store_note_user(struct store *s, const char *name, int32_t owner);

/*
 * Has everything up to `mark` (queue_records_mark) been saved, or can it not be for now? Either way
 * there is nothing to wait for. `saved` is called when it becomes true. Any thread.
 */
bool store_has_saved(struct store *s, uint64_t mark);

/*
 * Shows messages relayed after `since_ms` whose final status nobody has reported: the last `max` of
 * them, in order of submission. Before store_start.
 */
typedef void store_unreported(void *arg, const struct ulid *id, const char *api_id,
                              int64_t relayed_ms);
void store_each_unreported(struct store *s, int64_t since_ms, size_t max, store_unreported *show,
                           void *arg);

#endif
