/* gsm7: see gsm7.h. The tables are those of 3GPP TS 23.038, 6.2.1. Pure; any thread. */
#include "proto/gsm7.h"

/*
 * Easily overlooked: there is no TAB, no backtick, and of the two c with a cedilla only the capital
 * (C7). ESC (1B) is the escape itself, which no text may hold.
 */
/* clang-format off */
const unsigned char gsm7_latin1[256] = {
    /*       0  1  2  3  4  5  6  7  8  9  A  B  C  D  E  F */
    /* 0 */  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 1, 0, 0,
    /* 1 */  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    /* 2 */  1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    /* 3 */  1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    /* 4 */  1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    /* 5 */  1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 1,
    /* 6 */  0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    /* 7 */  1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 0,
    /* 8 */  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    /* 9 */  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    /* A */  0, 1, 0, 1, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0,
    /* B */  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
    /* C */  0, 0, 0, 0, 1, 1, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0,
    /* D */  0, 1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 1,
    /* E */  1, 0, 0, 0, 1, 1, 1, 0, 1, 1, 0, 0, 1, 0, 0, 0,
    /* F */  0, 1, 1, 0, 0, 0, 1, 0, 1, 1, 0, 0, 1, 0, 0, 0,
};
/* clang-format on */

enum { GREEK = 0x390, EURO_SIGN = 0x20ac };

/* GSM-7 has only the Greek capitals that look like no Latin letter. */
static const unsigned char greek_capitals[] = {
    [0x393 - GREEK] = 1, /* gamma */
    [0x394 - GREEK] = 1, /* delta */
    [0x398 - GREEK] = 1, /* theta */
    [0x39b - GREEK] = 1, /* lambda */
    [0x39e - GREEK] = 1, /* xi */
    [0x3a0 - GREEK] = 1, /* pi */
    [0x3a3 - GREEK] = 1, /* sigma */
    [0x3a6 - GREEK] = 1, /* phi */
    [0x3a8 - GREEK] = 1, /* psi */
    [0x3a9 - GREEK] = 1, /* omega */
};

unsigned gsm7_septets_beyond_latin1(uint32_t code_point)
{
    if (code_point >= GREEK && code_point - GREEK < sizeof(greek_capitals)) {
        return greek_capitals[code_point - GREEK];
    }
    return code_point == EURO_SIGN ? 2 : 0;
}

/* Without a branch or a table, the compiler looks at sixteen characters at a time. */
bool gsm7_is_basic(const char *text, size_t len)
{
    unsigned char others = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        unsigned char from_space = (unsigned char)(c - ' ');
        unsigned char from_a = (unsigned char)(c - 'a');
        others |= (unsigned char)((from_space > 'Z' - ' ') & (from_a > 'z' - 'a'));
    }
    return others == 0;
}
