/* text: charsets, the GSM-7 alphabet, parts, replacements, cutting. */
#include "proto/gsm7.h"
#include "proto/text.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* --- helpers: a text as a list of code points, independent of the code under test ------------ */

enum { MAX_CHARS = 2000 };

struct chars {
    uint32_t at[MAX_CHARS];
    size_t count;
};

static size_t put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    size_t bytes = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = bytes - 1; i > 0; i--) {
        to[i] = (char)(0x80 | (c & 0x3f));
        c >>= 6;
    }
    to[0] = (char)((0xf00 >> bytes) | c);
    return bytes;
}

static size_t write_utf8(const struct chars *text, size_t count, char to[4 * MAX_CHARS])
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        len += put_utf8(to + len, text->at[i]);
    }
    return len;
}

static void add(struct chars *text, uint32_t c, size_t times)
{
    for (; times > 0; times--) {
        cr_assert_lt(text->count, MAX_CHARS);
        text->at[text->count++] = c;
    }
}

/* The alphabet, copied from the standard independently of the code. */
static const char DEFAULT_ALPHABET[] =
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
static const char EXTENSION_TABLE[] = "\f^{}\\[~]|€";

static unsigned septets_of(uint32_t c)
{
    char utf8[5] = "";
    utf8[put_utf8(utf8, c)] = '\0';
    if (utf8[0] == '\0') {
        return 0;
    }
    return strstr(DEFAULT_ALPHABET, utf8) != NULL  ? 1
           : strstr(EXTENSION_TABLE, utf8) != NULL ? 2
                                                   : 0;
}

/* Counts parts by placing characters one by one, without arithmetic on totals. */
static struct text_size naive_size(const struct chars *text, size_t count)
{
    struct text_size size = {.encoding = TEXT_GSM7, .units = 0, .parts = 1};
    for (size_t i = 0; i < count; i++) {
        if (septets_of(text->at[i]) == 0) {
            size.encoding = TEXT_UCS2;
        }
    }
    bool is_gsm7 = size.encoding == TEXT_GSM7;
    unsigned room = is_gsm7 ? 153 : 67;
    unsigned left = room;
    for (size_t i = 0; i < count; i++) {
        uint32_t c = text->at[i];
        unsigned width = is_gsm7 ? septets_of(c) : c >= 0x10000 ? 2 : 1;
        if (left < width) {
            size.parts++;
            left = room;
        }
        left -= width;
        size.units += width;
    }
    if (size.units <= (is_gsm7 ? 160u : 70u)) {
        size.parts = 1;
    }
    return size;
}

static void check_size(const struct chars *text, size_t count, const char *what)
{
    static char utf8[4 * MAX_CHARS];
    struct text_size want = naive_size(text, count);
    struct text_size got = text_measure(utf8, write_utf8(text, count, utf8));
    cr_expect_eq(got.encoding, want.encoding, "%s, %zu characters: encoding", what, count);
    cr_expect_eq(got.units, want.units, "%s, %zu characters: %u units", what, count, got.units);
    cr_expect_eq(got.parts, want.parts, "%s, %zu characters: %u parts", what, count, got.parts);
}

static unsigned next_random(unsigned *state)
{
    *state = *state * 1103515245u + 12345u;
    return *state >> 16;
}

/* --- UTF-8 ----------------------------------------------------------------------------------- */

struct utf8_case {
    const char *bytes;
    size_t len;
    bool is_valid;
};

#define BYTES(literal) literal, sizeof(literal) - 1

Test(text, utf8_as_in_rfc_3629)
{
    static const struct utf8_case cases[] = {
        {BYTES(""), true},
        {BYTES("plain"), true},
        {BYTES("a\0b"), true},
        {BYTES("\x7f"), true},
        {BYTES("\xc2\x80"), true},
        {BYTES("\xdf\xbf"), true},
        {BYTES("\xe0\xa0\x80"), true},
        {BYTES("\xed\x9f\xbf"), true},
        {BYTES("\xee\x80\x80"), true},
        {BYTES("\xef\xbf\xbf"), true},
        {BYTES("\xf0\x90\x80\x80"), true},
        {BYTES("\xf4\x8f\xbf\xbf"), true},
        {BYTES("\x80"), false},             /* continuation alone */
        {BYTES("\xc0\x80"), false},         /* overlong */
        {BYTES("\xc1\xbf"), false},         /* overlong */
        {BYTES("\xe0\x9f\xbf"), false},     /* overlong */
        {BYTES("\xf0\x8f\xbf\xbf"), false}, /* overlong */
        {BYTES("\xed\xa0\x80"), false},     /* surrogate */
        {BYTES("\xed\xbf\xbf"), false},     /* surrogate */
        {BYTES("\xf4\x90\x80\x80"), false}, /* beyond U+10FFFF */
        {BYTES("\xf5\x80\x80\x80"), false},
        {BYTES("\xff"), false},
        {BYTES("\xc3"), false}, /* cut off */
        {BYTES("\xe2\x82"), false},
        {BYTES("\xf0\x9f\x98"), false},
        {BYTES("\xc3("), false},
        {BYTES("caf\xe9"), false}, /* windows-1252 */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        /* At every offset from a word boundary, with and without something after it. */
        for (size_t before = 0; before < 20; before++) {
            char text[64];
            memset(text, 'x', sizeof(text));
            /* At the very end of the array, where the sanitizer sees a read past it. */
            size_t len = before + cases[i].len;
            char *last = text + sizeof(text) - len;
            memcpy(last + before, cases[i].bytes, cases[i].len);
            cr_expect_eq(text_is_utf8(last, len), cases[i].is_valid, "case %zu, %zu before", i,
                         before);
            memset(text, 'x', sizeof(text));
            memcpy(text + before, cases[i].bytes, cases[i].len);
            cr_expect_eq(text_is_utf8(text, len + 20), cases[i].is_valid,
                         "case %zu, %zu before and more behind", i, before);
        }
    }
    cr_expect(text_is_utf8(NULL, 0), "an empty buffer");
}

/* --- charsets -------------------------------------------------------------------------------- */

struct charset_case {
    const char *charset;
    const char *bytes;
    size_t len;
    const char *utf8; /* NULL = refused */
};

Test(text, charsets_to_utf8)
{
    static const struct charset_case cases[] = {
        {"windows-1252", BYTES("caf\xe9 \x80 \x93x\x94"), "café € “x”"},
        {"windows-1252", BYTES(""), ""},
        {"windows-1252", BYTES("\x81"), NULL},
        {"windows-1252", BYTES("ok \x8d"), NULL},
        {"windows-1252", BYTES("\x8f"), NULL},
        {"windows-1252", BYTES("\x90"), NULL},
        {"windows-1252", BYTES("\x9d ok"), NULL},
        {"ISO-8859-15", BYTES("\xa4"), "€"},
        {"utf-8", BYTES("ñ"), "ñ"},
        {"UTF-8", BYTES("\xc3"), NULL},
        {"UTF-8", BYTES("\xed\xa0\x80"), NULL},
        {"UTF-16LE", BYTES("a\0=\xd8\0\xde"), "a😀"},
        {"UTF-16LE", BYTES("=\xd8"), NULL},
        {"UTF-16", BYTES("\xfe\xff\0a"), "a"},
        {"ISO-2022-JP", BYTES("\x1b$B$\"\x1b(B"), "あ"},
        /* Its decoder holds back the last character until the input ends. */
        {"windows-1258", BYTES("xa"), "xa"},
        {"UTF-7", BYTES("+2AA-"), NULL},
        {"UCS-4LE", BYTES("\0\0\x11\0"), NULL},
        {"UCS-4LE", BYTES("\0\xd8\0\0"), NULL},
        {"us-ascii", BYTES("\xe9"), NULL},
        {"no-such-charset", BYTES("a"), NULL},
        {"", BYTES("a"), NULL},
        {"us-ascii//IGNORE", BYTES("a"), NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct charset_case *c = &cases[i];
        struct buffer out = BUFFER_EMPTY;
        buffer_puts(&out, "before:");
        bool is_good = text_to_utf8(c->bytes, c->len, c->charset, &out);
        cr_expect_eq(is_good, c->utf8 != NULL, "case %zu, %s", i, c->charset);
        buffer_putc(&out, '\0');
        cr_expect_eq(strncmp(out.data, "before:", 7), 0);
        cr_expect_str_eq(out.data + 7, c->utf8 != NULL ? c->utf8 : "", "case %zu, %s", i,
                         c->charset);
        buffer_free(&out);
    }
}

Test(text, a_long_text_is_converted_whole)
{
    enum { LEN = 100000 };
    static char bytes[LEN];
    memset(bytes, '\x80', LEN); /* the euro sign: three bytes for one */
    struct buffer out = BUFFER_EMPTY;
    cr_assert(text_to_utf8(bytes, LEN, "windows-1252", &out));
    cr_assert_eq(out.len, 3 * LEN);
    for (size_t i = 0; i < out.len; i += 3) {
        cr_assert_eq(memcmp(out.data + i, "€", 3), 0);
    }
    bytes[LEN - 1] = '\x81';
    cr_expect_not(text_to_utf8(bytes, LEN, "windows-1252", &out));
    cr_expect_eq(out.len, 3 * LEN, "what was there stays, and nothing more");
    buffer_free(&out);
}

Test(text, a_nul_in_what_is_converted_stays)
{
    struct buffer out = BUFFER_EMPTY;
    cr_assert(text_to_utf8("a\0\xe9", 3, "windows-1252", &out));
    cr_assert_eq(out.len, 4);
    cr_expect_eq(memcmp(out.data, "a\0é", 4), 0);
    buffer_free(&out);
}

/* --- the alphabet ---------------------------------------------------------------------------- */

Test(text, line_ends)
{
    static const struct {
        const char *text, *ended;
    } cases[] = {
        {"", ""},
        {"a", "a"},
        {"a\nb", "a\nb"},
        {"a\r\nb\r\n", "a\nb\n"},
        {"a\rb\r", "a\nb\n"},
        {"a\r\rb", "a\n\nb"},
        {"a\r\r\nb", "a\nb"},
        {"\n\r\n\r", "\n\n\n"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buffer text = BUFFER_EMPTY;
        buffer_puts(&text, cases[i].text);
        text_end_lines(&text);
        cr_expect_eq(text.len, strlen(cases[i].ended), "%zu", i);
        cr_expect_eq(memcmp(buffer_bytes(&text), cases[i].ended, text.len), 0, "%zu", i);
        buffer_free(&text);
    }
}

Test(text, the_alphabet_is_the_standards)
{
    size_t ones = 0, twos = 0;
    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        unsigned septets = gsm7_septets(c);
        if (septets != septets_of(c)) {
            cr_expect_fail("U+%04X: %u septets", (unsigned)c, septets);
        }
        ones += septets == 1;
        twos += septets == 2;
    }
    cr_expect_eq(ones, 127, "128 positions less the escape");
    cr_expect_eq(twos, 10);
}

Test(text, basic_characters_take_one_septet)
{
    unsigned basic = 0;
    for (int c = 0; c < 256; c++) {
        const char text[] = {'a', (char)c, 'Z'};
        bool is_basic = gsm7_is_basic(text, sizeof text);
        cr_expect(!is_basic || (c < 0x80 && gsm7_septets((uint32_t)c) == 1), "%02x", c);
        basic += is_basic;
    }
    cr_expect_eq(basic, 'Z' - ' ' + 1 + 26);
}

Test(text, encoding_of_what_people_write)
{
    static const struct {
        const char *text;
        const char *encoding;
        unsigned units;
    } cases[] = {
        {"", "gsm7", 0},       {"Hello", "gsm7", 5},  {"Mañana a las 10 €", "gsm7", 18},
        {"[a]", "gsm7", 5},    {"ÀÈ", "ucs2", 2},     {"català", "gsm7", 6},
        {"garçon", "ucs2", 6}, {"GARÇON", "gsm7", 6}, {"mamá", "ucs2", 4},
        {"a\tb", "ucs2", 3},   {"`", "ucs2", 1},      {"“x”", "ucs2", 3},
        {"😀", "ucs2", 2},      {"\x1b", "ucs2", 1},   {"\x7f", "ucs2", 1},
        {"\r\n\f", "gsm7", 4},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct text_size got = text_measure(cases[i].text, strlen(cases[i].text));
        cr_expect_str_eq(text_encoding_name(got.encoding), cases[i].encoding, "%s", cases[i].text);
        cr_expect_eq(got.units, cases[i].units, "%s: %u", cases[i].text, got.units);
        cr_expect_eq(got.parts, 1, "%s: %u", cases[i].text, got.parts);
    }
    cr_expect_eq(text_measure("a\0b", 3).encoding, TEXT_UCS2, "NUL is not in the alphabet");
}

/* --- parts ----------------------------------------------------------------------------------- */

Test(text, parts_at_the_limits)
{
    static const struct {
        uint32_t first; /* once */
        uint32_t then;  /* `times` */
        unsigned times;
        unsigned units;
        unsigned parts;
    } cases[] = {
        {'a', 'a', 159, 160, 1},
        {'a', 'a', 160, 161, 2},
        {'a', 'a', 305, 306, 2},
        {'a', 'a', 306, 307, 3},
        {'{', '{', 79, 160, 1},
        /* 76 pairs in a part: one of its 153 septets stays empty. */
        {'{', '{', 80, 162, 2},
        {'{', '{', 151, 304, 2},
        {'{', '{', 152, 306, 3},
        {'a', '{', 152, 305, 2},
        {0xe1, 'a', 69, 70, 1},
        {0xe1, 'a', 70, 71, 2},
        {0xe1, 'a', 133, 134, 2},
        {0xe1, 'a', 134, 135, 3},
        {0x1f600, 0x1f600, 34, 70, 1},
        {0x1f600, 0x1f600, 35, 72, 2},
        /* 33 pairs in a part of 67. */
        {0x1f600, 0x1f600, 65, 132, 2},
        {0x1f600, 0x1f600, 66, 134, 3},
        {'a', 0x1f600, 66, 133, 2},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        static struct chars text;
        static char utf8[4 * MAX_CHARS];
        text.count = 0;
        add(&text, cases[i].first, 1);
        add(&text, cases[i].then, cases[i].times);
        struct text_size got = text_measure(utf8, write_utf8(&text, text.count, utf8));
        cr_expect_eq(got.units, cases[i].units, "case %zu: %u units", i, got.units);
        cr_expect_eq(got.parts, cases[i].parts, "case %zu: %u parts", i, got.parts);
    }
}

Test(text, parts_are_those_of_a_naive_packing)
{
    static const uint32_t kinds[] = {'a', 0x20ac, 0xf1, 0xe1, 0x1f600};
    static struct chars text;
    for (size_t i = 0; i < COUNT(kinds); i++) {
        char what[32];
        snprintf(what, sizeof(what), "U+%04X", (unsigned)kinds[i]);
        text.count = 0;
        add(&text, kinds[i], 500);
        for (size_t count = 0; count <= 500; count++) {
            check_size(&text, count, what);
        }
    }
}

Test(text, parts_of_mixtures_are_those_of_a_naive_packing)
{
    static const uint32_t mixtures[][4] = {
        {'a', 'b', 0x20ac, 0xf1},
        {'{', 'a', '}', '\n'},
        {'a', 0x1f600, 0x4e2d, '{'},
        {'a', 0x1f600, 0x1f600, 0x1f600},
    };
    static struct chars text;
    unsigned random = 7;
    for (size_t i = 0; i < COUNT(mixtures); i++) {
        for (unsigned round = 0; round < 20; round++) {
            text.count = 0;
            while (text.count < 500) {
                add(&text, mixtures[i][next_random(&random) % 4], 1);
            }
            for (size_t count = round; count <= 500; count += 7) {
                check_size(&text, count, "mixture");
            }
        }
    }
}

/* Rows: how many of which character, then how many of another; where the parts end, in bytes. */
struct split_case {
    const char *first, *then;
    size_t first_count, then_count;
    size_t ends[4]; /* 0 = no more */
};

Test(text, where_parts_end)
{
    static const struct split_case cases[] = {
        {"a", "", 0, 0, {0}},
        {"a", "", 160, 0, {160}},
        {"a", "", 161, 0, {153, 161}},
        {"a", "", 306, 0, {153, 306}},
        {"a", "", 307, 0, {153, 306, 307}},
        {"\u00e9", "", 161, 0, {306, 322}},  /* one septet, two bytes */
        {"a", "\u20ac", 152, 5, {152, 167}}, /* an escape pair moves to the next part */
        {"a", "\u20ac", 151, 5, {154, 166}}, /* and stays where it fits */
        {"\u0436", "", 70, 0, {140}},
        {"\u0436", "", 71, 0, {134, 142}},
        {"\u0436", "\U0001f600", 66, 3, {132, 144}}, /* so does a surrogate pair */
        {"\u0436", "\U0001f600", 65, 3, {134, 142}},
        {"\U0001f600", "", 67, 0, {132, 264, 268}}, /* 33 in each part */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[1024] = "";
        size_t ends[4] = {0}, few[1] = {0};
        size_t count = 0;
        for (size_t n = 0; n < cases[i].first_count + cases[i].then_count; n++) {
            strcat(text, n < cases[i].first_count ? cases[i].first : cases[i].then);
        }
        size_t parts = text_split(text, strlen(text), ends, COUNT(ends));
        while (count < COUNT(ends) && cases[i].ends[count] != 0) {
            cr_expect_eq(ends[count], cases[i].ends[count], "case %zu: part %zu ends at %zu", i,
                         count, ends[count]);
            count++;
        }
        cr_expect_eq(parts, count == 0 ? 1 : count, "case %zu: %zu parts", i, parts);
        cr_expect_eq(text_measure(text, strlen(text)).parts, parts, "case %zu", i);
        cr_expect_eq(text_split(text, strlen(text), few, 1), parts, "case %zu", i);
        cr_expect_eq(few[0], cases[i].ends[0], "case %zu: in a short array", i);
    }
}

/* --- replacements ---------------------------------------------------------------------------- */

struct replacement_case {
    const char *text;
    const char *punctuation; /* the result, or NULL if the text stays as it is */
    const char *all;
};

static void check_replaced(const char *text, enum text_transliterate level, const char *want)
{
    struct buffer out = BUFFER_EMPTY;
    buffer_puts(&out, "before:");
    bool is_good = text_transliterate(text, strlen(text), level, &out);
    buffer_putc(&out, '\0');
    cr_expect_eq(is_good, want != NULL, "\"%s\", level %d: %s", text, (int)level, out.data);
    cr_expect_eq(strncmp(out.data, "before:", 7), 0);
    cr_expect_str_eq(out.data + 7, want != NULL ? want : "", "\"%s\", level %d: %s", text,
                     (int)level, out.data);
    if (is_good) {
        struct text_size size = text_measure(out.data, out.len - 1);
        cr_expect_eq(size.encoding, TEXT_GSM7, "\"%s\", level %d: not GSM-7", text, (int)level);
    }
    buffer_free(&out);
}

Test(text, replacements)
{
    static const struct replacement_case cases[] = {
        {"", "", ""},
        {"as it is: ñ€{}", "as it is: ñ€{}", "as it is: ñ€{}"},
        {"“x” ‘y’ «z» ‹w› „v‟", "\"x\" 'y' \"z\" 'w' \"v\"", "\"x\" 'y' \"z\" 'w' \"v\""},
        {"a–b—c−d‑e", "a-b-c-d-e", "a-b-c-d-e"},
        {"wait…", "wait...", "wait..."},
        {"a\tb`c´d", "a b'c'd", "a b'c'd"},
        {"• one\u2028· two", "* one\n. two", "* one\n. two"},
        {"1\u00a0000\u202f€\u3000!", "1 000 € !", "1 000 € !"},
        {"\ufeffsoft\u00adhy\u200bphen\u2060", "softhyphen", "softhyphen"},
        {"\u200b", "", ""},
        /* Decomposed, but GSM-7's own: composing it changes nothing. */
        {"cafe\u0301 man\u0303ana", "café mañana", "café mañana"},
        {"mamá", NULL, "mama"},
        {"mama\u0301 café", NULL, "mama café"},
        {"“mamá”", NULL, "\"mama\""},
        {"garçon ÀÊÎÕ", NULL, "garcon AEIO"},
        {"Łukasz", NULL, "Lukasz"},
        {"Łódź, Đorđe, Œuvre, İı", NULL, "Lodz, Dorde, OEuvre, Ii"},
        {"Ștefan, ș, Phở", NULL, "Stefan, s, Pho"},
        {"ﬁn ªº", NULL, "fin ao"},
        {"ＡＢ１", NULL, "AB1"},
        {"STRAẞE \u212b \u212a ŉ", NULL, "STRAßE Å K 'n"},
        {"ΠΡΟΣΟΧΉ", NULL, "ΠPOΣOXH"},
        {"q\u0303", NULL, "q"},
        /* A symbol is not replaced if its base would mean something else. */
        {"10²", NULL, NULL},
        {"1½", NULL, NULL},
        {"προσοχή", NULL, NULL},
        {"Привет", NULL, NULL},
        {"中文", NULL, NULL},
        {"“😀”", NULL, NULL},
        {"\x07", NULL, NULL},
        {"\x1b", NULL, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        check_replaced(cases[i].text, TEXT_TRANSLITERATE_PUNCTUATION, cases[i].punctuation);
        check_replaced(cases[i].text, TEXT_TRANSLITERATE_ALL, cases[i].all);
        check_replaced(cases[i].text, TEXT_TRANSLITERATE_NO, NULL);
    }
}

/* Every replacement is GSM-7, and ALL includes PUNCTUATION. */
Test(text, every_replacement_is_gsm7)
{
    size_t punctuation = 0, all = 0;
    struct buffer out = BUFFER_EMPTY;
    for (uint32_t c = 1; c <= 0x1ffff; c++) {
        if (c >= 0xd800 && c <= 0xdfff) {
            continue;
        }
        char utf8[4];
        size_t len = put_utf8(utf8, c);
        buffer_clear(&out);
        bool by_punctuation = text_transliterate(utf8, len, TEXT_TRANSLITERATE_PUNCTUATION, &out);
        struct text_size size = text_measure(out.data, out.len);
        bool is_gsm7 = !by_punctuation || size.encoding == TEXT_GSM7;
        buffer_clear(&out);
        bool by_all = text_transliterate(utf8, len, TEXT_TRANSLITERATE_ALL, &out);
        size = text_measure(out.data, out.len);
        is_gsm7 = is_gsm7 && (!by_all || size.encoding == TEXT_GSM7);
        if (!is_gsm7 || (by_punctuation && !by_all)) {
            cr_expect_fail("U+%04X", (unsigned)c);
        }
        punctuation += by_punctuation;
        all += by_all;
    }
    buffer_free(&out);
    cr_expect_gt(punctuation, 137 + 80, "%zu", punctuation);
    cr_expect_gt(all, punctuation + 800, "%zu", all);
}

/* --- cutting --------------------------------------------------------------------------------- */

static void check_cut(const struct chars *text, unsigned max_parts, const struct chars *want,
                      size_t case_number)
{
    static char utf8[4 * MAX_CHARS], want_utf8[4 * MAX_CHARS];
    size_t len = write_utf8(text, text->count, utf8);
    size_t want_len = write_utf8(want, want->count, want_utf8);
    struct buffer out = BUFFER_EMPTY;
    buffer_puts(&out, "before:");
    text_truncate(utf8, len, max_parts, &out);
    cr_expect_eq(out.len, 7 + want_len, "case %zu: %zu bytes instead of %zu", case_number,
                 out.len - 7, want_len);
    cr_expect(out.len == 7 + want_len && memcmp(out.data + 7, want_utf8, want_len) == 0,
              "case %zu: other text", case_number);
    cr_expect_leq(text_measure(out.data + 7, out.len - 7).parts, max_parts, "case %zu",
                  case_number);
    buffer_free(&out);
}

Test(text, cutting)
{
    static const struct {
        uint32_t first;
        unsigned first_times;
        uint32_t then;
        unsigned then_times;
        unsigned max_parts;
        unsigned kept_first, kept_then;
        const char *ellipsis; /* "", "..." or "…" */
    } cases[] = {
        {'a', 160, 0, 0, 1, 160, 0, ""},
        {'a', 161, 0, 0, 1, 157, 0, "..."},
        {'a', 306, 0, 0, 2, 306, 0, ""},
        {'a', 307, 0, 0, 2, 303, 0, "..."},
        {'a', 1000, 0, 0, 3, 456, 0, "..."},
        {'{', 81, 0, 0, 1, 78, 0, "..."},
        {0xe1, 70, 0, 0, 1, 70, 0, ""},
        {0xe1, 71, 0, 0, 1, 69, 0, "…"},
        {0xe1, 135, 0, 0, 2, 133, 0, "…"},
        {0x1f600, 36, 0, 0, 1, 34, 0, "…"},
        {0x1f600, 67, 0, 0, 2, 66, 0, "…"},
        /* Too long only because of an emoji at its end; without it more than 69 units fit. */
        {'a', 150, 0x1f600, 1, 1, 150, 0, "..."},
        {'a', 200, 0x1f600, 1, 1, 157, 0, "..."},
        {'a', 60, 0x1f600, 20, 1, 60, 4, "…"},
        {'a', 69, 0x1f600, 2, 1, 69, 0, "..."},
        {'a', 3, 0xe1, 100, 1, 3, 66, "…"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        static struct chars text, want;
        text.count = want.count = 0;
        add(&text, cases[i].first, cases[i].first_times);
        add(&text, cases[i].then, cases[i].then_times);
        add(&want, cases[i].first, cases[i].kept_first);
        add(&want, cases[i].then, cases[i].kept_then);
        if (strcmp(cases[i].ellipsis, "...") == 0) {
            add(&want, '.', 3);
        } else if (cases[i].ellipsis[0] != '\0') {
            add(&want, 0x2026, 1);
        }
        check_cut(&text, cases[i].max_parts, &want, i);
    }
}

/* With one more character the ellipsis would not fit: for every length and limit. */
Test(text, a_cut_text_is_the_longest_that_fits)
{
    static const uint32_t mixture[] = {'a', '{', 'n', 0xf1};
    static struct chars text, want;
    unsigned random = 11;
    for (unsigned round = 0; round < 24; round++) {
        unsigned max_parts = 1 + round % 4;
        text.count = 0;
        while (text.count < 700) {
            add(&text, mixture[next_random(&random) % 4], 1);
        }
        for (size_t kept = text.count;; kept--) {
            memcpy(want.at, text.at, kept * sizeof(text.at[0]));
            want.count = kept;
            add(&want, '.', 3);
            if (naive_size(&want, want.count).parts <= max_parts) {
                break;
            }
        }
        check_cut(&text, max_parts, &want, round);
    }
}

Test(text, a_cut_never_goes_through_a_character)
{
    static const struct {
        const char *what;
        uint32_t at[8];
        size_t count;
    } clusters[] = {
        {"letter and accent", {'q', 0x303}, 2},
        {"emoji and skin", {0x1f44d, 0x1f3fd}, 2},
        {"flag", {0x1f1ea, 0x1f1f8}, 2},
        {"family", {0x1f468, 0x200d, 0x1f469, 0x200d, 0x1f467}, 5},
        {"CR LF", {'\r', '\n'}, 2},
    };
    static struct chars text, want;
    for (size_t i = 0; i < COUNT(clusters); i++) {
        /* The whole cluster is one unit too long; a start of it would fit. */
        text.count = want.count = 0;
        for (size_t n = 0; n < clusters[i].count; n++) {
            add(&text, clusters[i].at[n], 1);
        }
        unsigned taken = 70 - naive_size(&text, text.count).units;
        text.count = 0;
        add(&text, 0x4e2d, taken);
        add(&want, 0x4e2d, taken);
        for (size_t n = 0; n < clusters[i].count; n++) {
            add(&text, clusters[i].at[n], 1);
        }
        add(&text, 0x4e2d, 10);
        add(&want, 0x2026, 1);
        check_cut(&text, 1, &want, i);
    }
}
