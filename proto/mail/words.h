/*
 * words: a header's value with encoded words (RFC 2047) -> UTF-8.
 *
 * Owns what counts as an encoded word; devices and libraries get them wrong in many ways. Leaves
 * base64 and quoted-printable to transfer, and charsets to text. Thread: any. Pure.
 */
#ifndef PROTO_MAIL_WORDS_H
#define PROTO_MAIL_WORDS_H

#include "proto/buffer.h"
#include "proto/mail/types.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Appends an unfolded value to `out`, with its encoded words decoded. The bytes of adjacent words
 * in one charset are joined before conversion, since some writers split them within a character.
 * `guess` is a label for what is not encoded (NULL = none); `fallback` and `repairs` are as in
 * mail_text_to_utf8, and so is the result. An allocation failure sets `has_failed` of `out`.
 */
bool words_decode(const char *value, size_t len, const char *guess, const char *fallback,
                  struct buffer *out, struct mail_repairs *repairs);

#endif
