/*
 * transfer: what base64 and quoted-printable stand for, in bodies and in encoded words.
 *
 * Both are read as far as they make sense: what is not in their alphabet never ends a text.
 * Thread: any. Pure.
 */
#ifndef PROTO_MAIL_TRANSFER_H
#define PROTO_MAIL_TRANSFER_H

#include "proto/buffer.h"

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

/*
 * Appends what `s` stands for (RFC 2045, 6.7); its lines end in LF. A "=" that begins neither two
 * digits nor the end of a line is itself.
 */
void quoted_printable_decode(const char *s, size_t len, struct buffer *out);

/* The same for the text of an encoded word (RFC 2047, 4.2): "_" is a space. */
void q_decode(const char *s, size_t len, struct buffer *out);

#endif
