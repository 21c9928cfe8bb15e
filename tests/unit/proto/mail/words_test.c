/* words: encoded words as libraries and devices write them. */
#include "proto/mail/words.h"

#include <criterion/criterion.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

struct word_case {
    const char *value, *text;
};

static void check(const struct word_case *cases, size_t count, const char *guess)
{
    for (size_t i = 0; i < count; i++) {
        const struct word_case *c = &cases[i];
        struct buffer out = BUFFER_EMPTY;
        struct mail_repairs repairs = {0};
        cr_expect(words_decode(c->value, strlen(c->value), guess, "windows-1252", &out, &repairs));
        buffer_putc(&out, '\0');
        cr_expect_str_eq(out.data, c->text, "%s: %s", c->value, out.data);
        buffer_free(&out);
    }
}

Test(words, one_word)
{
    static const struct word_case cases[] = {
        {"plain", "plain"},
        {"", ""},
        {"=?utf-8?B?QXZlcsOtYQ==?=", "Aver\xc3\xad"
                                     "a"},
        {"=?UTF-8?b?QXZlcsOtYQ==?=", "Aver\xc3\xad"
                                     "a"},
        {"=?utf-8?Q?Aver=C3=ADa_=5F_=3F?=", "Aver\xc3\xad"
                                            "a _ ?"},
        {"=?utf-8?q?Aver=c3=ada?=", "Aver\xc3\xad"
                                    "a"},
        {"=?utf-8*es?Q?Aver=C3=ADa?=", "Aver\xc3\xad"
                                       "a"},
        {"=?utf-8?Q?\?=", ""},
        {"a =?utf-8?Q?b?= c", "a b c"},
        {"[=?utf-8?Q?b?=]c", "[b]c"},
        {"=?utf-8?Q?a b =E2=82=AC?=", "a b \xe2\x82\xac"},
    };
    check(cases, COUNT(cases), NULL);
}

/* RFC 2047, 6.2: each is decoded by itself, and the blanks between them are not text. */
Test(words, several_words)
{
    static const struct word_case cases[] = {
        {"=?utf-8?B?YQ==?= =?utf-8?B?Yg==?=", "ab"},
        {"=?utf-8?B?YQ==?=\t =?utf-8?Q?b?=  c", "ab  c"},
        {"=?utf-8?B?YQ==?==?utf-8?B?Yg==?=", "ab"},
        {"=?utf-8?B?w6nDqA==?= =?iso-8859-1?Q?caf=E9?=", "\xc3\xa9\xc3\xa8"
                                                         "caf\xc3\xa9"},
        /* Characters and base64 itself parted between two words. */
        {"=?utf-8?Q?a=C3?= =?UTF-8?Q?=A9b?=", "a\xc3\xa9"
                                              "b"},
        {"=?utf-8?B?Yw==?= =?utf-8?B?4oI=?= =?utf-8*en?Q?=AC?=", "c\xe2\x82\xac"},
        {"=?utf-8?B?w6?= =?utf-8?B?k?=", "\xc3\xa9"},
        {"=?utf-8?B?YQ?= =?utf-8?B?Yg?=", "ab"},
    };
    check(cases, COUNT(cases), NULL);
}

/* A label that is not true is mended like that of a body. */
Test(words, wrong_labels)
{
    static const struct word_case cases[] = {
        {"=?us-ascii?Q?caf=C3=A9?=", "caf\xc3\xa9"},
        {"=?us-ascii?Q?caf=E9?=", "caf\xc3\xa9"},
        {"=?iso-8859-1?Q?=80_=C3=A9?=", "\xe2\x82\xac \xc3\x83\xc2\xa9"},
        {"=?iso-8859-1?Q?caf=C3=A9?=", "caf\xc3\xa9"},
        {"=?utf-8?Q?caf=E9?=", "caf\xc3\xa9"},
        {"=?nonsense?Q?caf=C3=A9?=", "caf\xc3\xa9"},
        {"=?nonsense?Q?caf=E9?=", "caf\xc3\xa9"},
        {"=??Q?caf=E9?=", "caf\xc3\xa9"},
        {"=?x-unknown?B?Y2Fm6Q==?=", "caf\xc3\xa9"},
        {"caf\xe9 =?utf-8?Q?=C3=A9?=", "caf\xc3\xa9 \xc3\xa9"},
        {"caf\xc3\xa9", "caf\xc3\xa9"},
    };
    static const struct word_case guessed[] = {{"\xc4\xc1 =?utf-8?Q?x?=", "\xd0\xb4\xd0\xb0 x"}};
    check(cases, COUNT(cases), NULL);
    check(guessed, COUNT(guessed), "koi8-r");
}

Test(words, what_is_none)
{
    static const struct word_case cases[] = {
        {"=?utf-8?Q?not closed", "=?utf-8?Q?not closed"},
        {"=?utf-8?X?abc?=", "=?utf-8?X?abc?="},
        {"=?utf-8?Qabc?=", "=?utf-8?Qabc?="},
        {"=?utf 8?Q?abc?=", "=?utf 8?Q?abc?="},
        {"a =? b =?= c", "a =? b =?= c"},
        {"=?", "=?"},
        {"=?a?", "=?a?"},
        {"=?a?Q", "=?a?Q"},
        {"=?utf-8?Q?a =?utf-8?Q?b?=", "=?utf-8?Q?a b"},
    };
    check(cases, COUNT(cases), NULL);
}

/* Cut off by what counts bytes. */
Test(words, cut_off)
{
    static const struct word_case cases[] = {
        {"=?utf-8?B?QXZlcsOt", "Aver\xc3\xad"},
        {"=?utf-8?B?QXZlcsO", "Aver\xc3\x83"},
        {"=?utf-8?Q?Aver=C3=AD", "Aver\xc3\xad"},
        {"=?utf-8?Q?Aver=C3=AD=C3=AD=C", "Aver\xc3\xad\xc3\xad=C"},
        {"=?utf-8?Q?", ""},
    };
    check(cases, COUNT(cases), NULL);
}

Test(words, nothing_to_fall_back_to)
{
    struct buffer out = BUFFER_EMPTY;
    struct mail_repairs repairs = {0};
    static const char value[] = "=?nonsense?Q?caf=E9?=";
    cr_assert(!words_decode(value, sizeof value - 1, NULL, NULL, &out, &repairs));
    buffer_free(&out);
}
