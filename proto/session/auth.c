/* auth: see auth.h. */
#include "proto/session/auth.h"

#include "proto/word.h"

#include <string.h>

enum { RESPONSE_MAX = 12288 }; /* RFC 4954, 4: enough for any mechanism */

/* What LOGIN asks: "Username:" and "Password:" in base64. */
#define ASK_NAME     "VXNlcm5hbWU6"
#define ASK_PASSWORD "UGFzc3dvcmQ6"

static const struct mechanism {
    const char *name;
    enum auth_awaits awaits;
    const char *challenge;
} MECHANISMS[] = {
    {"PLAIN", AUTH_AWAITS_CREDENTIALS, ""},
    {"LOGIN", AUTH_AWAITS_NAME, ASK_NAME},
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

static enum session_step challenge(struct session *s, enum auth_awaits awaits, const char *text)
{
    s->auth = awaits;
    return session_say(s, REPLY_CHALLENGE, "%s", text);
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
        return challenge(s, AUTH_AWAITS_PASSWORD, ASK_PASSWORD);
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
        return challenge(s, mechanism->awaits, mechanism->challenge);
    }
    /* "=" stands for an empty initial response (RFC 4954, 4). */
    bool is_empty = end - space == 2 && space[1] == '=';
    return take_response(s, mechanism->awaits, space + 1, is_empty ? 0 : (size_t)(end - space) - 1);
}

enum session_step command_auth(struct session *s, const struct call *call,
                               struct session_event *event)
{
    enum session_step step;
    if (!s->rules->takes_any_login) {
        step = command_not_implemented(s, call, event);
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
