/* refusal: see refusal.h. */
#include "proto/session/refusal.h"

#include <string.h>

/* What follows the quoted string at `s`. */
static size_t quoted_len(const char *s, size_t len)
{
    size_t i = 1;
    while (i < len && s[i] != '"') {
        i += s[i] == '\\' ? 2 : 1;
    }
    return i < len ? i + 1 : len;
}

/* Appends words of a reply, with "..." for what is in quotes (reply_quote_start). */
static void put_words(struct buffer *out, const char *s, size_t len)
{
    for (size_t i = 0; i < len;) {
        if (s[i] == '"') {
            buffer_puts(out, "...");
            i += quoted_len(s + i, len - i);
        } else {
            buffer_putc(out, s[i++]);
        }
    }
}

void refusal_describe(struct session *s, enum reply reply, struct session_refusal *refusal)
{
    enum { CODE_LEN = sizeof "550 " - 1, END_LEN = sizeof "\r\n" - 1 };
    const char *line = s->local.data;
    size_t start = CODE_LEN + strlen(reply_enhanced(reply));
    size_t end = s->local.len - END_LEN;
    buffer_clear(&s->refused);
    if (s->hidden_len > 0) {
        put_words(&s->refused, line + start, s->hidden_at - start);
        start = s->hidden_at + s->hidden_len;
    }
    put_words(&s->refused, line + start, end - start);
    buffer_append(&s->refused, "", 1);
    *refusal = (struct session_refusal){
        .command = s->command == NULL ? "" : s->command->word,
        .reply = reply,
        .words = s->refused.has_failed ? reply_text(reply) : s->refused.data,
        .to = s->about,
        .to_len = s->about_len,
    };
}
