/* transfer: see transfer.h. */
#include "proto/mail/transfer.h"

#include <stdbool.h>
#include <string.h>

/* --- base64 ----------------------------------------------------------------------------------- */

/* The six bits that a character stands for, or -1. */
static int six_bits(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

void base64_decode(struct base64 *carry, const char *s, size_t len, struct buffer *out)
{
    char *to = buffer_reserve(out, len / 4 * 3 + 3);
    if (to == NULL) {
        return;
    }
    char *start = to;
    struct base64 now = *carry; /* a copy that stays in registers */
    for (size_t i = 0; i < len; i++) {
        int six = six_bits(s[i]);
        if (six < 0) {
            now = s[i] == '=' ? (struct base64){0, 0} : now;
            continue;
        }
        now.bits = now.bits << 6 | (unsigned)six;
        now.count += 6;
        if (now.count >= 8) {
            now.count -= 8;
            *to++ = (char)(now.bits >> now.count);
            now.bits &= (1U << now.count) - 1;
        }
    }
    *carry = now;
    out->len += (size_t)(to - start);
}

/* --- quoted-printable ------------------------------------------------------------------------- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Reads what begins with "=" at `s`, and returns how many bytes of the input it is. */
static size_t take_escape(const char *s, size_t len, struct buffer *out)
{
    int high = len > 1 ? hex_digit(s[1]) : -1;
    int low = len > 2 ? hex_digit(s[2]) : -1;
    if (high >= 0 && low >= 0) {
        buffer_putc(out, (char)(high << 4 | low));
        return 3;
    }
    size_t blanks = 1;
    while (blanks < len && (s[blanks] == ' ' || s[blanks] == '\t')) {
        blanks++;
    }
    if (blanks == len || s[blanks] == '\n') { /* a line end that is none */
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

void q_decode(const char *s, size_t len, struct buffer *out)
{
    const char *end = s + len;
    for (const char *space; (space = memchr(s, '_', (size_t)(end - s))) != NULL; s = space + 1) {
        quoted_printable_decode(s, (size_t)(space - s), out);
        buffer_putc(out, ' ');
    }
    quoted_printable_decode(s, (size_t)(end - s), out);
}
