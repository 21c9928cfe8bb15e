/*
 * words: the value of a header that people write -> UTF-8 (RFC 2047).
 *
 * Owns what is an encoded word: liberally, since devices and libraries get them wrong in many ways.
 * Leaves base64 and quoted-printable to transfer, and charsets to text.
 * Thread: any. Pure.
 */
#ifndef PROTO_MAIL_WORDS_H
#define PROTO_MAIL_WORDS_H

#include "proto/buffer.h"
#include "proto/mail/types.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Appends an unfolded value to `out`, its encoded words undone. The bytes of adjacent words in one
 * charset are joined before they are converted, since many a writer parts them within a character.
 * `guess` is the charset of what stands there unencoded, NULL = none is known; `fallback` and
 * `repairs` are as for mail_text_to_utf8.
 * Returns false where that does. `has_failed` of `out` tells of an allocation failure.
 */
bool words_decode(const char *value, size_t len, const char *guess, const char *fallback,
                  struct buffer *out, struct mail_repairs *repairs);

#endif
