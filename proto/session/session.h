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

#include "proto/alias.h"
#include "proto/buffer.h"
#include "proto/message.h"
#include "proto/reply.h"
#include "proto/session/option.h"
#include "proto/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What smtp.subject and smtp.too_long say; the order is that of the settings' words. */
enum session_subject { SUBJECT_PREFIX, SUBJECT_IGNORE, SUBJECT_ONLY };
enum session_too_long { TOO_LONG_TRUNCATE, TOO_LONG_REFUSE };

enum { SESSION_VERBS = 29 };

/* What all sessions with the same rules have seen, since it was zero. */
struct session_tally {
    uint64_t commands[SESSION_VERBS]; /* lines that began with a verb, in the order of HELP */
    uint64_t refusals[REPLIES];       /* replies 4xx and 5xx: see reply_read */
    uint64_t strangers;               /* sessions that the guard has closed */
};

/* Settings of all sessions; shared, and must outlive them. Strings are "" or NULL where not set. */
struct session_rules {
    const char *hostname; /* names us in the greeting */
    const char *version;
    size_t max_line; /* bytes of a command line */
    size_t max_recipients;
    unsigned max_errors; /* syntax errors in a row */
    const char *default_from;
    const char *const *senders; /* NULL-terminated; none = all are allowed */
    const char *default_country;
    /* Is this number one that nothing may be sent to? NULL = none is. */
    bool (*has_opted_out)(const void *arg, const char *e164);
    const void *opted_out_arg;
    const struct alias_table *aliases; /* NULL = none; may be another one in the next step */
    const char *charset;               /* of input that is not UTF-8; NULL = refuse it */
    enum text_unicode unicode;
    enum text_transliterate transliterate;
    unsigned max_parts;
    enum session_subject mail_subject;
    unsigned mail_max_parts;
    enum session_too_long mail_too_long;
    size_t mail_max_size;
    bool mail_keeps_signature; /* what stands behind "-- " is text */
    bool takes_any_login;      /* AUTH is offered; every name and password is taken */
    bool mail_takes_automatic; /* bounces and automatic replies are mails like others */
    /* Is counted in, in the thread of the sessions; NULL = nobody wants to know. */
    struct session_tally *tally;
};

/* Open slots of submissions that one session may have. */
enum { SESSION_MAX_OPEN = 1024 };

enum session_step {
    SESSION_WANTS_INPUT, /* everything that was fed has been used */
    SESSION_WAITS,       /* for verdicts; do not feed, call again after one was given */
    SESSION_PAUSES,      /* there is much output; take it and call again */
    SESSION_SUBMISSION,  /* event.submission, verdict by session_accept or session_refuse */
    SESSION_REQUEST,     /* event.request, answer by session_answer_begin/_end */
    SESSION_CLOSES       /* flush the output and close; nothing comes after this */
};

/* One text to one or more recipients. Borrowed until the next call of session_step. */
struct submission {
    const char *from;
    const char (*to)[NUMBER_SIZE];
    size_t count;
    const char *text; /* UTF-8, not NUL-terminated */
    size_t text_len;
    struct text_size size;
    bool allow_unicode;
    const struct options *options;
    const char *ignored; /* what attachments of a mail call themselves, not NUL-terminated */
    size_t ignored_len;  /* 0 = there were none */
};

enum request_verb {
    REQUEST_STATUS,
    REQUEST_QUEUE,
    REQUEST_QUEUE_LIST,
    REQUEST_STATS,
    REQUEST_WATCH,
    REQUEST_UNWATCH,
    REQUEST_CANCEL,
    REQUEST_FLUSH,
    REQUEST_HOLD,
    REQUEST_RELEASE,
    REQUEST_RETRY,
    REQUEST_OPTOUT_ADD,
    REQUEST_OPTOUT_REMOVE,
    REQUEST_OPTOUT_LIST
};

/* Something asked of the relay. Rights have been checked but for whose message it is. */
struct request {
    enum request_verb verb;
    bool has_id;
    struct ulid id;
    char ref[REF_MAX + 1];    /* set when the argument is no id; "" = no argument */
    char number[NUMBER_SIZE]; /* OPTOUT: E.164 */
    int state;                /* QUEUE LIST: enum message_state or -1 */
    size_t max;               /* QUEUE LIST */
    bool has_since;
    uint64_t since; /* WATCH: the event number */
};

struct session_event {
    uint32_t slot;
    union {
        struct submission submission;
        struct request request;
    };
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

/* What became of one message of a submission. */
struct session_receipt {
    struct ulid id;
    char to[NUMBER_SIZE];
    unsigned parts;
    enum text_encoding encoding;
    enum message_state state;
    bool is_duplicate;
    bool tells_state;   /* ACK=relayed: the state is part of the reply */
    const char *answer; /* as message's; borrowed; NULL when there is none */
};

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

/* Within a message's content: a stop would cut it. */
bool session_is_in_content(const struct session *s);

#endif
