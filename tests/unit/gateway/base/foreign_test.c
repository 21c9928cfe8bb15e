/* foreign: words from outside do not show what they were sent. */
#include "gateway/base/foreign.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

Test(foreign, what_may_be_a_number_is_hidden_in_words)
{
    static const struct {
        const char *words, *hidden;
    } cases[] = {
        {"", ""},
        {"no money (HTTP 402)", "no money (HTTP 402)"},
        {"+34600000000: no money", "+***********: no money"},
        {"12345, 123456", "12345, ******"},
        {"a1234567b", "a*******b"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char words[64];
        snprintf(words, sizeof words, "%s", cases[i].words);
        foreign_hide_numbers(words);
        cr_expect_str_eq(words, cases[i].hidden);
    }
}

Test(foreign, secrets_are_hidden)
{
    static const struct {
        const char *words, *secret, *hidden;
    } cases[] = {
        {"", "0123456789", ""},
        {"no token here", "0123456789", "no token here"},
        {"Bearer 0123456789 is bad", "0123456789", "Bearer *** is bad"},
        {"0123456789", "0123456789", "***"},
        {"x0123456789y0123456789", "0123456789", "x***y***"},
        {"01234567890123456789", "0123456789", "******"},
        {"012345678", "0123456789", "012345678"},
        {"abc/def+ghi", "abc/def+ghi", "***"},
        {"{\"t\":\"abc\\/def+ghi\"}", "abc/def+ghi", "{\"t\":\"***\"}"},
        {"/login?t=abc%2Fdef%2bghi&x", "abc/def+ghi", "/login?t=***&x"},
        {"the latest test", "test", "the latest ***"},
        {"testing", "test", "testing"},
        {"a b c", "b", "a b c"},
        {"a", "", "a"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char words[64];
        snprintf(words, sizeof words, "%s", cases[i].words);
        words[foreign_hide_secret(words, strlen(words), cases[i].secret)] = '\0';
        cr_expect_str_eq(words, cases[i].hidden);
    }
}
