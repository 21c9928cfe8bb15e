/*
 * owner: who a client is, and what all its connections have together.
 *
 * A client owns messages and REFs, and has its share of the relay, not by its connection but by its
 * owner: the user who runs it, or OWNER_LOCAL, all those of whom that cannot be told together. The key
 * is the number that messages carry and the store keeps (proto/message.h). Thread: the loop's.
 */
#ifndef GATEWAY_SERVE_OWNER_H
#define GATEWAY_SERVE_OWNER_H

#include "gateway/serve/turns.h"
#include "gateway/serve/watch.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct owner {
    LIST_ENTRY(owner) entry; /* in its bucket */
    int32_t key;             /* the `owner` of its messages */
    size_t connections;
    size_t unanswered;          /* commands of theirs whose replies have not left: slots */
    uint64_t loop_us;           /* time of the loop that they have used since the start */
    struct watch_budget awaits; /* what they wait for, together */
    struct turn turn;           /* in the line of owners */
    struct turn_line line;      /* its connections that wait for their turn */
};

enum {
    OWNER_BUCKETS = 64,
    OWNERS_KEPT = 256 /* so many are remembered while they have no connection, for what they used */
};

/* All owners. Starts all zero, but for `max_awaits` and `max_unanswered`. */
struct owners {
    LIST_HEAD(owner_bucket, owner) buckets[OWNER_BUCKETS];
    size_t count;             /* those with connections */
    size_t known;             /* all of them */
    uint64_t forgotten_us;    /* what those that are not remembered have used */
    size_t max_awaits;        /* of each: see struct watch_budget */
    size_t max_unanswered;    /* of each, but one a connection */
    struct turn_line line;    /* those with connections that wait for their turn */
    const struct owner *last; /* the one that had the last turn, for comparison alone */
    int64_t changed_us;       /* when it was another one's before, monotonic */
};

/* The owner with this key, for one more connection. Returns NULL on allocation failure. */
struct owner *owner_enter(struct owners *owners, int32_t key);

/* How many connections the owner with this key has. */
size_t owner_connections(const struct owners *owners, int32_t key);

/* One of its connections has ended, and waits no more; with the last one, the owner may be freed. */
void owner_leave(struct owners *owners, struct owner *owner);

/* Once all have left: frees those that are remembered. */
void owners_free(struct owners *owners);

/* The owner with this key, or NULL if it is not remembered. */
const struct owner *owner_find(const struct owners *owners, int32_t key);

/* A connection has `now` commands without a reply; `counted` holds how many it had. */
void owner_count_unanswered(struct owner *owner, size_t *counted, size_t now);

/*
 * Must a connection that has `own` commands without a reply wait for one, because its owner has as many
 * as it may have? One that has none never waits: so whoever waits is woken by a reply of its own.
 */
bool owner_must_wait(const struct owners *owners, const struct owner *owner, size_t own);

/* What owners are compared by. */
enum owner_figure {
    OWNER_CONNECTIONS,
    OWNER_UNANSWERED,
    OWNER_AWAITS,
    OWNER_LOOP_US,
};

struct owner_share {
    int32_t owner;
    int64_t value;
};

int64_t owner_value(const struct owner *owner, enum owner_figure figure);

/*
 * The owners that have most of a figure, up to `max`, in falling order; returns how many. `others` gets
 * the sum of all others. O(owners * max).
 */
size_t owners_rank(const struct owners *owners, enum owner_figure figure,
                   struct owner_share *shares, size_t max, int64_t *others);

/* Has a connection of `owner` wait for its turn; one that waits already keeps its place. */
void owner_wait(struct owners *owners, struct owner *owner, struct turn *turn);

/* It waits no more. */
void owner_forgo(struct owners *owners, struct owner *owner, struct turn *turn);

/* The connection that is next, which waits no more; NULL if none waits. */
struct turn *owners_next(struct owners *owners);

/* A connection was served, until `now_us` (monotonic): its owner pays for `us`. */
void owner_charge(struct owners *owners, struct owner *owner, uint64_t us, int64_t now_us);

/* Do several owners take turns? Then turns are short, so that one that asks again and again is not
 * held up by those that ask much at a time. Strangers do not count: they may wait. */
bool owners_compete(const struct owners *owners, int64_t now_us);

#endif
