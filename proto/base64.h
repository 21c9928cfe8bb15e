/*
 * base64: as mails and logins write it. Thread: any. Pure.
 */
#ifndef PROTO_BASE64_H
#define PROTO_BASE64_H

#include "proto/buffer.h"

#include <stdbool.h>
#include <stddef.h>

/* Bits of an incomplete byte. All zero at the start. */
struct base64 {
    unsigned bits;
    unsigned count;
};

/*
 * Decodes base64 (RFC 2045, 6.8), and appends the result to `out`. Skips bytes outside the
 * alphabet. More base64 may follow after padding. Leaves the bits of an incomplete byte in `carry`.
 */
void base64_decode(struct base64 *carry, const char *s, size_t len, struct buffer *out);

/* Is it in the alphabet of base64, or padding? */
bool base64_has(char c);

/* Is it whole, and nothing but base64 (RFC 4648, 4)? The empty string is. */
bool base64_is_valid(const char *s, size_t len);

/* Appends bytes as base64. */
void base64_encode(struct buffer *out, const char *bytes, size_t len);

#endif
