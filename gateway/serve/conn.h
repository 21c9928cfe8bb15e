/*
 * conn: one client, between a bufferevent and a session.
 *
 * Owns the socket, its back-pressure and its closing. Carries the session's events to intake and
 * requests, and their verdicts back. Leaves the protocol to the session, and accepting and counting
 * clients to the server. Thread: the loop's.
 */
#ifndef GATEWAY_SERVE_CONN_H
#define GATEWAY_SERVE_CONN_H

#include "proto/reply.h"

#include <event2/util.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct conn;
struct identity;
struct intake_verdict;
struct owners;
struct peer;
struct relay;
struct session_receipt;

enum { CONN_CHUNK = 64 * 1024 };

/* Shared by all clients. Owned by the server, which outlives them. */
struct conn_context {
    const struct relay *relay;
    struct owners *owners;
    int64_t idle_timeout_ms;        /* 0 = none */
    char chunk[CONN_CHUNK];         /* input of one client, on its way to the session */
    LIST_HEAD(conns, conn) touched; /* those with something to send */
    struct event *turns;            /* serves those that wait for their turn */
    bool is_called;                 /* it will, this turn of the loop or the next */
    bool is_competing;              /* several owners ask for much: turns are short */
    int64_t slice_ends_us;          /* when the client that is being served must stop, monotonic */
    unsigned steps;                 /* that it has taken since it looked at the clock */
    void (*active)(void *server, struct conn *conn); /* it has sent something */
    void (*ended)(void *server, struct conn *conn);  /* forget it */
    void *server;
};

/* Returns false on allocation failure. The rest of the context has been set. */
bool conn_context_open(struct conn_context *context);
/* Once conn_free was called for every client: frees what still waits. */
void conn_context_close(struct conn_context *context);

/* Links in the server's list, in order of activity. */
struct conn_links {
    struct conn *next, *prev;
    int64_t active_ms; /* monotonic */
};

/*
 * Takes ownership of a socket and greets. The client may see the messages of its owner, or all of them
 * with control rights. Returns NULL on allocation failure, having closed the socket.
 */
struct conn *conn_new(struct conn_context *context, evutil_socket_t fd, const struct peer *peer,
                      const struct identity *who);

/* Sends 421 (REPLY_SHUTTING_DOWN or REPLY_TIMED_OUT) and closes, after the verdicts still due. */
void conn_close(struct conn *c, enum reply reply);

/* Closes at once; what was submitted stays submitted. */
void conn_free(struct conn *c);

/* Is there something to do for it, or something to send? */
bool conn_has_unsent(const struct conn *c);

/* The key of its owner. */
int32_t conn_owner(const struct conn *c);

struct conn_links *conn_links(struct conn *c);

/*
 * For the options of intake and watch; `client` is a conn. After a run of them, call
 * conn_send_replies to send what they wrote.
 */
void conn_settle(const struct intake_verdict *verdict);
void conn_acknowledge(void *client, uint32_t slot, const struct session_receipt *receipts,
                      size_t count);
void conn_tell(void *client, const struct buffer *line);
void conn_send_replies(struct conn_context *context);

#endif
