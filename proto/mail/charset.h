/*
 * charset: bytes in whatever charset a mail names -> UTF-8.
 *
 * Owns the labels of charsets, the supersets that they mean, and the replacement of invalid bytes.
 * Leaves to text whether a label is true, and the tables of characters to iconv.
 * Thread: any. Pure.
 */
#ifndef PROTO_MAIL_CHARSET_H
#define PROTO_MAIL_CHARSET_H

#include "proto/buffer.h"

#include <stdbool.h>
#include <stddef.h>

enum { CHARSET_NAME_MAX = 23 };

/* Charsets by how likely their text is valid UTF-8. */
enum charset_kind {
    CHARSET_UTF8,
    CHARSET_SINGLE,   /* one byte a character: valid UTF-8 beyond ASCII means a wrong label */
    CHARSET_MULTIPLE, /* one byte or more: a short text may be valid UTF-8 by coincidence */
    CHARSET_ESCAPING, /* 7 bits: every text is valid ASCII */
    CHARSET_WIDE      /* two or four bytes */
};

struct charset {
    char name[CHARSET_NAME_MAX + 1]; /* iconv's, or "HZ" */
    enum charset_kind kind;
};

/*
 * Finds the charset of a label: as the Encoding Standard (WHATWG, 4.2) has it, with its supersets
 * (Shift_JIS means windows-31j), else by iconv's names. Compares letters and digits only, in any
 * case (UTS #22, 1.4). Returns false for an unknown label.
 */
bool charset_find(const char *label, struct charset *charset);

/*
 * Appends `s` as UTF-8 to `out`. Each invalid byte becomes U+FFFD and is counted in `replaced`;
 * after 10,000 of them the rest of the text is dropped. An allocation failure sets `has_failed` of
 * `out`.
 */
void charset_convert(const struct charset *charset, const char *s, size_t len, struct buffer *out,
                     size_t *replaced);

#endif
