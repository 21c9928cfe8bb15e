/*
 * server: the listeners, and how many clients there may be.
 *
 * Owns the sockets that are listened on, who a client is (SO_PEERCRED), and the list of clients
 * in order of their activity: when there are too many, the longest idle one has to go. Leaves
 * each client to conn. Thread: the loop's.
 */
#ifndef GATEWAY_SERVE_SERVER_H
#define GATEWAY_SERVE_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct relay;
struct server;

struct server_address {
    char host[64]; /* numeric, of a loopback address */
    uint16_t port; /* 0 = any free one */
};

struct server_options {
    const struct server_address *addresses;
    size_t address_count;
    const char *unix_path; /* "" = none */
    const char
        *control_group; /* of clients of the Unix socket that have control rights; "" = none */
    bool gives_control_to_all;
    size_t max_connections;
    int64_t idle_timeout_ms; /* 0 = none */
};

/*
 * Listens, and logs every address that it got. Returns NULL with a sentence in `error` when one of
 * them cannot be had. `relay` must outlive it; options are copied.
 */
struct server *server_new(const struct relay *relay, const struct server_options *options,
                          char *error, size_t error_size);

/* Closes the listeners and every client. NULL is fine. */
void server_free(struct server *server);

/* Takes no more clients, and says 421 to those there are, where they are not within a message. */
void server_stop(struct server *server);

/* Tells whether replies to clients wait in the relay to be sent. O(clients). */
bool server_has_unsent(const struct server *server);

/* For intake's and watch's `settled` and `dispatched`. */
void server_flush(void *server);

#endif
