/*
 * gsm7: the GSM 7-bit default alphabet and its extension table (3GPP TS 23.038, 6.2.1).
 *
 * Owns which characters are in them, and the room that each takes. Leaves parts and replacements to
 * text. Thread: any. Pure.
 */
#ifndef PROTO_GSM7_H
#define PROTO_GSM7_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Septets of each character below U+0100, for gsm7_septets. */
extern const unsigned char gsm7_latin1[256];

/* The same for characters from U+0100 on. */
unsigned gsm7_septets_beyond_latin1(uint32_t code_point);

/*
 * Septets that a character takes: 1, or 2 if it is in the extension table, or 0 if GSM-7 does not
 * have it. Inline, since every character of every message passes here.
 */
static inline unsigned gsm7_septets(uint32_t code_point)
{
    return code_point < 256 ? gsm7_latin1[code_point] : gsm7_septets_beyond_latin1(code_point);
}

/* Is a text all letters, digits and common signs: ASCII that takes one septet a character? */
bool gsm7_is_basic(const char *text, size_t len);

#endif
