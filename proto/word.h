/*
 * word: spaces and words on a line. A span runs from `s` up to `end`, which is not part of it.
 * Thread: any. Pure.
 */
#ifndef PROTO_WORD_H
#define PROTO_WORD_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

static inline bool word_is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* The first byte from `s` on that is no space; `end` if there is none. */
static inline const char *word_skip_spaces(const char *s, const char *end)
{
    while (s < end && word_is_space(*s)) {
        s++;
    }
    return s;
}

/* The first space from `s` on; `end` if there is none. */
static inline const char *word_end(const char *s, const char *end)
{
    while (s < end && !word_is_space(*s)) {
        s++;
    }
    return s;
}

/* Takes the spaces off both ends of a span. */
static inline void word_trim(const char **s, const char **end)
{
    *s = word_skip_spaces(*s, *end);
    while (*s < *end && word_is_space((*end)[-1])) {
        (*end)--;
    }
}

/* How many ASCII letters a span begins with. */
static inline size_t word_letters(const char *s, const char *end)
{
    const char *p = s;
    while (p < end && (*p | 0x20) >= 'a' && (*p | 0x20) <= 'z') {
        p++;
    }
    return (size_t)(p - s);
}

/* Are these `len` bytes the word, in any case? */
static inline bool word_is(const char *s, size_t len, const char *word)
{
    return strlen(word) == len && strncasecmp(s, word, len) == 0;
}

#endif
