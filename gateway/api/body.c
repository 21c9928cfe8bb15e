/* body: see body.h. */
#include "gateway/api/body.h"

#include "proto/buffer.h"
#include "proto/text.h"

#include <stdbool.h>
#include <string.h>

/* What a byte of a string can become at most, and what is written of a message besides its strings. */
enum { ESCAPE_MAX = sizeof "\\u0000" - 1, FRAME_MAX = 128 };

#define PUT(at, literal) (memcpy(at, literal, sizeof(literal) - 1), (at) + sizeof(literal) - 1)

static char *put_escape(char *at, unsigned char c)
{
    static const char letters[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
                                   ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};
    static const char digits[] = "0123456789ABCDEF";
    *at++ = '\\';
    if (letters[c] != '\0') {
        *at++ = letters[c];
        return at;
    }
    at = PUT(at, "u00");
    *at++ = digits[c >> 4];
    *at++ = digits[c & 15];
    return at;
}

/* NULL when it is not UTF-8. Most have nothing to escape; loops so plain are quick to find that out. */
static char *put_string(char *at, const char *s, size_t len)
{
    unsigned char is_odd = 0, bits = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        is_odd |= (unsigned char)((c < ' ') | (c == '"') | (c == '\\'));
        bits |= c;
    }
    if (bits >= 0x80 && !text_is_utf8(s, len)) {
        return NULL;
    }
    *at++ = '"';
    if (!is_odd) {
        memcpy(at, s, len);
        at += len;
    }
    for (size_t i = 0; is_odd && i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c < ' ' || c == '"' || c == '\\') {
            at = put_escape(at, c);
        } else {
            *at++ = s[i];
        }
    }
    *at++ = '"';
    return at;
}

static char *put_message(char *at, const struct message *m)
{
    at = put_string(PUT(at, "{\"from\":"), message_from(m), m->from_len);
    at = at == NULL ? NULL : put_string(PUT(at, ",\"to\":"), message_to(m), m->to_len);
    at = at == NULL ? NULL : put_string(PUT(at, ",\"text\":"), message_text(m), m->text_len);
    if (at == NULL) {
        return NULL;
    }
    at = PUT(at, ",\"clientId\":\"");
    ulid_format(&m->id, at);
    at = PUT(at + ULID_LENGTH, "\"");
    return m->allow_unicode ? PUT(at, ",\"allowUnicode\":true}") : PUT(at, "}");
}

/* Returns false when a string is not UTF-8, or on allocation failure. */
static bool append_message(struct buffer *out, const struct message *m)
{
    size_t strings = (size_t)m->from_len + m->to_len + m->text_len;
    char *at = buffer_reserve(out, FRAME_MAX + ESCAPE_MAX * strings);
    char *end = at == NULL ? NULL : put_message(at, m);
    out->len += end == NULL ? 0 : (size_t)(end - at);
    return end != NULL;
}

/* Ends the body. NULL if it is not whole. */
static char *finish(struct buffer *out, bool is_whole, size_t *len)
{
    *len = out->len;
    buffer_putc(out, '\0');
    if (!is_whole || out->has_failed) {
        buffer_free(out);
    }
    return out->data;
}

char *api_body_single(const struct message *message, size_t *len)
{
    struct buffer out = BUFFER_EMPTY;
    bool is_whole = append_message(&out, message);
    return finish(&out, is_whole, len);
}

char *api_body_bulk(struct message *const *messages, size_t count, size_t *len)
{
    struct buffer out = BUFFER_EMPTY;
    size_t expected = 0;
    for (size_t i = 0; i < count; i++) {
        expected +=
            FRAME_MAX + (size_t)messages[i]->from_len + messages[i]->to_len + messages[i]->text_len;
    }
    buffer_reserve(&out, expected);
    buffer_putc(&out, '[');
    bool is_whole = true;
    for (size_t i = 0; i < count && is_whole; i++) {
        buffer_append(&out, ",", i == 0 ? 0 : 1);
        is_whole = append_message(&out, messages[i]);
    }
    buffer_putc(&out, ']');
    return finish(&out, is_whole, len);
}
