/* escape: see escape.h. */
#include "proto/escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

static bool is_between(uint32_t c, uint32_t first, uint32_t last)
{
    return c >= first && c <= last;
}

static bool is_unsafe(uint32_t c)
{
    return c < ' ' || is_between(c, 0x7f, 0x9f) || c == 0x061c || is_between(c, 0x200e, 0x200f) ||
           is_between(c, 0x2028, 0x202e) || is_between(c, 0x2066, 0x2069);
}

/* All unsafe characters have at most three bytes. */
size_t escape_unsafe(const char *s, size_t len)
{
    const unsigned char *bytes = (const unsigned char *)s;
    uint32_t c = len == 0 ? ' ' : bytes[0];
    size_t size = 1;
    if (c >= 0xe0 && c < 0xf0 && len >= 3) {
        c = (c & 0xf) << 12 | (bytes[1] & 0x3fU) << 6 | (bytes[2] & 0x3fU);
        size = 3;
    } else if (c >= 0xc2 && c < 0xe0 && len >= 2) {
        c = (c & 0x1f) << 6 | (bytes[1] & 0x3fU);
        size = 2;
    } else if (c >= 0x80) {
        return 0;
    }
    return is_unsafe(c) ? size : 0;
}

size_t escape_write(const char *s, size_t len, char text[ESCAPE_SIZE])
{
    size_t written = 0;
    if (len == 1 && s[0] == '\n') {
        return (size_t)snprintf(text, ESCAPE_SIZE, "\\n");
    }
    for (size_t i = 0; i < len && written + sizeof "\\xHH" <= ESCAPE_SIZE; i++) {
        written += (size_t)snprintf(text + written, ESCAPE_SIZE - written, "\\x%02X",
                                    (unsigned)(unsigned char)s[i]);
    }
    return written;
}
