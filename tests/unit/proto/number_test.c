/* number: telephone numbers as people write them, and senders. */
#include "proto/number.h"

#include <criterion/criterion.h>
#include <string.h>

struct number_case {
    const char *written;
    const char *country_code;
    const char *e164; /* NULL = refused */
};

static void check_numbers(const struct number_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct number_case *c = &cases[i];
        char got[NUMBER_SIZE + 1];
        memset(got, '#', sizeof(got));
        bool is_good = number_parse(c->written, strlen(c->written), c->country_code, got);
        cr_expect_eq(is_good, c->e164 != NULL, "\"%s\": %s", c->written, is_good ? got : "refused");
        cr_expect_str_eq(got, c->e164 != NULL ? c->e164 : "", "\"%s\": %s", c->written, got);
        cr_expect_eq(got[NUMBER_SIZE], '#', "\"%s\": wrote past the end", c->written);
    }
}

#define CHECK_NUMBERS(cases) check_numbers(cases, sizeof(cases) / sizeof(cases[0]))

Test(number, international)
{
    static const struct number_case cases[] = {
        {"+34600000000", NULL, "+34600000000"},       {"+34600000000", "44", "+34600000000"},
        {"0034600000000", NULL, "+34600000000"},      {"0034600000000", "44", "+34600000000"},
        {"34600000000", NULL, "+34600000000"},        {"34600000000", "", "+34600000000"},
        {"+34 600-00.00/00", NULL, "+34600000000"},   {"(+34) 600 000 000", NULL, "+34600000000"},
        {"[0034] 600 000 000", NULL, "+34600000000"}, {" +34600000000 ", NULL, "+34600000000"},
        {"+1 (212) 555-0100", NULL, "+12125550100"},
    };
    CHECK_NUMBERS(cases);
}

Test(number, national_with_a_country_code)
{
    static const struct number_case cases[] = {
        {"600000000", "34", "+34600000000"},
        {"0600000000", "33", "+33600000000"},
        {"(020) 7946 0000", "44", "+442079460000"},
        {"(0)20 7946 0000", "44", "+442079460000"},
        {"0", "44", NULL},
        {"", "44", NULL},
        /* Only one zero is the trunk prefix; a third one is no country's code. */
        {"000600000000", "34", NULL},
        /* Without a prefix it is national, whatever it begins with. */
        {"34600000000", "34", "+3434600000000"},
    };
    CHECK_NUMBERS(cases);
}

Test(number, trunk_zero_in_brackets)
{
    static const struct number_case cases[] = {
        {"+44 (0)20 7946 0000", NULL, "+442079460000"},
        {"+44(0)20 7946 0000", "34", "+442079460000"},
        {"0044 (0)20 7946 0000", "34", "+442079460000"},
        {"44 (0)20 7946 0000", NULL, "+442079460000"},
        {"+358 (0)40 123 4567", NULL, "+358401234567"},
        {"00123 (0)456789012345", NULL, "+123456789012345"},
        {"(+44) (0)20 7946 0000", NULL, "+442079460000"},
        /* Where no calling code can end it is a zero like any other. */
        {"+(0)44 20 7946 0000", NULL, NULL},
        {"0(0)34 600 000 000", NULL, "+34600000000"},
        {"00(0)44 20 7946 0000", NULL, NULL},
        {"+3460 (0)000000", NULL, "+34600000000"},
        {"+44 (0)2 (0)7946 0000", NULL, "+442079460000"},
        {"+44 (00)20 7946 000", NULL, "+4400207946000"},
        {"+44 [0]20 7946 000", NULL, "+440207946000"},
    };
    CHECK_NUMBERS(cases);
}

Test(number, length_is_8_to_15_digits)
{
    static const struct number_case cases[] = {
        {"+1234567", NULL, NULL},
        {"+12345678", NULL, "+12345678"},
        {"+123456789012345", NULL, "+123456789012345"},
        {"+1234567890123456", NULL, NULL},
        {"00123456789012345", NULL, "+123456789012345"},
        {"001234567890123456", NULL, NULL},
        {"001234567", NULL, NULL},
        {"123456", "1", NULL},
        {"1234567", "1", "+11234567"},
        {"12345678901234", "1", "+112345678901234"},
        {"123456789012345", "1", NULL},
        {"12345678", "1234567890123456", NULL},
        {"+1234567890123456789012345678901234567890", NULL, NULL},
    };
    CHECK_NUMBERS(cases);
}

Test(number, anything_else_is_refused)
{
    static const struct number_case cases[] = {
        {"", NULL, NULL},
        {"+", NULL, NULL},
        {"00", NULL, NULL},
        {"() -", NULL, NULL},
        {"34+600000000", NULL, NULL},
        {"++34600000000", NULL, NULL},
        {"+34600000000+", NULL, NULL},
        {"00+34600000000", NULL, NULL},
        {"+034600000000", NULL, NULL},
        {"+0034600000000", NULL, NULL},
        {"00034600000000", NULL, NULL},
        {"0600000000", NULL, NULL},
        {"+3460000000O", NULL, NULL},
        {"tel:+34600000000", NULL, NULL},
        {"+34600000000x12", NULL, NULL},
        {"+34,600000000", NULL, NULL},
        {"+34600000000\n", NULL, NULL},
        {"+34\xc2\xa0"
         "600000000",
         NULL, NULL},
        {"+34600\xd9\xa0\xd9\xa0\xd9\xa0", NULL, NULL},
    };
    CHECK_NUMBERS(cases);
    char e164[NUMBER_SIZE];
    cr_expect_not(number_parse("+34600000000\0", 13, NULL, e164), "a NUL is not a separator");
    cr_expect(number_parse("+346000000009", 12, NULL, e164));
    cr_expect_str_eq(e164, "+34600000000", "`len` is the end, not a NUL");
    cr_expect(number_parse("+44 (0)2079460000", 17, NULL, e164));
    cr_expect_not(number_parse("+44 (0", 6, NULL, e164));
}

struct sender_case {
    const char *sender;
    bool is_valid;
};

Test(number, senders)
{
    static const struct sender_case cases[] = {
        {"Acme", true},
        {"a", true},
        {"Acme Shop", true},
        {"A.c-m_e&Co", true},
        {"24 Hours", true},
        {"3-letters", true},
        {"ElevenChars", true},
        {"TwelveChars1", false},
        {"", false},
        {" ", false},
        {"&", false},
        {"1-2-3", false},
        {"12", false},
        {"123", true},
        {"123456789012345", true},
        {"1234567890123456", false},
        {"+34600000000", true},
        {"+123456789012345", true},
        {"+1234567890123456", false},
        {"+12", false},
        {"+", false},
        {"++123", false},
        {"123 456", false},
        {"+Acme", false},
        {"Acme!", false},
        {"Acme\t", false},
        {"Acme\"", false},
        {"Caf\xc3\xa9", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_expect_eq(sender_is_valid(cases[i].sender, strlen(cases[i].sender)), cases[i].is_valid,
                     "\"%s\"", cases[i].sender);
    }
    cr_expect_not(sender_is_valid("Ac\0me", 5), "a NUL is no letter");
}
