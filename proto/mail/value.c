/* value: see value.h. */
#include "proto/mail/value.h"

#include <stdio.h>

/* --- types ------------------------------------------------------------------------------------ */

struct span value_word(struct span value)
{
    value = span_trim(value);
    while (value.len > 0 && (*value.s == '"' || *value.s == '\'' || *value.s == '(')) {
        const char *close = *value.s == '(' ? memchr(value.s, ')', value.len) : value.s;
        size_t skipped = close == NULL ? value.len : (size_t)(close + 1 - value.s);
        value = span_trim((struct span){value.s + skipped, value.len - skipped});
    }
    size_t len = 0;
    while (len < value.len && !span_is_white(value.s[len]) &&
           memchr(";,\"'(", value.s[len], 5) == NULL) {
        len++;
    }
    return (struct span){value.s, len};
}

static bool contains(struct span span, const char *word)
{
    for (; span.len >= strlen(word); span.s++, span.len--) {
        if (span_starts_with(span, word)) {
            return true;
        }
    }
    return false;
}

enum media value_media(struct span type)
{
    static const struct {
        const char *start;
        enum media media;
    } MEDIA[] = {
        {"multipart/alternative", MEDIA_ALTERNATIVE},
        {"multipart/related", MEDIA_RELATED},
        {"multipart", MEDIA_MIXED},
        {"message/rfc822", MEDIA_MESSAGE},
        {"message/global", MEDIA_MESSAGE},
        {"message/", MEDIA_OTHER},
        {"image/", MEDIA_OTHER},
        {"audio/", MEDIA_OTHER},
        {"video/", MEDIA_OTHER},
        {"font/", MEDIA_OTHER},
        {"text/calendar", MEDIA_OTHER},
        {"text/css", MEDIA_OTHER},
        {"text/directory", MEDIA_OTHER},
        {"text/javascript", MEDIA_OTHER},
        {"text/rtf", MEDIA_OTHER},
        {"text/vcard", MEDIA_OTHER},
        {"text/x-vcard", MEDIA_OTHER},
        {"text/xml", MEDIA_HTML},
        {"application/xml", MEDIA_HTML},
        {"application/javascript", MEDIA_OTHER},
        {"application/ics", MEDIA_OTHER},
        {"application/pdf", MEDIA_OTHER},
        {"application/pgp", MEDIA_OTHER},
        {"application/pkcs7", MEDIA_OTHER},
        {"application/rtf", MEDIA_OTHER},
        {"application/vnd.", MEDIA_OTHER},
        {"application/x-pkcs7", MEDIA_OTHER},
    };
    struct span word = value_word(type);
    for (size_t i = 0; i < sizeof MEDIA / sizeof MEDIA[0]; i++) {
        if (span_starts_with(word, MEDIA[i].start)) {
            return MEDIA[i].media;
        }
    }
    if (contains(word, "html")) {
        return MEDIA_HTML;
    }
    bool is_type = span_has(word, '/');
    if (!is_type && contains(type, "boundary=")) {
        return MEDIA_MIXED;
    }
    /* A value that is no type means text/plain (RFC 2045, 5.2). */
    return !is_type || contains(word, "text") || contains(word, "plain") ? MEDIA_PLAIN
                                                                         : MEDIA_UNKNOWN;
}

bool value_holds_parts(enum media media)
{
    return media == MEDIA_MIXED || media == MEDIA_ALTERNATIVE || media == MEDIA_RELATED;
}

enum transfer value_transfer(struct span encoding)
{
    static const struct {
        const char *start;
        enum transfer transfer;
    } TRANSFERS[] = {
        {"base64", TRANSFER_BASE64},        {"base-64", TRANSFER_BASE64},
        {"quoted", TRANSFER_QUOTED},        {"x-uue", TRANSFER_UUENCODED},
        {"x-uuencode", TRANSFER_UUENCODED}, {"uuencode", TRANSFER_UUENCODED},
        {"uue", TRANSFER_UUENCODED},
    };
    struct span word = value_word(encoding);
    for (size_t i = 0; i < sizeof TRANSFERS / sizeof TRANSFERS[0]; i++) {
        if (span_starts_with(word, TRANSFERS[i].start)) {
            return TRANSFERS[i].transfer;
        }
    }
    return TRANSFER_NONE;
}

/* --- parameters ------------------------------------------------------------------------------- */

/* One parameter as it is written. */
struct parameter {
    struct span name, value;
    bool is_quoted;
};

static bool ends_name(char c)
{
    return span_is_white(c) || c == '=' || c == ';' || c == '"' || c == '(';
}

/* The value after the quote at `s`; if no quote ends it, the end of the line does. */
static struct span quoted_value(const char *s, const char *end)
{
    char quote = *s++;
    const char *stop = s;
    while (stop < end && *stop != quote) {
        stop += *stop == '\\' && stop + 1 < end ? 2 : 1;
    }
    if (stop >= end) {
        const char *lf = memchr(s, '\n', (size_t)(end - s));
        stop = lf == NULL ? end : lf;
    }
    return (struct span){s, (size_t)(stop - s)};
}

static struct span bare_value(const char *s, const char *end)
{
    const char *stop = s;
    while (stop < end && *stop != ';' && !span_is_white(*stop)) {
        stop++;
    }
    return (struct span){s, (size_t)(stop - s)};
}

static const char *skip_white(const char *s, const char *end)
{
    while (s < end && span_is_white(*s)) {
        s++;
    }
    return s;
}

/* Cuts off the next `name=value`, and what stands before it, such as the type. */
static bool next_parameter(struct span *rest, struct parameter *parameter)
{
    const char *s = rest->s, *end = rest->s + rest->len;
    while (s < end) {
        const char *name = s;
        while (s < end && !ends_name(*s)) {
            s++;
        }
        size_t name_len = (size_t)(s - name);
        const char *equals = skip_white(s, end);
        if (name_len == 0 || equals == end || *equals != '=') {
            s += name_len == 0 ? 1 : 0;
            continue;
        }
        s = skip_white(equals + 1, end);
        parameter->is_quoted = s < end && (*s == '"' || *s == '\'');
        parameter->name = (struct span){name, name_len};
        parameter->value = parameter->is_quoted ? quoted_value(s, end) : bare_value(s, end);
        s = parameter->value.s + parameter->value.len;
        s += parameter->is_quoted && s < end ? 1 : 0;
        *rest = (struct span){s, (size_t)(end - s)};
        return true;
    }
    return false;
}

static bool find_parameter(struct span value, const char *name, struct parameter *parameter)
{
    while (next_parameter(&value, parameter)) {
        if (span_is(parameter->name, name)) {
            return true;
        }
    }
    return false;
}

/* Appends a value without the backslashes that escape characters in it. */
static void append_plain(const struct parameter *parameter, struct buffer *out)
{
    struct span value = parameter->value;
    for (size_t i = 0; i < value.len; i++) {
        bool is_escape = parameter->is_quoted && value.s[i] == '\\' && i + 1 < value.len;
        i += is_escape ? 1 : 0;
        buffer_putc(out, value.s[i]);
    }
}

/* Appends a value with bytes written as %XX; the first piece begins with `charset'language'`. */
static void append_extended(struct span value, bool is_first, struct buffer *out,
                            struct buffer *charset)
{
    const char *end = value.s + value.len;
    const char *quote = is_first && value.len > 0 ? memchr(value.s, '\'', value.len) : NULL;
    const char *second = quote == NULL ? NULL : memchr(quote + 1, '\'', (size_t)(end - quote - 1));
    if (second != NULL) {
        if (charset != NULL) {
            buffer_append(charset, value.s, (size_t)(quote - value.s));
        }
        value = (struct span){second + 1, (size_t)(end - second - 1)};
    }
    for (size_t i = 0; i < value.len; i++) {
        int high = value.s[i] == '%' && i + 2 < value.len ? span_hex_digit(value.s[i + 1]) : -1;
        int low = high >= 0 ? span_hex_digit(value.s[i + 2]) : -1;
        buffer_putc(out, low >= 0 ? (char)(high << 4 | low) : value.s[i]);
        i += low >= 0 ? 2 : 0;
    }
}

bool value_parameter(struct span value, const char *name, struct buffer *out,
                     struct buffer *charset)
{
    enum { PIECES_MAX = 20, NAME_MAX = 32 };
    struct parameter found;
    char full[NAME_MAX];
    if (value.len == 0) {
        return false;
    }
    snprintf(full, sizeof full, "%s*", name);
    if (find_parameter(value, full, &found)) {
        append_extended(found.value, true, out, charset);
        return true;
    }
    if (find_parameter(value, name, &found)) {
        append_plain(&found, out);
        return true;
    }
    int piece = 0;
    for (; piece < PIECES_MAX; piece++) {
        snprintf(full, sizeof full, "%s*%d*", name, piece);
        if (find_parameter(value, full, &found)) {
            append_extended(found.value, piece == 0, out, charset);
            continue;
        }
        full[strlen(full) - 1] = '\0';
        if (!find_parameter(value, full, &found)) {
            break;
        }
        append_plain(&found, out);
    }
    return piece > 0;
}

/* --- dates ------------------------------------------------------------------------------------ */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

int value_year(struct span date)
{
    int number = 0, digits = 0;
    char before = ' '; /* the digits; a sign there makes them a zone */
    for (size_t i = 0; i <= date.len; i++) {
        char c = i < date.len ? date.s[i] : ' ';
        if (is_digit(c)) {
            before = digits == 0 && i > 0 ? date.s[i - 1] : before;
            number = digits < 4 ? number * 10 + (c - '0') : number;
            digits++;
            continue;
        }
        if (digits == 4 && before != '+' && before != '-') {
            return number;
        }
        number = digits = 0;
    }
    return 0;
}
