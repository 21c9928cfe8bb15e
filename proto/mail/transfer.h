/*
 * transfer: what base64, quoted-printable and uuencoded lines stand for, in bodies and in encoded words.
 *
 * They are read as far as they make sense: what is not in their alphabet never ends a text.
 * Thread: any. Pure.
 */
#ifndef PROTO_MAIL_TRANSFER_H
#define PROTO_MAIL_TRANSFER_H

#include "proto/buffer.h"
#include "proto/mail/span.h"

#include <stdbool.h>
#include <stddef.h>

/* Bits of base64 that are no whole byte yet; all zero at the start. */
struct base64 {
    unsigned bits;
    unsigned count;
};

/*
 * Appends what `s` stands for to `out` (RFC 2045, 6.8). Other bytes than those of the alphabet are
 * skipped. Padding ends a run, and another may follow. What is incomplete stays in `carry`.
 */
void base64_decode(struct base64 *carry, const char *s, size_t len, struct buffer *out);

/* Is it of the alphabet of base64, or its padding? */
bool base64_has(char c);

/*
 * Appends what `s` stands for (RFC 2045, 6.7); its lines end in LF. A "=" that begins neither two
 * digits nor the end of a line is itself.
 */
void quoted_printable_decode(const char *s, size_t len, struct buffer *out);

/* The same for the text of an encoded word (RFC 2047, 4.2): "_" is a space. */
void q_decode(const char *s, size_t len, struct buffer *out);

/* Could `s` be quoted-printable, without any "=" that is itself? */
bool quoted_printable_is(const char *s, size_t len);

/*
 * Appends what the lines of `s` stand for that are uuencoded (POSIX, uuencode): those between a line
 * `begin <mode> <name>` and a line `end`. `is_open` tells whether such a line has been read, and is
 * false at the start.
 */
void uu_decode(const char *s, size_t len, bool *is_open, struct buffer *out);

/* Does a uuencoded file begin with these lines? `name` is what it calls itself then. */
bool uu_begins(struct span line, struct span next, struct span *name);

/* May a line be one of a uuencoded file? */
bool uu_is_line(struct span line);

#endif
