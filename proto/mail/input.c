/* input: see input.h. */
#include "proto/mail/input.h"

#include <string.h>
#include <strings.h>

/* --- cleaning ------------------------------------------------------------------------------- */

static void append_without_nuls(const char *s, size_t len, struct buffer *out)
{
    const char *end = s + len;
    for (const char *nul; (nul = memchr(s, '\0', (size_t)(end - s))) != NULL; s = nul + 1) {
        buffer_append(out, s, (size_t)(nul - s));
    }
    buffer_append(out, s, (size_t)(end - s));
}

/* What no reader sees: how it begins and ends. */
static const struct unseen {
    const char *start, *stop;
    bool is_element; /* `start` and `stop` are tags, whose names end there */
} UNSEEN[] = {
    {"<!--", "--", false},
    {"<![", ">", false},
    {"<script", "</script", true},
    {"<style", "</style", true},
};

/* Finds `word`, in any case of its letters. It must not begin with a letter. */
static const char *find_word(const char *s, const char *end, const char *word)
{
    size_t len = strlen(word);
    while (s < end && (s = memchr(s, word[0], (size_t)(end - s))) != NULL &&
           (size_t)(end - s) >= len) {
        if (strncasecmp(s, word, len) == 0) {
            return s;
        }
        s++;
    }
    return NULL;
}

/* The end of a comment, which its opening dashes may close; NULL = it is not closed. */
static const char *comment_end(const char *s, const char *end)
{
    for (s += 2; (s = memmem(s, (size_t)(end - s), "--", 2)) != NULL; s++) {
        if (end - s > 2 && s[2] == '>') {
            return s + 3;
        }
        if (end - s > 3 && s[2] == '!' && s[3] == '>') {
            return s + 4;
        }
    }
    return NULL;
}

/* The end of what no reader sees; NULL = it is not closed. */
static const char *unseen_end(const struct unseen *unseen, const char *s, const char *end)
{
    if (unseen == &UNSEEN[0]) {
        return comment_end(s, end);
    }
    const char *stop = find_word(s + strlen(unseen->start), end, unseen->stop);
    const char *close = stop == NULL ? NULL : memchr(stop, '>', (size_t)(end - stop));
    return close == NULL ? NULL : close + 1;
}

/* What begins at the "<" at `s`; NULL = something visible. */
static const struct unseen *find_unseen(const char *s, const char *end)
{
    for (size_t i = 0; i < sizeof UNSEEN / sizeof UNSEEN[0]; i++) {
        size_t len = strlen(UNSEEN[i].start);
        if ((size_t)(end - s) > len && strncasecmp(s, UNSEEN[i].start, len) == 0 &&
            (!UNSEEN[i].is_element || strchr(" \t\r\n/>", s[len]) != NULL)) {
            return &UNSEEN[i];
        }
    }
    return NULL;
}

/* Keeps enough of what is not closed to recognise its end when it follows. */
static void append_open(const struct unseen *unseen, const char *s, const char *end,
                        struct buffer *out)
{
    enum { STOP_MAX = 8 };
    s += strlen(unseen->start);
    const char *tail = end - s > STOP_MAX ? end - STOP_MAX : s;
    buffer_puts(out, unseen->start);
    buffer_puts(out, unseen->is_element ? "> " : " ");
    append_without_nuls(tail, (size_t)(end - tail), out);
}

/* Does the ":" at `at` belong to a `data:` URI in an attribute or a style? */
static bool is_data_uri(const char *html, const char *at)
{
    static const char WORD[] = "data";
    enum { WORD_LEN = sizeof WORD - 1 };
    return at - html > WORD_LEN && strncasecmp(at - WORD_LEN, WORD, WORD_LEN) == 0 &&
           strchr("\"'(=", at[-WORD_LEN - 1]) != NULL && at[-WORD_LEN - 1] != '\0';
}

/* The end of the `data:` URI whose ":" is at `at`. */
static const char *data_end(const char *at, const char *end)
{
    char opened = at[-5];
    const char *stop = opened == '"'    ? "\""
                       : opened == '\'' ? "'"
                       : opened == '('  ? ")\"'"
                                        : " \t\n>";
    at++;
    while (at < end && (*at == '\0' || strchr(stop, *at) == NULL)) {
        at++;
    }
    return at;
}

void html_clean(const char *html, size_t len, bool follows, struct buffer *out)
{
    const char *end = html + len;
    const char *from = html;
    for (const char *at = html; at < end; at++) {
        const struct unseen *unseen = *at == '<' ? find_unseen(at, end) : NULL;
        bool is_data = *at == ':' && is_data_uri(html, at);
        if (unseen == NULL && !is_data) {
            continue;
        }
        append_without_nuls(from, (size_t)(at - from) + (is_data ? 1 : 0), out);
        from = is_data ? data_end(at, end) : unseen_end(unseen, at, end);
        if (from == NULL) {
            if (follows) {
                append_open(unseen, at, end, out);
            }
            return;
        }
        at = from - 1;
    }
    append_without_nuls(from, (size_t)(end - from), out);
}

/* --- bounds --------------------------------------------------------------------------------- */

/*
 * Where a tag begins depends on the comments, scripts and quotes before it, and parsers disagree
 * about those. So every "<" before a letter counts as a beginning. For each state that a tag may be
 * in at this byte, wherever it began, the pass keeps the largest number of attributes so far: never
 * too low, too high only within scripts, and in linear time.
 */
enum state {
    OUTSIDE, /* or the tag has ended */
    TAG,     /* in its name */
    BETWEEN, /* attributes */
    NAME,    /* of an attribute */
    AFTER_NAME,
    BEFORE_VALUE,
    BARE, /* value without quotes, or what is no attribute: up to a blank */
    DOUBLE_QUOTED,
    SINGLE_QUOTED,
    STATES
};

enum class {
    BLANK,
    LETTER, /* what a name begins with */
    DIGIT,  /* what goes on in a name */
    EQUALS,
    DOUBLE_QUOTE,
    SINGLE_QUOTE,
    END,
    OTHER,
    CLASSES
};

static const unsigned char next_state[STATES][CLASSES] = {
    [TAG] = {BETWEEN, TAG, TAG, BARE, BARE, BARE, OUTSIDE, BARE},
    [BETWEEN] = {BETWEEN, NAME, BARE, BARE, BARE, BARE, OUTSIDE, BARE},
    [NAME] = {AFTER_NAME, NAME, NAME, BEFORE_VALUE, BARE, BARE, OUTSIDE, BARE},
    [AFTER_NAME] = {AFTER_NAME, NAME, BARE, BEFORE_VALUE, BARE, BARE, OUTSIDE, BARE},
    [BEFORE_VALUE] = {BEFORE_VALUE, BARE, BARE, BARE, DOUBLE_QUOTED, SINGLE_QUOTED, OUTSIDE, BARE},
    [BARE] = {BETWEEN, BARE, BARE, BARE, BARE, BARE, OUTSIDE, BARE},
    [DOUBLE_QUOTED] = {DOUBLE_QUOTED, DOUBLE_QUOTED, DOUBLE_QUOTED, DOUBLE_QUOTED, BETWEEN,
                       DOUBLE_QUOTED, DOUBLE_QUOTED, DOUBLE_QUOTED},
    [SINGLE_QUOTED] = {SINGLE_QUOTED, SINGLE_QUOTED, SINGLE_QUOTED, SINGLE_QUOTED, SINGLE_QUOTED,
                       BETWEEN, SINGLE_QUOTED, SINGLE_QUOTED},
};

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' || c == '.';
}

static enum class class_of(char c) {
    switch (c){
        case ' ' : case '\t' : case '\n' : case '\r' : return BLANK; case '=' : return EQUALS;
        case '"' : return DOUBLE_QUOTE;
        case '\'' : return SINGLE_QUOTE;
        case '>' : return END;
    }
return is_letter(c) ? LETTER : c == '-' || (c >= '0' && c <= '9') ? DIGIT : OTHER;
}

/* Attributes by state, plus one: 0 = no tag can be in this state. */
struct counts {
    unsigned by_state[STATES];
    bool is_any; /* but OUTSIDE */
};

static struct counts step(const struct counts *now, enum class class)
{
    struct counts next = {.is_any = false};
    for (unsigned s = TAG; s < STATES; s++) {
        unsigned to = next_state[s][class];
        unsigned count = now->by_state[s];
        if (count == 0 || to == OUTSIDE) {
            continue;
        }
        count += to == NAME && s != NAME;
        next.by_state[to] = next.by_state[to] > count ? next.by_state[to] : count;
        next.is_any = true;
    }
    return next;
}

static size_t limit_attributes(const char *html, size_t len, unsigned max)
{
    struct counts counts = {.is_any = false};
    for (size_t i = 0; i < len; i++) {
        if (!counts.is_any) {
            const char *tag = memchr(html + i, '<', len - i);
            if (tag == NULL) {
                return len;
            }
            i = (size_t)(tag - html);
        }
        counts = step(&counts, class_of(html[i]));
        if (counts.by_state[NAME] > max + 1) {
            return i;
        }
        if (html[i] == '<' && i + 1 < len && is_letter(html[i + 1])) {
            counts.by_state[TAG] = counts.by_state[TAG] > 0 ? counts.by_state[TAG] : 1;
            counts.is_any = true;
        }
    }
    return len;
}

static size_t limit_entities(const char *html, size_t len, unsigned max)
{
    const char *end = html + len;
    const char *at = html;
    for (unsigned count = 0; (at = memchr(at, '&', (size_t)(end - at))) != NULL; at++) {
        if (at + 1 < end && is_letter(at[1]) && ++count > max) {
            return (size_t)(at - html);
        }
    }
    return len;
}

size_t html_limit(const char *html, size_t len, unsigned max_attributes, unsigned max_entities)
{
    return limit_attributes(html, limit_entities(html, len, max_entities), max_attributes);
}

bool html_charset(const char *html, size_t len, char name[HTML_CHARSET_MAX + 1])
{
    static const char WORD[] = "charset=";
    enum { SEARCHED = 2048, WORD_LEN = sizeof WORD - 1 };
    len = len < SEARCHED ? len : SEARCHED;
    size_t at = 0;
    while (at + WORD_LEN < len && strncasecmp(html + at, WORD, WORD_LEN) != 0) {
        at++;
    }
    at += WORD_LEN;
    at += at < len && (html[at] == '"' || html[at] == '\'') ? 1 : 0;
    size_t n = 0;
    while (at + n < len && n < HTML_CHARSET_MAX && html[at + n] > ' ' &&
           strchr("\"'; />", html[at + n]) == NULL) {
        name[n] = html[at + n];
        n++;
    }
    name[n] = '\0';
    return n > 0;
}
