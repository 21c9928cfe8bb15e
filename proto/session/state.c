/* state: see state.h. */
#include "proto/session/state.h"

#include <stdarg.h>

bool session_must_log_in(const struct session *s)
{
    bool is_barred = s->peer.class == PEER_STRANGER || s->rules->requires_login;
    return is_barred && !s->peer.is_known && !s->is_authenticated;
}

bool session_allows(const struct session *s, const struct command *row)
{
    return (row->flags & COMMAND_FOR_ALL) != 0 || !session_must_log_in(s);
}

enum session_step session_say(struct session *s, enum reply reply, const char *format, ...)
{
    reply_begin(&s->local, reply, false);
    va_list args;
    va_start(args, format);
    buffer_vprintf(&s->local, format, args);
    va_end(args);
    buffer_append(&s->local, "\r\n", 2);
    return SESSION_WANTS_INPUT;
}

enum session_step session_reply(struct session *s, enum reply reply)
{
    return session_say(s, reply, "%s", reply_text(reply));
}

enum session_step session_say_syntax(struct session *s, const struct call *call)
{
    return session_say(s, REPLY_BAD_ARGUMENT, "syntax: %s", call->row->syntax);
}

bool session_may(const struct session *s, enum user_right right)
{
    if (s->user != NULL) {
        return (s->user->rights & right) != 0;
    }
    return right != USER_CONTROLS || s->peer.has_control;
}

void session_hide(struct session *s, size_t at)
{
    s->hidden_at = at;
    s->hidden_len = s->local.len - at;
}

enum session_step session_refuse_number(struct session *s, const char *words, const char *number,
                                        size_t len)
{
    char fault[NUMBER_FAULT_SIZE];
    number_explain(number, len, s->rules->default_country, fault);
    reply_begin(&s->local, REPLY_BAD_NUMBER, false);
    buffer_puts(&s->local, words);
    size_t at = s->local.len;
    buffer_puts(&s->local, ": ");
    reply_quote_number(&s->local, number, len);
    session_hide(s, at);
    buffer_puts(&s->local, fault[0] != '\0' ? ": " : "");
    buffer_puts(&s->local, fault);
    buffer_append(&s->local, "\r\n", 2);
    s->about = number;
    s->about_len = len;
    return SESSION_WANTS_INPUT;
}

bool session_to_utf8(struct session *s, const char **text, size_t *len, enum reply *refusal)
{
    if (text_is_utf8(*text, *len)) {
        return true;
    }
    buffer_clear(&s->line);
    if (s->rules->charset == NULL || !text_to_utf8(*text, *len, s->rules->charset, &s->line)) {
        *refusal = s->line.has_failed ? REPLY_CANNOT_STORE : REPLY_BAD_CHARSET;
        return false;
    }
    *text = buffer_bytes(&s->line);
    *len = s->line.len;
    return true;
}

enum session_step command_not_implemented(struct session *s, const struct call *call,
                                          struct session_event *event)
{
    (void)event;
    return session_say(s, REPLY_NOT_IMPLEMENTED, "%s is not supported", call->row->word);
}
