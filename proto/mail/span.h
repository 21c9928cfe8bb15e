/*
 * span: a run of bytes within a mail, with the few functions that all of proto/mail needs.
 * Pure; any thread.
 */
#ifndef PROTO_MAIL_SPAN_H
#define PROTO_MAIL_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct span {
    const char *s; /* not NUL-terminated */
    size_t len;
};

/* Is it this word, in any case of its letters? */
static inline bool span_is(struct span span, const char *word)
{
    bool is_word = span.len == 0 || ((span.s[0] ^ word[0]) & ~0x20) == 0; /* mostly it is not */
    return is_word && strlen(word) == span.len &&
           (span.len == 0 || strncasecmp(span.s, word, span.len) == 0);
}

static inline bool span_starts_with(struct span span, const char *word)
{
    return span.len >= strlen(word) && strncasecmp(span.s, word, strlen(word)) == 0;
}

static inline bool span_is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The value of a hexadecimal digit, or -1. */
static inline int span_hex_digit(char c)
{
    char lower = (char)(c | 0x20);
    return c >= '0' && c <= '9' ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Does it contain this byte? */
static inline bool span_has(struct span span, char c)
{
    return span.len > 0 && memchr(span.s, c, span.len) != NULL;
}

/* Trims white space at both ends. */
static inline struct span span_trim(struct span span)
{
    while (span.len > 0 && span_is_white(span.s[0])) {
        span.s++;
        span.len--;
    }
    while (span.len > 0 && span_is_white(span.s[span.len - 1])) {
        span.len--;
    }
    return span;
}

/* Cuts the next line off `rest`, without its LF. Returns false at the end. */
static inline bool span_next_line(struct span *rest, struct span *line)
{
    if (rest->len == 0) {
        return false;
    }
    const char *lf = memchr(rest->s, '\n', rest->len);
    line->s = rest->s;
    line->len = lf == NULL ? rest->len : (size_t)(lf - rest->s);
    size_t used = line->len + (lf == NULL ? 0 : 1);
    rest->s += used;
    rest->len -= used;
    return true;
}

#endif
