/*
 * event: what a session asks its connection to carry out.
 * Thread: the session's.
 */
#ifndef PROTO_SESSION_EVENT_H
#define PROTO_SESSION_EVENT_H

#include "proto/mail/mail.h"
#include "proto/message.h"
#include "proto/reply.h"
#include "proto/session/option.h"
#include "proto/session/user.h"
#include "proto/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum session_step {
    SESSION_WANTS_INPUT, /* everything that was fed has been used */
    SESSION_WAITS,       /* for verdicts; do not feed, call again after giving one */
    SESSION_PAUSES,      /* a command was carried out; there may be output and more input */
    SESSION_SUBMISSION,  /* event.submission, verdict by session_accept or session_refuse */
    SESSION_REQUEST,     /* event.request, answer by session_answer_begin/_end */
    SESSION_STARTTLS,    /* feed all that has come, then session_start_tls or session_refuse */
    SESSION_LOGIN,       /* event.login, verdict by session_log_in or session_refuse_login */
    SESSION_REFUSED,     /* event.refusal, for the log: the client has its reply */
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
    bool is_cut; /* it is the start of a mail's longer text */
    const struct options *options;
    const char *ignored;                /* names of a mail's attachments, not NUL-terminated */
    size_t ignored_len;                 /* 0 = there were none */
    size_t ignored_options;             /* X-SMS- headers of a mail that were not obeyed */
    const struct mail_repairs *repairs; /* what reading a mail had to mend; NULL = it is no mail */
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

/* A question or an order to the relay. The session has checked the client's rights, except who owns
 * the message. */
struct request {
    enum request_verb verb;
    bool has_id;
    struct ulid id;
    char ref[REF_MAX + 1];    /* set when the argument is no id; "" = no argument */
    char number[NUMBER_SIZE]; /* OPTOUT: E.164 */
    int state;                /* QUEUE LIST: enum message_state, or -1 */
    size_t max;               /* QUEUE LIST */
    bool has_since;
    uint64_t since; /* WATCH: the event number */
};

/* A command, a submission or a client that was refused. Borrowed until the next call of session_step. */
struct session_refusal {
    const char *command; /* "" = the line began with no known verb */
    enum reply reply;
    const char *words; /* those of the reply, without what the client has written */
    const char *to; /* whom the message was for, as the client has written it; NULL = not known */
    size_t to_len;
};

struct session_event {
    uint32_t slot; /* names the event in the verdict */
    union {
        struct session_refusal refusal;
        struct submission submission;
        struct request request;
        const struct session_login *login; /* borrowed until the next call of session_step */
    };
};

#endif
