/*
 * core: what a queue is made of, and what may be done to one message in it. Private to queue/.
 *
 * Every message is in exactly one list, its place, which its state, priority and ambiguity name; so
 * the lists' counts are the counts by state, and queue_move alone changes a state.
 * Thread: any. Everything but queue_enter and queue_leave is called between the two.
 */
#ifndef GATEWAY_QUEUE_CORE_H
#define GATEWAY_QUEUE_CORE_H

#include "gateway/base/stats.h"
#include "gateway/queue/accounts.h"
#include "gateway/queue/api_ids.h"
#include "gateway/queue/endings.h"
#include "gateway/queue/feed.h"
#include "gateway/queue/heap.h"
#include "gateway/queue/index.h"
#include "gateway/queue/jumps.h"
#include "gateway/queue/options.h"
#include "gateway/queue/refs.h"
#include "gateway/queue/types.h"
#include "gateway/queue/unsaved.h"
#include "proto/recipients.h"

#include <pthread.h>

#define QUEUE_NEVER INT64_MAX

enum queue_place {
    LANE_HIGH, /* the lanes, in the order of enum message_priority */
    LANE_NORMAL,
    LANE_LOW,
    PLACE_SCHEDULED,
    PLACE_SENDING,
    PLACE_DEFERRED,  /* waits for its due_ms */
    PLACE_AMBIGUOUS, /* waits for queue_resolve */
    PLACE_SUSPECT,   /* waits for queue_suspects_convict, or for its due_ms */
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

enum {
    QUEUE_FORGET_STEPS = 64,             /* outdated messages that one call forgets */
    QUEUE_LOOKED_FOR_MS = 60 * 60 * 1000 /* how long after its time an ambiguous message is */
};

enum queue_end { QUEUE_HEAD, QUEUE_TAIL };

struct queue_chain {
    struct message *first, *last;
    size_t count;
};

struct queue {
    pthread_mutex_t mutex;
    struct queue_options options;
    struct queue_limits limits;
    struct queue_chain places[QUEUE_PLACES];
    struct queue_index by_id;
    struct queue_refs refs;
    struct queue_heap heap; /* by queue_look_at_ms */
    struct queue_feed feed;
    struct queue_unsaved unsaved;
    struct queue_api_ids *api_ids; /* NULL = no reports are expected */
    size_t bytes, finished_bytes;  /* of all messages; of those that may be forgotten */
    size_t doubted;                /* messages with a doubt that may still be sent */
    struct queue_accounts accounts;
    struct queue_demand arriving; /* prepared, not admitted yet */
    unsigned normal_run;          /* normal messages taken since the last low one */
    struct queue_endings endings; /* to be logged without the mutex */
    struct message *doomed;       /* forgotten; queue_leave frees them without the mutex */

    bool is_asleep; /* the forwarder is, and wants to be woken for: */
    size_t wake_ready;
    bool wake_on_high;
    int64_t told_due_ms;  /* next_due_ms as the last queue_advance told it */
    bool is_refused_gone; /* a message that was refused alone has been canceled since then */

    size_t room; /* bytes of messages that may be added, as the store says ... */
    char trouble[QUEUE_REASON_SIZE]; /* ... and why it takes none; "" = it does */

    int64_t clock_offset_ms;  /* Unix ms minus steady ms ... */
    struct queue_jumps jumps; /* ... and what it was before */

    struct queue_relaying relaying;
    struct recipients refused; /* numbers that have opted out */
};

/* Locks the mutex. */
void queue_enter(struct queue *q);
/* Unlocks it, makes the callbacks that are due, logs how messages ended, and frees the doomed. */
void queue_leave(struct queue *q);
/* Dooms a message that is not, or no longer, in the queue. */
void queue_doom(struct queue *q, struct message *m);

/* The state of the messages at a place; the lane that a message has or would get. */
enum message_state queue_place_state(enum queue_place place);
enum queue_place queue_lane_of(const struct message *m);

/* How many messages are at the places `first` to `end` - 1. */
size_t queue_count(const struct queue *q, int first, int end);

/* The message with this id, or NULL. */
struct message *queue_find(const struct queue *q, const struct ulid *id);

/* The same, if it belongs to `owner` or `sees_all`. */
struct message *queue_find_visible(const struct queue *q, const struct ulid *id, int32_t owner,
                                   bool sees_all);

/*
 * When a message falls due or expires. QUEUE_NEVER in a lane unless it has a TTL: there messages
 * expire in the order of the lane, or nearly so, and looking at the head is enough.
 */
int64_t queue_look_at_ms(const struct queue *q, const struct message *m);
/* The earliest such time; with the expiry of the heads of the lanes if `with_lanes`. */
int64_t queue_next_due_ms(const struct queue *q, bool with_lanes);
/* A message's `due_ms` as Unix ms; 0 = it waits for no time. */
int64_t queue_due_unix_ms(const struct queue *q, const struct message *m);
/* Is there what the forwarder wants to be woken for? */
bool queue_is_wake_due(const struct queue *q);

/* Takes in a new message, submitted when Unix time was `offset_ms` ahead of steady time. */
void queue_enlist(struct queue *q, struct message *m, int64_t offset_ms, int64_t now_ms);
/* Takes in a message of an earlier run; the heap must have room. */
void queue_reenlist(struct queue *q, struct message *m, int64_t now_ms);
/* Takes in a finished message that was forgotten, and released before. No event tells of it. */
void queue_recollect(struct queue *q, struct message *m);
/* The API may have taken an unfinished message from so many requests, up to MESSAGE_DOUBTS_MAX. */
void queue_set_doubts(struct queue *q, struct message *m, unsigned doubts);
/* Moves a message to a place that is not an end (for those: queue_conclude). */
void queue_move(struct queue *q, struct message *m, enum queue_place to, enum queue_end end,
                int64_t now_ms);
/* Moves a message that was refused back to where it was taken: behind those that were refused before
 * it, and before all others; or the other way round at the tail. O(those refused). */
void queue_move_back(struct queue *q, struct message *m, int64_t now_ms);
/* Moves all that stand aside back, in order. */
void queue_recall_suspects(struct queue *q, int64_t now_ms);
/* Moves a message to its lane: it is sent when its turn comes. */
void queue_move_to_lane(struct queue *q, struct message *m, enum queue_end end, int64_t now_ms);
/* A SCHEDULED message fell due at `time_ms`: from then on its time runs. */
void queue_begin_life(struct message *m, int64_t time_ms);
/* Finishes a message, or leaves it to the operator, and counts how. May doom it. */
void queue_conclude(struct queue *q, struct message *m, enum stats_end end, int64_t now_ms);
/* Concludes a message whose time is over. */
void queue_expire(struct queue *q, struct message *m, int64_t now_ms);
/* Allows a finished message, whose end the store knows if it is durable, to be forgotten. Dooms it
 * if nobody can ask for it. */
void queue_release(struct queue *q, struct message *m);
/* Forgets a finished message that was released. */
void queue_forget(struct queue *q, struct message *m);

/* Gives a message the answer at `*answer` unless that is NULL, and `*answer` the one it had. */
void queue_swap_answer(struct queue *q, struct message *m, char **answer);
/* Gives a message a reason of our own; on allocation failure it keeps what it has. */
void queue_set_reason(struct queue *q, struct message *m, const char *reason);

/* Is a message released, and its retention over? */
bool queue_is_outdated(const struct queue *q, const struct message *m, int64_t now_ms);
/* The released message that finished first, going by the heads of the lists, or NULL. */
struct message *queue_first_finished(const struct queue *q);
/* Forgets some outdated messages, `steps` at most. */
void queue_forget_outdated(struct queue *q, size_t steps, int64_t now_ms);

#endif
