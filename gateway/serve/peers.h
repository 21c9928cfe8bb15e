/*
 * peers: what all clients of one address do together, and how much of it they may.
 *
 * An address of IPv4 counts by itself; of IPv6 all those of a /64, which one machine may have. Owns the
 * counts: connections now, and new ones, commands and logins a minute. Remembers no more addresses than
 * PEERS_KEPT besides those that are connected. Leaves to others whom to ask about: never a local
 * client. Thread: the loop's.
 */
#ifndef GATEWAY_SERVE_PEERS_H
#define GATEWAY_SERVE_PEERS_H

#include "gateway/base/network.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is counted by the minute. */
enum peers_kind { PEERS_CONNECT, PEERS_COMMAND, PEERS_LOGIN };
enum { PEERS_KINDS = PEERS_LOGIN + 1, PEERS_KEPT = 4096 };

struct peers_limits {
    size_t connections;               /* at a time; 0 = any number */
    unsigned per_minute[PEERS_KINDS]; /* 0 = any number */
};

struct peers;

/* One address, or /64. */
struct peers_address;

/* Returns NULL on allocation failure or without randomness. */
struct peers *peers_new(const struct peers_limits *limits);
/* Once all have left. NULL is fine. */
void peers_free(struct peers *peers);

/*
 * One more connection from an address. Returns NULL if it may not come: `reason` then says why. `now_us`
 * is monotonic.
 */
struct peers_address *peers_enter(struct peers *peers, const struct network_address *address,
                                  int64_t now_us, const char **reason);

/* The connection has ended. */
void peers_leave(struct peers *peers, struct peers_address *address);

/* The address itself; of IPv6 the first one of the /64. */
const struct network_address *peers_key(const struct peers_address *address);

/* One more command or login: may it be? */
bool peers_may(const struct peers *peers, struct peers_address *address, enum peers_kind kind,
               int64_t now_us);

#endif
