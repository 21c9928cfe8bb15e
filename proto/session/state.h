/*
 * state: the inside of a session, shared by the files of this folder and nobody else.
 * Thread: the session's. Pure.
 */
#ifndef PROTO_SESSION_STATE_H
#define PROTO_SESSION_STATE_H

#include "proto/mail/mail.h"
#include "proto/recipients.h"
#include "proto/session/content.h"
#include "proto/session/event.h"
#include "proto/session/json.h"
#include "proto/session/line.h"
#include "proto/session/peer.h"
#include "proto/session/rules.h"
#include "proto/session/slots.h"

enum dialect { DIALECT_NONE, DIALECT_SMS, DIALECT_SMTP };

/* What the next line of an AUTH exchange must be; NOTHING: no exchange is under way. */
enum auth_awaits {
    AUTH_AWAITS_NOTHING,
    AUTH_AWAITS_CREDENTIALS, /* PLAIN: both at once */
    AUTH_AWAITS_NAME,        /* LOGIN: one after the other */
    AUTH_AWAITS_PASSWORD,
    AUTH_AWAITS_DIGEST, /* CRAM-MD5: name and digest, once the challenge was sent */
    AUTH_AWAITS_VERDICT /* no line, but whether the name and the secret belong to a user */
};

/* A message that is being put together, by FROM and TO or by MAIL and RCPT. */
struct draft {
    enum dialect dialect; /* NONE: no open message */
    bool is_refused;      /* its FROM or MAIL was: the rest of it is refused too */
    struct options options;
    struct recipients recipients;
    bool *
        has_alias; /* by position in the table: its numbers are in `recipients`; NULL = none's are */
};

struct session {
    const struct session_rules *rules;
    struct session_peer peer;
    bool has_begun;        /* the first command has passed the guard */
    bool is_ended;         /* the client sends nothing more */
    bool is_closing;       /* no further command is read */
    bool has_submitted;    /* the last step submitted `open`; the next one forgets it */
    bool is_authenticated; /* a login was accepted; that of a user, unless `user` is NULL */
    const struct session_user *user;
    enum auth_awaits auth;
    struct session_login *login; /* what the client has sent of it; NULL = nothing */
    unsigned failed_logins;
    unsigned errors; /* syntax errors in a row */
    int64_t now_ms;  /* of this step */
    size_t reply_at; /* offset at which the reply that is being written to a slot begins */

    struct buffer name; /* what HELO or EHLO said, and a NUL */
    struct line_reader reader;
    struct buffer out;
    struct slots slots;
    struct buffer local; /* the reply to the current command, if it needs no slot */

    /* For the log, if that refuses: */
    const struct command *command; /* NULL = the line named none */
    const char *about;             /* a recipient; borrowed from the command, NULL = not known */
    size_t about_len;              /* ... not NUL-terminated */
    size_t hidden_at, hidden_len;  /* bytes of `local` that only the client may see */
    struct buffer refused;         /* the words of the refusal */

    struct draft open;   /* FROM, MAIL */
    struct draft single; /* SEND, JSON: never outlives the command */
    struct content content;
    struct buffer line; /* the current argument or content, if it had to be converted to UTF-8 */
    struct mail *mail;  /* the current mail; NULL = there is none */
    struct buffer text; /* the current text, if it is not the input's own bytes */
    struct json_batch *json;
    size_t json_next;
    size_t json_recipients; /* of its elements so far */
};

struct command;

/* One command as it was sent. */
struct call {
    const struct command *row;
    const char *arg; /* what follows the word, without the one space between them; up to `end` */
    const char *end;
};

/*
 * Carries a command out: appends its reply to s->local and returns SESSION_WANTS_INPUT, or fills
 * `event` and returns its kind; the caller opens the slot.
 */
typedef enum session_step command_run(struct session *s, const struct call *call,
                                      struct session_event *event);

enum command_argument { ARGUMENT_NONE, ARGUMENT_OPTIONAL, ARGUMENT_NEEDED };

enum {
    COMMAND_WAITS = 1 << 0,        /* for the replies to everything before it */
    COMMAND_CONTROL = 1 << 1,      /* needs control rights */
    COMMAND_COLON = 1 << 2,        /* "FROM:" is the same word */
    COMMAND_ENDS = 1 << 3,         /* ends the open message, even if the line is refused */
    COMMAND_OPENS = 1 << 4,        /* opens one: if the line is refused, so is what follows */
    COMMAND_OF_SMS = 1 << 5,       /* part of a message of this dialect: within one of the other */
    COMMAND_OF_SMTP = 1 << 6,      /* it is refused, and so is what follows */
    COMMAND_CONTENT = 1 << 7,      /* lines of content follow, even if the line is refused */
    COMMAND_LOGIN = 1 << 8,        /* offered only if the rules take logins */
    COMMAND_TLS = 1 << 9,          /* offered only if there is a certificate, and before TLS */
    COMMAND_NOT_OFFERED = 1 << 10, /* known, and always refused */
    COMMAND_FOR_ALL = 1 << 11,     /* also for those who must log in */
    COMMAND_SUBMITS = 1 << 12,     /* not for users without that right */
    COMMAND_ASKS = 1 << 13
};

/* A verb; its row in the table of command.c. */
struct command {
    const char *word;
    enum command_argument argument;
    unsigned flags;
    command_run *run;
    int verb; /* enum request_verb, for command_ask */
    const char *syntax;
    const char *help;
};

/* Does all that it may do need a login, which it has not made? */
bool session_must_log_in(const struct session *s);

/* May this client use the verb at all? */
bool session_allows(const struct session *s, const struct command *row);

/* Appends a one-line reply to the current command. Always returns SESSION_WANTS_INPUT, so that a
 * command can end with `return session_say(...)`. */
enum session_step session_say(struct session *s, enum reply reply, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with the reply's usual words. */
enum session_step session_reply(struct session *s, enum reply reply);

/* Refuses a word for not being a telephone number, and says why; `words` are "not a ... number". */
enum session_step session_refuse_number(struct session *s, const char *words, const char *number,
                                        size_t len);

/* May the client do what this right is for? Whoever has not logged in may submit and ask. */
bool session_may(const struct session *s, enum user_right right);

/* Keeps what was appended to the reply from `at` on out of the log. */
void session_hide(struct session *s, size_t at);

/* Refuses a command for its argument: repeats how the command is written. */
enum session_step session_say_syntax(struct session *s, const struct call *call);

/*
 * Makes sure that a text is UTF-8, by converting it into s->line if need be. If it cannot be
 * converted, returns false and the reply to give.
 */
bool session_to_utf8(struct session *s, const char **text, size_t *len, enum reply *refusal);

/* Refuses a command that this relay does not offer. */
command_run command_not_implemented;

#endif
