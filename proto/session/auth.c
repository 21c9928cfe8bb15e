/* auth: see auth.h. */
#include "proto/session/auth.h"

#include "proto/word.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    RESPONSE_MAX = 12288, /* RFC 4954, 4: enough for any mechanism */
    HOST_MAX = 255        /* RFC 5321, 4.5.3.1.2 */
};

static const struct mechanism {
    const char *name;
    enum auth_awaits awaits;
} MECHANISMS[] = {
    {"PLAIN", AUTH_AWAITS_CREDENTIALS},
    {"LOGIN", AUTH_AWAITS_NAME},
    {"CRAM-MD5", AUTH_AWAITS_DIGEST},
    {0},
};

static const struct mechanism *find_mechanism(const char *word, size_t len)
{
    const struct mechanism *m = MECHANISMS;
    while (m->name != NULL && !word_is(word, len, m->name)) {
        m++;
    }
    return m->name == NULL ? NULL : m;
}

/* RFC 4648, 4. The empty string is valid. */
static bool is_base64(const char *s, size_t len)
{
    bool is_good = len % 4 == 0;
    size_t digits = len;
    while (digits > 0 && len - digits < 2 && s[digits - 1] == '=') {
        digits--;
    }
    for (size_t i = 0; i < digits && is_good; i++) {
        char c = s[i];
        is_good = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                  c == '+' || c == '/';
    }
    return is_good;
}

static void put_base64(struct buffer *out, const char *s, size_t len)
{
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < len; i += 3) {
        uint32_t group = 0;
        for (size_t j = 0; j < 3; j++) {
            group = group << 8 | (i + j < len ? (unsigned char)s[i + j] : 0);
        }
        for (size_t j = 0; j < 4; j++) {
            buffer_putc(out, i + j > len ? '=' : DIGITS[group >> (18 - 6 * j) & 63]);
        }
    }
}

/* Asks for what comes next. The challenge of CRAM-MD5 (RFC 2195, 2) need not be unpredictable, since
 * every response is accepted. */
static enum session_step challenge(struct session *s, enum auth_awaits awaits)
{
    static const char *const QUESTIONS[] = {[AUTH_AWAITS_CREDENTIALS] = "",
                                            [AUTH_AWAITS_NAME] = "Username:",
                                            [AUTH_AWAITS_PASSWORD] = "Password:"};
    char text[HOST_MAX + 32];
    const char *question = text;
    if (awaits == AUTH_AWAITS_DIGEST) {
        snprintf(text, sizeof text, "<0.%" PRId64 "@%.*s>", s->now_ms, HOST_MAX,
                 s->rules->hostname);
    } else {
        question = QUESTIONS[awaits];
    }
    s->auth = awaits;
    reply_begin(&s->local, REPLY_CHALLENGE, false);
    put_base64(&s->local, question, strlen(question));
    buffer_append(&s->local, "\r\n", 2);
    return SESSION_WANTS_INPUT;
}

/* Takes the client's response: asks the next question, or ends the exchange. */
static enum session_step take_response(struct session *s, enum auth_awaits awaited,
                                       const char *response, size_t len)
{
    s->auth = AUTH_AWAITS_NOTHING;
    if (len > RESPONSE_MAX) {
        return session_say(s, REPLY_AUTH_TOO_LONG, "response longer than %d bytes", RESPONSE_MAX);
    }
    if (len == 1 && response[0] == '*') {
        return session_reply(s, REPLY_AUTH_CANCELED);
    }
    if (!is_base64(response, len)) {
        return session_reply(s, REPLY_BAD_BASE64);
    }
    if (awaited == AUTH_AWAITS_NAME) {
        return challenge(s, AUTH_AWAITS_PASSWORD);
    }
    s->is_authenticated = true;
    return session_reply(s, REPLY_AUTHENTICATED);
}

bool auth_next(struct session *s, enum session_step *step)
{
    struct line line;
    switch (line_next(&s->reader, RESPONSE_MAX, &line)) {
    case LINE_NONE:
    case LINE_PIECE:
    case LINE_CR:
        return false;
    case LINE_TOO_LONG:
        *step = take_response(s, s->auth, line.bytes, RESPONSE_MAX + 1);
        break;
    case LINE_WHOLE:
        *step = take_response(s, s->auth, line.bytes, line.len);
        break;
    }
    line_wipe(&s->reader);
    return true;
}

/* Begins an exchange, and continues it if there is an initial response. */
static enum session_step begin(struct session *s, const struct call *call)
{
    const char *p = call->arg;
    const char *end = call->end;
    word_trim(&p, &end);
    if (p == end) {
        return session_say_syntax(s, call);
    }
    const char *space = memchr(p, ' ', (size_t)(end - p));
    const char *word_end = space == NULL ? end : space;
    const struct mechanism *mechanism = find_mechanism(p, (size_t)(word_end - p));
    if (mechanism == NULL) {
        return session_reply(s, REPLY_BAD_MECHANISM);
    }
    if (space == NULL) {
        return challenge(s, mechanism->awaits);
    }
    if (mechanism->awaits == AUTH_AWAITS_DIGEST) {
        return session_say(s, REPLY_BAD_ARGUMENT, "%s takes no initial response", mechanism->name);
    }
    /* "=" stands for an empty initial response (RFC 4954, 4). */
    bool is_empty = end - space == 2 && space[1] == '=';
    return take_response(s, mechanism->awaits, space + 1, is_empty ? 0 : (size_t)(end - space) - 1);
}

/* A login that everybody has is none for strangers. */
bool auth_is_offered(const struct session *s)
{
    return s->rules->takes_any_login && !session_must_log_in(s);
}

enum session_step command_auth(struct session *s, const struct call *call,
                               struct session_event *event)
{
    (void)event;
    enum session_step step;
    if (session_must_log_in(s)) {
        step = session_reply(s, REPLY_LOGIN_NEEDED);
    } else if (!auth_is_offered(s)) {
        step = session_say(s, REPLY_NOT_IMPLEMENTED,
                           "no login is needed; with smtp.auth = any, every login is accepted");
    } else if (s->is_authenticated) {
        step = session_say(s, REPLY_BAD_SEQUENCE, "already logged in");
    } else if (s->open.dialect != DIALECT_NONE && !s->open.is_refused) {
        step = session_say(s, REPLY_BAD_SEQUENCE, "a message is open, RSET ends it");
    } else {
        step = begin(s, call);
    }
    line_wipe(&s->reader);
    if (s->line.len > 0) { /* it had to be converted to UTF-8 */
        explicit_bzero(s->line.data, s->line.len);
    }
    return step;
}
