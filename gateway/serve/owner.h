/*
 * owner: who a client is, and what all its connections have together.
 *
 * A client owns messages and REFs, and has its share of the relay, not by its connection but by its
 * owner: the user who runs it, or OWNER_LOCAL, all those of whom that cannot be told together. The key
 * is the number that messages carry and the store keeps (proto/message.h). Thread: the loop's.
 */
#ifndef GATEWAY_SERVE_OWNER_H
#define GATEWAY_SERVE_OWNER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct owner {
    LIST_ENTRY(owner) entry; /* in its bucket */
    int32_t key;             /* the `owner` of its messages */
    size_t connections;      /* it lives as long as there is one */
};

enum { OWNER_BUCKETS = 64 };

/* All owners that have connections. Starts all zero. */
struct owners {
    LIST_HEAD(owner_bucket, owner) buckets[OWNER_BUCKETS];
};

/* The owner with this key, for one more connection. Returns NULL on allocation failure. */
struct owner *owner_enter(struct owners *owners, int32_t key);

/* One of its connections has ended; with the last one, the owner is freed. */
void owner_leave(struct owner *owner);

#endif
