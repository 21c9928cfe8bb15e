/*
 * listen: TCP listeners. Thread: the event base's.
 */
#ifndef GATEWAY_BASE_LISTEN_H
#define GATEWAY_BASE_LISTEN_H

#include <event2/listener.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LISTEN_HOST_SIZE = 64, LISTEN_TEXT_SIZE = LISTEN_HOST_SIZE + 8, LISTEN_BACKLOG = 4096 };

struct listen_address {
    char host[LISTEN_HOST_SIZE]; /* numeric: "127.0.0.1", "::1" */
    uint16_t port;               /* 0 = any free one */
    bool is_v6_only;             /* of [::]: it takes no IPv4, for which there is a listener */
    bool is_tls;                 /* clients begin with TLS, which is for the caller */
};

/* Writes "127.0.0.1:2525" or "[::1]:2525". */
void listen_format(const struct listen_address *address, char text[LISTEN_TEXT_SIZE]);

/* The same address as this machine can connect to: loopback, if it is every address. */
struct listen_address listen_reachable(const struct listen_address *address);

/*
 * Listens, and sets the port of `address` to the one it got. [::] takes IPv4 as well, whose addresses
 * are then mapped (RFC 4291, 2.5.5.2). Close the listener with evconnlistener_free. Returns NULL, with a
 * sentence in `error`, on failure.
 */
struct evconnlistener *listen_tcp(struct event_base *base, struct listen_address *address,
                                  evconnlistener_cb accepted, void *arg, char *error,
                                  size_t error_size);

#endif
