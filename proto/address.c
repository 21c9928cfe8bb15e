/* address: see address.h. */
#include "proto/address.h"

#include "proto/word.h"

/* Bounds the work on a line of opening parentheses: each of them is looked at so often at most. */
enum { COMMENT_DEPTH_MAX = 8 };

/* --- quotes and comments ---------------------------------------------------------------------- */

const char *address_skip_quoted(const char *s, const char *end)
{
    for (s++; s < end && *s != '"'; s++) {
        if (*s == '\\' && s + 1 < end) {
            s++;
        }
    }
    return s < end ? s + 1 : NULL;
}

const char *address_skip_comment(const char *s, const char *end)
{
    int depth = 0;
    for (; s < end && depth <= COMMENT_DEPTH_MAX; s++) {
        if (*s == '\\' && s + 1 < end) {
            s++;
        } else if (*s == '(') {
            depth++;
        } else if (*s == ')' && --depth == 0) {
            return s + 1;
        }
    }
    return NULL;
}

/* What follows a quoted string, a comment, a quoted pair or one byte. A quote or comment that never
 * ends is an ordinary character. */
static const char *step(const char *s, const char *end)
{
    const char *next = *s == '"'    ? address_skip_quoted(s, end)
                       : *s == '('  ? address_skip_comment(s, end)
                       : *s == '\\' ? s + 2
                                    : NULL;
    return next == NULL || next > end ? s + 1 : next;
}

/* Punctuation that is left over behind an address. */
static bool is_stray(char c)
{
    return c == ';' || c == ',' || c == '>';
}

/* Is this, up to `stop`, a comment? Digits in parentheses are how people write area codes. */
static bool is_comment(const char *s, const char *stop)
{
    if (*s != '(' || stop - s < 2) {
        return false;
    }
    for (s++; s < stop - 1; s++) {
        if (strchr("0123456789 +-./", *s) == NULL || *s == '\0') {
            return true;
        }
    }
    return false;
}

/* --- within an address ------------------------------------------------------------------------ */

struct span {
    const char *s, *end;
};

/* Takes spaces, comments and stray punctuation off both ends. */
static struct span trim(struct span span)
{
    struct span trimmed = {span.end, span.end};
    const char *next;
    for (const char *p = span.s; p < span.end; p = next) {
        next = step(p, span.end);
        if (!word_is_space(*p) && !is_stray(*p) && !is_comment(p, next)) {
            trimmed.s = p < trimmed.s ? p : trimmed.s;
            trimmed.end = next;
        }
    }
    return trimmed;
}

/* Takes off a pair of quotes around all of it. */
static struct span unquote(struct span span)
{
    size_t len = (size_t)(span.end - span.s);
    bool is_double =
        len >= 2 && *span.s == '"' && address_skip_quoted(span.s, span.end) == span.end;
    bool is_single =
        len >= 2 && memchr(span.s + 1, '\'', len - 1) == span.end - 1 && *span.s == '\'';
    return is_double || is_single ? (struct span){span.s + 1, span.end - 1} : span;
}

/* Takes off `mailto:` and the like, and a source route (RFC 5321, C). */
static struct span skip_prefix(struct span span)
{
    static const char *const SCHEMES[] = {"mailto:", "tel:", "sms:", "smsto:", "smtp:"};
    for (size_t i = 0; i < sizeof SCHEMES / sizeof SCHEMES[0]; i++) {
        size_t len = strlen(SCHEMES[i]);
        if ((size_t)(span.end - span.s) >= len && strncasecmp(span.s, SCHEMES[i], len) == 0) {
            span.s = word_skip_spaces(span.s + len, span.end);
        }
    }
    bool has_route = span.s < span.end && *span.s == '@';
    const char *colon = has_route ? memchr(span.s, ':', (size_t)(span.end - span.s)) : NULL;
    return colon == NULL ? span : (struct span){colon + 1, span.end};
}

void address_whole(const char *s, const char *end, struct address *address)
{
    struct span span = skip_prefix(unquote(trim((struct span){s, end})));
    const char *at = span.end;
    for (const char *p = span.s; p < span.end; p = step(p, span.end)) {
        at = *p == '@' ? p : at;
    }
    span = unquote(trim((struct span){span.s, at}));
    *address = (struct address){span.s, (size_t)(span.end - span.s), end};
}

/* --- around it -------------------------------------------------------------------------------- */

/* Does a parameter such as SIZE= begin here? */
static bool is_parameter(const char *s, const char *end)
{
    const char *p = s + word_letters(s, end);
    return p > s && p < end && *p == '=';
}

/* The bracket behind a display name; NULL if there is none. */
static const char *opening_bracket(const char *s, const char *end)
{
    bool is_next_word = false;
    for (const char *p = s; p < end; p = step(p, end)) {
        if (*p == '<') {
            return p;
        }
        if (is_next_word && is_parameter(p, end)) {
            return NULL;
        }
        is_next_word = word_is_space(*p);
    }
    return NULL;
}

/* Skips what may stand between an address and its parameters. */
static const char *skip_rest(const char *s, const char *end)
{
    const char *before;
    do {
        before = s;
        s = word_skip_spaces(s, end);
        if (s < end && (is_stray(*s) || is_comment(s, step(s, end)))) {
            s = step(s, end);
        }
    } while (s > before);
    return s;
}

bool address_in_brackets(const char *s, const char *end, struct address *address)
{
    const char *start = opening_bracket(s, end);
    if (start == NULL) {
        return false;
    }
    const char *stop = start;
    while (stop < end && *stop != '>') {
        start = *stop == '<' ? stop + 1 : start;
        stop = step(stop, end);
    }
    bool is_closed = stop < end;
    if (!is_closed) {
        start = word_skip_spaces(start, end);
        stop = word_end(start, end);
    }
    address_whole(start, stop, address);
    address->rest = skip_rest(stop, end);
    return is_closed || stop > start;
}

bool address_bare(const char *s, const char *end, struct address *address)
{
    const char *start = word_skip_spaces(s, end);
    const char *stop = start;
    while (stop < end && !word_is_space(*stop)) {
        stop = step(stop, end);
    }
    address_whole(start, stop, address);
    address->rest = skip_rest(stop, end);
    return stop > start && *start != '<';
}
