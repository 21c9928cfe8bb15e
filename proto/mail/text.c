/* text: see text.h. */
#include "proto/mail/text.h"

#include "proto/mail/charset.h"
#include "proto/mail/span.h"
#include "proto/mail/transfer.h"
#include "proto/text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unictype.h>
#include <unistr.h>

/* --- charsets --------------------------------------------------------------------------------- */

static size_t count_high_bytes(const char *s, size_t len)
{
    size_t count = 0;
    for (size_t i = 0; i < len; i++) {
        count += (unsigned char)s[i] >> 7;
    }
    return count;
}

/* A label that rules out bytes above 127 says nothing about a text that has some. */
static bool is_ascii_name(const char *label)
{
    static const char *const NAMES[] = {"us-ascii", "ascii", "ansi_x3.4", "7bit"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        if (strncasecmp(label, NAMES[i], strlen(NAMES[i])) == 0) {
            return true;
        }
    }
    return false;
}

/*
 * Does valid UTF-8 have characters of three or more bytes? Text in a charset of two bytes a
 * character may look like two-byte UTF-8, but hardly ever like this.
 */
static bool has_long_character(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)s[i] >= 0xE0) {
            return true;
        }
    }
    return false;
}

/* Is text that is valid UTF-8 in UTF-8, whatever its label says? */
static bool is_utf8_anyway(const char *s, size_t len, size_t high, const struct charset *charset)
{
    switch (charset->kind) {
    case CHARSET_UTF8:
    case CHARSET_SINGLE:
        return true;
    case CHARSET_MULTIPLE:
        return high == 0 || has_long_character(s, len);
    case CHARSET_ESCAPING:
        return high > 0;
    case CHARSET_WIDE:
        return !span_has((struct span){s, len}, '\0');
    }
    return true;
}

/* A byte order mark outweighs any label (Encoding Standard, 6). So does the escape sequence that
 * begins Japanese text (RFC 1468): no other text has it. */
static const char *marked_charset(const char *s, size_t len)
{
    bool has_escape = span_has((struct span){s, len}, '\x1b');
    if (has_escape &&
        (memmem(s, len, "\x1b$B", 3) != NULL || memmem(s, len, "\x1b$@", 3) != NULL)) {
        return "iso-2022-jp";
    }
    if (len >= 3 && memcmp(s, "\xef\xbb\xbf", 3) == 0) {
        return "utf-8";
    }
    bool is_utf16 = len >= 2 && (memcmp(s, "\xff\xfe", 2) == 0 || memcmp(s, "\xfe\xff", 2) == 0);
    return is_utf16 && (len < 4 || memcmp(s, "\xff\xfe\0", 4) != 0) ? "utf-16" : NULL;
}

static void drop_mark(struct buffer *out, size_t start)
{
    if (out->len >= start + 3 && memcmp(out->data + start, "\xef\xbb\xbf", 3) == 0) {
        memmove(out->data + start, out->data + start + 3, out->len - start - 3);
        out->len -= 3;
    }
}

/* Finds the charset of a label that can be true; else it is UTF-8, and the result is false. */
static bool find_charset(const char *label, size_t high, struct charset *charset)
{
    if (label != NULL && !(high > 0 && is_ascii_name(label)) && charset_find(label, charset)) {
        return true;
    }
    charset_find("utf-8", charset);
    return false;
}

static void count_replaced(struct mail_repairs *repairs, const char *label, size_t replaced)
{
    if (replaced > 0 && repairs->replaced == 0) {
        snprintf(repairs->charset, sizeof repairs->charset, "%s", label == NULL ? "" : label);
    }
    repairs->replaced += replaced;
}

/* Are so many bytes invalid that the label must be wrong? */
static bool is_wrong_charset(const struct charset *charset, size_t replaced, size_t len,
                             size_t high)
{
    bool are_high_those_that_count = high > 0 && charset->kind != CHARSET_WIDE;
    return are_high_those_that_count ? replaced > high / 2 : replaced > len / 8;
}

bool mail_text_to_utf8(const char *s, size_t len, const char *declared, const char *fallback,
                       struct buffer *out, struct mail_repairs *repairs)
{
    struct charset charset;
    size_t start = out->len, replaced = 0;
    size_t high = count_high_bytes(s, len);
    const char *mark = marked_charset(s, len);
    bool is_labelled = find_charset(mark != NULL ? mark : declared, high, &charset);
    if (is_utf8_anyway(s, len, high, &charset) && text_is_utf8(s, len)) {
        buffer_append(out, s, len);
        drop_mark(out, start);
        return true;
    }
    if (!is_labelled && fallback == NULL) {
        return false;
    }
    charset_convert(&charset, s, len, out, &replaced);
    if (is_wrong_charset(&charset, replaced, len, high)) {
        out->len = start;
        if (fallback == NULL) {
            return false;
        }
        replaced = 0;
        declared = fallback;
        find_charset(fallback, 0, &charset);
        charset_convert(&charset, s, len, out, &replaced);
    }
    drop_mark(out, start);
    count_replaced(repairs, declared, replaced);
    return true;
}

/* --- lines ------------------------------------------------------------------------------------ */

static void add_name(struct buffer *names, struct span name)
{
    if (names != NULL) {
        buffer_append(names, name.s, name.len);
        buffer_putc(names, '\n');
    }
}

/* Moves a line to the end of the shortened text. */
static void move_line(struct buffer *text, struct span line, bool has_lf)
{
    memmove(text->data + text->len, line.s, line.len);
    text->len += line.len;
    if (has_lf) {
        text->data[text->len++] = '\n';
    }
}

void mail_text_drop_files(struct buffer *text, bool follows, struct buffer *names)
{
    if (text->len == 0 || memmem(text->data, text->len, "begin ", 6) == NULL) {
        return;
    }
    const char *end = text->data + text->len;
    struct span rest = {text->data, text->len}, line, name;
    struct span begin = {NULL, 0}; /* the first line of the current file; NULL = outside of files */
    text->len = 0;
    while (span_next_line(&rest, &line)) {
        bool has_lf = line.s + line.len < end;
        struct span next = rest, next_line = {NULL, 0};
        span_next_line(&next, &next_line);
        if (begin.s != NULL && follows && !has_lf) {
            move_line(text, begin, true);
            move_line(text, line, false);
            return; /* the line is not complete */
        }
        if (begin.s == NULL && uu_begins(line, next_line, &name)) {
            begin = line;
            add_name(names, name);
        } else if (begin.s != NULL && span_is(line, "end")) {
            begin.s = NULL;
        } else if (begin.s == NULL || !(span_trim(line).len == 0 || uu_is_line(line))) {
            begin.s = NULL;
            move_line(text, line, has_lf);
        }
    }
    if (begin.s != NULL && follows) {
        move_line(text, begin, true);
    }
}

static bool is_separator(struct span line)
{
    return line.len == 3 && memcmp(line.s, "-- ", 3) == 0;
}

void mail_text_unflow(struct buffer *text, bool deletes_space)
{
    struct buffer out = BUFFER_EMPTY;
    struct span lines = {text->data, text->len}, line;
    size_t depth_before = 0;
    bool is_flowing = false;
    while (span_next_line(&lines, &line)) {
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

void mail_text_drop_signature(struct buffer *text)
{
    struct span lines = {text->data, text->len}, line;
    bool has_text = false;
    while (span_next_line(&lines, &line)) {
        if (has_text && is_separator(line)) {
            text->len = (size_t)(line.s - text->data);
            return;
        }
        has_text = has_text || span_trim(line).len > 0;
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
    while (kept > 0 && span_is_white(text->data[kept - 1])) {
        kept--;
    }
    text->len = kept;
    if (!has_visible(text)) {
        text->len = 0;
    }
}
