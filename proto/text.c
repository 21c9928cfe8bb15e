/*
 * text: see text.h. The alphabet is gsm7's; Unicode's tables (composition, grapheme clusters) are
 * libunistring's. Pure; any thread.
 */
#include "proto/text.h"

#include "proto/gsm7.h"

#include <errno.h>
#include <iconv.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unictype.h>
#include <unigbrk.h>
#include <uninorm.h>
#include <unistr.h>

const char *text_encoding_name(enum text_encoding encoding)
{
    return encoding == TEXT_GSM7 ? "gsm7" : "ucs2";
}

/* Reads the character at `s` (`len` > 0), U+FFFD if it is malformed, and returns its bytes. */
static inline size_t next_char(const char *s, size_t len, ucs4_t *c)
{
    return (size_t)u8_mbtouc(c, (const uint8_t *)s, len);
}

/* --- character sets ------------------------------------------------------------------------- */

bool text_is_utf8(const char *s, size_t len)
{
    const uint8_t *at = (const uint8_t *)s;
    uint64_t eight;
    for (; len >= sizeof(eight); at += sizeof(eight), len -= sizeof(eight)) {
        memcpy(&eight, at, sizeof(eight));
        if ((eight & 0x8080808080808080u) != 0) {
            break;
        }
    }
    return u8_check(at, len) == NULL;
}

size_t text_repair_char(const char *s, size_t len, struct buffer *out)
{
    ucs4_t c;
    size_t taken = next_char(s, len, &c);
    uint8_t utf8[4];
    buffer_append(out, utf8, (size_t)u8_uctomb(utf8, c, sizeof(utf8)));
    return taken;
}

/* Runs iconv until all input is converted; NULL input ends its shift state. */
static bool convert(iconv_t cd, char *in, size_t in_len, struct buffer *out)
{
    for (;;) {
        size_t room = in_len * 2 + 16;
        char *to = buffer_reserve(out, room);
        if (to == NULL) {
            return false;
        }
        size_t left = room;
        size_t result = iconv(cd, in != NULL ? &in : NULL, &in_len, &to, &left);
        out->len += room - left;
        if (result != (size_t)-1) {
            return true;
        }
        if (errno != E2BIG) {
            return false;
        }
    }
}

bool text_to_utf8(const char *s, size_t len, const char *charset, struct buffer *out)
{
    /* To iconv, "" is the locale's charset, and options follow a slash. */
    if (charset[0] == '\0' || strchr(charset, '/') != NULL) {
        return false;
    }
    iconv_t cd = iconv_open("UTF-8", charset);
    if (cd == (iconv_t)-1) {
        return false;
    }
    size_t start = out->len;
    /* iconv does not write to its input, though its prototype lacks the const. */
    bool is_good = convert(cd, (char *)s, len, out) && convert(cd, NULL, 0, out) &&
                   text_is_utf8(out->data + start, out->len - start);
    iconv_close(cd);
    if (!is_good) {
        out->len = start;
    }
    return is_good;
}

/* --- line ends ------------------------------------------------------------------------------ */

void text_end_lines(struct buffer *text)
{
    const char *first = text->len == 0 ? NULL : memchr(text->data, '\r', text->len);
    if (first == NULL) {
        return;
    }
    size_t kept = (size_t)(first - text->data);
    for (size_t i = kept; i < text->len; i++) {
        size_t next = i;
        while (next < text->len && text->data[next] == '\r') {
            next++;
        }
        bool is_ending = next > i && next < text->len && text->data[next] == '\n';
        i = is_ending ? next : i;
        text->data[kept++] = text->data[i] == '\r' ? '\n' : text->data[i];
    }
    text->len = kept;
}

/* --- parts ---------------------------------------------------------------------------------- */

/*
 * Counts both ways at once: the units, in case the text fits a single message; and the parts that
 * they fill if each part has a concatenation header (3GPP TS 23.040, 9.2.3.24.1).
 */
struct packing {
    unsigned alone; /* units of a single message, without a header */
    unsigned room;  /* units of a part, with a header */
    unsigned units;
    unsigned parts;
    unsigned filled; /* units in the last part */
};

static const struct packing empty_packing[] = {
    [TEXT_GSM7] = {.alone = 160, .room = 153, .parts = 1},
    [TEXT_UCS2] = {.alone = 70, .room = 67, .parts = 1},
};

static inline void pack(struct packing *p, unsigned width)
{
    if (p->filled + width > p->room) {
        p->parts++;
        p->filled = 0;
    }
    p->filled += width;
    p->units += width;
}

/* Units of a character in an encoding; 0 if the encoding lacks it. */
static inline unsigned width_in(enum text_encoding encoding, ucs4_t c)
{
    return encoding == TEXT_GSM7 ? gsm7_septets(c) : c > 0xffff ? 2 : 1;
}

/* Packs a text; false, with nothing packed, if the encoding lacks a character. */
static bool pack_text(struct packing *p, const char *utf8, size_t len, enum text_encoding encoding)
{
    struct packing now = *p; /* a copy that stays in registers */
    for (size_t i = 0; i < len;) {
        ucs4_t c;
        i += next_char(utf8 + i, len - i, &c);
        unsigned width = width_in(encoding, c);
        if (width == 0) {
            return false;
        }
        pack(&now, width);
    }
    *p = now;
    return true;
}

static unsigned packing_parts(const struct packing *p)
{
    return p->units <= p->alone ? 1 : p->parts;
}

/* The fast path: nearly every text is ASCII and fits a single message. */
static bool fits_alone(const char *utf8, size_t len, unsigned *units)
{
    const unsigned alone = empty_packing[TEXT_GSM7].alone;
    bool is_plain = len <= alone;
    *units = (unsigned)len;
    if (is_plain && gsm7_is_basic(utf8, len)) {
        return true;
    }
    *units = 0;
    for (size_t i = 0; is_plain && i < len; i++) {
        unsigned char c = (unsigned char)utf8[i];
        is_plain = c < 0x80 && gsm7_latin1[c] > 0;
        *units += gsm7_latin1[c];
    }
    return is_plain && *units <= alone;
}

struct text_size text_measure(const char *utf8, size_t len)
{
    unsigned units;
    if (fits_alone(utf8, len, &units)) {
        return (struct text_size){.encoding = TEXT_GSM7, .units = units, .parts = 1};
    }
    enum text_encoding encoding = TEXT_GSM7;
    struct packing p = empty_packing[encoding];
    if (!pack_text(&p, utf8, len, encoding)) {
        encoding = TEXT_UCS2;
        p = empty_packing[encoding];
        pack_text(&p, utf8, len, encoding);
    }
    return (struct text_size){.encoding = encoding, .units = p.units, .parts = packing_parts(&p)};
}

size_t text_split(const char *utf8, size_t len, size_t *ends, size_t max)
{
    struct text_size size = text_measure(utf8, len);
    struct packing p = empty_packing[size.encoding];
    size_t count = 0;
    for (size_t i = 0; size.parts > 1 && i < len;) {
        ucs4_t c;
        size_t end = i + next_char(utf8 + i, len - i, &c);
        unsigned part = p.parts;
        pack(&p, width_in(size.encoding, c));
        if (p.parts > part && count < max) {
            ends[count++] = i;
        }
        i = end;
    }
    if (count < max) {
        ends[count] = len;
    }
    return size.parts;
}

/* --- replacements --------------------------------------------------------------------------- */

struct replacement {
    uint16_t first, last;
    const char *to;
};

/* Typographic characters, and what replaces them. */
static const struct replacement punctuation[] = {
    {0x0009, 0x0009, " "},   /* TAB */
    {0x000b, 0x000b, "\n"},  /* line tabulation: a line break in exports of spreadsheets */
    {0x0060, 0x0060, "'"},   /* backtick */
    {0x0085, 0x0085, "\n"},  /* next line */
    {0x00a0, 0x00a0, " "},   /* no-break space */
    {0x00ab, 0x00ab, "\""},  /* left guillemet */
    {0x00ad, 0x00ad, ""},    /* soft hyphen */
    {0x00b4, 0x00b4, "'"},   /* acute accent standing alone */
    {0x00b7, 0x00b7, "."},   /* middle dot */
    {0x00bb, 0x00bb, "\""},  /* right guillemet */
    {0x02b9, 0x02b9, "'"},   /* modifier prime */
    {0x02ba, 0x02ba, "\""},  /* modifier double prime */
    {0x02bb, 0x02bd, "'"},   /* modifier commas and apostrophe */
    {0x02c6, 0x02c6, "^"},   /* modifier circumflex */
    {0x02c8, 0x02c8, "'"},   /* modifier vertical line */
    {0x02dc, 0x02dc, "~"},   /* small tilde */
    {0x2000, 0x200a, " "},   /* typographic spaces */
    {0x200b, 0x200f, ""},    /* zero width space and joiners, direction marks */
    {0x2010, 0x2015, "-"},   /* hyphens, dashes, horizontal bar */
    {0x2018, 0x201b, "'"},   /* single quotes */
    {0x201c, 0x201f, "\""},  /* double quotes */
    {0x2022, 0x2023, "*"},   /* bullets */
    {0x2024, 0x2024, "."},   /* one dot leader */
    {0x2025, 0x2025, ".."},  /* two dot leader */
    {0x2026, 0x2026, "..."}, /* ellipsis */
    {0x2027, 0x2027, "."},   /* hyphenation point */
    {0x2028, 0x2029, "\n"},  /* line and paragraph separators */
    {0x202a, 0x202e, ""},    /* direction embeddings and overrides */
    {0x202f, 0x202f, " "},   /* narrow no-break space */
    {0x2032, 0x2032, "'"},   /* prime */
    {0x2033, 0x2033, "\""},  /* double prime */
    {0x2035, 0x2035, "'"},   /* reversed prime */
    {0x2036, 0x2036, "\""},  /* reversed double prime */
    {0x2039, 0x203a, "'"},   /* single guillemets */
    {0x203c, 0x203c, "!!"},  /* double exclamation mark */
    {0x2043, 0x2043, "-"},   /* hyphen bullet */
    {0x2044, 0x2044, "/"},   /* fraction slash */
    {0x2047, 0x2047, "??"},  /* double question mark */
    {0x2048, 0x2048, "?!"},  /* question exclamation mark */
    {0x2049, 0x2049, "!?"},  /* exclamation question mark */
    {0x205f, 0x205f, " "},   /* mathematical space */
    {0x2060, 0x2064, ""},    /* word joiner, invisible operators */
    {0x2066, 0x2069, ""},    /* direction isolates */
    {0x2212, 0x2212, "-"},   /* minus sign */
    {0x2215, 0x2215, "/"},   /* division slash */
    {0x2217, 0x2217, "*"},   /* asterisk operator */
    {0x2219, 0x2219, "*"},   /* bullet operator */
    {0x223c, 0x223c, "~"},   /* tilde operator */
    {0x25aa, 0x25aa, "*"},   /* small square bullet */
    {0x25cf, 0x25cf, "*"},   /* black circle */
    {0x25e6, 0x25e6, "*"},   /* white bullet */
    {0x3000, 0x3000, " "},   /* ideographic space */
    {0xfe0e, 0xfe0f, ""},    /* variation selectors: text or emoji style */
    {0xfeff, 0xfeff, ""},    /* byte order mark */
};

/* Letters that Unicode does not decompose to their base. */
static const struct replacement letters[] = {
    {0x00d0, 0x00d0, "D"},        /* eth */
    {0x00de, 0x00de, "Th"},       /* thorn */
    {0x00f0, 0x00f0, "d"},        /* eth */
    {0x00fe, 0x00fe, "th"},       /* thorn */
    {0x0110, 0x0110, "D"},        /* D with stroke */
    {0x0111, 0x0111, "d"},        /* d with stroke */
    {0x0126, 0x0126, "H"},        /* H with stroke */
    {0x0127, 0x0127, "h"},        /* h with stroke */
    {0x0131, 0x0131, "i"},        /* dotless i */
    {0x0141, 0x0141, "L"},        /* L with stroke */
    {0x0142, 0x0142, "l"},        /* l with stroke */
    {0x014a, 0x014a, "N"},        /* eng */
    {0x014b, 0x014b, "n"},        /* eng */
    {0x0152, 0x0152, "OE"},       /* OE */
    {0x0153, 0x0153, "oe"},       /* oe */
    {0x0166, 0x0166, "T"},        /* T with stroke */
    {0x0167, 0x0167, "t"},        /* t with stroke */
    {0x0192, 0x0192, "f"},        /* f with hook */
    {0x1e9e, 0x1e9e, "\xc3\x9f"}, /* capital sharp s */
    {0x212b, 0x212b, "\xc3\x85"}, /* angstrom: the letter itself, not its base */
    /* Greek capitals that GSM-7 lacks, since they look like Latin ones. */
    {0x0391, 0x0391, "A"},
    {0x0392, 0x0392, "B"},
    {0x0395, 0x0395, "E"},
    {0x0396, 0x0396, "Z"},
    {0x0397, 0x0397, "H"},
    {0x0399, 0x0399, "I"},
    {0x039a, 0x039a, "K"},
    {0x039c, 0x039c, "M"},
    {0x039d, 0x039d, "N"},
    {0x039f, 0x039f, "O"},
    {0x03a1, 0x03a1, "P"},
    {0x03a4, 0x03a4, "T"},
    {0x03a5, 0x03a5, "Y"},
    {0x03a7, 0x03a7, "X"},
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* NULL if there is none. A plain scan: few characters get here, and the tables are short. */
static const char *find_replacement(const struct replacement *table, size_t count, ucs4_t c)
{
    for (size_t i = 0; i < count; i++) {
        if (c >= table[i].first && c <= table[i].last) {
            return table[i].to;
        }
    }
    return NULL;
}

/* Appends the character, or its replacement from the tables. */
static bool append_from_tables(ucs4_t c, enum text_transliterate level, struct buffer *out)
{
    if (gsm7_septets(c) > 0) {
        uint8_t utf8[6];
        buffer_append(out, utf8, (size_t)u8_uctomb(utf8, c, sizeof(utf8)));
        return true;
    }
    const char *to = find_replacement(punctuation, COUNT(punctuation), c);
    if (to == NULL && level == TEXT_TRANSLITERATE_ALL) {
        to = find_replacement(letters, COUNT(letters), c);
    }
    if (to == NULL) {
        return false;
    }
    buffer_puts(out, to);
    return true;
}

/* Appends a letter without its accents: NFKD, marks dropped (Unicode, 3.11). */
static bool append_base(ucs4_t c, struct buffer *out)
{
    /* Letters and digits only: a "2" for a superscript two would change the meaning. */
    if (!uc_is_general_category_withtable(c, UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_Nd |
                                                 UC_CATEGORY_MASK_Mn)) {
        return false;
    }
    ucs4_t decomposed[UC_DECOMPOSITION_MAX_LENGTH];
    size_t count = UC_DECOMPOSITION_MAX_LENGTH;
    if (u32_normalize(UNINORM_NFKD, &c, 1, decomposed, &count) != decomposed) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (uc_combining_class(decomposed[i]) == 0 &&
            !append_from_tables(decomposed[i], TEXT_TRANSLITERATE_ALL, out)) {
            return false;
        }
    }
    return true;
}

static bool append_replaced(const char *utf8, size_t len, enum text_transliterate level,
                            struct buffer *out)
{
    for (size_t i = 0; i < len;) {
        ucs4_t c;
        i += next_char(utf8 + i, len - i, &c);
        if (!append_from_tables(c, level, out) &&
            !(level == TEXT_TRANSLITERATE_ALL && append_base(c, out))) {
            return false;
        }
    }
    return true;
}

static bool has_combining_mark(const char *utf8, size_t len)
{
    for (size_t i = 0; i < len;) {
        ucs4_t c;
        i += next_char(utf8 + i, len - i, &c);
        if (c >= 0x300 && uc_combining_class(c) != 0) {
            return true;
        }
    }
    return false;
}

bool text_transliterate(const char *utf8, size_t len, enum text_transliterate level,
                        struct buffer *out)
{
    if (level == TEXT_TRANSLITERATE_NO) {
        return false;
    }
    /* Some systems write an "e" and then its accent; composed (NFC) it is a letter of GSM-7. */
    char *composed = NULL;
    if (has_combining_mark(utf8, len)) {
        composed = (char *)u8_normalize(UNINORM_NFC, (const uint8_t *)utf8, len, NULL, &len);
        if (composed == NULL) {
            return false;
        }
    }
    size_t start = out->len;
    bool is_gsm7 = append_replaced(composed != NULL ? composed : utf8, len, level, out);
    if (!is_gsm7) {
        out->len = start;
    }
    free(composed);
    return is_gsm7;
}

/* --- cutting -------------------------------------------------------------------------------- */

/*
 * Bytes of the longest start of a text that the encoding has and that leaves room for
 * `ellipsis_units`. It ends between two grapheme clusters; `breaks` marks the bytes that begin one.
 */
static size_t longest_start(const char *utf8, size_t len, const char *breaks,
                            enum text_encoding encoding, unsigned ellipsis_units,
                            unsigned max_parts)
{
    struct packing p = empty_packing[encoding];
    size_t start = 0;
    while (start < len) {
        size_t end = start + 1;
        while (end < len && breaks[end] == 0) {
            end++;
        }
        if (!pack_text(&p, utf8 + start, end - start, encoding)) {
            break;
        }
        struct packing with_ellipsis = p;
        for (unsigned i = 0; i < ellipsis_units; i++) {
            pack(&with_ellipsis, 1);
        }
        if (packing_parts(&with_ellipsis) > max_parts) {
            break;
        }
        start = end;
    }
    return start;
}

void text_truncate(const char *utf8, size_t len, unsigned max_parts, struct buffer *out)
{
    if (text_measure(utf8, len).parts <= max_parts) {
        buffer_append(out, utf8, len);
        return;
    }
    char *breaks = malloc(len);
    if (breaks == NULL) {
        out->has_failed = true;
        return;
    }
    u8_grapheme_breaks((const uint8_t *)utf8, len, breaks);
    /* If the cut removes what needs UCS-2, more of the text fits as GSM-7. */
    size_t as_gsm7 = longest_start(utf8, len, breaks, TEXT_GSM7, 3, max_parts);
    size_t as_ucs2 = longest_start(utf8, len, breaks, TEXT_UCS2, 1, max_parts);
    free(breaks);
    if (as_gsm7 >= as_ucs2) {
        buffer_append(out, utf8, as_gsm7);
        buffer_puts(out, "...");
    } else {
        buffer_append(out, utf8, as_ucs2);
        buffer_puts(out, "\xe2\x80\xa6");
    }
}
