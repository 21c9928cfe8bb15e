/* command: see command.h. */
#include "proto/session/command.h"

#include "proto/session/ask.h"
#include "proto/session/auth.h"
#include "proto/session/data.h"
#include "proto/session/sms.h"
#include "proto/session/smtp.h"
#include "proto/session/starttls.h"
#include "proto/word.h"

#include <string.h>
#include <strings.h>

static command_run command_help;

#define ASK(word, argument, flags, verb, syntax, help)                                          \
    {                                                                                           \
        word, argument, COMMAND_WAITS | COMMAND_ASKS | (flags), command_ask, verb, syntax, help \
    }

/* SEND first: the word that is looked up most. */
const struct command COMMANDS[SESSION_VERBS + 1] = {
    {"SEND", ARGUMENT_NEEDED, COMMAND_SUBMITS, command_send, 0,
     "SEND [OPT=value ...] <to>[,<to>...] <text>",
     "A whole message on one line. Options: FROM= REF= TTL= PRIORITY= AT= UNICODE= ACK=\n"
     "FROM=\"Acme Shop\"     sender; default: sms.default_from\n"
     "REF=order-17          your reference: a message with the same one is not sent twice\n"
     "TTL=5m                do not send later than this\n"
     "PRIORITY=high         high, normal or low\n"
     "AT=+15m               do not send before this; or AT=2026-04-21T10:15:00Z\n"
     "UNICODE=no            auto, yes, or no (refuse what is not GSM-7)\n"
     "ACK=relayed           reply when the API has the message, not when it is queued\n"
     "Example: SEND +34600000000 Hello from netcat"},
    {"FROM", ARGUMENT_NEEDED, COMMAND_SUBMITS | COMMAND_COLON | COMMAND_OPENS | COMMAND_OF_SMS,
     command_from, 0, "FROM <sender> [OPT=value ...]",
     "Opens a message; one or more TO follow, then TEXT or DATA. Options as in HELP SEND.\n"
     "With sms.default_from set you can omit the sender, or the whole line."},
    {"TO", ARGUMENT_NEEDED, COMMAND_SUBMITS | COMMAND_COLON | COMMAND_OF_SMS, command_to, 0,
     "TO <number>",
     "Adds a recipient, or all numbers of an alias, to the open message. Duplicates count once."},
    {"TEXT", ARGUMENT_OPTIONAL, COMMAND_SUBMITS | COMMAND_ENDS, command_text, 0, "TEXT <text>",
     "Submits the open message with this text, and closes it whatever the reply."},
    {"DATA", ARGUMENT_OPTIONAL, COMMAND_SUBMITS | COMMAND_CONTENT, command_data, 0, "DATA",
     "Lines of text follow, up to a dot on a line by itself; double a dot that starts a line.\n"
     "After MAIL and RCPT the lines are an Internet message."},
    {"JSON", ARGUMENT_NEEDED, COMMAND_SUBMITS, command_json, 0, "JSON <object or array>",
     "Messages as the API takes them: from, to, text, allowUnicode, clientId; and ttl,\n"
     "priority, at, unicode, ack. An array gets one reply per element.\n"
     "Example: JSON {\"to\":\"+34600000000\",\"text\":\"Hello\"}"},
    {"RSET", ARGUMENT_NONE, COMMAND_ENDS | COMMAND_FOR_ALL, command_rset, 0, "RSET",
     "Drops the open message."},
    ASK("STATUS", ARGUMENT_NEEDED, 0, REQUEST_STATUS, "STATUS <id or ref>",
        "What became of a message."),
    ASK("QUEUE", ARGUMENT_OPTIONAL, 0, REQUEST_QUEUE, "QUEUE [LIST [state] [n]]",
        "How many messages wait, and whether the relay is relaying.\n"
        "QUEUE LIST lists them (control rights)."),
    ASK("STATS", ARGUMENT_NONE, 0, REQUEST_STATS, "STATS", "Counters since the start."),
    ASK("WATCH", ARGUMENT_OPTIONAL, 0, REQUEST_WATCH, "WATCH [<id or ref>] [since=<event>]",
        "Sends a line 120 for each change of this message, or of all (control rights), and a\n"
        "line 121 for each answer from the phone. since= replays what came after that event."),
    ASK("UNWATCH", ARGUMENT_NONE, 0, REQUEST_UNWATCH, "UNWATCH", "Ends WATCH."),
    ASK("CANCEL", ARGUMENT_NEEDED, 0, REQUEST_CANCEL, "CANCEL <id or ref>",
        "Cancels a message that is not being sent."),
    ASK("FLUSH", ARGUMENT_NONE, COMMAND_CONTROL, REQUEST_FLUSH, "FLUSH",
        "Tries everything that waits now (control rights)."),
    ASK("HOLD", ARGUMENT_NONE, COMMAND_CONTROL, REQUEST_HOLD, "HOLD",
        "Stops relaying; messages are still accepted (control rights)."),
    ASK("RELEASE", ARGUMENT_NONE, COMMAND_CONTROL, REQUEST_RELEASE, "RELEASE",
        "Ends HOLD (control rights)."),
    ASK("RETRY", ARGUMENT_NEEDED, COMMAND_CONTROL, REQUEST_RETRY, "RETRY <id>",
        "Sends an unresolved message again (control rights)."),
    ASK("OPTOUT", ARGUMENT_NEEDED, COMMAND_CONTROL, REQUEST_OPTOUT_LIST,
        "OPTOUT ADD|REMOVE <number> | OPTOUT LIST",
        "The numbers that get no messages (control rights)."),
    {"HELO", ARGUMENT_OPTIONAL, COMMAND_ENDS | COMMAND_FOR_ALL, command_helo, 0, "HELO <name>",
     "Greets (SMTP)."},
    {"EHLO", ARGUMENT_OPTIONAL, COMMAND_ENDS | COMMAND_FOR_ALL, command_ehlo, 0, "EHLO <name>",
     "Greets and lists the extensions (SMTP)."},
    {"MAIL", ARGUMENT_NEEDED, COMMAND_SUBMITS | COMMAND_OPENS | COMMAND_OF_SMTP, command_mail, 0,
     "MAIL FROM:<address> [parameters]",
     "Opens a message (SMTP). The local part is the sender if sms.senders lists it."},
    {"RCPT", ARGUMENT_NEEDED, COMMAND_SUBMITS | COMMAND_OF_SMTP, command_rcpt, 0,
     "RCPT TO:<number@any.domain> [parameters]", "Adds a recipient (SMTP)."},
    {"NOOP", ARGUMENT_OPTIONAL, COMMAND_FOR_ALL, command_noop, 0, "NOOP", "Does nothing."},
    {"VRFY", ARGUMENT_NEEDED, COMMAND_SUBMITS, command_vrfy, 0, "VRFY <number>",
     "Shows the number in international form."},
    {"HELP", ARGUMENT_OPTIONAL, COMMAND_FOR_ALL, command_help, 0, "HELP [verb]",
     "This list, or one verb."},
    {"QUIT", ARGUMENT_NONE, COMMAND_WAITS | COMMAND_FOR_ALL, command_quit, 0, "QUIT",
     "Closes the connection."},
    {"AUTH", ARGUMENT_OPTIONAL, COMMAND_WAITS | COMMAND_LOGIN | COMMAND_FOR_ALL, command_auth, 0,
     "AUTH PLAIN|LOGIN|CRAM-MD5 [response]",
     "Logs in: as a user of auth.users (PLAIN, LOGIN); if smtp.auth is any, every name and\n"
     "password is accepted."},
    {"STARTTLS", ARGUMENT_NONE, COMMAND_WAITS | COMMAND_TLS | COMMAND_FOR_ALL, command_starttls, 0,
     "STARTTLS",
     "Encrypts the connection (TLS), if the relay has a certificate. Wait for the reply; then all\n"
     "begins anew."},
    {"EXPN", ARGUMENT_OPTIONAL, COMMAND_NOT_OFFERED, command_not_implemented, 0, "EXPN",
     "Not supported."},
    {0},
};

const struct command *command_find(const char *word, size_t len)
{
    for (const struct command *row = COMMANDS; row->word != NULL; row++) {
        if (strncasecmp(row->word, word, len) == 0 && row->word[len] == '\0') {
            return len > 0 ? row : NULL;
        }
    }
    return NULL;
}

/* Does HELP list it? */
static bool is_offered(const struct session *s, const struct command *row)
{
    return (row->flags & COMMAND_NOT_OFFERED) == 0 &&
           ((row->flags & COMMAND_LOGIN) == 0 || auth_is_offered(s)) &&
           ((row->flags & COMMAND_TLS) == 0 || starttls_is_offered(s)) && session_allows(s, row);
}

/* One verb: its syntax, then a line of the reply for each line of its text. */
static void explain(struct buffer *out, const struct command *row)
{
    const char *line = row->help;
    reply_line(out, REPLY_HELP, true, "%s", row->syntax);
    for (;;) {
        size_t len = strcspn(line, "\n");
        bool is_last = line[len] == '\0';
        reply_line(out, REPLY_HELP, !is_last, "  %.*s", (int)len, line);
        if (is_last) {
            return;
        }
        line += len + 1;
    }
}

static enum session_step command_help(struct session *s, const struct call *call,
                                      struct session_event *event)
{
    (void)event;
    const char *word = call->arg;
    const char *end = call->end;
    word_trim(&word, &end);
    const struct command *asked = command_find(word, (size_t)(end - word));
    if (asked != NULL) {
        explain(&s->local, asked);
        return SESSION_WANTS_INPUT;
    }
    if (word < end) {
        return session_say(s, REPLY_BAD_ARGUMENT, "no such command, HELP lists them");
    }
    reply_line(&s->local, REPLY_HELP, true, "%s",
               session_must_log_in(s)
                   ? auth_demand(s)
                   : "One line sends an SMS:  SEND +34600000000 Hello from netcat");
    for (const struct command *row = COMMANDS; row->word != NULL; row++) {
        if (is_offered(s, row)) {
            reply_line(&s->local, REPLY_HELP, true, "  %s", row->syntax);
        }
    }
    return session_say(s, REPLY_HELP, "HELP <verb> says more");
}
