/*
 * gsm7: the GSM 7-bit default alphabet and its extension table (3GPP TS 23.038, 6.2.1).
 *
 * Owns which characters are in them and how much room each takes; knows nothing of parts and of
 * replacements (text does). Thread: any. Pure.
 */
#ifndef PROTO_GSM7_H
#define PROTO_GSM7_H

#include <stdint.h>

/* Septets of each character below U+0100; use gsm7_septets. */
extern const unsigned char gsm7_latin1[256];

/* gsm7_septets for the rest, from U+0100 on. */
unsigned gsm7_septets_beyond_latin1(uint32_t code_point);

/*
 * Septets that a character takes: 1, or 2 where it needs an escape to the extension table, or 0
 * where GSM-7 does not have it. Inline, for every character of every message passes here.
 */
static inline unsigned gsm7_septets(uint32_t code_point)
{
    return code_point < 256 ? gsm7_latin1[code_point] : gsm7_septets_beyond_latin1(code_point);
}

#endif
