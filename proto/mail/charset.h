/*
 * charset: bytes in whatever charset a mail names -> UTF-8.
 *
 * Owns the names of charsets, the supersets that they stand for, and what becomes of bytes that are
 * not valid in theirs. Leaves to text whether a name is to be believed, and the tables to iconv.
 * Thread: any. Pure.
 */
#ifndef PROTO_MAIL_CHARSET_H
#define PROTO_MAIL_CHARSET_H

#include "proto/buffer.h"

#include <stdbool.h>
#include <stddef.h>

enum { CHARSET_NAME_MAX = 23 };

/* How the bytes of a charset can be mistaken for those of UTF-8. */
enum charset_kind {
    CHARSET_UTF8,
    CHARSET_SINGLE,   /* a byte is a character: valid UTF-8 beyond ASCII is a wrong label */
    CHARSET_MULTIPLE, /* two or more bytes are one: a short text may be valid UTF-8 by coincidence */
    CHARSET_ESCAPING, /* 7 bits: every text is valid ASCII */
    CHARSET_WIDE      /* two or four bytes a character */
};

struct charset {
    char name[CHARSET_NAME_MAX + 1]; /* iconv's, or "HZ" */
    enum charset_kind kind;
};

/*
 * Finds what a label means: in the Encoding Standard (WHATWG, 4.2) first, with the supersets that it
 * names (Shift_JIS is windows-31j), then among iconv's names. Case and all but letters and digits are
 * ignored (UTS #22, 1.4). False where no such charset is known.
 */
bool charset_find(const char *label, struct charset *charset);

/*
 * Appends `s` as UTF-8 to `out`. A byte that is not valid in the charset becomes U+FFFD and is
 * counted in `replaced`; after 10,000 of them the rest is left out. `has_failed` of `out` tells of an
 * allocation failure.
 */
void charset_convert(const struct charset *charset, const char *s, size_t len, struct buffer *out,
                     size_t *replaced);

#endif
