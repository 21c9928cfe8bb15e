/*
 * text: the text of a message, as a phone gets it.
 *
 * Owns conversion to UTF-8, the choice between GSM-7 (3GPP TS 23.038, 6.2.1) and UCS-2, replacement
 * and truncation, and the count of parts of a concatenated message (3GPP TS 23.040, 9.2.3.24.1).
 * Thread: any. Pure.
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
    TEXT_TRANSLITERATE_ALL /* also letters that GSM-7 lacks, by their base: "á" -> "a", "ł" -> "l" */
};

struct text_size {
    enum text_encoding encoding;
    unsigned units; /* septets or UTF-16 units, escapes and surrogates counted as two */
    unsigned parts; /* 1 up to 160 septets or 70 units; more hold 153 or 67 each */
};

/* "gsm7" or "ucs2", as replies spell it. */
const char *text_encoding_name(enum text_encoding encoding);

/* Is `s` valid UTF-8 (RFC 3629: no overlong form, no surrogate, at most U+10FFFF)? */
bool text_is_utf8(const char *s, size_t len);

/*
 * Appends the character at `s` (`len` > 0), or U+FFFD if it is malformed. Returns how many bytes of
 * `s` that was.
 */
size_t text_repair_char(const char *s, size_t len, struct buffer *out);

/*
 * Appends `s`, converted from `charset` (an iconv name without options), to `out` as valid UTF-8,
 * which may hold NULs. Returns false, with nothing appended, if the charset is unknown, the bytes
 * are not valid in it, or on allocation failure, which also sets out->has_failed.
 */
bool text_to_utf8(const char *s, size_t len, const char *charset, struct buffer *out);

/* Makes every line end an LF: CRLF, CR CR LF and a CR by itself. In place. */
void text_end_lines(struct buffer *text);

/*
 * Measures a text that is valid UTF-8: GSM-7 if that has every character, else UCS-2. An escape
 * pair or a surrogate pair is never split between two parts. The empty text has no units and one
 * part. Allocates nothing.
 */
struct text_size text_measure(const char *utf8, size_t len);

/*
 * Finds where the parts of such a text end: writes the byte offsets of the first `max` ends; the
 * last one is `len`. Returns the number of parts, as text_measure does.
 */
size_t text_split(const char *utf8, size_t len, size_t *ends, size_t max);

/*
 * Appends the text with the replacements that `level` allows, if that makes it GSM-7. A letter
 * followed by a combining accent is composed where GSM-7 has the result. Invisible characters (zero
 * width spaces, soft hyphens, a byte order mark) are dropped, so the result can be empty.
 * Returns false, with nothing appended, if the result is not GSM-7, or if `level` is NO.
 */
bool text_transliterate(const char *utf8, size_t len, enum text_transliterate level,
                        struct buffer *out);

/*
 * Appends the longest start of a text that fits `max_parts` (at least 1) with an ellipsis ("..." in
 * GSM-7, U+2026 in UCS-2), and the ellipsis; or the whole text, if that fits. Never cuts within a
 * grapheme cluster (UAX #29), such as a flag, an emoji with its skin colour or CR LF. If the cut
 * removes all that needs UCS-2, the result is GSM-7.
 */
void text_truncate(const char *utf8, size_t len, unsigned max_parts, struct buffer *out);

#endif
