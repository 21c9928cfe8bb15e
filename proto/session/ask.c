/* ask: see ask.h. */
#include "proto/session/ask.h"

#include "proto/word.h"

#include <string.h>

enum { LIST_DEFAULT = 100, LIST_MAX = 10000 };

/* Takes the next word off `*p`, with the spaces within quotes. Returns its length, 0 at the end. */
static size_t next_word(const char **p, const char *end, const char **word)
{
    bool is_quoted = false;
    *p = word_skip_spaces(*p, end);
    for (*word = *p; *p < end && (is_quoted || !word_is_space(**p)); (*p)++) {
        bool is_escape = is_quoted && **p == '\\' && *p + 1 < end;
        is_quoted = **p == '"' ? !is_quoted : is_quoted;
        *p += is_escape ? 1 : 0;
    }
    return (size_t)(*p - *word);
}

static bool read_number(const char *s, size_t len, uint64_t max, uint64_t *number)
{
    *number = 0;
    for (size_t i = 0; i < len; i++) {
        if (s[i] < '0' || s[i] > '9' || *number > max) {
            return false;
        }
        *number = *number * 10 + (uint64_t)(s[i] - '0');
    }
    return len > 0 && *number <= max;
}

/* Reads the name of a message: its id, or the client's reference, bare or in quotes. */
static bool read_name(struct request *request, const char *word, size_t len)
{
    char unquoted[OPTION_VALUE_MAX];
    if (len > 0 && word[0] == '"') {
        const char *p = word;
        len = option_read_value(&p, word + len, unquoted);
        word = unquoted;
    }
    if (ulid_parse(word, len, &request->id)) {
        request->has_id = true;
        return true;
    }
    if (len == 0 || len > REF_MAX) {
        return false;
    }
    memcpy(request->ref, word, len);
    request->ref[len] = '\0';
    return true;
}

/* QUEUE LIST: reads `[state] [n]`. */
static bool read_list(struct request *request, const char *p, const char *end)
{
    const char *word;
    size_t len = next_word(&p, end, &word);
    char state[16];
    enum message_state parsed;
    uint64_t max = LIST_DEFAULT;
    if (len > 0 && len < sizeof state && (word[0] < '0' || word[0] > '9')) {
        memcpy(state, word, len);
        state[len] = '\0';
        if (!message_state_parse(state, &parsed)) {
            return false;
        }
        request->state = (int)parsed;
        len = next_word(&p, end, &word);
    }
    if (len > 0 && !read_number(word, len, LIST_MAX, &max)) {
        return false;
    }
    request->verb = REQUEST_QUEUE_LIST;
    request->max = (size_t)max;
    return next_word(&p, end, &word) == 0;
}

/* WATCH: reads `[<id or ref>] [since=<event number>]`, in any order. */
static bool read_watch(struct request *request, const char *p, const char *end)
{
    static const char SINCE[] = "since=";
    enum { SINCE_LEN = sizeof SINCE - 1 };
    const char *word;
    size_t len;
    while ((len = next_word(&p, end, &word)) > 0) {
        if (len > SINCE_LEN && strncasecmp(word, SINCE, SINCE_LEN) == 0 && !request->has_since) {
            request->has_since = read_number(word + SINCE_LEN, len - SINCE_LEN, UINT64_MAX / 10 - 1,
                                             &request->since);
            if (!request->has_since) {
                return false;
            }
        } else if (request->has_id || request->ref[0] != '\0' || !read_name(request, word, len)) {
            return false;
        }
    }
    return true;
}

/* OPTOUT: reads `ADD <number>`, `REMOVE <number>` or `LIST`; the number stays as it was written. */
static bool read_optout(struct request *request, const char *p, const char *end)
{
    static const struct {
        const char *word;
        enum request_verb verb;
    } forms[] = {{"ADD", REQUEST_OPTOUT_ADD},
                 {"REMOVE", REQUEST_OPTOUT_REMOVE},
                 {"LIST", REQUEST_OPTOUT_LIST}};
    const char *word;
    size_t len = next_word(&p, end, &word);
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (word_is(word, len, forms[i].word)) {
            request->verb = forms[i].verb;
            word_trim(&p, &end);
            size_t rest = (size_t)(end - p);
            bool fits = rest <= REF_MAX;
            memcpy(request->ref, p, fits ? rest : 0);
            return fits && (rest > 0) == (request->verb != REQUEST_OPTOUT_LIST);
        }
    }
    return false;
}

static bool read_argument(struct request *request, const char *p, const char *end)
{
    const char *word;
    size_t len;
    switch (request->verb) {
    case REQUEST_QUEUE:
    case REQUEST_QUEUE_LIST:
        len = next_word(&p, end, &word);
        return len == 0 || (word_is(word, len, "LIST") && read_list(request, p, end));
    case REQUEST_WATCH:
        return read_watch(request, p, end);
    case REQUEST_STATUS:
    case REQUEST_CANCEL:
    case REQUEST_RETRY:
        word_trim(&p, &end);
        return read_name(request, p, (size_t)(end - p));
    case REQUEST_OPTOUT_ADD:
    case REQUEST_OPTOUT_REMOVE:
    case REQUEST_OPTOUT_LIST:
        return read_optout(request, p, end);
    case REQUEST_STATS:
    case REQUEST_UNWATCH:
    case REQUEST_FLUSH:
    case REQUEST_HOLD:
    case REQUEST_RELEASE:
        return true;
    }
    return false;
}

/* Some forms of a verb need control rights, others do not: the verb's row cannot tell. */
static bool needs_control(const struct request *request)
{
    bool is_unnamed = !request->has_id && request->ref[0] == '\0';
    return request->verb == REQUEST_QUEUE_LIST || (request->verb == REQUEST_WATCH && is_unnamed);
}

enum session_step command_ask(struct session *s, const struct call *call,
                              struct session_event *event)
{
    struct request *request = &event->request;
    *request = (struct request){.verb = (enum request_verb)call->row->verb, .state = -1};
    if (!read_argument(request, call->arg, call->end)) {
        return session_say_syntax(s, call);
    }
    if (needs_control(request) && !session_may(s, USER_CONTROLS)) {
        return session_say(s, REPLY_NOT_ALLOWED, "this needs %s",
                           s->user != NULL ? "the right control"
                                           : "control rights: the Unix socket, or "
                                             "listen.control=all");
    }
    bool names_number =
        request->verb == REQUEST_OPTOUT_ADD || request->verb == REQUEST_OPTOUT_REMOVE;
    if (names_number && !number_parse(request->ref, strlen(request->ref), s->rules->default_country,
                                      request->number)) {
        return session_refuse_number(s, "not a telephone number", request->ref,
                                     strlen(request->ref));
    }
    return SESSION_REQUEST;
}
