/*
 * conn_state: the inside of a conn, for its files (conn*.c). The server sees no more of it than its links.
 *
 * Owns the client's struct and its end: it is freed once nothing points to it any more, which may be
 * long after its socket is closed. Thread: the loop's.
 */
#ifndef GATEWAY_SERVE_CONN_STATE_H
#define GATEWAY_SERVE_CONN_STATE_H

#include "gateway/serve/conn_context.h"
#include "gateway/serve/journal.h"
#include "gateway/serve/requests.h"
#include "gateway/serve/stream.h"
#include "gateway/serve/turns.h"
#include "proto/reply.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

enum { CONN_OUTPUT_HIGH = 64 * 1024 }; /* bytes of unread replies that are a backlog */

struct owner;
struct peers_address;
struct session;
struct user;

/* Links in the server's list, in order of activity. */
struct conn_links {
    struct conn *next, *prev;
    int64_t active_ms; /* monotonic */
};

struct conn {
    struct turn turn; /* the first member: see conn_turns.c */
    struct conn_links links;
    LIST_ENTRY(conn) entry; /* of those that were touched */
    struct conn_context *context;
    struct stream stream;
    struct session *session;
    struct requests_client client;
    struct owner *owner;
    const struct user *user;    /* who has logged in; NULL = nobody has */
    struct peers_address *from; /* what its address may do; NULL = it is local */
    size_t unanswered;          /* commands that its owner has counted */
    struct peer peer;
    TAILQ_ENTRY(conn) handshake; /* of those that make one */
    int64_t handshake_ms;        /* monotonic, as all here: since when; 0 = it makes none */
    struct tls_link *next_tls;   /* begins once what is unsent has left; NULL = no */
    struct event *alarm;         /* see conn_alarm; NULL = it has not needed one yet */
    int64_t alarm_ms;            /* when it rings */
    int64_t silent_ms;           /* since when it counts as silent, if not since it was active */
    int64_t taken_ms;            /* when it has last taken something, or was to */
    int64_t came_ms;             /* when it has connected */
    int64_t pace_ms;             /* of one that is not local: since when its pace is measured */
    size_t moved;                /* bytes that it has sent and taken since */
    size_t owed;                 /* unsent bytes when that was last noted */
    int64_t closes_ms;           /* when a client that is asked to close is closed anyway */
    uint32_t answer_slot;
    size_t due_calls;  /* calls to come, with verdicts and replies, that point here */
    bool was_busy;     /* at `pace_ms` it was within something, or had something to take */
    bool awaits_lf;    /* its silence shows that no LF follows its CR */
    bool has_read_all; /* the session knows that the client sends nothing more */
    bool is_leaving;   /* it was asked to close: the session reads no further */
    bool is_closing;   /* the session has ended; its last replies are being sent */
    bool is_shut;      /* ... and are sent; only the client has still to close */
    bool is_touched;   /* in the context's list */
    bool is_answering; /* a request goes on, which has `answer_slot` */
    bool is_waiting;   /* its session reads on only once it has a verdict */
    bool is_served;    /* it has its turn now */
    bool is_costly;    /* ... or in its last turn it made a handshake */
    bool is_greedy;    /* its last turn was over before it was done */
    bool is_doomed;    /* to be freed once nothing points here any more */
};

const struct relay *conn_relay(const struct conn *c);

/* Who the client is, for the journal; borrowed. */
const struct peer *conn_peer(struct conn *c);

/* Has it wait for its turn. Those that wait are served once the loop has looked for new input. */
void conn_wait_for_turn(struct conn *c);

/* There is something to do for it: it is served later in this turn of the loop, once all that have
 * input are known. */
void conn_wake(struct conn *c);

/* It has something to send. */
void conn_touch(struct conn *c);
void conn_untouch(struct conn *c);

/* A handshake begins; it is over. Not being in one is fine. */
void conn_enter_handshake(struct conn *c);
void conn_leave_handshake(struct conn *c);

/* Tells its owner how many commands have no reply yet. */
void conn_count_unanswered(struct conn *c);

/* Sends the session's output. Returns false if some was lost to an allocation failure. */
bool conn_write_output(struct conn *c);

/* Bytes of replies that the client has not read. */
size_t conn_unread(const struct conn *c);

/* The client reads its replies too slowly: no command is read until it catches up. */
bool conn_is_backlogged(const struct conn *c);

/* Frees a doomed client unless something still points to it; what is left to do takes more turns. */
void conn_release(struct conn *c);

/* Closes at once, and frees when nothing points to it any more; what was submitted stays submitted. */
void conn_free(struct conn *c);

/* Sends a 421 and closes, after the verdicts still due. */
void conn_close(struct conn *c, enum reply reply);

#endif
