/*
 * session: the state machine of one connection, both dialects.
 *
 * Bytes go in with session_feed; session_step returns one event at a time for the connection to
 * carry out, and every event that wants a verdict has a slot by which it is given back. Verdicts
 * may come in any order; replies leave in the order of the commands. Nothing calls back.
 *
 * Owns lines, commands, the open message, the order of replies. Leaves to the connection: sockets,
 * timers, and everything that has to do with the queue. proto/PROTOCOL.md is its contract.
 * Thread: the connection's. Pure.
 */
#ifndef PROTO_SESSION_SESSION_H
#define PROTO_SESSION_SESSION_H

#include "proto/buffer.h"
#include "proto/reply.h"
#include "proto/session/event.h"
#include "proto/session/receipt.h"
#include "proto/session/rules.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SESSION_MAX_OPEN = 1024, /* slots of one session */
    SESSION_MAX_ERRORS = 20  /* syntax errors in a row that end a session */
};

struct session;

/*
 * Returns a session with its greeting in the output, or NULL without memory. `has_control` says
 * whether its client may use the operator's verbs and see others' messages.
 */
struct session *session_new(const struct session_rules *rules, bool has_control);
void session_free(struct session *s);

/* Appends input. Returns false without memory: close the connection. */
bool session_feed(struct session *s, const char *bytes, size_t len);

/* The client will send nothing more; what is complete is still carried out. */
void session_end(struct session *s);

/* Carries on. `now_ms` is Unix time. */
enum session_step session_step(struct session *s, int64_t now_ms, struct session_event *event);

/* Replies so far. The connection takes the bytes and calls buffer_consume or buffer_clear. */
struct buffer *session_output(struct session *s);

/* The verdict on a submission: taken. One receipt a recipient. */
void session_accept(struct session *s, uint32_t slot, const struct session_receipt *receipts,
                    size_t count);
/* The verdict on a submission: refused; `words` NULL = the usual ones. */
void session_refuse(struct session *s, uint32_t slot, enum reply reply, const char *words);

/* Where to append the reply lines to a request; then say that they are complete. */
struct buffer *session_answer_begin(struct session *s, uint32_t slot);
void session_answer_end(struct session *s, uint32_t slot);

/* Appends an unasked-for line (with CRLF) behind the replies that are still due, none once
 * closing. */
void session_notify(struct session *s, const char *line, size_t len);

/* Ends the session from our side: `reply` is REPLY_TIMED_OUT or REPLY_SHUTTING_DOWN. */
void session_close(struct session *s, enum reply reply);

/* Submissions and requests without a verdict, and what has been said behind them. */
size_t session_open_slots(const struct session *s);
/* Bytes of replies and events that wait for a verdict before them; they are not in the output. */
size_t session_held(const struct session *s);

/* The verb that a row of the tally counts. */
const char *session_verb(size_t i);

#endif
