/*
 * peers: see peers.h.
 *
 * What comes by the minute is counted as a theoretical arrival time (GCRA, ITU-T I.371): each takes
 * the address a part of a minute further, and it may be a minute ahead of the clock.
 */
#include "gateway/serve/peers.h"

#include "gateway/base/siphash.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>

#define MINUTE_US INT64_C(60000000)

enum { BUCKETS = 1024, V6_PREFIX = 8 /* bytes */ };

struct peers_address {
    LIST_ENTRY(peers_address) entry; /* in its bucket */
    TAILQ_ENTRY(peers_address) idle; /* if it has no connections */
    struct network_address address;  /* of IPv6: the /64 */
    size_t connections;
    int64_t ahead_us[PEERS_KINDS]; /* monotonic: when all of this kind would have come, evenly */
};

struct peers {
    LIST_HEAD(peers_bucket, peers_address) buckets[BUCKETS];
    TAILQ_HEAD(peers_idle, peers_address) idle; /* the longest idle first */
    size_t idle_count;
    uint64_t key[2];
    struct peers_limits limits;
};

static struct network_address key_of(const struct network_address *address)
{
    struct network_address key = *address;
    if (!network_is_v4(address)) {
        memset(key.bytes + V6_PREFIX, 0, sizeof key.bytes - V6_PREFIX);
    }
    return key;
}

static struct peers_bucket *bucket_of(struct peers *peers, const struct network_address *key)
{
    return &peers->buckets[siphash(peers->key, key->bytes, sizeof key->bytes) % BUCKETS];
}

static struct peers_address *find(struct peers *peers, const struct network_address *key)
{
    struct peers_address *a = LIST_FIRST(bucket_of(peers, key));
    while (a != NULL && memcmp(a->address.bytes, key->bytes, sizeof key->bytes) != 0) {
        a = LIST_NEXT(a, entry);
    }
    return a;
}

static struct peers_address *add(struct peers *peers, const struct network_address *key)
{
    struct peers_address *a = calloc(1, sizeof *a);
    if (a != NULL) {
        a->address = *key;
        LIST_INSERT_HEAD(bucket_of(peers, key), a, entry);
        TAILQ_INSERT_TAIL(&peers->idle, a, idle);
        peers->idle_count++;
    }
    return a;
}

static void forget(struct peers *peers, struct peers_address *a)
{
    TAILQ_REMOVE(&peers->idle, a, idle);
    peers->idle_count--;
    LIST_REMOVE(a, entry);
    free(a);
}

/* Forgets the longest idle. */
static void forget_some(struct peers *peers)
{
    while (peers->idle_count > PEERS_KEPT) {
        forget(peers, TAILQ_FIRST(&peers->idle));
    }
}

const struct network_address *peers_key(const struct peers_address *address)
{
    return &address->address;
}

bool peers_may(const struct peers *peers, struct peers_address *address, enum peers_kind kind,
               int64_t now_us)
{
    unsigned limit = peers->limits.per_minute[kind];
    int64_t *ahead_us = &address->ahead_us[kind];
    int64_t from_us = *ahead_us > now_us ? *ahead_us : now_us;
    if (limit == 0) {
        return true;
    }
    if (from_us + MINUTE_US / limit > now_us + MINUTE_US) {
        return false;
    }
    *ahead_us = from_us + MINUTE_US / limit;
    return true;
}

struct peers_address *peers_enter(struct peers *peers, const struct network_address *address,
                                  int64_t now_us, const char **reason)
{
    const struct network_address key = key_of(address);
    struct peers_address *a = find(peers, &key);
    if (a != NULL && a->connections == 0) {
        TAILQ_REMOVE(&peers->idle, a, idle); /* it is not the longest idle any more */
        TAILQ_INSERT_TAIL(&peers->idle, a, idle);
    }
    a = a == NULL ? add(peers, &key) : a;
    *reason = "out of memory";
    if (a != NULL && !peers_may(peers, a, PEERS_CONNECT, now_us)) {
        *reason = "too many new connections from this address (limits.peer_connects)";
        a = NULL;
    } else if (a != NULL && peers->limits.connections > 0 &&
               a->connections >= peers->limits.connections) {
        *reason = "too many connections from this address (limits.peer_connections)";
        a = NULL;
    }
    if (a != NULL && a->connections++ == 0) {
        TAILQ_REMOVE(&peers->idle, a, idle);
        peers->idle_count--;
    }
    forget_some(peers);
    return a;
}

void peers_leave(struct peers *peers, struct peers_address *address)
{
    if (--address->connections == 0) {
        TAILQ_INSERT_TAIL(&peers->idle, address, idle);
        peers->idle_count++;
        forget_some(peers);
    }
}

struct peers *peers_new(const struct peers_limits *limits)
{
    struct peers *peers = calloc(1, sizeof *peers);
    if (peers == NULL ||
        getrandom(peers->key, sizeof peers->key, 0) != (ssize_t)sizeof peers->key) {
        free(peers);
        return NULL;
    }
    peers->limits = *limits;
    TAILQ_INIT(&peers->idle);
    return peers;
}

void peers_free(struct peers *peers)
{
    while (peers != NULL && !TAILQ_EMPTY(&peers->idle)) {
        forget(peers, TAILQ_FIRST(&peers->idle));
    }
    free(peers);
}
