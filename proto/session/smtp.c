/* smtp: see smtp.h. */
#include "proto/session/smtp.h"

#include "proto/address.h"
#include "proto/session/auth.h"
#include "proto/session/draft.h"
#include "proto/session/starttls.h"
#include "proto/word.h"

#include <string.h>
#include <strings.h>

/* --- greeting, NOOP, QUIT --------------------------------------------------------------------- */

/* Starts afresh, and keeps what the client calls itself, for the log. */
static void greet(struct session *s, const struct call *call)
{
    enum { NAME_MAX_LEN = 64 };
    const char *name = call->arg;
    const char *end = call->end;
    word_trim(&name, &end);
    size_t len = (size_t)(end - name);
    draft_reset(&s->open);
    buffer_free(&s->name);
    if (len > 0) {
        buffer_append(&s->name, name, len < NAME_MAX_LEN ? len : NAME_MAX_LEN);
        buffer_append(&s->name, "", 1);
    }
    if (s->name.has_failed) {
        buffer_free(&s->name);
    }
}

enum session_step command_helo(struct session *s, const struct call *call,
                               struct session_event *event)
{
    (void)event;
    greet(s, call);
    return session_say(s, REPLY_HELLO, "%s", s->rules->hostname);
}

enum session_step command_ehlo(struct session *s, const struct call *call,
                               struct session_event *event)
{
    (void)event;
    static const char *const EXTENSIONS[] = {"PIPELINING", "8BITMIME", "SMTPUTF8",
                                             "ENHANCEDSTATUSCODES", "HELP"};
    greet(s, call);
    reply_line(&s->local, REPLY_HELLO, true, "%s", s->rules->hostname);
    for (size_t i = 0; i < sizeof EXTENSIONS / sizeof EXTENSIONS[0]; i++) {
        reply_line(&s->local, REPLY_HELLO, true, "%s", EXTENSIONS[i]);
    }
    if (starttls_is_offered(s)) {
        reply_line(&s->local, REPLY_HELLO, true, "STARTTLS");
    }
    auth_announce(s);
    return session_say(s, REPLY_HELLO, "SIZE %zu", s->rules->mail_max_size);
}

enum session_step command_noop(struct session *s, const struct call *call,
                               struct session_event *event)
{
    (void)call;
    (void)event;
    return session_reply(s, REPLY_OK);
}

enum session_step command_quit(struct session *s, const struct call *call,
                               struct session_event *event)
{
    (void)call;
    (void)event;
    s->is_closing = true;
    return session_reply(s, REPLY_BYE);
}

/* --- paths and parameters --------------------------------------------------------------------- */

/* Reads `FROM:<address>` or `TO:<address>`; spaces are allowed, brackets optional. */
static bool read_path(const char *keyword, const struct call *call, struct address *path)
{
    size_t keyword_len = strlen(keyword);
    const char *end = call->end;
    const char *arg = word_skip_spaces(call->arg, end);
    if ((size_t)(end - arg) < keyword_len || strncasecmp(arg, keyword, keyword_len) != 0) {
        return false;
    }
    arg = word_skip_spaces(arg + keyword_len, end);
    if (arg == end || *arg != ':') {
        return false;
    }
    return address_in_brackets(arg + 1, end, path) || address_bare(arg + 1, end, path);
}

/* SIZE=n (RFC 1870): false if that is too large. */
static bool size_fits(const struct session *s, const char *value, size_t len)
{
    size_t size = 0;
    for (size_t i = 0; i < len; i++) {
        if (value[i] < '0' || value[i] > '9' || size > s->rules->mail_max_size) {
            break;
        }
        size = size * 10 + (size_t)(value[i] - '0');
    }
    return size <= s->rules->mail_max_size;
}

/* Reads the parameters after a path. Those that real clients send are accepted, others refused. */
static bool read_parameters(struct session *s, const char *p, const char *end)
{
    static const char *const KNOWN[] = {"SIZE", "BODY",  "SMTPUTF8", "AUTH",
                                        "RET",  "ENVID", "NOTIFY",   "ORCPT"};
    for (p = word_skip_spaces(p, end); p < end; p = word_skip_spaces(p, end)) {
        const char *word = p;
        p = word_end(word, end);
        const char *equals = memchr(word, '=', (size_t)(p - word));
        size_t len = (size_t)((equals == NULL ? p : equals) - word);
        bool is_known = false;
        for (size_t i = 0; i < sizeof KNOWN / sizeof KNOWN[0]; i++) {
            is_known = is_known || word_is(word, len, KNOWN[i]);
        }
        if (!is_known) {
            reply_begin(&s->local, REPLY_BAD_PARAMETER, false);
            buffer_puts(&s->local, "unknown parameter: ");
            reply_quote_start(&s->local, word, len);
            buffer_append(&s->local, "\r\n", 2);
            return false;
        }
        if (word_is(word, len, "SIZE") && equals != NULL &&
            !size_fits(s, equals + 1, (size_t)(p - equals) - 1)) {
            session_say(s, REPLY_TOO_LONG, "at most %zu bytes are accepted",
                        s->rules->mail_max_size);
            return false;
        }
    }
    return true;
}

/* --- VRFY ------------------------------------------------------------------------------------- */

enum session_step command_vrfy(struct session *s, const struct call *call,
                               struct session_event *event)
{
    (void)event;
    struct address path;
    struct alias alias;
    char e164[NUMBER_SIZE];
    if (!address_in_brackets(call->arg, call->end, &path)) {
        address_whole(call->arg, call->end, &path);
    }
    if (number_parse(path.local, path.local_len, s->rules->default_country, e164)) {
        return session_say(s, REPLY_RECIPIENT_OK, "%s", e164);
    }
    if (alias_find(s->rules->aliases, path.local, path.local_len, &alias)) {
        return session_say(s, REPLY_MAY_BE, "an alias; its numbers are not disclosed");
    }
    return draft_refuse_number(s, path.local, path.local_len);
}

/* --- the transaction -------------------------------------------------------------------------- */

/* The local part of MAIL FROM is the sender if sms.senders lists it. */
static void take_sender(struct session *s, const struct address *path, struct options *options)
{
    const char *const *senders = draft_senders(s);
    for (; senders != NULL && *senders != NULL; senders++) {
        if (word_is(path->local, path->local_len, *senders)) {
            option_parse_sender(*senders, path->local_len, options->from);
        }
    }
}

enum session_step command_mail(struct session *s, const struct call *call,
                               struct session_event *event)
{
    (void)event;
    struct draft *draft = &s->open;
    struct address path;
    if (draft->dialect != DIALECT_NONE && !draft->is_refused) {
        draft_spoil(s, DIALECT_SMTP);
        return session_say(s, REPLY_BAD_SEQUENCE, "a message is open, RSET ends it");
    }
    draft_open(s, draft, DIALECT_SMTP);
    draft->is_refused = true;
    if (!read_path("FROM", call, &path)) {
        return session_say_syntax(s, call);
    }
    take_sender(s, &path, &draft->options);
    if (!read_parameters(s, path.rest, call->end) || !draft_check_sender(s, draft)) {
        return SESSION_WANTS_INPUT;
    }
    draft->is_refused = false;
    return session_say(s, REPLY_SENDER_OK, "sender ok");
}

enum session_step command_rcpt(struct session *s, const struct call *call,
                               struct session_event *event)
{
    (void)event;
    struct address path;
    if (s->open.dialect == DIALECT_SMS) {
        draft_spoil(s, DIALECT_SMTP);
    }
    if (s->open.dialect != DIALECT_SMTP || s->open.is_refused) {
        return session_say(s, REPLY_BAD_SEQUENCE, "MAIL comes first");
    }
    if (!read_path("TO", call, &path)) {
        return session_say_syntax(s, call);
    }
    if (!read_parameters(s, path.rest, call->end) ||
        !draft_add_recipient(s, &s->open, path.local, path.local_len)) {
        return SESSION_WANTS_INPUT;
    }
    return session_say(s, REPLY_RECIPIENT_OK, "recipient ok");
}
