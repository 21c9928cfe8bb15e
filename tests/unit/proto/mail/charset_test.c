/* charset: labels as mailers write them, and bytes that are not valid. */
#include "proto/mail/charset.h"

#include "proto/mail/text.h"

#include <criterion/criterion.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

Test(charset, labels)
{
    static const struct {
        const char *label, *name;
    } cases[] = {
        {"utf-8", "UTF-8"},
        {"UTF8", "UTF-8"},
        {"unicode-1-1-utf-8", "UTF-8"},
        {"iso-8859-1", "CP1252"},
        {"ISO_8859-1:1987", "CP1252"},
        {"latin1", "CP1252"},
        {"US-ASCII", "CP1252"},
        {"ansi_x3.4-1968", "CP1252"},
        {"iso-8859-9", "CP1254"},
        {"iso-8859-11", "CP874"},
        {"tis-620", "CP874"},
        {"shift_jis", "CP932"},
        {"Windows-31J", "CP932"},
        {"x-sjis", "CP932"},
        {"ms_kanji", "CP932"},
        {"euc-kr", "CP949"},
        {"ks_c_5601-1987", "CP949"},
        {"gb2312", "GB18030"},
        {"gbk", "GB18030"},
        {"GB_2312-80", "GB18030"},
        {"big5", "BIG5-HKSCS"},
        {"iso-8859-8-i", "ISO-8859-8"},
        {"koi8-ru", "KOI8-U"},
        {"cp-437", "cp437"},
        {"IBM850", "ibm850"},
        {"utf_16", "UTF-16"},
        {"hz-gb-2312", "HZ"},
    };
    static const char *const unknown[] = {
        "",
        "-",
        "nonsense",
        "x-user-defined",
        "unknown-8bit",
        "a/b",
        "//TRANSLIT",
        "a-name-that-is-longer-than-any-that-there-is",
    };
    struct charset charset;
    for (size_t i = 0; i < COUNT(cases); i++) {
        cr_expect(charset_find(cases[i].label, &charset), "%s", cases[i].label);
        cr_expect_str_eq(charset.name, cases[i].name, "%s: %s", cases[i].label, charset.name);
    }
    for (size_t i = 0; i < COUNT(unknown); i++) {
        cr_expect(!charset_find(unknown[i], &charset), "%s", unknown[i]);
    }
}

struct text_case {
    const char *label, *bytes;
    size_t len;
    const char *text;
    size_t replaced;
};

#define BYTES(s) s, sizeof(s) - 1

static void check(const struct text_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct text_case *c = &cases[i];
        struct buffer out = BUFFER_EMPTY;
        struct mail_repairs repairs = {0};
        cr_expect(mail_text_to_utf8(c->bytes, c->len, c->label, "windows-1252", &out, &repairs));
        buffer_putc(&out, '\0');
        cr_expect_str_eq(out.data, c->text, "%zu, %s: %s", i, c->label, out.data);
        cr_expect_eq(repairs.replaced, c->replaced, "%zu: %zu", i, repairs.replaced);
        buffer_free(&out);
    }
}

Test(charset, supersets)
{
    static const struct text_case cases[] = {
        {"shift_jis", BYTES("\x87\x40\x8f\xe1\x8a\x51 \xee\xe0"), "①障害 髙", 0},
        {"shift_jis", BYTES("\xb1\xb2~\\"), "ｱｲ~\\", 0},
        {"euc-kr", BYTES("\x8c\x63"), "똠", 0},
        {"gbk", BYTES("5 \x80 \xd5\xcf"), "5 € 障", 0},
        {"gb2312", BYTES("\x81\x30\x84\x36 \xa2\xe3"), "¥ €", 0},
        {"iso-8859-1", BYTES("\x80 \x93x\x94"), "€ “x”", 0},
        {"iso-8859-9", BYTES("\x80 \xfe"), "€ ş", 0},
        {"tis-620", BYTES("\x80\xa1"), "€ก", 0},
        {"big5", BYTES("\xa4\xa4\xf9\xd6"), "中碁", 0},
        {"euc-jp", BYTES("\xad\xa1\x8e\xb1\x8f\xb0\xa1"), "①ｱ丂", 0},
        {"windows-1258", BYTES("a\xd2"), "ả", 0},
    };
    check(cases, COUNT(cases));
}

Test(charset, escapes)
{
    static const struct text_case cases[] = {
        {"iso-2022-jp", BYTES("\x1b$B>c32\x1b(I1\x1b(B x"), "障害ｱ x", 0},
        {"iso-2022-jp", BYTES("\x1b$B-!\x1b(B"), "①", 0},
        {"iso-2022-jp", BYTES("\x1b$B>c\nabc"), "障\nabc", 0},
        {"cp50222", BYTES("a\x0e\x31\x0f z"), "aｱ z", 0},
        {"iso-2022-jp", BYTES("plain"), "plain", 0},
        {"utf-8", BYTES("\x1b$B>c32\x1b(B"), "障害", 0},
        {NULL, BYTES("\x1b$B>c32\x1b(B"), "障害", 0},
        {NULL, BYTES("\x1b[1mbold\x1b[0m"), "\x1b[1mbold\x1b[0m", 0},
        {"hz-gb-2312", BYTES("~{<:Ky2;~} ~~x"), "己所不 ~~x", 0},
        {"utf-7", BYTES("Gr+APwA3w-e"), "Grüße", 0},
    };
    check(cases, COUNT(cases));
}

Test(charset, utf16)
{
    static const struct text_case cases[] = {
        {"utf-16",
         BYTES("\xff\xfe"
               "a\0\xac\x20"),
         "a€", 0},
        {"utf-16", BYTES("\xfe\xff\0a\x20\xac"), "a€", 0},
        {"utf-16", BYTES("a\0b\0\xac\x20"), "ab€", 0},
        {"utf-16", BYTES("\0a\0b\x20\xac"), "ab€", 0},
        {"utf-16be", BYTES("\0a\x20\xac"), "a€", 0},
        {"utf-16le",
         BYTES("a\0\x00\xd8"
               "b\0c\0d\0e\0f\0g\0"),
         "a\xef\xbf\xbd"
         "bcdefg",
         1},
        {NULL,
         BYTES("\xff\xfe"
               "a\0"),
         "a", 0},
        {"utf-16", BYTES("no, it is ASCII"), "no, it is ASCII", 0},
        {"utf-32", BYTES("a\0\0\0"), "a", 0},
    };
    check(cases, COUNT(cases));
}

/* A label that is wrong, and bytes that are. */
Test(charset, wrong)
{
    static const struct text_case cases[] = {
        {"utf-8",
         BYTES("\xef\xbb\xbf"
               "a"),
         "a", 0},
        {"windows-1252", BYTES("\xef\xbb\xbf\xc3\xa9"), "é", 0},
        {"gb2312", BYTES("\xe7\xa3\x81\xe7\x9b\x98"), "磁盘", 0}, /* UTF-8 */
        {"gb2312", BYTES("\xc4\xaa"), "莫", 0},                   /* by coincidence */
        {"utf-8", BYTES("Störung \xe2\x82 größe"), "Störung \xef\xbf\xbd\xef\xbf\xbd größe", 2},
        {"utf-8", BYTES("caf\xe9"), "café", 0},
        {NULL,
         BYTES("gr\xc3\xb6\xc3\x9f"
               "e \xe9 \xc3\xb6"),
         "größe \xef\xbf\xbd ö", 1},
        {"shift_jis", BYTES("\x8f\xe1\x8a\x51 \xfd x"), "障害 \xef\xbf\xbd x", 1},
        {"windows-1253", BYTES("\xaa\xe1\xe2\xe3"), "\xef\xbf\xbdαβγ", 1},
        {"windows-1252", BYTES("\x81\xe9\xe9"), "\xef\xbf\xbdéé", 1},
        {"x-user-defined", BYTES("caf\xe9"), "café", 0},
        {"euc-kr", BYTES("caf\xe9"), "café", 0},
    };
    check(cases, COUNT(cases));
}

/* So much that is not valid costs no more than so much. */
Test(charset, bounded)
{
    struct charset charset;
    struct buffer in = BUFFER_EMPTY, out = BUFFER_EMPTY;
    size_t replaced = 0;
    for (size_t i = 0; i < 200000; i++) {
        buffer_putc(&in, '\x81');
    }
    cr_assert(charset_find("windows-1252", &charset));
    charset_convert(&charset, in.data, in.len, &out, &replaced);
    cr_assert_lt(replaced, 20000);
    cr_assert_eq(out.len, 3 * replaced);
    buffer_free(&in);
    buffer_free(&out);
}
