/*
 * conn: one client: a bufferevent on one side, a session on the other.
 *
 * Owns the socket, its back-pressure and its end; carries the session's events to intake, watch
 * and requests, and their verdicts back. Leaves the protocol to the session; accepting clients and
 * their number to the server. Thread: the loop's.
 */
#ifndef GATEWAY_SERVE_CONN_H
#define GATEWAY_SERVE_CONN_H

#include "proto/reply.h"

#include <event2/util.h>
#include <stdbool.h>
#include <stdint.h>

struct conn;
struct intake_verdict;
struct relay;
struct session_receipt;

enum { CONN_CHUNK = 64 * 1024 };

/* The same for all clients; made by the server, outlives them. */
struct conn_context {
    const struct relay *relay;
    int64_t idle_timeout_ms; /* 0 = none */
    char chunk[CONN_CHUNK];  /* what was read from one client, until its session has it */
    struct conn *touched;    /* with verdicts or events to be flushed */
    void (*active)(void *server, struct conn *conn); /* it has sent something */
    void (*ended)(void *server, struct conn *conn);  /* its memory goes when this returns */
    void *server;
};

/* A place in the server's list, in order of activity. */
struct conn_links {
    struct conn *next, *prev;
};

/*
 * Takes a socket over and greets. `owner` is whose messages the client may see, all of them with
 * `has_control`. Returns NULL without memory, with the socket closed.
 */
struct conn *conn_new(struct conn_context *context, evutil_socket_t fd, int32_t owner,
                      bool has_control);

/* Says 421 (REPLY_SHUTTING_DOWN or REPLY_TIMED_OUT) and closes; verdicts that are due still
 * come. */
void conn_close(struct conn *c, enum reply reply);

/* Closes at once; what was submitted stays submitted. */
void conn_free(struct conn *c);

/* Tells whether replies wait in the relay to be sent. */
bool conn_has_unsent(const struct conn *c);

struct conn_links *conn_links(struct conn *c);

/* For intake's and watch's options, where `client` is a conn. What they bring is sent by
 * conn_flush_touched, to be called after a run of them. */
void conn_settle(const struct intake_verdict *verdict);
void conn_acknowledge(void *client, uint32_t slot, const struct session_receipt *receipts,
                      size_t count);
void conn_tell(void *client, const struct buffer *line);
void conn_flush_touched(struct conn_context *context);

#endif
