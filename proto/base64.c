/* base64: see base64.h. */
#include "proto/base64.h"

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

bool base64_has(char c)
{
    return c == '=' || six_bits(c) >= 0;
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

bool base64_is_valid(const char *s, size_t len)
{
    size_t digits = len;
    bool is_good = len % 4 == 0;
    while (digits > 0 && len - digits < 2 && s[digits - 1] == '=') {
        digits--;
    }
    for (size_t i = 0; i < digits && is_good; i++) {
        is_good = six_bits(s[i]) >= 0;
    }
    return is_good;
}

void base64_encode(struct buffer *out, const char *bytes, size_t len)
{
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < len; i += 3) {
        unsigned group = 0;
        for (size_t j = 0; j < 3; j++) {
            group = group << 8 | (i + j < len ? (unsigned char)bytes[i + j] : 0);
        }
        for (size_t j = 0; j < 4; j++) {
            buffer_putc(out, i + j > len ? '=' : DIGITS[group >> (18 - 6 * j) & 63]);
        }
    }
}
