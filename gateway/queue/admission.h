/*
 * admission: lets submissions into the queue.
 *
 * Enforces the limits, and recognises by its REF what was submitted before. A message is a
 * duplicate of one with the same owner, REF and recipient that has not failed, also of one earlier
 * in the same call, if sender, text and allow_unicode are the same; it is in conflict with it
 * otherwise.
 * Thread: any; in the program the intake's, and the store's at the start.
 */
#ifndef GATEWAY_QUEUE_ADMISSION_H
#define GATEWAY_QUEUE_ADMISSION_H

#include "gateway/queue/types.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue;

/* Unless ACCEPTED, nothing was taken. */
enum queue_verdict {
    QUEUE_ACCEPTED,
    QUEUE_FULL,         /* too many unfinished messages, too many bytes, or no memory or disk */
    QUEUE_OWNER_FULL,   /* its owner has all that one owner may have */
    QUEUE_REF_CONFLICT, /* a REF was used with other content for this recipient */
    QUEUE_NOT_STORED    /* the store could not write it */
};

/* What became of one message of an accepted submission. */
struct queue_receipt {
    bool is_duplicate; /* `id`, `state` and `answer` are those of the message submitted first */
    struct ulid id;
    enum message_state state;
    char *answer; /* see message_answer_new; owned by the caller; NULL = none */
};

/* One submission: its messages are taken together or not at all. */
struct queue_submission {
    struct message **messages; /* `count` of them; pass to the queue if ACCEPTED */
    size_t count;
    struct queue_receipt *receipts; /* out, `count` of them; all zero unless ACCEPTED */
    enum queue_verdict verdict;     /* out */
    int64_t clock_offset_ms;        /* Unix ms minus steady ms when it came */
    struct queue_demand demand;     /* between queue_prepare and queue_admit; for admission alone */
};

/*
 * Adds `count` submissions under one lock, each with a verdict of its own. Frees duplicates. To
 * make room for bytes, forgets finished messages, oldest first.
 */
void queue_add(struct queue *q, struct queue_submission *submissions, size_t count, int64_t now_ms);

/*
 * queue_add in two steps, with the store's write between them. Only one pair may be under way.
 *
 * queue_prepare gives the verdicts and reserves room. What it ACCEPTED holds its REFs from then on,
 * but stays the caller's, to be written. queue_admit takes it in if `is_stored`; otherwise its
 * verdict becomes QUEUE_NOT_STORED, its receipts are cleared, and the messages are the caller's to
 * free. Both calls get the same submissions.
 */
void queue_prepare(struct queue *q, struct queue_submission *submissions, size_t count,
                   int64_t now_ms);
void queue_admit(struct queue *q, struct queue_submission *submissions, size_t count,
                 bool is_stored, int64_t now_ms);

/*
 * Takes in finished messages from the store that hold REFs and are not in memory, so that what was
 * submitted again is recognised; frees those that are there after all. They are forgotten like others.
 */
void queue_recall(struct queue *q, struct message **messages, size_t count);

/*
 * The store says how many `bytes` of messages have room, until it says so again, and why it takes
 * none (copied; "" = it does). Without a store there is no such limit.
 */
void queue_set_room(struct queue *q, size_t bytes, const char *trouble);

/* The store has deleted messages of an owner: QUEUE_ROW_BYTES and their strings, each. */
void queue_disk_freed(struct queue *q, int32_t owner, size_t bytes);

/* Does the store take none? Copies why. */
bool queue_is_in_trouble(struct queue *q, char trouble[QUEUE_REASON_SIZE]);

/*
 * Takes in what the store holds of earlier runs, in its order; before anything else is added.
 * max_messages does not apply; finished messages are forgotten, oldest first, to keep max_bytes.
 *
 * A crash may have hidden that a message was sent. So what was not finished becomes DEFERRED and
 * ambiguous until queue_resolve, and does not expire before; those that were in a request for
 * certain have a doubt more. Messages still waiting for their AT, and UNRESOLVED ones, stay as they
 * were. Returns false on allocation failure; the messages are then the caller's.
 */
bool queue_restore(struct queue *q, struct message **messages, size_t count, int64_t now_ms);

#endif
