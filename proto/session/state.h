/*
 * state: the inside of a session, shared by session.c and the commands of the dialects.
 * Nobody else includes this.
 */
#ifndef PROTO_SESSION_STATE_H
#define PROTO_SESSION_STATE_H

#include "proto/mail/mail.h"
#include "proto/recipients.h"
#include "proto/session/content.h"
#include "proto/session/json.h"
#include "proto/session/line.h"
#include "proto/session/session.h"
#include "proto/session/slots.h"

enum dialect { DIALECT_NONE, DIALECT_SMS, DIALECT_SMTP };

/* What the next line of an AUTH exchange is to be; NOTHING: there is none under way. */
enum auth_awaits {
    AUTH_AWAITS_NOTHING,
    AUTH_AWAITS_CREDENTIALS, /* PLAIN: both at once */
    AUTH_AWAITS_NAME,        /* LOGIN: one after the other */
    AUTH_AWAITS_PASSWORD
};

/* A message that is being put together, by FROM and TO or by MAIL and RCPT. */
struct draft {
    enum dialect dialect; /* NONE: no open message */
    bool is_refused;      /* its FROM or MAIL was: nothing else of it is taken */
    struct options options;
    struct recipients recipients;
};

struct session {
    const struct session_rules *rules;
    bool has_control;
    bool has_begun;     /* the first command has passed the guard */
    bool is_ended;      /* the client sends nothing more */
    bool is_closing;    /* no command is read any more */
    bool has_submitted; /* `open` was submitted by the last step and is to be forgotten */
    bool is_authenticated;
    enum auth_awaits auth;
    unsigned errors; /* syntax errors in a row */
    int64_t now_ms;  /* of this step */
    size_t reply_at; /* where the reply to a slot that is being written begins, in its buffer */

    struct line_reader reader;
    struct buffer out;
    struct slots slots;
    struct buffer local; /* the reply to the command at hand when no slot is needed for it */

    struct draft open;   /* FROM, MAIL */
    struct draft single; /* SEND, JSON: never outlives the command */
    struct content content;
    struct buffer line; /* the argument or content at hand, where it had to be converted to UTF-8 */
    struct mail *mail;  /* the mail at hand; NULL = there is none */
    struct buffer text; /* the text at hand, where it is not the input's own bytes */
    struct json_batch *json;
    size_t json_next;
};

struct command;

/* One command as it was sent. */
struct call {
    const struct command *row;
    const char *arg; /* what follows the word, without the one space between them */
    size_t len;
};

/*
 * Carries a command out: appends its reply to s->local and returns SESSION_WANTS_INPUT, or fills
 * `event` and returns its kind; the slot is opened by the caller.
 */
typedef enum session_step command_run(struct session *s, const struct call *call,
                                      struct session_event *event);

/* Appends a one-line reply to the command at hand. Always returns SESSION_WANTS_INPUT, so that a
 * command can end with `return session_say(...)`. */
enum session_step session_say(struct session *s, enum reply reply, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Forgets a draft; the memory of a small one is kept. */
void draft_reset(struct draft *draft);

/*
 * A FROM or a MAIL (`dialect` says which) was refused, or what belongs to the other dialect came
 * within a message: so is what follows it, lest a text meant for
 * others goes to the recipients of a message that was open. A MAIL within a mail changes nothing
 * (RFC 5321, 4.1.4).
 */
void draft_spoil(struct session *s, enum dialect dialect);

/* Opens `draft` with the defaults of the rules. */
void draft_open(struct session *s, struct draft *draft, enum dialect dialect);

/*
 * The last checks of a text, and its submission: sender, empty, encoding, length. Appends the
 * refusal, or fills `event` and returns SESSION_SUBMISSION. `text` is valid UTF-8.
 */
enum session_step draft_submit(struct session *s, struct draft *draft, const char *text, size_t len,
                               struct session_event *event);

/* Adds a recipient, or all of an alias; appends the refusal and returns false when it cannot be
 * one, or when not all fit: none is added then. */
bool draft_add_recipient(struct session *s, struct draft *draft, const char *word, size_t len);

/* What is neither a number nor an alias is answered so. Always returns SESSION_WANTS_INPUT. */
enum session_step session_refuse_number(struct session *s, const char *word, size_t len);

/* The sender that a message without one gets; appends the refusal when there is none. */
bool session_check_sender(struct session *s, const char *from);

/* The next message of a JSON array. */
enum session_step json_next(struct session *s, struct session_event *event);

/* Reads and answers the next line of an AUTH exchange; false when it has not arrived. */
bool auth_next(struct session *s, enum session_step *step);

/* The content of DATA has ended: what became of it. */
enum session_step submit_content(struct session *s, struct session_event *event);

/* The commands, in the order of the verb table. */
command_run command_send, command_from, command_to, command_text, command_data, command_json,
    command_rset;
command_run command_helo, command_ehlo, command_mail, command_rcpt, command_noop, command_vrfy,
    command_help, command_quit, command_auth, command_not_implemented;
command_run command_ask;

#endif
