/* mail: see mail.h. */
#include "proto/mail.h"

#include "proto/text.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

struct span {
    const char *s;
    size_t len;
};

/* The fields that this module reads, in one pass over the headers. */
struct headers {
    struct span subject, content_type, encoding;
};

static const char *const KNOWN_FIELDS[] = {
    "Subject",      "From",        "To",       "Date",         "Message-ID",
    "MIME-Version", "Cc",          "Bcc",      "Received",     "Reply-To",
    "Sender",       "Return-Path", "X-Mailer", "Content-Type", "Content-Transfer-Encoding",
};

static bool span_is(struct span span, const char *word)
{
    return strlen(word) == span.len && (span.len == 0 || strncasecmp(span.s, word, span.len) == 0);
}

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct span trim(struct span span)
{
    while (span.len > 0 && is_white(span.s[0])) {
        span.s++;
        span.len--;
    }
    while (span.len > 0 && is_white(span.s[span.len - 1])) {
        span.len--;
    }
    return span;
}

/* The length of a field's name (RFC 5322, 3.6.8), 0 when the line is no field. */
static size_t field_name_len(const char *line, size_t len)
{
    size_t i = 0;
    while (i < len && line[i] > ' ' && line[i] < 0x7F && line[i] != ':') {
        i++;
    }
    return i > 0 && i < len && line[i] == ':' ? i : 0;
}

static bool is_known(struct span name)
{
    for (size_t i = 0; i < sizeof KNOWN_FIELDS / sizeof KNOWN_FIELDS[0]; i++) {
        if (span_is(name, KNOWN_FIELDS[i])) {
            return true;
        }
    }
    return false;
}

static void keep(struct headers *headers, struct span name, struct span value)
{
    const struct {
        const char *name;
        struct span *value;
    } wanted[] = {{"Subject", &headers->subject},
                  {"Content-Type", &headers->content_type},
                  {"Content-Transfer-Encoding", &headers->encoding}};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (span_is(name, wanted[i].name) && wanted[i].value->s == NULL) {
            *wanted[i].value = trim(value);
        }
    }
}

/* The end of the line at `s`, its LF not counted. */
static const char *line_end(const char *s, const char *end)
{
    const char *lf = memchr(s, '\n', (size_t)(end - s));
    return lf == NULL ? end : lf;
}

/* Reads the headers. Returns where the body begins, or NULL when there are no headers. */
static const char *read_headers(const char *s, const char *end, struct headers *headers)
{
    bool has_known = false;
    while (s < end && *s != '\n') {
        const char *stop = line_end(s, end);
        /* A folded field goes on in lines that begin with white space (RFC 5322, 2.2.3). */
        while (stop + 1 < end && (stop[1] == ' ' || stop[1] == '\t')) {
            stop = line_end(stop + 1, end);
        }
        struct span name = {s, field_name_len(s, (size_t)(stop - s))};
        if (name.len == 0) {
            return NULL;
        }
        has_known = has_known || is_known(name);
        keep(headers, name, (struct span){s + name.len + 1, (size_t)(stop - s) - name.len - 1});
        s = stop < end ? stop + 1 : end;
    }
    if (!has_known) {
        return NULL;
    }
    return s < end ? s + 1 : end;
}

static bool is_plain_text(const struct headers *headers)
{
    static const char *const PLAIN_ENCODINGS[] = {"", "7bit", "8bit", "binary"};
    struct span type = headers->content_type;
    const char *semicolon = type.len > 0 ? memchr(type.s, ';', type.len) : NULL;
    if (semicolon != NULL) {
        type = trim((struct span){type.s, (size_t)(semicolon - type.s)});
    }
    bool is_plain = type.len == 0 || span_is(type, "text/plain") || span_is(type, "text");
    bool is_unencoded = false;
    for (size_t i = 0; i < sizeof PLAIN_ENCODINGS / sizeof PLAIN_ENCODINGS[0]; i++) {
        is_unencoded = is_unencoded || span_is(headers->encoding, PLAIN_ENCODINGS[i]);
    }
    return is_plain && is_unencoded;
}

/* The charset parameter of a Content-Type; false when there is none that fits `charset`. */
static bool charset_parameter(struct span type, char charset[64])
{
    static const char NAME[] = "charset=";
    for (size_t i = 0; i + sizeof NAME - 1 < type.len; i++) {
        if (strncasecmp(type.s + i, NAME, sizeof NAME - 1) == 0) {
            struct span value = {type.s + i + sizeof NAME - 1, type.len - i - (sizeof NAME - 1)};
            if (value.len > 0 && value.s[0] == '"') {
                value.s++;
                value.len--;
            }
            size_t len = 0;
            while (len < value.len && strchr("\"; \t\n", value.s[len]) == NULL) {
                len++;
            }
            if (len == 0 || len >= 64) {
                return false;
            }
            memcpy(charset, value.s, len);
            charset[len] = '\0';
            return true;
        }
    }
    return false;
}

/*
 * Appends text as UTF-8. What is declared is believed, where it can be true; else UTF-8 is taken
 * for what it is, and the rest for `fallback`.
 */
static enum mail_result append_utf8(struct span span, const char *declared, const char *fallback,
                                    struct buffer *out)
{
    if (span.len == 0 || (declared != NULL && text_to_utf8(span.s, span.len, declared, out))) {
        return MAIL_OK;
    }
    if (text_is_utf8(span.s, span.len)) {
        buffer_append(out, span.s, span.len);
    } else if (declared != NULL || fallback == NULL ||
               !text_to_utf8(span.s, span.len, fallback, out)) {
        return out->has_failed ? MAIL_NO_MEMORY : MAIL_BAD_CHARSET;
    }
    return out->has_failed ? MAIL_NO_MEMORY : MAIL_OK;
}

/* Takes out the line ends of a folded field (RFC 5322, 2.2.3). */
static void unfold(struct buffer *field)
{
    size_t kept = 0;
    for (size_t i = 0; i < field->len; i++) {
        if (field->data[i] != '\n') {
            field->data[kept++] = field->data[i];
        }
    }
    field->len = kept;
}

enum mail_result mail_read(const char *content, size_t len, const char *charset,
                           struct buffer *subject, struct buffer *text)
{
    const char *end = content + len;
    struct headers headers = {0};
    char named[64];
    const char *body = read_headers(content, end, &headers);
    if (body == NULL) {
        body = content;
        headers = (struct headers){0};
    }
    if (!is_plain_text(&headers)) {
        return MAIL_NOT_TEXT;
    }
    bool is_declared =
        charset_parameter(headers.content_type, named) && strcasecmp(named, "us-ascii") != 0;
    while (end > body && is_white(end[-1])) {
        end--;
    }
    /* What a Content-Type declares is the body's charset; for a bare subject it is a good guess. */
    enum mail_result result =
        append_utf8(headers.subject, NULL, is_declared ? named : charset, subject);
    unfold(subject);
    if (result == MAIL_OK) {
        result = append_utf8((struct span){body, (size_t)(end - body)}, is_declared ? named : NULL,
                             charset, text);
    }
    return result;
}
