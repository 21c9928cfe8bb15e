/* charset: see charset.h. */
#include "proto/mail/charset.h"

#include "proto/text.h"

#include <errno.h>
#include <iconv.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* --- labels ----------------------------------------------------------------------------------- */

/*
 * The labels of the Encoding Standard, then other labels that mailers use: lower case, letters and
 * digits only, a space at both ends. Without x-user-defined, which says nothing about the bytes.
 */
static const struct {
    struct charset charset;
    const char *labels;
} CHARSETS[] = {
    {{"UTF-8", CHARSET_UTF8},
     " unicode11utf8 unicode20utf8 utf8 xunicode20utf8  cp65001 utf8mb4 utf8n xutf8 "},
    {{"CP866", CHARSET_SINGLE}, " 866 cp866 csibm866 ibm866 "},
    {{"ISO-8859-2", CHARSET_SINGLE},
     " csisolatin2 iso88592 iso885921987 isoir101 l2 latin2  88592 isolatin2 "},
    {{"ISO-8859-3", CHARSET_SINGLE}, " csisolatin3 iso88593 iso885931988 isoir109 l3 latin3 "},
    {{"ISO-8859-4", CHARSET_SINGLE}, " csisolatin4 iso88594 iso885941988 isoir110 l4 latin4 "},
    {{"ISO-8859-5", CHARSET_SINGLE},
     " csisolatincyrillic cyrillic iso88595 iso885951988 isoir144  88595 "},
    {{"ISO-8859-6", CHARSET_SINGLE},
     " arabic asmo708 csiso88596e csiso88596i csisolatinarabic ecma114 iso88596 iso885961987 "
     "iso88596e iso88596i isoir127 "},
    {{"ISO-8859-7", CHARSET_SINGLE},
     " csisolatingreek ecma118 elot928 greek greek8 iso88597 iso885971987 isoir126 suneugreek  "
     "88597 "},
    {{"ISO-8859-8", CHARSET_SINGLE},
     " csiso88598e csisolatinhebrew hebrew iso88598 iso885981988 iso88598e isoir138 visual "
     "csiso88598i iso88598i logical "},
    {{"ISO-8859-10", CHARSET_SINGLE}, " csisolatin6 iso885910 isoir157 l6 latin6 "},
    {{"ISO-8859-13", CHARSET_SINGLE}, " iso885913  latin7 "},
    {{"ISO-8859-14", CHARSET_SINGLE}, " iso885914  latin8 "},
    {{"ISO-8859-15", CHARSET_SINGLE}, " csisolatin9 iso885915 l9  885915 latin9 "},
    {{"ISO-8859-16", CHARSET_SINGLE}, " iso885916  latin10 "},
    {{"KOI8-R", CHARSET_SINGLE}, " cskoi8r koi koi8 koi8r  cp20866 "},
    {{"KOI8-U", CHARSET_SINGLE}, " koi8ru koi8u  cp21866 "},
    {{"MACINTOSH", CHARSET_SINGLE}, " csmacintosh mac macintosh xmacroman  macroman "},
    {{"MAC-CYRILLIC", CHARSET_SINGLE}, " xmaccyrillic xmacukrainian "},
    {{"CP874", CHARSET_SINGLE}, " dos874 iso885911 tis620 windows874  cp874 tis62025330 "},
    {{"CP1250", CHARSET_SINGLE}, " cp1250 windows1250 xcp1250  win1250 windowscp1250 "},
    {{"CP1251", CHARSET_SINGLE}, " cp1251 windows1251 xcp1251  win1251 windowscp1251 "},
    {{"CP1252", CHARSET_SINGLE},
     " ansix341968 ascii cp1252 cp819 csisolatin1 ibm819 iso88591 iso885911987 isoir100 l1 latin1 "
     "usascii windows1252 xcp1252  88591 ansi ansix34 ansix341986 isolatin1 iso646us us win1252 "
     "windowscp1252 "},
    {{"CP1253", CHARSET_SINGLE}, " cp1253 windows1253 xcp1253  win1253 windowscp1253 "},
    {{"CP1254", CHARSET_SINGLE},
     " cp1254 csisolatin5 iso88599 iso885991989 isoir148 l5 latin5 windows1254 xcp1254  88599 "
     "win1254 windowscp1254 "},
    {{"CP1255", CHARSET_SINGLE}, " cp1255 windows1255 xcp1255  win1255 windowscp1255 "},
    {{"CP1256", CHARSET_SINGLE}, " cp1256 windows1256 xcp1256  win1256 windowscp1256 "},
    {{"CP1257", CHARSET_SINGLE}, " cp1257 windows1257 xcp1257  win1257 windowscp1257 "},
    {{"CP1258", CHARSET_SINGLE}, " cp1258 windows1258 xcp1258  win1258 windowscp1258 "},
    {{"GB18030", CHARSET_MULTIPLE},
     " chinese csgb2312 csiso58gb231280 gb2312 gb231280 gbk isoir58 xgbk gb18030  cngb cp936 euccn "
     "eucgb2312cn "
     "ms936 windows936 gb "},
    {{"BIG5-HKSCS", CHARSET_MULTIPLE},
     " big5 big5hkscs cnbig5 csbig5 xxbig5  cp950 big5eten big5tw "},
    {{"EUC-JP-MS", CHARSET_MULTIPLE},
     " cseucpkdfmtjapanese eucjp xeucjp  cp51932 eucjpms eucjpwin ujis "},
    {{"CP932", CHARSET_MULTIPLE},
     " csshiftjis ms932 mskanji shiftjis sjis windows31j xsjis  cp932 cp943c cswindows31j mscp932 "
     "sjiswin windows932 "},
    {{"CP949", CHARSET_MULTIPLE},
     " cseuckr csksc56011987 euckr isoir149 korean ksc5601 ksc56011987 ksc56011989 windows949  "
     "cp949 ksc56011992 ms949 uhc "},
    {{"EUC-TW", CHARSET_MULTIPLE}, " euctw "},
    {{"JOHAB", CHARSET_MULTIPLE}, " cp1361 johab ksc56011992johab "},
    {{"ISO-2022-JP", CHARSET_ESCAPING},
     " csiso2022jp iso2022jp  cp50220 cp50221 cp50222 csiso2022jp2 iso2022jp1 iso2022jp2 "
     "iso2022jp3 "
     "iso2022jpesc iso2022jpms jis "},
    {{"ISO-2022-KR", CHARSET_ESCAPING}, " csiso2022kr iso2022kr "},
    {{"ISO-2022-CN-EXT", CHARSET_ESCAPING}, " iso2022cn iso2022cnext "},
    {{"HZ", CHARSET_ESCAPING}, " hzgb2312  hz "},
    {{"UTF-7", CHARSET_ESCAPING},
     " csunicode11utf7 cp65000 unicode11utf7 unicode20utf7 utf7 "
     "xunicode20utf7 "},
    {{"UTF-16", CHARSET_WIDE},
     " csunicode iso10646ucs2 ucs2 unicode unicodefeff utf16  cp1200 iso10646ucsbasic "},
    {{"UTF-16LE", CHARSET_WIDE}, " utf16le  ucs2le "},
    {{"UTF-16BE", CHARSET_WIDE}, " unicodefffe utf16be  cp1201 ucs2be "},
    {{"UTF-32", CHARSET_WIDE}, " iso10646ucs4 ucs4 utf32 "},
    {{"UTF-32LE", CHARSET_WIDE}, " utf32le  ucs4le "},
    {{"UTF-32BE", CHARSET_WIDE}, " utf32be  ucs4be "},
};

/* Reduces a label to the form of the table. Returns false if nothing is left. */
static bool reduce(const char *label, char reduced[CHARSET_NAME_MAX + 3])
{
    size_t n = 0;
    reduced[n++] = ' ';
    for (; *label != '\0' && n <= CHARSET_NAME_MAX; label++) {
        char lower = (char)(*label | 0x20);
        if ((lower >= 'a' && lower <= 'z') || (*label >= '0' && *label <= '9')) {
            reduced[n++] = lower;
        }
    }
    reduced[n] = ' ';
    reduced[n + 1] = '\0';
    return n > 1;
}

/* Finds what only iconv knows: code pages of DOS and of mainframes. */
static bool find_in_iconv(const char *name, size_t len, struct charset *charset)
{
    *charset = (struct charset){.kind = CHARSET_SINGLE};
    memcpy(charset->name, name, len);
    iconv_t cd = iconv_open("UTF-8", charset->name);
    if (cd == (iconv_t)-1) {
        return false;
    }
    iconv_close(cd);
    return true;
}

bool charset_find(const char *label, struct charset *charset)
{
    char reduced[CHARSET_NAME_MAX + 3];
    if (!reduce(label, reduced)) {
        return false;
    }
    for (size_t i = 0; i < sizeof CHARSETS / sizeof CHARSETS[0]; i++) {
        if (strstr(CHARSETS[i].labels, reduced) != NULL) {
            *charset = CHARSETS[i].charset;
            return true;
        }
    }
    /* iconv knows most names without dashes, and some only with them. It takes "" for the locale's
     * charset, and what follows a slash for options. */
    return find_in_iconv(reduced + 1, strlen(reduced) - 2, charset) ||
           (strlen(label) <= CHARSET_NAME_MAX && strchr(label, '/') == NULL &&
            find_in_iconv(label, strlen(label), charset));
}

/* --- escape sequences ------------------------------------------------------------------------- */

/*
 * What an escape sequence switches to, in terms of an EUC charset: a character has `size` bytes,
 * and `lead` before them there.
 */
struct shift {
    const char *escape;
    unsigned char size, lead; /* size 1 without a lead: ASCII */
};

/* ISO-2022-JP, with what Windows adds (cp50221, cp50222), in terms of EUC-JP. */
static const struct shift JP_SHIFTS[] = {
    {"\x1b(B", 1, 0},  {"\x1b(J", 1, 0}, {"\x1b(H", 1, 0},  {"\x1b(I", 1, 0x8e},
    {"\x1b$@", 2, 0},  {"\x1b$B", 2, 0}, {"\x1b$(B", 2, 0}, {"\x1b$(D", 2, 0x8f},
    {"\x0e", 1, 0x8e}, {"\x0f", 1, 0},   {NULL, 1, 0},
};

/* HZ (RFC 1843), in terms of GB 2312. */
static const struct shift HZ_SHIFTS[] = {{"~{", 2, 0}, {"~}", 1, 0}, {NULL, 1, 0}};

static const struct shift *find_shift(const struct shift *shifts, const char *s, size_t len)
{
    if (*s > ' ' && *s != '~') {
        return NULL;
    }
    for (; shifts->escape != NULL; shifts++) {
        size_t n = strlen(shifts->escape);
        if (n <= len && memcmp(s, shifts->escape, n) == 0) {
            return shifts;
        }
    }
    return NULL;
}

/* Converts a text with escape sequences to the EUC charset. Each line begins in ASCII. */
static void unescape(const struct shift *shifts, const char *s, size_t len, struct buffer *euc)
{
    const struct shift ascii = {NULL, 1, 0};
    struct shift now = ascii;
    for (size_t i = 0; i < len;) {
        const struct shift *next = find_shift(shifts, s + i, len - i);
        bool is_pair = i + 1 < len && s[i + 1] > ' ';
        if (next != NULL) {
            now = *next;
            i += strlen(next->escape);
        } else if (s[i] <= ' ' || (now.size == 1 && now.lead == 0) || (now.size == 2 && !is_pair)) {
            now = s[i] == '\n' ? ascii : now;
            buffer_putc(euc, s[i++]);
        } else {
            if (now.lead != 0) {
                buffer_putc(euc, (char)now.lead);
            }
            for (unsigned k = 0; k < now.size; k++) {
                buffer_putc(euc, (char)(s[i++] | 0x80));
            }
        }
    }
}

/* --- conversion ------------------------------------------------------------------------------- */

/* After so many invalid bytes the rest is no text. */
enum { REPLACED_MAX = 10000 };

/* Bytes of the smallest unit that can be invalid. */
static size_t unit_width(const struct charset *charset)
{
    bool is_wide = charset->kind == CHARSET_WIDE;
    return !is_wide ? 1 : strncmp(charset->name, "UTF-32", strlen("UTF-32")) == 0 ? 4 : 2;
}

static void replace_byte(struct buffer *out, size_t *replaced)
{
    buffer_puts(out, "\xef\xbf\xbd"); /* U+FFFD */
    (*replaced)++;
}

/* The length of the valid UTF-8 character at `s`, 0 where there is none. */
static size_t character_len(const char *s, size_t len)
{
    unsigned char c = (unsigned char)s[0];
    size_t n = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    return n <= len && text_is_utf8(s, n) ? n : 0;
}

static void append_utf8(const char *s, size_t len, struct buffer *out, size_t *replaced)
{
    for (size_t i = 0; i < len && *replaced <= REPLACED_MAX;) {
        size_t n = character_len(s + i, len - i);
        if (n > 0) {
            buffer_append(out, s + i, n);
        } else {
            replace_byte(out, replaced);
        }
        i += n > 0 ? n : 1;
    }
}

/* Appends what iconv makes of `in`; with NULL, the letter that it holds back for an accent. */
static size_t run_iconv(iconv_t cd, char **in, size_t *len, struct buffer *out)
{
    size_t room = *len * 2 + 16;
    size_t left = room;
    char *to = buffer_reserve(out, room);
    if (to == NULL) {
        return 0;
    }
    size_t result = iconv(cd, in, len, &to, &left);
    out->len += room - left;
    return result;
}

/* Replaces the unit at which iconv stopped, and returns its length. In Windows' GBK it may be "€". */
static size_t skip_invalid(const struct charset *charset, const char *in, size_t len,
                           struct buffer *out, size_t *replaced)
{
    size_t width = unit_width(charset);
    if ((unsigned char)*in == 0x80 && strcmp(charset->name, "GB18030") == 0) {
        buffer_puts(out, "\xe2\x82\xac");
    } else {
        replace_byte(out, replaced);
    }
    return len < width ? len : width;
}

static void append_converted(iconv_t cd, const struct charset *charset, const char *s, size_t len,
                             struct buffer *out, size_t *replaced)
{
    char *in = (char *)s; /* not const in iconv's prototype, but in what it does */
    while (len > 0 && *replaced <= REPLACED_MAX && !out->has_failed) {
        if (run_iconv(cd, &in, &len, out) == (size_t)-1 && errno != E2BIG) {
            size_t skipped = skip_invalid(charset, in, len, out, replaced);
            in += skipped;
            len -= skipped;
        }
    }
    len = 0;
    run_iconv(cd, NULL, &len, out);
}

/* Adds the byte order that the label does not name: by its mark, else by where most NULs are. */
static void find_byte_order(const char *s, size_t len, struct charset *charset)
{
    enum { LOOKED_AT = 4096 };
    size_t width = unit_width(charset);
    size_t high = 0, low = 0; /* NULs in the first and in the last byte of a unit */
    for (size_t i = 0; i + width <= len && i < LOOKED_AT; i += width) {
        high += s[i] == '\0' ? 1 : 0;
        low += s[i + width - 1] == '\0' ? 1 : 0;
    }
    bool is_little = len >= 2 && memcmp(s, "\xff\xfe", 2) == 0;
    bool is_big = len >= width && memcmp(s + width - 2, "\xfe\xff", 2) == 0;
    strcat(charset->name, is_big || (!is_little && high > low) ? "BE" : "LE");
}

/* Repairs what iconv wrote as invalid UTF-8: lone surrogates. */
static void repair(struct buffer *out, size_t start, size_t *replaced)
{
    if (out->has_failed || text_is_utf8(out->data + start, out->len - start)) {
        return;
    }
    struct buffer valid = BUFFER_EMPTY;
    append_utf8(out->data + start, out->len - start, &valid, replaced);
    out->len = start;
    buffer_append(out, valid.data, valid.len);
    out->has_failed = out->has_failed || valid.has_failed;
    buffer_free(&valid);
}

static void convert_by_iconv(const struct charset *charset, const char *s, size_t len,
                             struct buffer *out, size_t *replaced)
{
    struct charset exact = *charset;
    if (charset->kind == CHARSET_WIDE && strlen(exact.name) == strlen("UTF-16")) {
        find_byte_order(s, len, &exact);
    }
    iconv_t cd = iconv_open("UTF-8", exact.name);
    if (cd == (iconv_t)-1) {
        append_utf8(s, len, out, replaced);
        return;
    }
    size_t start = out->len;
    append_converted(cd, &exact, s, len, out, replaced);
    iconv_close(cd);
    repair(out, start, replaced);
}

/* Charsets with escape sequences are converted by way of one that iconv reads better. */
static const struct {
    const char *name;
    const struct shift *shifts;
    struct charset euc;
} ESCAPING[] = {
    {"ISO-2022-JP", JP_SHIFTS, {"EUC-JP-MS", CHARSET_MULTIPLE}},
    {"HZ", HZ_SHIFTS, {"GB18030", CHARSET_MULTIPLE}},
};

void charset_convert(const struct charset *charset, const char *s, size_t len, struct buffer *out,
                     size_t *replaced)
{
    if (charset->kind == CHARSET_UTF8) {
        append_utf8(s, len, out, replaced);
        return;
    }
    for (size_t i = 0; i < sizeof ESCAPING / sizeof ESCAPING[0]; i++) {
        if (strcmp(charset->name, ESCAPING[i].name) == 0) {
            struct buffer euc = BUFFER_EMPTY;
            unescape(ESCAPING[i].shifts, s, len, &euc);
            convert_by_iconv(&ESCAPING[i].euc, euc.data, euc.len, out, replaced);
            out->has_failed = out->has_failed || euc.has_failed;
            buffer_free(&euc);
            return;
        }
    }
    convert_by_iconv(charset, s, len, out, replaced);
}
