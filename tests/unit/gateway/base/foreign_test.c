/* foreign: words from outside do not show what they were sent. */
#include "gateway/base/foreign.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
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
        {"+34 600 000 000, or 2026-11-30", "+** *** *** ***, or 2026-11-30"},
        {"+34 (600) 000-000.", "+** (***) ***-***."},
        {"+1 2, 10+12", "+1 2, 10+12"},
        {"+", "+"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char words[64];
        snprintf(words, sizeof words, "%s", cases[i].words);
        foreign_hide_numbers(words);
        cr_expect_str_eq(words, cases[i].hidden);
    }
}

/* What is shown of words, if this is the token. */
static void check_hidden(const char *words, const char *secret, const char *hidden)
{
    char copy[96];
    snprintf(copy, sizeof copy, "%s", words);
    cr_assert(foreign_know(FOREIGN_TOKEN, secret));
    foreign_hide_secrets_of(copy);
    cr_expect_str_eq(copy, hidden, "\"%s\" became \"%s\"", words, copy);
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
        {"one\r\ntwo 0123456789\r\nthree", "0123456789", "one\r\ntwo ***\r\nthree"},
        {"caf\xe9 0123456789 \xe9", "0123456789", "caf\xe9 *** \xe9"},
        {"0123\r\n456789\n", "0123456789", "***\n"},
        {"abc/def+ghi", "abc/def+ghi", "***"},
        {"{\"t\":\"abc\\/def+ghi\"}", "abc/def+ghi", "{\"t\":\"***\"}"},
        {"{\"t\":\"{\\\"t\\\":\\\"abc\\\\/def+ghi\\\"}\"}", "abc/def+ghi",
         "{\"t\":\"{\\\"t\\\":\\\"***\\\"}\"}"},
        {"{\"t\":\"\\u0061bc/def\\u002Bghi\"}", "abc/def+ghi", "{\"t\":\"***\"}"},
        {"/login?t=abc%2Fdef%2bghi&x", "abc/def+ghi", "/login?t=***&x"},
        {"<b>abc&#x2F;def&#43;ghi</b>", "abc/def+ghi", "<b>***</b>"},
        {"abc&#x2F", "abc/def+ghi", "abc&#x2F"},
        {"abc%2", "abc/def+ghi", "abc%2"},
        {"the latest secret", "secret", "the latest ***"},
        {"secretly", "secret", "secretly"},
        {"a test", "test", "a test"},
        {"a", "", "a"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        check_hidden(cases[i].words, cases[i].secret, cases[i].hidden);
    }
}

Test(foreign, all_secrets_that_were_told_are_hidden)
{
    char words[] = "old-token new-token new-token-2 of-the-reports of-the-webhook";
    cr_assert(foreign_know(FOREIGN_TOKEN, "old-token"));
    for (int i = 0; i < 2 * FOREIGN_KEPT; i++) { /* read again at each reload */
        cr_assert(foreign_know(FOREIGN_TOKEN, "new-token"));
    }
    cr_assert(foreign_know(FOREIGN_TOKEN, "new-token-2"));
    cr_assert(foreign_know(FOREIGN_REPORTS, "of-the-reports"));
    cr_assert(foreign_know(FOREIGN_WEBHOOK, "of-the-webhook"));
    foreign_hide_secrets_of(words);
    cr_expect_str_eq(words, "*** *** *** *** ***");
}

Test(foreign, many_tokens_push_out_old_ones_but_no_other_secrets)
{
    char token[] = "token-00", words[] = "token-00 token-08 of-the-reports";
    cr_assert(foreign_know(FOREIGN_REPORTS, "of-the-reports"));
    for (int i = 0; i <= FOREIGN_KEPT; i++) {
        snprintf(token, sizeof token, "token-%02d", i % 100);
        cr_assert(foreign_know(FOREIGN_TOKEN, token));
    }
    foreign_hide_secrets_of(words);
    cr_expect_str_eq(words, "token-00 *** ***");
}

Test(foreign, the_long_parts_of_a_url_are_hidden)
{
    char words[] = "hooks.of-a-long-name.example services 0123456789abcdef fedcba9876543210";
    cr_assert(foreign_know_url(FOREIGN_WEBHOOK,
                               "https://hooks.of-a-long-name.example:8443/services/"
                               "0123456789abcdef?key=fedcba9876543210"));
    cr_assert(foreign_know_url(FOREIGN_WEBHOOK, "https://hooks.of-a-long-name.example"));
    foreign_hide_secrets_of(words);
    cr_expect_str_eq(words, "hooks.of-a-long-name.example services *** ***");
}

Test(foreign, long_words_take_no_longer_for_what_they_are, .timeout = 5)
{
    enum { LEN = 1 << 20 };
    char *words = malloc(LEN);
    cr_assert(foreign_know(FOREIGN_TOKEN, "0123456789"));
    memset(words, '\\', LEN);
    cr_expect_eq(foreign_hide_secrets(words, LEN), LEN);
    free(words);
}
