/*
 * transfer: what base64, quoted-printable and uuencoded lines stand for, in bodies and in encoded
 * words.
 *
 * Characters outside an alphabet never end a text.
 * Thread: any. Pure.
 */
#ifndef PROTO_MAIL_TRANSFER_H
#define PROTO_MAIL_TRANSFER_H

#include "proto/buffer.h"
#include "proto/mail/span.h"

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

/*
 * Decodes quoted-printable with LF line ends (RFC 2045, 6.7). A "=" that neither begins an escape
 * nor ends a line stays.
 */
void quoted_printable_decode(const char *s, size_t len, struct buffer *out);

/* Decodes the Q encoding (RFC 2047, 4.2), in which "_" is a space. */
void q_decode(const char *s, size_t len, struct buffer *out);

/* Does every "=" begin an escape or end a line? */
bool quoted_printable_is(const char *s, size_t len);

/*
 * Decodes the uuencoded lines of `s` (POSIX, uuencode), between a line `begin <mode> <name>` and a
 * line `end`. `is_open`: `begin` has been read; false at the start.
 */
void uu_decode(const char *s, size_t len, bool *is_open, struct buffer *out);

/* Does a uuencoded file begin with these two lines? Then returns its name. */
bool uu_begins(struct span line, struct span next, struct span *name);

/* Can this be a line of a uuencoded file? */
bool uu_is_line(struct span line);

#endif
