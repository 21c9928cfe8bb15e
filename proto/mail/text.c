/* text: see text.h. */
#include "proto/mail/text.h"

#include "proto/text.h"

#include <string.h>
#include <strings.h>
#include <unictype.h>
#include <unistr.h>

/* --- charsets --------------------------------------------------------------------------------- */

static bool has_high_byte(const char *s, size_t len)
{
    unsigned char all = 0;
    for (size_t i = 0; i < len; i++) {
        all |= (unsigned char)s[i];
    }
    return all >= 0x80;
}

static bool starts_with_any(const char *name, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (strncasecmp(name, *words, strlen(*words)) == 0) {
            return true;
        }
    }
    return false;
}

/*
 * Charsets of which an ordinary text may be valid UTF-8 by chance: those of 7 bits that escape,
 * those of two and four bytes a character, and those of which two bytes make one. Of all others,
 * text with bytes above 127 that is valid UTF-8 is UTF-8 with a wrong label.
 */
static bool may_look_like_utf8(const char *charset)
{
    static const char *const NAMES[] = {"iso-2022", "utf-7",   "utf-16", "utf-32",   "ucs",
                                        "hz",       "unicode", "gb",     "big5",     "shift",
                                        "sjis",     "x-sjis",  "cp932",  "ms_kanji", "windows-31j",
                                        "euc",      "ks",      "cp949",  "johab",    NULL};
    return starts_with_any(charset, NAMES);
}

/* What says ISO 8859-1 or US-ASCII and has a byte of 0x80 to 0x9F is windows-1252. */
static const char *true_name(const char *charset)
{
    static const char *const LATIN1[] = {"iso-8859-1", "iso8859-1", "iso_8859-1", "latin1",
                                         "l1",         "us-ascii",  "ascii",      "ansi_x3.4"};
    for (size_t i = 0; i < sizeof LATIN1 / sizeof LATIN1[0]; i++) {
        if (strcasecmp(charset, LATIN1[i]) == 0) {
            return "windows-1252";
        }
    }
    return charset;
}

static bool is_ascii_name(const char *charset)
{
    static const char *const ASCII[] = {"us-ascii", "ascii", "ansi_x3.4", "7bit", NULL};
    return starts_with_any(charset, ASCII);
}

/* The length of the valid UTF-8 character at `s`, 0 where there is none. */
static size_t character_len(const char *s, size_t len)
{
    unsigned char c = (unsigned char)s[0];
    size_t n = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    return n <= len && text_is_utf8(s, n) ? n : 0;
}

/* Keeps what is UTF-8, and puts "?" for each byte that is not. */
static void append_lossy(const char *s, size_t len, struct buffer *out)
{
    for (size_t i = 0; i < len;) {
        size_t n = character_len(s + i, len - i);
        buffer_append(out, n > 0 ? s + i : "?", n > 0 ? n : 1);
        i += n > 0 ? n : 1;
    }
}

bool mail_text_to_utf8(const char *s, size_t len, const char *declared, const char *fallback,
                       struct buffer *out)
{
    bool is_high = has_high_byte(s, len);
    bool is_believed = declared != NULL && !(is_high && is_ascii_name(declared));
    if (!(is_believed && may_look_like_utf8(declared)) && text_is_utf8(s, len)) {
        buffer_append(out, s, len);
        return true;
    }
    if (is_believed && text_to_utf8(s, len, true_name(declared), out)) {
        return true;
    }
    if (text_is_utf8(s, len)) {
        buffer_append(out, s, len);
        return true;
    }
    if (fallback == NULL) {
        return false;
    }
    if (!text_to_utf8(s, len, fallback, out) && !out->has_failed) {
        append_lossy(s, len, out);
    }
    return true;
}

/* --- lines ------------------------------------------------------------------------------------ */

struct span {
    const char *s;
    size_t len;
};

/* Cuts the next line off, its LF (and a CR before it) left out; false when there is none. */
static bool next_line(const char **s, const char *end, struct span *line)
{
    if (*s == end) {
        return false;
    }
    const char *lf = memchr(*s, '\n', (size_t)(end - *s));
    const char *stop = lf == NULL ? end : lf;
    line->s = *s;
    line->len = (size_t)(stop - *s);
    if (line->len > 0 && stop[-1] == '\r') {
        line->len--;
    }
    *s = lf == NULL ? end : lf + 1;
    return true;
}

static bool is_separator(struct span line)
{
    return line.len == 3 && memcmp(line.s, "-- ", 3) == 0;
}

void mail_text_unflow(struct buffer *text, bool deletes_space)
{
    struct buffer out = BUFFER_EMPTY;
    const char *s = text->data;
    const char *end = s == NULL ? NULL : s + text->len;
    struct span line;
    size_t depth_before = 0;
    bool is_flowing = false;
    while (s != NULL && next_line(&s, end, &line)) {
        size_t depth = 0;
        while (depth < line.len && line.s[depth] == '>') {
            depth++;
        }
        struct span rest = {line.s + depth, line.len - depth};
        if (rest.len > 0 && rest.s[0] == ' ') {
            rest.s++; /* stuffed */
            rest.len--;
        }
        bool is_fixed = is_separator(rest) || rest.len == 0 || rest.s[rest.len - 1] != ' ';
        if (is_flowing && (depth != depth_before || is_separator(rest))) {
            buffer_putc(&out, '\n');
            is_flowing = false;
        }
        if (!is_flowing && depth > 0) {
            buffer_append(&out, line.s, depth);
            buffer_putc(&out, ' ');
        }
        buffer_append(&out, rest.s, rest.len - (!is_fixed && deletes_space ? 1 : 0));
        if (is_fixed) {
            buffer_putc(&out, '\n');
        }
        is_flowing = !is_fixed;
        depth_before = depth;
    }
    out.has_failed = out.has_failed || text->has_failed;
    buffer_free(text);
    *text = out;
}

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void mail_text_drop_signature(struct buffer *text)
{
    const char *s = text->data;
    const char *end = s == NULL ? NULL : s + text->len;
    bool has_text = false;
    struct span line;
    while (s != NULL && next_line(&s, end, &line)) {
        if (has_text && is_separator(line)) {
            text->len = (size_t)(line.s - text->data);
            return;
        }
        for (size_t i = 0; i < line.len && !has_text; i++) {
            has_text = !is_white(line.s[i]);
        }
    }
}

static bool has_visible(const struct buffer *text)
{
    for (size_t i = 0; i < text->len;) {
        ucs4_t c;
        i += (size_t)u8_mbtouc(&c, (const uint8_t *)text->data + i, text->len - i);
        if (!uc_is_property_white_space(c) && !uc_is_property_default_ignorable_code_point(c)) {
            return true;
        }
    }
    return false;
}

void mail_text_trim(struct buffer *text)
{
    size_t kept = 0;
    size_t line_kept = 0; /* of the line at hand, up to where no white space ends it */
    for (size_t i = 0; i < text->len; i++) {
        unsigned char c = (unsigned char)text->data[i];
        if (c == '\n') {
            kept = line_kept;
            if (kept > 0) {
                text->data[kept++] = '\n';
            }
            line_kept = kept;
        } else if (c >= ' ' ? c != 0x7F : c == '\t') {
            text->data[kept++] = (char)c;
            line_kept = c == ' ' || c == '\t' ? line_kept : kept;
        }
    }
    kept = line_kept;
    while (kept > 0 && is_white(text->data[kept - 1])) {
        kept--;
    }
    text->len = kept;
    if (!has_visible(text)) {
        text->len = 0;
    }
}
