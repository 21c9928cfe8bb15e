/*
 * server: the listeners, and how many clients there may be.
 *
 * Owns the listening sockets, and the list of clients in order of activity: when there are too many,
 * it closes the one that has been idle longest, unless that was active of late. Leaves who a client is
 * to identity, and each client to conn. Thread: the loop's.
 */
#ifndef GATEWAY_SERVE_SERVER_H
#define GATEWAY_SERVE_SERVER_H

#include "gateway/base/listen.h"
#include "gateway/base/network.h"
#include "gateway/serve/peers.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct owners;
struct relay;
struct server;
struct tls;
struct user_table;

struct server_options {
    const struct listen_address *addresses;
    size_t address_count;
    const struct tls *tls;     /* NULL = none; must outlive the server */
    struct networks trusted;   /* whose clients need no login; borrowed while there is a server */
    const char *unix_path;     /* "" = none */
    const char *control_group; /* its members may control through the Unix socket; "" = none */
    bool gives_control_to_all; /* of this machine */
    size_t max_connections;
    unsigned others_percent;   /* so many more for owners that have few when one has taken all */
    size_t max_awaits;         /* see struct watch_budget */
    size_t max_unanswered;     /* see struct owners */
    struct peers_limits peers; /* of addresses that are not local */
    int64_t min_idle_ms;       /* a client that was active more recently keeps its place */
    int64_t login_ms;          /* in which whoever must log in has done so */
    int64_t idle_timeout_ms;   /* 0 = none */
};

/*
 * Listens, and logs every address. Returns NULL, with a sentence in `error`, if one of them is not
 * available. `relay` must outlive it; options are copied.
 */
struct server *server_new(const struct relay *relay, const struct server_options *options,
                          char *error, size_t error_size);

/* The users are these now; clients may still point to the former ones until this returns. */
void server_renew_users(struct server *s, const struct user_table *users);

/* What the clients of each owner have. It lives as long as the server. */
const struct owners *server_owners(const struct server *server);

/* Closes the listeners and every client. NULL is fine. */
void server_free(struct server *server);

/* Accepts no more clients, and sends 421 to those that are not within a message. */
void server_stop(struct server *server);

/* Are there replies to clients that have not been sent? O(clients). */
bool server_has_unsent(const struct server *server);

/* For `settled` of intake and `dispatched` of watch. */
void server_flush(void *server);

#endif
