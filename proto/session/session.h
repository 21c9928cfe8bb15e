/*
 * session: the state machine of one connection, both dialects.
 *
 * Bytes go in with session_feed; session_step returns one event at a time for the connection to
 * carry out. An event that needs a verdict has a slot, which names it in the verdict. Verdicts may
 * come in any order; replies leave in the order of the commands. There are no callbacks.
 *
 * Owns lines, commands, the open message and the order of replies. Leaves sockets, timers and the
 * queue to the connection. proto/PROTOCOL.md is the contract.
 * Thread: the connection's. Pure.
 */
#ifndef PROTO_SESSION_SESSION_H
#define PROTO_SESSION_SESSION_H

#include "proto/buffer.h"
#include "proto/reply.h"
#include "proto/session/event.h"
#include "proto/session/peer.h"
#include "proto/session/receipt.h"
#include "proto/session/rules.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SESSION_MAX_OPEN = 1024, /* slots of one session */
    SESSION_MAX_ERRORS = 20, /* syntax errors in a row that end a session */
    SESSION_MAX_LOGINS = 3,  /* logins without success that do */
    /* Of one that must log in: refused commands in all that end the session, and the longest line. */
    SESSION_MAX_REFUSALS = 10,
    SESSION_SHORT_LINE = 2048,
    /* Before the first command: lines of a person ("hello") that end it, and their length. */
    SESSION_MAX_GREETINGS = 3,
    SESSION_MAX_GREETING = 20
};

struct session;

/* Returns a session with its greeting in the output, or NULL on allocation failure. */
struct session *session_new(const struct session_rules *rules, const struct session_peer *peer);
void session_free(struct session *s);

/* Appends input. Returns false on allocation failure: close the connection. */
bool session_feed(struct session *s, const char *bytes, size_t len);

/* The client has ended its side. Complete commands are still carried out. */
void session_end(struct session *s);

/* Runs until there is something for the connection to do. `now_ms` is Unix time. */
enum session_step session_step(struct session *s, int64_t now_ms, struct session_event *event);

/* Replies so far. The connection takes the bytes and calls buffer_consume or buffer_clear. */
struct buffer *session_output(struct session *s);

/* What the client calls itself in HELO or EHLO, at most 64 bytes of UTF-8; "" = nothing. */
const char *session_name(const struct session *s);

/* The verb of the command that has this slot. */
const char *session_command(const struct session *s, uint32_t slot);

/* Accepts a submission, with one receipt per recipient. */
void session_accept(struct session *s, uint32_t slot, const struct session_receipt *receipts,
                    size_t count);
/* Refuses a submission; `words` NULL = the usual ones. */
void session_refuse(struct session *s, uint32_t slot, enum reply reply, const char *words);

/*
 * Agrees to STARTTLS (RFC 3207): replies 220, and forgets all that the client has said in plain text. Once
 * the reply has left, feed what comes out of TLS. Returns false if plain text has come behind the command,
 * which somebody on the way may have put there: then the client has its reply, and the session closes.
 */
bool session_start_tls(struct session *s, uint32_t slot);

/* Accepts a login: from now on the client is that user, who must outlive the session or be replaced by
 * session_set_user. */
void session_log_in(struct session *s, uint32_t slot, const struct session_user *user);
/* Refuses a login; `words` NULL = the usual ones. */
void session_refuse_login(struct session *s, uint32_t slot, enum reply reply, const char *words);

/* The same user, whose rights and senders may have changed; NULL, before session_close, if there is no such
 * user any more. */
void session_set_user(struct session *s, const struct session_user *user);

/* Answers a request: append the reply lines to the buffer, then end the answer. */
struct buffer *session_answer_begin(struct session *s, uint32_t slot);
void session_answer_end(struct session *s, uint32_t slot);

/* Appends a line of WATCH (with CRLF) after the replies that are still due; ignored once the
 * session is closing. */
void session_notify(struct session *s, const char *line, size_t len);

/* Ends the session from our side: `reply` is a 421. The next step gives it. */
void session_close(struct session *s, enum reply reply);

/* Does all that it may do need a login, which it has not made? */
bool session_awaits_login(const struct session *s);
/* Has a command or a content begun that is not whole? */
bool session_is_within(const struct session *s);
/* Slots in use: submissions and requests without a verdict, and replies that wait for them. */
size_t session_open_slots(const struct session *s);
/* Its first line may end in CR alone: close it (REPLY_TIMED_OUT) if the LF does not come soon. */
bool session_awaits_lf(const struct session *s);
/* Bytes of replies and events that wait for an earlier verdict; they are not in the output. */
size_t session_held(const struct session *s);

/* The verb that a row of the tally counts. */
const char *session_verb(size_t i);

#endif
