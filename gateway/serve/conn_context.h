/*
 * conn_context: what all clients of a server have in common.
 *
 * Owned by the server, which outlives them. Thread: the loop's.
 */
#ifndef GATEWAY_SERVE_CONN_CONTEXT_H
#define GATEWAY_SERVE_CONN_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct conn;
struct event;
struct owners;
struct peers;
struct relay;
struct tls;

enum {
    CONN_CHUNK = 64 * 1024,
    CONN_CLOCK_EVERY = 8,   /* steps between two looks at the clock */
    CONN_PORTION_STEPS = 32 /* that a part of a request about many messages counts as */
};

struct conn_context {
    const struct relay *relay;
    struct owners *owners;
    struct peers *peers;                     /* the addresses of clients that are not local */
    int64_t login_ms;                        /* in which whoever must log in has done so */
    int64_t idle_timeout_ms;                 /* 0 = none, but for clients on other machines */
    char chunk[CONN_CHUNK];                  /* input of one client, on its way to the session */
    LIST_HEAD(conns, conn) touched;          /* those with something to send */
    const struct tls *tls;                   /* NULL = none */
    TAILQ_HEAD(handshakes, conn) handshakes; /* those that make one; the oldest first */
    size_t handshake_count;
    struct event *turns; /* serves those that wait for their turn */
    bool is_called;      /* it will, this turn of the loop or the next */
    bool is_competing;   /* several owners ask for much: turns are short */
    int64_t looked_us;   /* when the clock was looked at, monotonic */
    int64_t slice_us;    /* that the client that is being served has used by then */
    unsigned steps;      /* that it has taken since */
    unsigned all_steps;  /* ... and before */
    void (*active)(void *server, struct conn *conn); /* it has sent something */
    void (*ended)(void *server, struct conn *conn);  /* forget it */
    void *server;
};

#endif
