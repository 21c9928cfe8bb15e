/* sms: see sms.h. */
#include "proto/session/sms.h"

#include "proto/session/draft.h"
#include "proto/word.h"

#include <string.h>

/* --- SEND ------------------------------------------------------------------------------------- */

/* Reads `OPT=value ...` in front; false when one was refused. */
static bool read_options(struct session *s, struct options *options, const char **p,
                         const char *end)
{
    char value[OPTION_VALUE_MAX];
    size_t value_len;
    const char *name;
    size_t name_len;
    while (option_next(p, end, &name, &name_len, value, &value_len)) {
        if (!options_set(options, name, name_len, value, value_len, s->now_ms, &s->local)) {
            return false;
        }
    }
    return true;
}

/* Reads `<to>[,<to>...]` up to the next space. */
static bool read_recipients(struct session *s, struct draft *draft, const char **p, const char *end)
{
    const char *number = *p;
    const char *q = number;
    for (;; q++) {
        bool is_last = q == end || word_is_space(*q);
        if (!is_last && *q != ',') {
            continue;
        }
        if (q == number && number > *p && q < end && *q != ',') {
            session_say(s, REPLY_BAD_ARGUMENT, "no space behind the comma: <to>,<to> <text>");
            return false;
        }
        if (!draft_add_recipient(s, draft, number, (size_t)(q - number))) {
            return false;
        }
        number = q + 1;
        if (is_last) {
            *p = q;
            return true;
        }
    }
}

/* Does a comma and another number follow, which the space has made a part of the text? */
static bool has_more_recipients(const struct session *s, const char *p, const char *end)
{
    char e164[NUMBER_SIZE];
    p = word_skip_spaces(p, end);
    if (p == end || *p != ',') {
        return false;
    }
    const char *number = word_skip_spaces(p + 1, end);
    end = word_end(number, end);
    const char *comma = memchr(number, ',', (size_t)(end - number));
    end = comma != NULL ? comma : end;
    return number_parse(number, (size_t)(end - number), s->rules->default_country, e164);
}

enum session_step command_send(struct session *s, const struct call *call,
                               struct session_event *event)
{
    const char *end = call->end;
    const char *p = word_skip_spaces(call->arg, end);
    struct draft *draft = &s->single;
    draft_open(s, draft, DIALECT_SMS);
    if (!read_options(s, &draft->options, &p, end) || !read_recipients(s, draft, &p, end)) {
        return SESSION_WANTS_INPUT;
    }
    if (has_more_recipients(s, p, end)) {
        return session_say(s, REPLY_BAD_ARGUMENT, "no space before the comma: <to>,<to> <text>");
    }
    /* One space separates the numbers from the text; further ones belong to the text. */
    p += p < end ? 1 : 0;
    return draft_submit(s, draft, p, (size_t)(end - p), event);
}

/* --- FROM, TO, TEXT --------------------------------------------------------------------------- */

/* The end of a sender, without trailing spaces: where ` KEY=` follows, or the line ends. */
static const char *sender_end(const char *p, const char *end)
{
    char value[OPTION_VALUE_MAX];
    size_t value_len;
    const char *name;
    size_t name_len;
    const char *stop = p;
    while (p < end) {
        stop = word_end(p, end);
        p = word_skip_spaces(stop, end);
        const char *option = p;
        if (option_next(&option, end, &name, &name_len, value, &value_len)) {
            return stop;
        }
    }
    return stop;
}

/* Reads FROM's sender, bare or in quotes, like the option FROM; none where options begin. */
static bool read_sender(struct session *s, struct options *options, const char **p, const char *end)
{
    char unquoted[OPTION_VALUE_MAX];
    const char *sender = word_skip_spaces(*p, end);
    const char *behind = sender;
    const char *name;
    size_t len;
    if (option_next(&behind, end, &name, &len, unquoted, &len)) {
        *p = sender;
        return true;
    }
    if (sender < end && *sender == '"') {
        len = option_read_value(&behind, end, unquoted);
        sender = unquoted;
    } else {
        behind = sender_end(sender, end);
        len = (size_t)(behind - sender);
    }
    *p = word_skip_spaces(behind, end);
    return options_set(options, "FROM", strlen("FROM"), sender, len, s->now_ms, &s->local);
}

static enum session_step refuse_within_mail(struct session *s)
{
    draft_spoil(s, DIALECT_SMS);
    return session_say(s, REPLY_BAD_SEQUENCE, "a MAIL transaction is open, RSET ends it");
}

enum session_step command_from(struct session *s, const struct call *call,
                               struct session_event *event)
{
    (void)event;
    const char *p = call->arg;
    struct draft *draft = &s->open;
    if (draft->dialect == DIALECT_SMTP && !draft->is_refused) {
        return refuse_within_mail(s);
    }
    draft_open(s, draft, DIALECT_SMS);
    draft->is_refused = true;
    if (!read_sender(s, &draft->options, &p, call->end) ||
        !read_options(s, &draft->options, &p, call->end) || !draft_check_sender(s, draft)) {
        return SESSION_WANTS_INPUT;
    }
    if (p != call->end) {
        return session_say_syntax(s, call);
    }
    draft->is_refused = false;
    return session_say(s, REPLY_SENDER_OK, "sender ok, now TO <number>");
}

enum session_step command_to(struct session *s, const struct call *call,
                             struct session_event *event)
{
    (void)event;
    const char *number = call->arg;
    const char *end = call->end;
    struct draft *draft = &s->open;
    if (draft->dialect == DIALECT_SMTP) {
        return refuse_within_mail(s);
    }
    if (draft->is_refused) {
        return session_say(s, REPLY_BAD_SEQUENCE,
                           "this message was refused, start again with FROM or RSET");
    }
    if (draft->dialect == DIALECT_NONE) {
        draft_open(s, draft, DIALECT_SMS);
    }
    word_trim(&number, &end);
    if (!draft_check_sender(s, draft) ||
        !draft_add_recipient(s, draft, number, (size_t)(end - number))) {
        return SESSION_WANTS_INPUT;
    }
    return session_say(s, REPLY_RECIPIENT_OK, "recipient ok, now TEXT <text>, DATA or another TO");
}

enum session_step command_text(struct session *s, const struct call *call,
                               struct session_event *event)
{
    if (s->open.dialect == DIALECT_SMTP) {
        s->has_submitted = true;
        return session_say(s, REPLY_BAD_SEQUENCE,
                           "a MAIL transaction was open and has been dropped");
    }
    if (!draft_take_open(s)) {
        return SESSION_WANTS_INPUT;
    }
    return draft_submit(s, &s->open, call->arg, (size_t)(call->end - call->arg), event);
}

enum session_step command_rset(struct session *s, const struct call *call,
                               struct session_event *event)
{
    (void)call;
    (void)event;
    draft_reset(&s->open);
    return session_say(s, REPLY_OK, "reset");
}

/* --- JSON ------------------------------------------------------------------------------------- */

/* Refuses an element whose alias makes the array too large: it is a line like another. */
static bool fits_in_array(struct session *s, const struct draft *draft)
{
    size_t max =
        s->rules->max_recipients > JSON_MAX_ITEMS ? s->rules->max_recipients : JSON_MAX_ITEMS;
    if (s->json_recipients + draft->recipients.count > max) {
        session_say(s, REPLY_TOO_MANY, "more than %zu recipients in one array", max);
        return false;
    }
    return true;
}

enum session_step sms_next_of_json(struct session *s, struct session_event *event)
{
    struct json_item item;
    struct draft *draft = &s->single;
    if (s->json_next == json_batch_count(s->json)) {
        json_batch_free(s->json);
        s->json = NULL;
        return SESSION_WANTS_INPUT;
    }
    draft_open(s, draft, DIALECT_SMS);
    if (!json_batch_read(s->json, s->json_next++, s->now_ms, &item, &draft->options, &s->local) ||
        !draft_add_recipient(s, draft, item.to, item.to_len) || !fits_in_array(s, draft)) {
        return SESSION_WANTS_INPUT;
    }
    enum session_step step = draft_submit(s, draft, item.text, item.text_len, event);
    s->json_recipients += step == SESSION_SUBMISSION ? draft->recipients.count : 0;
    return step;
}

enum session_step command_json(struct session *s, const struct call *call,
                               struct session_event *event)
{
    s->json = json_batch_new(call->arg, (size_t)(call->end - call->arg), &s->local);
    s->json_next = 0;
    s->json_recipients = 0;
    return s->json == NULL ? SESSION_WANTS_INPUT : sms_next_of_json(s, event);
}
