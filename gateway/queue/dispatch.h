/*
 * dispatch: whose turn it is to be sent, and what became of what was sent.
 *
 * The forwarder's loop: queue_advance, then either queue_take, send and queue_settle, or
 * queue_sleep. Ambiguous messages come back by queue_resolve.
 * Thread: the forwarding thread.
 */
#ifndef GATEWAY_QUEUE_DISPATCH_H
#define GATEWAY_QUEUE_DISPATCH_H

#include "gateway/queue/types.h"

#include <stddef.h>

struct queue;

struct queue_depth {
    size_t ready[MESSAGE_PRIORITIES]; /* in the lanes, by priority */
    bool is_held;                     /* by the operator: queue_take gives nothing */
    bool is_group_next;               /* half of a split batch is at the head: it goes unchanged */
    bool is_refused_gone;             /* a message that was refused alone was canceled meanwhile */
    size_t suspects;                  /* stand aside: see suspects.h */
    size_t doubted;                   /* unfinished messages with a doubt, wherever they are */
    int64_t next_due_ms; /* when to call queue_advance again: INT64_MAX = never; in the past =
                          * now, since not everything was done */
};

/*
 * Moves what has fallen due into the lanes, and ends what has expired (`expired`, or `unresolved`
 * if the API may have it), a thousand messages at most; forgets some of what finished longer than
 * the retention ago. Then fills `depth`. Ends the last queue_sleep.
 */
void queue_advance(struct queue *q, int64_t now_ms, struct queue_depth *depth);

/*
 * Takes up to `max` messages for one request, in lane order; marks them SENDING and counts an
 * attempt. If the first is in a group, takes only the members of that group that follow one
 * another. Ends expired messages, and those to opted-out recipients, on the way. Returns how many
 * are in `out`: it may be fewer than are ready.
 *
 * The messages stay the queue's. Until queue_settle nobody else changes or frees them, so their
 * `group`, `attempts`, `ambiguous_ends` and refusals may be read without the mutex.
 */
size_t queue_take(struct queue *q, size_t max, int64_t now_ms, struct message **out);
/* Takes one message for a probe. */
size_t queue_take_probe(struct queue *q, enum queue_probe which, int64_t now_ms,
                        struct message **out);

struct queue_settlement {
    struct message *message; /* from queue_take */
    enum queue_fate fate;
    uint32_t
        group; /* of RETURNED, SUSPECT and AMBIGUOUS: the half it must be sent with; 0 = none */
    int64_t due_ms;        /* of RETURNED and SUSPECT: not to be sent before; 0 = at once */
    bool is_refused;       /* of RETURNED and AMBIGUOUS: its batch was refused as a whole */
    bool is_refused_alone; /* of AMBIGUOUS */
    bool is_unwelcome;     /* of SUSPECT: enough proofs reject it */
    bool is_anchored;      /* of AMBIGUOUS: see struct message */
    bool may_be_taken;     /* of RETURNED and SUSPECT: the history is to be asked: queue_looked */
    char *answer;          /* see message_answer_new; passes to the queue; NULL = unchanged */
};

/*
 * Settles messages of queue_take under one lock; their pointers are dead afterwards. RETURNED is
 * not charged the attempt, and goes to the head of its lane, the first of the array first; with
 * `due_ms` it is deferred, then goes to the tail. SUSPECT is not charged yet either. AMBIGUOUS
 * counts as an ambiguous end.
 */
void queue_settle(struct queue *q, struct queue_settlement *settlements, size_t count,
                  int64_t now_ms);

/*
 * Ends the ambiguity of messages, by id; skips those that are gone or no longer ambiguous.
 * RETURNED ones go to the head of their lane, the first of the array first; after three ambiguous
 * ends to its tail, so that one message cannot hold up the rest. They keep their group, and the
 * attempt stays charged. If their time is over they end: `expired` if they are known not to have
 * been sent, else `unresolved`. AMBIGUOUS ones stay so.
 */
void queue_resolve(struct queue *q, struct queue_resolution *resolutions, size_t count,
                   int64_t now_ms);

/*
 * The API's history shows those with the fate RELAYED, though it may have refused them: what still
 * waits is relayed. The others, and those that are gone, being sent, ambiguous or finished, are left
 * alone: their fate becomes RETURNED.
 */
void queue_settle_shown(struct queue *q, struct queue_resolution *shown, size_t count,
                        int64_t now_ms);

/* The history has been asked about messages that were settled as `may_be_taken`, by id, or there is
 * no use in it. */
void queue_looked(struct queue *q, const struct ulid *ids, size_t count);

/*
 * The forwarder is about to sleep, until wake_forwarder is called: once `ready` messages are in the
 * lanes (0 = not wanted), or one of high priority if `on_high`; in any case when something comes
 * that is due before the last queue_advance's `next_due_ms`. It is called once for each sleep.
 * Returns true if there is such a reason already: do not sleep, call queue_advance.
 */
bool queue_sleep(struct queue *q, size_t ready, bool on_high);

/* Says whether the destination is stopped, for queue_relaying; `is_held` is ignored. `before` gets
 * what was known until now. */
void queue_relaying_set(struct queue *q, const struct queue_relaying *relaying,
                        struct queue_relaying *before);

#endif
