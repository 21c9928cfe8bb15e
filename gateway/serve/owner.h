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
    LIST_ENTRY(owner) entry;    /* in its bucket */
    int32_t key;                /* the `owner` of its messages */
    size_t connections;         /* it lives as long as there is one */
    struct watch_budget awaits; /* what they wait for, together */
    struct turn turn;           /* in the line of owners */
    struct turn_line line;      /* its connections that wait for their turn */
};

enum { OWNER_BUCKETS = 64 };

/* All owners that have connections. Starts all zero, but for `max_awaits`. */
struct owners {
    LIST_HEAD(owner_bucket, owner) buckets[OWNER_BUCKETS];
    size_t count;
    size_t max_awaits;        /* of each: see struct watch_budget */
    struct turn_line line;    /* those with connections that wait for their turn */
    const struct owner *last; /* the one that had the last turn, for comparison alone */
    int64_t changed_us;       /* when it was another one's before, monotonic */
};

/* The owner with this key, for one more connection. Returns NULL on allocation failure. */
struct owner *owner_enter(struct owners *owners, int32_t key);

/* How many connections the owner with this key has. */
size_t owner_connections(const struct owners *owners, int32_t key);

/* One of its connections has ended, and waits no more; with the last one, the owner is freed. */
void owner_leave(struct owners *owners, struct owner *owner);

/* Has a connection of `owner` wait for its turn; one that waits already keeps its place. */
void owner_wait(struct owners *owners, struct owner *owner, struct turn *turn);

/* It waits no more. */
void owner_forgo(struct owners *owners, struct owner *owner, struct turn *turn);

/* The connection that is next, which waits no more; NULL if none waits. */
struct turn *owners_next(struct owners *owners);

/* A connection was served, until `now_us` (monotonic): its owner pays for `us`. */
void owner_charge(struct owners *owners, struct owner *owner, uint64_t us, int64_t now_us);

/* Do several owners take turns? Then turns are short, so that one that asks again and again is not
 * held up by those that ask much at a time. */
bool owners_compete(const struct owners *owners, int64_t now_us);

#endif
