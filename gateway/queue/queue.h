/*
 * queue: the bounded in-memory queue, and the one place where intake and forwarder meet.
 *
 * Owns every message from queue_add on until it is forgotten, the three lanes (`high` strictly
 * first, `normal` to `low` 9:1, FIFO within a lane), the heap of messages that wait for a time, the
 * indexes by id and by REF, and the only mutex of the relay. What it does under the mutex is O(1) a
 * message (O(log n) for the heap): no I/O, no JSON, no log; what can be many at once (what falls
 * due, expires or is forgotten) goes in bounded steps. Memory is allocated there only for what is
 * rare: a change that is watched, the reason of an end of our own, a copied answer; messages and
 * settled answers are freed after it is let go.
 * Leaves to others: when to send and what an answer means (batch, pace, retry), and disk (store):
 * what changes of a durable message it lists for the store, and forgets no such message before the
 * store knows how it ended.
 *
 * Threads: intake and queries come from the loop thread, take and settle from the forwarding
 * thread, records from the store's; every function may be called from any thread. Times are Unix ms
 * and passed in.
 */
#ifndef GATEWAY_QUEUE_QUEUE_H
#define GATEWAY_QUEUE_QUEUE_H

#include "gateway/base/stats.h"
#include "proto/buffer.h"
#include "proto/message.h"
#include "proto/recipients.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue;

struct queue_options {
    size_t max_messages;  /* unfinished ones */
    size_t max_bytes;     /* of all messages held, finished ones included */
    int64_t retention_ms; /* how long a finished message can be asked for; 0 = forgotten at once */
    uint64_t first_event; /* numbers of changes are above this: so they rise from run to run */
    size_t recent_events; /* how many are kept for who asks again: 0, or a power of two */
    bool expects_reports; /* API ids are remembered, for reports that name nothing else */
    bool tells_settled;   /* changes to a settled state are told, watched or not */
    struct stats *stats;  /* counts messages that come to an end; NULL = nobody wants to know */

    /* Called without the mutex, by whatever thread made the change. Must not block. NULL = none.
     * The first: what queue_sleep asked for is there. The second: queue_events_take has
     * something; called once until it is taken. */
    void (*wake_forwarder)(void *arg);
    void *wake_arg;
    void (*notify_events)(void *arg);
    void *notify_arg;
    /* The third: queue_records_take has something; called once until that has given all. NULL =
     * there is no store, and no message is durable. */
    void (*wake_store)(void *arg);
    void *store_arg;
};

/* Returns a queue, or NULL without memory (or without chance for its hash). Options are copied. */
struct queue *queue_new(const struct queue_options *options);
/* Frees the queue and every message in it; no other thread may use it any more. NULL is fine. */
void queue_free(struct queue *q);

/* --- intake ------------------------------------------------------------------------------- */

enum queue_verdict {
    QUEUE_ACCEPTED,
    QUEUE_FULL,         /* nothing was taken: too many unfinished, too many bytes, or no memory */
    QUEUE_REF_CONFLICT, /* nothing was taken: a REF was used with other content for this recipient */
    QUEUE_NOT_STORED    /* nothing was taken: the store could not write it */
};

/* What became of one message of an accepted submission. */
struct queue_receipt {
    bool is_duplicate; /* its REF was submitted before: `id` and `state` are the first one's */
    struct ulid id;
    enum message_state state;
    char *answer; /* of a duplicate, for its API id; owned by the caller; NULL otherwise */
};

/* One submission: its messages are taken together or not at all. */
struct queue_submission {
    struct message **messages; /* `count` of them; ownership passes to the queue if ACCEPTED */
    size_t count;
    struct queue_receipt *receipts; /* out, `count` of them; all zero unless ACCEPTED */
    enum queue_verdict verdict;     /* out */
};

/*
 * Adds `count` submissions under one lock, each with a verdict of its own, and wakes the forwarder
 * once if it waits for what came.
 *
 * A message is a duplicate if a message with its owner, REF and recipient and with the same
 * sender, text and allow_unicode is there (also an earlier one of the same call) and has not
 * failed; with other content it is a conflict. Duplicates are freed by the queue (their receipts
 * tell of the first). When the queue is full of bytes, finished messages are forgotten first,
 * oldest first.
 */
void queue_add(struct queue *q, struct queue_submission *submissions, size_t count, int64_t now_ms);

/*
 * The same in two steps, with the store in between; only one such pair at a time. queue_prepare
 * gives the verdicts and makes sure that there is room; what it ACCEPTED has its REFs, but is not in
 * the queue yet, stays the caller's and is to be stored. queue_admit then takes it in; or, unless
 * `is_stored`, lets it go: its verdict becomes QUEUE_NOT_STORED, its receipts are cleared and its
 * messages are the caller's to free. A REF that comes again meanwhile has to wait for the next pair.
 */
void queue_prepare(struct queue *q, struct queue_submission *submissions, size_t count,
                   int64_t now_ms);
void queue_admit(struct queue *q, struct queue_submission *submissions, size_t count,
                 bool is_stored, int64_t now_ms);

/*
 * Takes in what the store holds, in its order, at the start: messages as they were, finished ones
 * too. What may be sent is DEFERRED and ambiguous until queue_resolve, since a crash may have hidden
 * that it was sent; `may_be_sent` tells of which that is known. It does not expire before. What waits for an AT to come, and the
 * UNRESOLVED, stay so. The messages pass to the queue, whatever max_messages says; finished ones are
 * forgotten, oldest first, where they do not fit in max_bytes. Returns false, taking none, without
 * memory.
 */
bool queue_restore(struct queue *q, struct message **messages, size_t count, int64_t now_ms);

/* --- forwarder ---------------------------------------------------------------------------- */

struct queue_depth {
    size_t ready[MESSAGE_PRIORITIES]; /* in the lanes, by priority */
    bool is_held;                     /* by the operator: queue_take gives nothing */
    bool is_group_next;               /* a half of a split batch is at the head: it goes as it is */
    int64_t oldest_ms;   /* submission time of the oldest ready message (so far as the heads of the
                          * lanes tell), 0 when there is none */
    int64_t next_due_ms; /* when queue_advance is wanted again; in the past: there is more to do
                          * right now; INT64_MAX = never */
};

/*
 * Moves what has become due into the lanes and ends what has expired (`expired`, or `unresolved` if
 * it is ambiguous), a thousand at the most, and forgets some of what was finished too long ago.
 * Then tells what is ready. Ends the last queue_sleep: the forwarder is awake.
 */
void queue_advance(struct queue *q, int64_t now_ms, struct queue_depth *depth);

/*
 * Takes up to `max` messages for one request, in lane order, and marks them SENDING with one more
 * attempt. With a group at the head, just that group, as far as its messages follow one another.
 * Expired ones are ended on the way.
 * Returns how many, fewer than are ready where expired ones were met; they stay the queue's, but
 * nobody else changes or frees them until queue_settle: their group, attempts and ambiguous_ends
 * may be read without the mutex as long.
 */
size_t queue_take(struct queue *q, size_t max, int64_t now_ms, struct message **out);

enum queue_fate {
    FATE_RELAYED,
    FATE_REJECTED,
    FATE_RETURNED,  /* back to the head of its lane, the attempt not charged */
    FATE_AMBIGUOUS, /* deferred until queue_resolve or its expiry; counts as an ambiguous end */
    FATE_UNRESOLVED
};

struct queue_settlement {
    struct message *message; /* from queue_take */
    enum queue_fate fate;
    uint32_t group; /* for RETURNED and AMBIGUOUS: 0, or the half it must be sent with */
    int64_t due_ms; /* for RETURNED: 0, or not before: it is deferred, then goes to the tail */
    char *answer;   /* as message_answer_new; ownership passes to the queue; NULL = unchanged */
};

/*
 * Settles messages that queue_take gave, under one lock. RETURNED ones go to the heads of their
 * lanes in the order of the array: the first one ends up first. The pointers are dead afterwards.
 */
void queue_settle(struct queue *q, struct queue_settlement *settlements, size_t count,
                  int64_t now_ms);

/*
 * The ids of the ambiguous messages (DEFERRED, is_ambiguous) whose request ended at or before
 * `cutoff_ms` (INT64_MAX = all), in the order in which they became so, which keeps the messages
 * of a request together and in step; malloc'ed, NULL if there are none or without memory.
 * `left_out` (NULL = never mind) is how many ambiguous ones are not among them.
 */
struct ulid *queue_ambiguous(struct queue *q, int64_t cutoff_ms, size_t *count, size_t *left_out);

/* What reconciling found about one ambiguous message. */
struct queue_resolution {
    struct ulid id;
    enum queue_fate fate; /* RELAYED, REJECTED, UNRESOLVED, or RETURNED = absent: send it again */
    char *answer;         /* ownership passes to the queue; NULL = unchanged */
};

/*
 * Ends the ambiguity of messages, by id; ones that are gone or not ambiguous any more are passed
 * over. RETURNED go to the head of their lane in the order of the array, or, after three ambiguous
 * ends, to its tail, so that one message cannot hold up the rest. They keep their group, and the
 * attempt stays charged.
 */
void queue_resolve(struct queue *q, struct queue_resolution *resolutions, size_t count,
                   int64_t now_ms);

/*
 * The forwarder is about to sleep: it wants wake_forwarder as soon as `ready` messages are in the
 * lanes (0 = never mind), or one of high priority when `on_high`; and, whatever it says, when
 * something has come that must be looked at before the last queue_advance's `next_due_ms`.
 * Returns true when that is so already: do not sleep, begin again with queue_advance. One wake-up,
 * then none until the next call.
 */
bool queue_sleep(struct queue *q, size_t ready, bool on_high);

/* --- delivery reports ----------------------------------------------------------------------- */

enum { QUEUE_API_ID_SIZE = 64 }; /* of an API id, and NUL */

enum queue_report_outcome {
    REPORT_UNMATCHED, /* of no message of ours that was ever sent */
    REPORT_OLD,       /* says nothing new of its message */
    REPORT_NEW
};

/* A delivery report that has come in, and what was found out about it. */
struct queue_report {
    bool has_id; /* its clientId has the form of our ids */
    struct ulid id;
    char api_id[QUEUE_API_ID_SIZE]; /* "" = it names none */
    struct report report;
    const char *text; /* of an inbound message, borrowed; NULL = a delivery report */

    enum queue_report_outcome outcome;
    bool is_held; /* its message is in memory, where what is known of it is known best */
    enum message_state state;
    int32_t owner;
    int64_t relayed_ms; /* Unix time at which it was relayed; 0 = not known */
    char to[NUMBER_SIZE], from[SENDER_SIZE], ref[REF_MAX + 1];
};

/*
 * Looks for the messages of reports by their clientId, then by their API id (which are remembered for
 * the last so many messages relayed: it gets its `id` then), and fills in the rest from what is in
 * memory; of one that is not there the store may know more.
 */
void queue_reports_match(struct queue *q, struct queue_report *reports, size_t count);

/* A message of an earlier run has this API id: as if it had been relayed now. */
void queue_remember_api_id(void *queue, const char *api_id, const struct ulid *id);

/*
 * The REPORT_NEW among them are on the disk, if anything is: tells watchers, and notes them with the
 * messages that are in memory. Of an ambiguous one the report proves that the API has it: it is
 * relayed from now on; so is an unresolved one, or one that was about to be sent again. One that is
 * being sent is settled when that has ended. Loop thread, between one queue_reports_match and the next.
 */
void queue_reports_apply(struct queue *q, struct queue_report *reports, size_t count,
                         int64_t now_ms);

/* Copies what a report's owner is told of its message, which nobody else has. */
void queue_report_fill_in(struct queue_report *report, const struct message *m);

/* --- the store ---------------------------------------------------------------------------- */

/* What is to be written of one durable message, as it was when it was taken. */
struct queue_record {
    struct message *message; /* not freed before queue_records_done; its state is not to be read */
    int64_t row;
    enum message_state state;
    bool may_be_sent;
    bool is_expiry_lifted; /* expires_ms is no longer that of its submission */
    unsigned attempts, ambiguous_ends;
    int64_t due_ms, updated_ms;
    size_t answer_at; /* its answer, in `answers`; SIZE_MAX = none */
};

/*
 * Takes up to `max` records of what has changed since it was last taken, each message once, in the
 * order in which they first changed; appends their answers to `answers` (fewer are taken without
 * memory). Returns how many. To be followed by queue_records_done before the next call.
 */
size_t queue_records_take(struct queue *q, struct queue_record *records, size_t max,
                          struct buffer *answers);
/*
 * The records are in the store; or, unless `is_saved`, could not be written and are to be taken
 * again. Finished messages that are saved now are forgotten, but for those with a REF, which are
 * kept for the retention.
 */
void queue_records_done(struct queue *q, const struct queue_record *records, size_t count,
                        bool is_saved);
/*
 * A mark for what has changed up to now, and whether all of that has been saved: what it was then,
 * or something newer.
 */
uint64_t queue_records_mark(struct queue *q);
bool queue_records_are_saved(struct queue *q, uint64_t mark);

/* --- asking ------------------------------------------------------------------------------- */

/* Copies what is known of one message. Returns false when the id is unknown or another's:
 * `owner` must match unless `sees_all`. Free with message_status_free if true. */
bool queue_status(struct queue *q, const struct ulid *id, int32_t owner, bool sees_all,
                  struct message_status *status);

enum { QUEUE_LIST_MAX = 10000 };

/*
 * The ids of the messages with this owner's REF, in order of submission, the newest QUEUE_LIST_MAX
 * at most; malloc'ed, NULL if there are none or without memory.
 */
struct ulid *queue_find_ref(struct queue *q, const char *ref, int32_t owner, size_t *count);

/*
 * The ids of up to `max` (at most QUEUE_LIST_MAX) messages in `state` (or, with `state` -1, in any
 * that is not finished), oldest first; malloc'ed, NULL if there are none or without memory.
 * Each list of the queue is walked from its oldest entry: O(max) under the mutex, 1 ms or so for
 * 10,000. Lists are in the order in which messages came to them, so beyond `max` the choice is
 * that order's.
 */
struct ulid *queue_list(struct queue *q, int state, size_t max, size_t *count);

struct queue_totals {
    size_t by_state[MESSAGE_STATES];
    size_t ambiguous; /* of the deferred: those that wait for queue_resolve */
    size_t bytes;
    size_t unfinished, unfinished_bytes; /* what counts against max_messages and max_bytes, since
                                          * nothing of it is forgotten to make room */
    int64_t oldest_ms; /* submission time of the oldest unfinished message, so far as the heads of
                        * the queue's lists tell; 0 when there is none */
    /* The lanes: how many are ready to be sent, and since when the first of them is: since it was
     * submitted or, with an AT, since it came to its lane. 0 = the lane is empty. */
    size_t by_lane[MESSAGE_PRIORITIES];
    int64_t oldest_by_lane_ms[MESSAGE_PRIORITIES];
    int64_t waits_since_ms; /* the same for all that the relay has to send, also what is being sent
                             * and what is tried again later; 0 when there is nothing */
};
void queue_totals(struct queue *q, struct queue_totals *totals);

enum queue_outcome { QUEUE_DONE, QUEUE_UNKNOWN, QUEUE_WRONG_STATE };

/* Takes a message back that is not being sent and not finished; QUEUE_UNKNOWN also for another's.
 * One that the API may have can be taken back too: its reason then says so. */
enum queue_outcome queue_cancel(struct queue *q, const struct ulid *id, int32_t owner,
                                bool sees_all, int64_t now_ms);
/* Sends an `unresolved` message again, first in its lane, even if it is overdue (operator). */
enum queue_outcome queue_retry(struct queue *q, const struct ulid *id, int64_t now_ms);
/* Makes everything deferred for a time due now (FLUSH); not what waits for AT, nor the ambiguous.
 * O(what is deferred so). */
void queue_flush(struct queue *q, int64_t now_ms);

/* --- the destination -------------------------------------------------------------------------- */

enum { QUEUE_REASON_SIZE = 256 };

/* Whether the relay as a whole relays: kept here for whoever asks, known to the forwarder. */
struct queue_relaying {
    bool is_held;    /* by HOLD, until RELEASE */
    bool is_stopped; /* by the destination, for this reason */
    char reason[QUEUE_REASON_SIZE];
    int64_t until_ms; /* Unix time at which it is tried again; 0 = not known */
};

/* HOLD and RELEASE: from now on queue_take gives nothing, resp. something again. */
void queue_hold(struct queue *q, bool holds);
/* The forwarder's: sets all but is_held, and gives what was there before. */
void queue_relaying_set(struct queue *q, const struct queue_relaying *relaying,
                        struct queue_relaying *before);
void queue_relaying(struct queue *q, struct queue_relaying *relaying);

/* --- opt-outs ----------------------------------------------------------------------------- */

/*
 * Nothing may be sent to these numbers any more: queue_take rejects what is for them. The first
 * takes the place of all, whose list the queue takes (`all` is then empty); the second changes one,
 * and returns false without memory. Any thread.
 */
void queue_refuse_all(struct queue *q, struct recipients *all);
bool queue_refuse(struct queue *q, const char *number, bool is_refused);

/* --- watching ----------------------------------------------------------------------------- */

/* One change of state of a watched message; the first is that it was queued or scheduled. */
struct queue_event {
    uint64_t event; /* rising by one with every change of any message, watched or not */
    struct ulid id;
    int32_t owner;
    enum message_state state;
    char *answer;         /* owned by the taker; NULL when there is none */
    struct report report; /* which came in; with an empty status the state has changed */
    char *text;           /* or of the inbound message that did; owned; NULL = none */
    char to[NUMBER_SIZE]; /* the number that has been written to */
    char from[SENDER_SIZE], ref[REF_MAX + 1]; /* not of a past change */
};

/* From now on changes of this message are (not) told. Returns false when it is unknown. Ask for its
 * state afterwards: so no change is missed, though one may be told twice. */
bool queue_watch(struct queue *q, const struct ulid *id, bool is_watched);
/* Somebody watches all messages. */
void queue_watch_all(struct queue *q, bool is_watched);
/* Takes the changes that have gathered, in order; malloc'ed array, NULL if none. A change for
 * which there was no memory is missing: its number is skipped. Loop thread. */
struct queue_event *queue_events_take(struct queue *q, size_t *count);
void queue_events_free(struct queue_event *changes, size_t count);
/*
 * Copies up to `max` of the last recent_events changes, in order, beginning after the number `since`;
 * what is told beside a state (answer) is that of now, and NULL where the message is in another
 * state now. Returns how many, to be freed with queue_events_drop; `*is_gone` = some after `since` are
 * not kept any more.
 */
size_t queue_events_since(struct queue *q, uint64_t since, struct queue_event *changes, size_t max,
                          bool *is_gone);
/* The number of the last change. */
uint64_t queue_last_event(struct queue *q);
/* Frees what changes hold that are in memory of the caller's. */
void queue_events_drop(struct queue_event *changes, size_t count);

#endif
