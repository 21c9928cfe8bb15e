/* auth: see auth.h. */
#include "proto/session/auth.h"

#include "proto/base64.h"
#include "proto/word.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
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
    {"CRAM-MD5", AUTH_AWAITS_DIGEST}, /* only where any response will do: hashes cannot tell */
};
enum { MECHANISM_COUNT = sizeof MECHANISMS / sizeof MECHANISMS[0] };

static size_t mechanism_count(const struct session_rules *rules)
{
    return rules->has_users ? MECHANISM_COUNT - 1 : MECHANISM_COUNT;
}

static const struct mechanism *find_mechanism(const struct session *s, const char *word, size_t len)
{
    for (size_t i = 0; i < mechanism_count(s->rules); i++) {
        if (word_is(word, len, MECHANISMS[i].name)) {
            return &MECHANISMS[i];
        }
    }
    return NULL;
}

/* A login that everybody has is none for strangers. */
bool auth_is_offered(const struct session *s)
{
    bool is_private = s->peer.is_encrypted || s->peer.class == PEER_LOCAL;
    return s->rules->has_users ? is_private : s->rules->takes_any_login && !session_must_log_in(s);
}

const char *auth_demand(const struct session *s)
{
    if (auth_is_offered(s)) {
        return "log in first (AUTH)";
    }
    return s->rules->has_users && s->rules->offers_tls
               ? "log in first (STARTTLS, then AUTH)"
               : "this address may do nothing here; the operator can add it to listen.networks";
}

void auth_announce(struct session *s)
{
    if (auth_is_offered(s)) {
        reply_line(&s->local, REPLY_HELLO, true, "AUTH PLAIN LOGIN%s",
                   s->rules->has_users ? "" : " CRAM-MD5");
    }
}

/* --- what is sent ----------------------------------------------------------------------------- */

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
    base64_encode(&s->local, question, strlen(question));
    buffer_append(&s->local, "\r\n", 2);
    return SESSION_WANTS_INPUT;
}

void auth_forget(struct session *s)
{
    if (s->login != NULL) {
        explicit_bzero(s->login, sizeof *s->login);
        free(s->login);
        s->login = NULL;
    }
}

/* Keeps a name or a secret; "" instead of one that no user can have. */
static void keep(char *field, size_t size, const char *bytes, size_t len)
{
    bool is_possible = len < size && memchr(bytes, '\0', len) == NULL;
    memcpy(field, bytes, is_possible ? len : 0);
    field[is_possible ? len : 0] = '\0';
}

/* Reads `[identity] NUL name NUL secret` (RFC 4616, 2). Whoever would be another than he is, is nobody.
 * Returns false if it is not that. */
static bool read_plain(struct session_login *login, const char *text, size_t len)
{
    const char *end = text + len;
    const char *name = memchr(text, '\0', len);
    const char *secret = name == NULL ? NULL : memchr(name + 1, '\0', (size_t)(end - name) - 1);
    if (secret == NULL) {
        return false;
    }
    size_t identity_len = (size_t)(name - text);
    size_t name_len = (size_t)(secret - name) - 1;
    bool is_himself =
        identity_len == 0 || (identity_len == name_len && memcmp(text, name + 1, name_len) == 0);
    keep(login->name, sizeof login->name, name + 1, is_himself ? name_len : 0);
    keep(login->secret, sizeof login->secret, secret + 1, (size_t)(end - secret) - 1);
    return true;
}

/* Takes a response that is base64, for a user: asks the next question, or gives the event. */
static enum session_step take_credentials(struct session *s, enum auth_awaits awaited,
                                          const char *response, size_t len,
                                          struct session_event *event)
{
    struct base64 carry = {0};
    struct buffer text = BUFFER_EMPTY;
    bool is_good = true;
    s->login = s->login == NULL ? calloc(1, sizeof *s->login) : s->login;
    base64_decode(&carry, response, len, &text);
    if (s->login == NULL || text.has_failed) {
        buffer_free(&text);
        return session_say(s, REPLY_LOGIN_LATER, "out of memory, try again later");
    }
    if (awaited == AUTH_AWAITS_NAME) {
        keep(s->login->name, sizeof s->login->name, text.data, text.len);
    } else if (awaited == AUTH_AWAITS_PASSWORD) {
        keep(s->login->secret, sizeof s->login->secret, text.data, text.len);
    } else {
        is_good = read_plain(s->login, text.data, text.len);
    }
    explicit_bzero(text.data, text.len);
    buffer_free(&text);
    if (!is_good) {
        return session_say(s, REPLY_BAD_BASE64, "not [identity] NUL name NUL password");
    }
    if (awaited == AUTH_AWAITS_NAME) {
        return challenge(s, AUTH_AWAITS_PASSWORD);
    }
    s->auth = AUTH_AWAITS_VERDICT;
    event->login = s->login;
    return SESSION_LOGIN;
}

/* Takes the client's response: asks the next question, or ends the exchange. */
static enum session_step take_response(struct session *s, enum auth_awaits awaited,
                                       const char *response, size_t len,
                                       struct session_event *event)
{
    s->auth = AUTH_AWAITS_NOTHING;
    if (len > RESPONSE_MAX) {
        return session_say(s, REPLY_AUTH_TOO_LONG, "response longer than %d bytes", RESPONSE_MAX);
    }
    if (len == 1 && response[0] == '*') {
        return session_reply(s, REPLY_AUTH_CANCELED);
    }
    if (!base64_is_valid(response, len)) {
        return session_reply(s, REPLY_BAD_BASE64);
    }
    if (s->rules->has_users) {
        return take_credentials(s, awaited, response, len, event);
    }
    if (awaited == AUTH_AWAITS_NAME) {
        return challenge(s, AUTH_AWAITS_PASSWORD);
    }
    s->is_authenticated = true;
    return session_reply(s, REPLY_AUTHENTICATED);
}

bool auth_next(struct session *s, enum session_step *step, struct session_event *event)
{
    struct line line;
    switch (line_next(&s->reader, RESPONSE_MAX, &line)) {
    case LINE_NONE:
    case LINE_PIECE:
    case LINE_CR:
        return false;
    case LINE_TOO_LONG:
        *step = take_response(s, s->auth, line.bytes, RESPONSE_MAX + 1, event);
        break;
    case LINE_WHOLE:
        *step = take_response(s, s->auth, line.bytes, line.len, event);
        break;
    }
    line_wipe(&s->reader);
    return true;
}

/* --- the command ------------------------------------------------------------------------------ */

/* Begins an exchange, and continues it if there is an initial response. */
static enum session_step begin(struct session *s, const struct call *call,
                               struct session_event *event)
{
    const char *p = call->arg;
    const char *end = call->end;
    word_trim(&p, &end);
    if (p == end) {
        return session_say_syntax(s, call);
    }
    const char *space = memchr(p, ' ', (size_t)(end - p));
    const char *word_end = space == NULL ? end : space;
    const struct mechanism *mechanism = find_mechanism(s, p, (size_t)(word_end - p));
    if (mechanism == NULL) {
        return session_say(s, REPLY_BAD_MECHANISM, "unknown mechanism, use PLAIN%s LOGIN%s",
                           s->rules->has_users ? " or" : ",",
                           s->rules->has_users ? "" : " or CRAM-MD5");
    }
    if (space == NULL) {
        return challenge(s, mechanism->awaits);
    }
    if (mechanism->awaits == AUTH_AWAITS_DIGEST) {
        return session_say(s, REPLY_BAD_ARGUMENT, "%s takes no initial response", mechanism->name);
    }
    /* "=" stands for an empty initial response (RFC 4954, 4). */
    bool is_empty = end - space == 2 && space[1] == '=';
    return take_response(s, mechanism->awaits, space + 1, is_empty ? 0 : (size_t)(end - space) - 1,
                         event);
}

enum session_step command_auth(struct session *s, const struct call *call,
                               struct session_event *event)
{
    enum session_step step;
    bool has_logins = s->rules->has_users || auth_is_offered(s);
    if (!has_logins && session_must_log_in(s)) {
        step = session_say(s, REPLY_LOGIN_NEEDED, "%s", auth_demand(s));
    } else if (!has_logins) {
        step = session_say(s, REPLY_NOT_IMPLEMENTED,
                           "no login is needed; with smtp.auth = any, every login is accepted");
    } else if (s->is_authenticated) {
        step = session_say(s, REPLY_BAD_SEQUENCE, "already logged in");
    } else if (!auth_is_offered(s)) {
        step = session_reply(s, REPLY_LOGIN_IN_CLEAR);
    } else if (s->open.dialect != DIALECT_NONE && !s->open.is_refused) {
        step = session_say(s, REPLY_BAD_SEQUENCE, "a message is open, RSET ends it");
    } else {
        step = begin(s, call, event);
    }
    line_wipe(&s->reader);
    if (s->line.len > 0) { /* it had to be converted to UTF-8 */
        explicit_bzero(s->line.data, s->line.len);
    }
    return step;
}
