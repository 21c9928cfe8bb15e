/* transfer: see transfer.h. */
#include "proto/mail/transfer.h"

#include <stdbool.h>
#include <string.h>

/* --- quoted-printable ------------------------------------------------------------------------- */

/* Decodes what begins with "=" at `s`. Returns its length. */
static size_t take_escape(const char *s, size_t len, struct buffer *out)
{
    int high = len > 1 ? span_hex_digit(s[1]) : -1;
    int low = len > 2 ? span_hex_digit(s[2]) : -1;
    if (high >= 0 && low >= 0) {
        buffer_putc(out, (char)(high << 4 | low));
        return 3;
    }
    size_t blanks = 1;
    while (blanks < len && (s[blanks] == ' ' || s[blanks] == '\t')) {
        blanks++;
    }
    if (blanks == len || s[blanks] == '\n') { /* a soft line break */
        return blanks == len ? len : blanks + 1;
    }
    buffer_putc(out, '=');
    return 1;
}

void quoted_printable_decode(const char *s, size_t len, struct buffer *out)
{
    const char *end = s + len;
    for (const char *escape; (escape = memchr(s, '=', (size_t)(end - s))) != NULL;) {
        buffer_append(out, s, (size_t)(escape - s));
        s = escape + take_escape(escape, (size_t)(end - escape), out);
    }
    buffer_append(out, s, (size_t)(end - s));
}

bool quoted_printable_is(const char *s, size_t len)
{
    const char *end = s + len;
    for (; (s = memchr(s, '=', (size_t)(end - s))) != NULL; s++) {
        bool is_escape = end - s > 2 && span_hex_digit(s[1]) >= 0 && span_hex_digit(s[2]) >= 0;
        if (!is_escape && end - s > 1 && s[1] != '\n') {
            return false;
        }
    }
    return true;
}

void q_decode(const char *s, size_t len, struct buffer *out)
{
    const char *end = s + len;
    for (const char *space; (space = memchr(s, '_', (size_t)(end - s))) != NULL; s = space + 1) {
        quoted_printable_decode(s, (size_t)(space - s), out);
        buffer_putc(out, ' ');
    }
    quoted_printable_decode(s, (size_t)(end - s), out);
}

/* --- uuencode --------------------------------------------------------------------------------- */

/* The six bits of a character. A grave accent stands for a space, which mailers might strip. */
static unsigned uu_bits(char c)
{
    return ((unsigned)(unsigned char)c - ' ') & 0x3F;
}

bool uu_is_line(struct span line)
{
    if (line.len == 0 || line.s[0] < ' ' || line.s[0] > '`') {
        return false;
    }
    size_t bytes = uu_bits(line.s[0]);
    size_t needed = 1 + (bytes + 2) / 3 * 4;
    /* Trailing spaces may have been stripped, or a checksum appended. */
    return line.len + 3 >= needed && line.len <= needed + 2;
}

bool uu_begins(struct span line, struct span next, struct span *name)
{
    static const char BEGIN[] = "begin ";
    size_t i = sizeof BEGIN - 1, mode = i;
    if (line.len <= i || memcmp(line.s, BEGIN, i) != 0) {
        return false;
    }
    while (i < line.len && line.s[i] >= '0' && line.s[i] <= '7') {
        i++;
    }
    *name = span_trim((struct span){line.s + i, line.len - i});
    bool is_followed = uu_is_line(next) || span_is(next, "end");
    return i - mode >= 3 && i - mode <= 6 && name->len > 0 && is_followed;
}

static void uu_decode_line(struct span line, struct buffer *out)
{
    size_t bytes = uu_bits(line.s[0]);
    unsigned bits = 0, count = 0;
    for (size_t i = 1; bytes > 0; i++) {
        bits = bits << 6 | (i < line.len ? uu_bits(line.s[i]) : 0);
        count += 6;
        if (count >= 8) {
            count -= 8;
            buffer_putc(out, (char)(bits >> count));
            bits &= (1U << count) - 1;
            bytes--;
        }
    }
}

void uu_decode(const char *s, size_t len, bool *is_open, struct buffer *out)
{
    struct span rest = {s, len}, line;
    while (span_next_line(&rest, &line)) {
        if (!*is_open) {
            *is_open = span_starts_with(line, "begin ");
        } else if (span_is(line, "end")) {
            *is_open = false;
        } else if (uu_is_line(line)) {
            uu_decode_line(line, out);
        }
    }
}
