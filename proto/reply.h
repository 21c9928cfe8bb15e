/*
 * reply: every reply of the protocol, by name, and how they are written.
 *
 * Owns codes, enhanced status codes (RFC 3463) and usual words, the shape of reply lines (RFC 5321,
 * 4.2.1), `key=value` and its quoting. Leaves to the session when to give which reply.
 * Thread: any. Pure.
 */
#ifndef PROTO_REPLY_H
#define PROTO_REPLY_H

#include "proto/buffer.h"
#include "proto/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum reply {
    REPLY_EVENT,           /* 120, of WATCH */
    REPLY_INBOUND,         /* 121, of WATCH */
    REPLY_HELP,            /* 214 */
    REPLY_GREETING,        /* 220 */
    REPLY_START_TLS,       /* 220 2.0.0 */
    REPLY_BYE,             /* 221 */
    REPLY_AUTHENTICATED,   /* 235 2.7.0 */
    REPLY_OK,              /* 250 2.0.0 */
    REPLY_SENDER_OK,       /* 250 2.1.0 */
    REPLY_RECIPIENT_OK,    /* 250 2.1.5 */
    REPLY_HELLO,           /* 250, to HELO and EHLO */
    REPLY_MAY_BE,          /* 252 */
    REPLY_CHALLENGE,       /* 334 */
    REPLY_GO_ON,           /* 354 */
    REPLY_SHUTTING_DOWN,   /* 421 4.3.2 */
    REPLY_TIMED_OUT,       /* 421 4.4.2 */
    REPLY_TOO_SLOW,        /* 421 4.4.2 */
    REPLY_GUARD,           /* 421 4.7.0 */
    REPLY_LIMITED,         /* 421 4.7.0 */
    REPLY_LOGIN_LATE,      /* 421 4.7.0 */
    REPLY_LOGGED_OUT,      /* 421 4.7.0 */
    REPLY_CANNOT_STORE,    /* 451 4.3.0 */
    REPLY_QUEUE_FULL,      /* 452 4.3.1 */
    REPLY_OWNER_FULL,      /* 452 4.3.1 */
    REPLY_AWAITS_FULL,     /* 452 4.3.1 */
    REPLY_TOO_MANY,        /* 452 4.5.3: recipients */
    REPLY_NO_TLS_NOW,      /* 454 4.7.0 */
    REPLY_LOGIN_LATER,     /* 454 4.7.0 */
    REPLY_MALFORMED,       /* 500 5.5.2 */
    REPLY_AUTH_TOO_LONG,   /* 500 5.5.6 */
    REPLY_CONTROL_CHARS,   /* 501 5.5.2 */
    REPLY_BAD_BASE64,      /* 501 5.5.2 */
    REPLY_BAD_ARGUMENT,    /* 501 5.5.4 */
    REPLY_BAD_CHARSET,     /* 501 5.6.7 */
    REPLY_AUTH_CANCELED,   /* 501 5.7.0 */
    REPLY_NOT_IMPLEMENTED, /* 502 5.5.1 */
    REPLY_BAD_SEQUENCE,    /* 503 5.5.1 */
    REPLY_BAD_MECHANISM,   /* 504 5.5.4 */
    REPLY_LOGIN_NEEDED,    /* 530 5.7.0 */
    REPLY_LOGIN_WRONG,     /* 535 5.7.8 */
    REPLY_LOGIN_IN_CLEAR,  /* 538 5.7.11 */
    REPLY_UNKNOWN_MESSAGE, /* 550 5.0.0 */
    REPLY_BAD_NUMBER,      /* 550 5.1.3 */
    REPLY_REF_CONFLICT,    /* 550 5.6.0 */
    REPLY_NOT_ALLOWED,     /* 550 5.7.1 */
    REPLY_TOO_LONG,        /* 552 5.3.4 */
    REPLY_BAD_SENDER,      /* 553 5.1.7 */
    REPLY_REJECTED,        /* 554 5.0.0: by the API */
    REPLY_NOT_UNDERSTOOD,  /* 554 5.6.0 */
    REPLY_BAD_PARAMETER,   /* 555 5.5.4 */
};

enum { REPLIES = REPLY_BAD_PARAMETER + 1 };

/* The three digits. */
unsigned reply_code(enum reply reply);
/* Is the client's syntax at fault? Too many such replies in a row end the session. */
bool reply_is_syntax_error(enum reply reply);
/* The enhanced status code and a space; "" if the reply has none. */
const char *reply_enhanced(enum reply reply);
/* Tells which reply a line is; if several have its codes, the first. Returns false if it is
 * none. */
bool reply_read(const char *line, size_t len, enum reply *reply);
/* Its usual words. */
const char *reply_text(enum reply reply);

/*
 * Appends one line: code, "-" if `more` lines of the reply follow, enhanced code, formatted text,
 * CRLF. Foreign text among the arguments must have passed reply_quote.
 */
void reply_line(struct buffer *out, enum reply reply, bool more, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The start of such a line, for a caller that appends the rest and the CRLF itself. */
void reply_begin(struct buffer *out, enum reply reply, bool more);

/*
 * Appends ` key=value`. A value that is empty or has spaces, quotes, backslashes or unsafe characters
 * (proto/escape.h) is quoted, with \", \\, \n and \xHH. All others stay as they are (UTF-8).
 */
void reply_value(struct buffer *out, const char *key, const char *value);
/* The same, but appends nothing for an empty value. */
void reply_value_if_any(struct buffer *out, const char *key, const char *value);
/* Appends an id. */
void reply_id(struct buffer *out, const struct ulid *id);
/* Appends a value alone, quoted if need be. */
void reply_quote(struct buffer *out, const char *value, size_t len);
/*
 * The same, cut after 64 bytes, for a reply that quotes a client's mistake. What is not a name of
 * letters, "-" and "_" is in quotes: a log leaves out what is in quotes.
 */
void reply_quote_start(struct buffer *out, const char *value, size_t len);
/*
 * Appends what a client has given as a number, cut and quoted if need be, with \xHH for all that is
 * not ASCII: it may look like a digit, or like nothing.
 */
void reply_quote_number(struct buffer *out, const char *number, size_t len);

/* Appends ` dlr=` and ` code=`; nothing if there was no report. */
void reply_report(struct buffer *out, const struct report *report);

/* Appends ` key=` and an RFC 3339 time in UTC, to the second. */
void reply_time(struct buffer *out, const char *key, int64_t unix_ms);

/* Appends what STATUS says about a message: `id=.. state=.. to=.. ...`. `stopped` is why the relay
 * as a whole does not send (NULL = it does): the reason of messages that wait for it. */
void reply_status(struct buffer *out, const struct message_status *status, const char *stopped);

/* The two lines of WATCH. Appends the whole line 120: a message came to a state, or, if `report`
 * has a status, what a delivery report says. `answer` as in struct message. */
void reply_event(struct buffer *out, uint64_t event, const struct ulid *id,
                 enum message_state state, const char *answer, const struct report *report);
/* Appends the whole line 121: the phone `to` answered message `id` with `text`. */
void reply_inbound(struct buffer *out, uint64_t event, const struct ulid *id, const char *to,
                   const char *text);

#endif
