/*
 * text: what a message says, as a phone will get it.
 *
 * Owns character sets on the way in (anything -> UTF-8), the GSM 7-bit default alphabet with its
 * extension table (3GPP TS 23.038, 6.2.1), UCS-2, and the count of parts of a concatenated message
 * (3GPP TS 23.040, 9.2.3.24.1). Thread: any. Pure.
 */
#ifndef PROTO_TEXT_H
#define PROTO_TEXT_H

#include "proto/buffer.h"

#include <stdbool.h>
#include <stddef.h>

enum text_encoding { TEXT_GSM7, TEXT_UCS2 };

/* May a text be sent as UCS-2? The order is that of the setting `sms.unicode`. */
enum text_unicode { TEXT_UNICODE_AUTO, TEXT_UNICODE_YES, TEXT_UNICODE_NO };

/* What may be replaced to make a text fit GSM-7. The order is that of `sms.transliterate`. */
enum text_transliterate {
    TEXT_TRANSLITERATE_PUNCTUATION, /* typographic quotes, dashes, ellipsis, odd spaces */
    TEXT_TRANSLITERATE_NO,
    TEXT_TRANSLITERATE_ALL /* and letters that have a GSM-7 base letter: "á" -> "a", "ł" -> "l" */
};

struct text_size {
    enum text_encoding encoding;
    unsigned units; /* septets or UTF-16 units, escapes and surrogates counted as two */
    unsigned parts; /* 1 when it fits 160 septets or 70 units, else counted in 153 and 67 */
};

/* "gsm7" or "ucs2", as replies spell it. */
const char *text_encoding_name(enum text_encoding encoding);

/* Tells whether `s` is valid UTF-8 (RFC 3629: no overlong form, no surrogate, at most U+10FFFF). */
bool text_is_utf8(const char *s, size_t len);

/*
 * Appends `s`, converted from `charset` (an iconv name without options) to UTF-8, to `out`. What
 * comes out is valid UTF-8, and may hold NULs.
 * Returns false when the charset is unknown, the bytes are not valid in it or memory is short
 * (`has_failed` of `out` tells); what `out` held is then as it was.
 */
bool text_to_utf8(const char *s, size_t len, const char *charset, struct buffer *out);

/*
 * Measures a text that is valid UTF-8: GSM-7 where every character is in its tables, else UCS-2.
 * An escape pair or a surrogate pair never straddles two parts: it moves to the next one whole.
 * The empty text has no units and one part. Allocates nothing.
 */
struct text_size text_measure(const char *utf8, size_t len);

/*
 * Tells where the parts of such a text end: writes the offsets (bytes) of the first `max` to `ends`.
 * The last one's is `len`. Returns how many parts there are, as text_measure does.
 */
size_t text_split(const char *utf8, size_t len, size_t *ends, size_t max);

/*
 * Appends to `out` the text with what `level` allows replaced, if that makes all of it GSM-7. An
 * accent that follows its letter as a character of its own is joined to it where GSM-7 has both as
 * one. What cannot be seen (zero width spaces, soft hyphens, a byte order mark) is dropped, so the
 * result can be empty.
 * Returns false, `out` as it was, where it does not (or where `level` is NO).
 */
bool text_transliterate(const char *utf8, size_t len, enum text_transliterate level,
                        struct buffer *out);

/*
 * The longest start of a text that fits `max_parts` (at least 1) with an ellipsis ("..." in GSM-7,
 * U+2026 in UCS-2) after it. Appends start and ellipsis to `out`. A text that fits as it stands is
 * appended whole. It never ends within a character as people see it (a flag, an emoji with its skin
 * colour, CR LF: the grapheme clusters of UAX #29); where what needs UCS-2 is cut off, what is left
 * is GSM-7.
 */
void text_truncate(const char *utf8, size_t len, unsigned max_parts, struct buffer *out);

#endif
