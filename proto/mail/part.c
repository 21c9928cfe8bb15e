/* part: see part.h. */
#include "proto/mail/part.h"

#include "proto/mail/input.h"
#include "proto/mail/text.h"
#include "proto/text.h"

#include <string.h>

/* Bytes that are decoded at once; most bodies are shorter. */
enum { PIECE = 64 * 1024 };

/* --- room ------------------------------------------------------------------------------------- */

/* Are there control characters that no text has? */
static bool is_binary(struct span text)
{
    static const char LAYOUT[] = "\t\n\v\f\r\b\x1b\x0e\x0f";
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.s[i];
        if (c < ' ' && memchr(LAYOUT, c, sizeof LAYOUT - 1) == NULL) {
            return true;
        }
    }
    return false;
}

/* Removes what no reader sees. */
static void shrink(struct part *part)
{
    if (!part->is_html) {
        mail_text_drop_files(&part->text, true, NULL);
        return;
    }
    struct buffer seen = BUFFER_EMPTY;
    html_clean(part->text.data, part->text.len, true, &seen);
    seen.has_failed = seen.has_failed || part->text.has_failed;
    buffer_free(&part->text);
    part->text = seen;
}

/* Checks what was appended after the first `before` bytes. */
static void keep_within_room(struct part *part, size_t before)
{
    struct buffer *text = &part->text;
    struct span added = {buffer_bytes(text) + before, text->len - before};
    if (part->may_be_binary && is_binary(added)) {
        part->is_kept = false;
        buffer_free(text);
        return;
    }
    if (text->len <= part->room) {
        return;
    }
    shrink(part);
    if (text->len > part->room - part->room / 4) {
        text->len = text->len < part->room ? text->len : part->room;
        part->is_cut = true;
    }
}

/* --- base64 that is none ---------------------------------------------------------------------- */

/* Is a line base64, except for a few damaged characters? */
static bool is_base64_line(struct span line)
{
    size_t foreign = 0;
    line = span_trim(line);
    for (size_t i = 0; i < line.len; i++) {
        foreign += base64_has(line.s[i]) ? 0 : 1;
    }
    return !span_has(line, ' ') && foreign * 8 <= line.len;
}

static bool is_all_base64(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!base64_has(text.s[i]) && !span_is_white(text.s[i])) {
            return false;
        }
    }
    return true;
}

/* The length of the leading lines that are base64. */
static size_t base64_len(struct span text)
{
    struct span rest = text, line;
    const char *end = rest.s;
    while (span_next_line(&rest, &line) && is_base64_line(line)) {
        end = rest.s;
    }
    return (size_t)(end - text.s);
}

/* Takes `s` and what follows as plain text. */
static void end_encoding(struct part *part, const char *s, size_t len)
{
    part->transfer = TRANSFER_NONE;
    part->is_mislabelled = true;
    buffer_append(&part->text, s, len);
}

/*
 * Is a body of base64's alphabet plain words, since what it decodes to is nonsense? It is short then,
 * has blanks, or is not complete.
 */
static bool are_words(const struct part *part, struct span raw)
{
    enum { LONGEST_WORD = 40 };
    struct span decoded = {part->text.data, part->text.len};
    bool has_blanks = span_has(raw, ' ');
    bool may_be = !part->is_wide && !part->may_be_binary;
    return (may_be && has_blanks && !text_is_utf8(decoded.s, decoded.len)) ||
           (may_be && (has_blanks || raw.len < LONGEST_WORD || part->carry.count > 0) &&
            is_binary(decoded));
}

/*
 * Decodes the first piece of a body that is labelled base64; mostly that is all of it. Some
 * programs set only the label, and mailing lists append plain text.
 */
static void begin_base64(struct part *part)
{
    enum { SHORTEST = 16 };
    struct span raw = {part->raw.data, part->raw.len};
    bool is_all = is_all_base64(raw);
    size_t len = is_all ? raw.len : base64_len(raw);
    base64_decode(&part->carry, raw.s, len, &part->text);
    bool is_short = !is_all && len < SHORTEST;
    if (are_words(part, raw) || len == 0 ||
        (is_short && !text_is_utf8(part->text.data, part->text.len))) {
        part->text.len = 0;
        end_encoding(part, raw.s, raw.len);
    } else if (len < raw.len) {
        buffer_putc(&part->text, '\n');
        end_encoding(part, raw.s + len, raw.len - len);
    }
}

/* --- encodings without a label ---------------------------------------------------------------- */

/* The length of the first line that is not empty. */
static size_t first_line_len(struct span text)
{
    struct span line = {NULL, 0};
    text = span_trim(text);
    span_next_line(&text, &line);
    return line.len;
}

/* Is a text base64 of another text? Keys and hashes look the same, but are not base64 of text. */
static bool decode_bare_base64(struct span text, struct buffer *decoded)
{
    enum { SHORTEST_LINE = 40, SHORTEST = 57 };
    struct base64 carry = {0, 0};
    if (first_line_len(text) < SHORTEST_LINE || span_has(text, ' ') || !is_all_base64(text)) {
        return false;
    }
    base64_decode(&carry, text.s, text.len, decoded);
    struct span prose = {decoded->data, decoded->len};
    return carry.count == 0 && !is_binary(prose) &&
           (span_has(prose, ' ') || span_has(prose, '\n')) &&
           (decoded->len >= SHORTEST || text_is_utf8(decoded->data, decoded->len));
}

/*
 * Is a text quoted-printable? Each "=" must begin an escape or end a line, and there must be
 * characters beyond ASCII or a line that was broken at the usual length.
 */
static bool decode_bare_quoted(struct span text, struct buffer *decoded)
{
    enum { BROKEN_MIN = 70, BROKEN_MAX = 76 };
    bool has_broken = false;
    struct span rest = text, line;
    if (!span_has(text, '=') || !quoted_printable_is(text.s, text.len)) {
        return false;
    }
    while (span_next_line(&rest, &line)) {
        has_broken = has_broken || (line.len >= BROKEN_MIN && line.len <= BROKEN_MAX &&
                                    line.s[line.len - 1] == '=');
    }
    quoted_printable_decode(text.s, text.len, decoded);
    bool has_high = false;
    for (size_t i = 0; i < decoded->len; i++) {
        has_high = has_high || (unsigned char)decoded->data[i] >= 0x80;
    }
    return (has_broken || has_high) && text_is_utf8(decoded->data, decoded->len);
}

/* Decodes a text that has lost its Content-Transfer-Encoding. */
static void decode_unlabelled(struct part *part)
{
    struct span text = {part->text.data, part->text.len};
    struct buffer decoded = BUFFER_EMPTY;
    bool is_encoded = decode_bare_base64(text, &decoded);
    if (!is_encoded) {
        buffer_clear(&decoded);
        is_encoded = decode_bare_quoted(text, &decoded);
    }
    if (is_encoded && !decoded.has_failed) {
        buffer_free(&part->text);
        part->text = decoded;
        part->is_mislabelled = true;
    } else {
        buffer_free(&decoded);
    }
}

/* --- decoding --------------------------------------------------------------------------------- */

/* How much of the raw bytes can be decoded without tearing a line or an escape apart. */
static size_t whole_len(const struct part *part)
{
    const struct buffer *raw = &part->raw;
    const char *lf = memrchr(raw->data, '\n', raw->len);
    if (part->transfer == TRANSFER_BASE64) {
        return raw->len;
    }
    if (lf != NULL) {
        return (size_t)(lf + 1 - raw->data);
    }
    size_t tail = raw->len > 2 ? raw->len - 2 : 0;
    const char *escape = memchr(raw->data + tail, '=', raw->len - tail);
    return escape == NULL ? raw->len : (size_t)(escape - raw->data);
}

static void decode(struct part *part, size_t len)
{
    const char *s = part->raw.data;
    size_t before = part->text.len;
    if (len == 0) {
        return;
    }
    switch (part->transfer) {
    case TRANSFER_BASE64:
        if (part->has_begun) {
            base64_decode(&part->carry, s, len, &part->text);
        } else {
            begin_base64(part);
        }
        break;
    case TRANSFER_QUOTED:
        quoted_printable_decode(s, len, &part->text);
        break;
    case TRANSFER_UUENCODED:
        uu_decode(s, len, &part->is_uu_open, &part->text);
        break;
    case TRANSFER_NONE:
        buffer_append(&part->text, s, len);
        break;
    }
    part->has_begun = true;
    part->text.has_failed = part->text.has_failed || part->raw.has_failed;
    buffer_consume(&part->raw, len);
    keep_within_room(part, before < part->text.len ? before : 0);
}

void part_append(struct part *part, const char *s, size_t len)
{
    if (!part->is_kept || part->is_cut || len == 0) {
        return;
    }
    if (part->transfer == TRANSFER_NONE && part->raw.len == 0) {
        size_t before = part->text.len;
        buffer_append(&part->text, s, len);
        keep_within_room(part, before);
        return;
    }
    buffer_append(&part->raw, s, len);
    if (part->raw.len >= PIECE) {
        decode(part, whole_len(part));
    }
}

void part_end(struct part *part)
{
    if (part->is_kept && !part->is_cut) {
        decode(part, part->raw.len);
    }
    buffer_free(&part->raw);
    if (part->is_kept && part->transfer == TRANSFER_NONE && !part->is_mislabelled) {
        decode_unlabelled(part);
    }
}

void part_free(struct part *part)
{
    buffer_free(&part->raw);
    buffer_free(&part->text);
}
