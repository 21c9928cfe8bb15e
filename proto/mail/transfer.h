/*
 * transfer: what quoted-printable and uuencoded lines stand for, in bodies and in encoded words. Leaves
 * base64 to proto/base64.
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
