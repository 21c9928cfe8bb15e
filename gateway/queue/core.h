/*
 * core: what a queue is made of, and what may be done to one message of it.
 *
 * For queue.c (intake and forwarder) and queue/ask.c (queries, operators, watchers) only; the
 * indexes, the heap and the changes are files of their own. Every message is in exactly one list,
 * its place, which its state, priority and ambiguity name: so nothing else counts how many there
 * are in a state.
 * Thread: any; everything but queue_enter and queue_leave is for between the two.
 */
#ifndef GATEWAY_QUEUE_CORE_H
#define GATEWAY_QUEUE_CORE_H

#include "gateway/queue/api_ids.h"
#include "gateway/queue/feed.h"
#include "gateway/queue/heap.h"
#include "gateway/queue/index.h"
#include "gateway/queue/queue.h"
#include "gateway/queue/refs.h"
#include "gateway/queue/unsaved.h"

#include <pthread.h>

#define QUEUE_NEVER INT64_MAX

enum queue_place {
    LANE_HIGH, /* the lanes in the order of enum message_priority */
    LANE_NORMAL,
    LANE_LOW,
    PLACE_SCHEDULED,
    PLACE_SENDING,
    PLACE_DEFERRED,  /* waits for its due_ms */
    PLACE_AMBIGUOUS, /* waits for queue_resolve */
    PLACE_UNRESOLVED,
    PLACE_RELAYED, /* from here on: finished */
    PLACE_REJECTED,
    PLACE_EXPIRED,
    PLACE_CANCELED
};
enum {
    QUEUE_LANES = LANE_LOW + 1,
    QUEUE_UNFINISHED = PLACE_RELAYED, /* places below this */
    QUEUE_PLACES = PLACE_CANCELED + 1
};

enum queue_end { QUEUE_HEAD, QUEUE_TAIL };

struct queue_chain {
    struct message *first, *last;
    size_t count;
};

/* What a submission adds to the queue. */
struct queue_demand {
    size_t messages, bytes, timed;
};

struct queue {
    pthread_mutex_t mutex;
    struct queue_options options;
    struct queue_chain places[QUEUE_PLACES];
    struct queue_index by_id;
    struct queue_refs refs;
    struct queue_heap heap;
    struct queue_events changes;
    struct queue_api_ids *api_ids; /* NULL = no reports are expected */
    size_t bytes, finished_bytes;  /* of all messages; of those that may be forgotten */
    struct queue_demand arriving;  /* prepared, not admitted yet */
    struct queue_unsaved unsaved;
    unsigned normal_run;    /* normal messages taken since the last low one */
    struct message *doomed; /* forgotten; queue_leave frees them without the mutex */

    bool is_asleep; /* the forwarder is, and wants to be woken for: */
    size_t wake_ready;
    bool wake_on_high;
    int64_t told_due_ms; /* next_due_ms as queue_advance told it last */

    struct queue_relaying relaying;
    struct recipients refused; /* numbers that nothing is sent to */

    bool is_notified; /* notify_events was called, queue_events_take was not */
};

void queue_enter(struct queue *q);
/* Lets the mutex go, then calls whoever has to know and frees the doomed. */
void queue_leave(struct queue *q);
/* Dooms a message that is not, or no longer, in the queue. */
void queue_doom(struct queue *q, struct message *m);

/* The state of the messages at a place, the place of a message, and the lane it has or would
 * get. */
enum message_state queue_place_state(enum queue_place place);
enum queue_place queue_place_of(const struct message *m);
enum queue_place queue_lane_of(const struct message *m);

/* How many messages are at the places `first` to `end` - 1. */
size_t queue_count(const struct queue *q, int first, int end);
/* The earliest submission among the heads of these places, 0 when they are all empty. */
int64_t queue_oldest_head_ms(const struct queue *q, int first, int end);
/* Since when a message could have been sent: its submission; with an AT, its last change. */
int64_t queue_waits_since_ms(const struct message *m);

/* The message with an id, or NULL. */
struct message *queue_find(const struct queue *q, const struct ulid *id);

/*
 * When a message has to be looked at; QUEUE_NEVER in a lane without a TTL, since there messages
 * expire in the order of the lane, or nearly so, and it is enough to look at its head.
 */
int64_t queue_look_at_ms(const struct message *m);
/* The earliest such time, with the expiry of the heads of the lanes if `with_lanes`. */
int64_t queue_next_due_ms(const struct queue *q, bool with_lanes);
/* Is there what the forwarder wanted to be woken for? */
bool queue_is_wake_due(const struct queue *q);

/* Takes in a new message. */
void queue_enlist(struct queue *q, struct message *m, int64_t now_ms);
/* Takes in a message that was in the queue of an earlier run; room in the heap was reserved. */
void queue_reenlist(struct queue *q, struct message *m, int64_t now_ms);
/* The one function that changes a state. What has an end goes by queue_conclude. */
void queue_move(struct queue *q, struct message *m, enum queue_place to, enum queue_end end,
                int64_t now_ms);
/* Moves a message to its lane: it may be sent as soon as it is its turn. */
void queue_move_to_lane(struct queue *q, struct message *m, enum queue_end end, int64_t now_ms);
/* A message comes to its end, or to the operator: moves and counts it. A finished message may be
 * doomed by it. */
void queue_conclude(struct queue *q, struct message *m, enum stats_end end, int64_t now_ms);
/* Ends a message whose time ran out. */
void queue_expire(struct queue *q, struct message *m, int64_t now_ms);
/* A message has come to its end, and the store, if it is there, knows: it may be forgotten from now
 * on, or is at once. */
void queue_release(struct queue *q, struct message *m);
/* Forgets a finished message that was released. */
void queue_forget(struct queue *q, struct message *m);

/* Gives a message the answer at `*answer` unless that is NULL, and there the one that it had. */
void queue_swap_answer(struct queue *q, struct message *m, char **answer);
/* Gives a message a reason of our own; without memory it keeps what it has. */
void queue_set_reason(struct queue *q, struct message *m, const char *reason);

/* Is a message finished, and held for longer than it need be? */
bool queue_is_outdated(const struct queue *q, const struct message *m, int64_t now_ms);
/* The message that finished first of all that may be forgotten, so far as the heads of their lists
 * tell, or NULL. */
struct message *queue_first_finished(const struct queue *q);

#endif
