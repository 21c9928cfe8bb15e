/* number: telephone numbers as people write them, and senders. */
#include "proto/number.h"

#include <criterion/criterion.h>
#include <stdio.h>
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
        {"+1 (212) 555-0100", NULL, "+12125550100"},  {"tel:+34-600-000-000", NULL, "+34600000000"},
        {"TEL:600000000", "34", "+34600000000"},      {"sms:+34600000000", "44", "+34600000000"},
    };
    CHECK_NUMBERS(cases);
}

Test(number, national_with_a_country_code)
{
    static const struct number_case cases[] = {
        {"600000000", "34", "+34600000000"},
        {"0600000000", "33", "+33600000000"},
        {"600000000", "33", "+33600000000"},
        {"(020) 7946 0000", "44", "+442079460000"},
        {"(0)20 7946 0000", "44", "+442079460000"},
        {"1-212-555-0123", "1", "+12125550123"},
        {"212-555-0123", "1", "+12125550123"},
        {"0171 2345678", "49", "+491712345678"},
        {"0", "44", NULL},
        {"", "44", NULL},
        /* Spain has no trunk prefix. */
        {"0600000000", "34", NULL},
        /* One zero is the trunk prefix, two are international; no code begins with a third. */
        {"000600000000", "33", NULL},
        /* No country has this code; nothing is dialled within that one. */
        {"600000000", "999", NULL},
        {"600000000", "3", NULL},
        {"600000000", "346", NULL},
        {"1234567", "882", NULL},
    };
    CHECK_NUMBERS(cases);
}

Test(number, zero_that_is_part_of_the_number)
{
    static const struct number_case cases[] = {
        {"07 08 09 10 11", "225", "+2250708091011"},   {"27 20 30 40 50", "225", "+2252720304050"},
        {"06 698 12345", "39", "+390669812345"},       {"+39 06 698 12345", NULL, "+390669812345"},
        {"+39 (0)6 698 12345", NULL, "+390669812345"}, {"347 123 4567", "39", "+393471234567"},
        {"0549 886377", "378", "+3780549886377"},      {"06 123 4567", "242", "+242061234567"},
        {"06 03 12 34", "241", "+24106031234"},        {"0 60 12 34 56", "241", "+24160123456"},
        {"01 95 12 34 56", "229", "+2290195123456"},
    };
    CHECK_NUMBERS(cases);
}

Test(number, trunk_prefixes)
{
    static const struct number_case cases[] = {
        {"8 912 345-67-89", "7", "+79123456789"},
        {"8 (701) 234 56 78", "7", "+77012345678"},
        {"912 345 67 89", "7", "+79123456789"},
        {"8 912 345-67-8", "7", NULL}, /* not 891 234 56 78 */
        {"8 029 491-19-11", "375", "+375294911911"},
        {"8 66 123456", "993", "+99366123456"},
        {"8 612 34567", "370", "+37061234567"},
        {"(0-612) 34567", "370", "+37061234567"},
        {"06 20 123 4567", "36", "+36201234567"},
        {"(06 1) 234 5678", "36", "+3612345678"},
        {"20 123 4567", "36", "+36201234567"},
        {"044 55 1234 5678", "52", "+525512345678"},
        {"01 55 1234 5678", "52", "+525512345678"},
        {"55 1234 5678", "52", "+525512345678"},
        {"+52 1 55 1234 5678", NULL, "+525512345678"},
        {"15512345678", "52", NULL}, /* perhaps in New Jersey */
        {"011 15-2345-6789", "54", "+5491123456789"},
        {"0291 15 412-3456", "54", "+5492914123456"},
        {"02966 15 412345", "54", "+5492966412345"},
        {"11 2345-6789", "54", "+541123456789"},
        {"9 11 2345-6789", "54", "+5491123456789"},
        {"+54 11 15 2345 6789", NULL, "+5491123456789"},
        {"15-2345-6789", "54", NULL}, /* in which town? */
        {"(11) 96123-4567", "55", "+5511961234567"},
        {"0 11 96123-4567", "55", "+5511961234567"},
        {"0 15 11 96123-4567", "55", "+5511961234567"},
        {"0 15 11 2345-6789", "55", "+551123456789"},
        {"96123-4567", "55", NULL}, /* in which town? */
        {"03 321 1234567", "57", "+573211234567"},
        {"010-1234-5678", "82", "+821012345678"},
        {"090-1234-5678", "81", "+819012345678"},
        {"010 1234 5678", "86", "+861012345678"},
        {"131 2345 6789", "86", "+8613123456789"},
        /* Behind a calling code it is no part of the number either. */
        {"+44 020 7946 0000", NULL, "+442079460000"},
        {"+7 8 912 345-67-89", NULL, "+79123456789"},
        {"+36 06 20 123 4567", NULL, "+36201234567"},
        {"+34 0600000000", NULL, NULL},
    };
    CHECK_NUMBERS(cases);
}

Test(number, exit_prefixes)
{
    static const struct number_case cases[] = {
        {"011 34 600 000 000", "1", "+34600000000"},
        {"010 34 600 000 000", "81", "+34600000000"},
        {"810 34 600 000 000", "7", "+34600000000"},
        {"8~10 34 600 000 000", "7", "+34600000000"},
        {"0011 34 600 000 000", "61", "+34600000000"},
        {"001 44 20 7946 0000", "852", "+442079460000"},
        {"119 34 600 000 000", "53", "+34600000000"},
        {"011 34 600 000 000", NULL, NULL},
        {"011 34 600 000 000", "34", NULL},
        {"00 34 600 000 000", "1", "+34600000000"},
        {"00 34 600 000 000", "852", "+34600000000"},
        {"001 65 6123 4567", "852", NULL}, /* in Singapore, or 00 1 656 123 4567 */
    };
    CHECK_NUMBERS(cases);
}

Test(number, national_with_its_own_code)
{
    static const struct number_case cases[] = {
        {"34600000000", "34", "+34600000000"},
        {"34 600 000 000", "34", "+34600000000"},
        {"12125550123", "1", "+12125550123"},
        {"4915112345678", "49", "+4915112345678"},
        {"44 (0)20 7946 0000", "44", "+442079460000"},
        {"5511961234567", "55", "+5511961234567"},
        {"55 99123-4567", "55", "+5555991234567"},
        {"55 99123-45678", "55", NULL},
        /* In Lund, or in Stockholm. */
        {"468123456", "46", NULL},
        {"0468123456", "46", "+46468123456"},
        /* Another country's: it is too long, or could be a number here as well. */
        {"34600000000", "1", NULL},
        {"34600000000", "44", NULL},
        {"34600000000", "49", NULL},
        {"34600000000", "62", NULL},
        {"034600000000", "49", "+4934600000000"},
    };
    CHECK_NUMBERS(cases);
}

/* What a client writes that leaves the "+" out, whatever the relay's country is. */
Test(number, never_another_number)
{
    for (unsigned code = 1; code < 1000; code++) {
        char country[4];
        char e164[NUMBER_SIZE];
        snprintf(country, sizeof country, "%u", code);
        bool is_good = number_parse("34600000000", 11, country, e164);
        cr_expect(!is_good || strcmp(e164, "+34600000000") == 0, "+%s: %s", country, e164);
        cr_expect(number_parse("0034600000000", 13, country, e164), "+%s", country);
        cr_expect(number_parse("+34600000000", 12, country, e164), "+%s", country);
    }
}

Test(number, trunk_zero_in_brackets)
{
    static const struct number_case cases[] = {
        {"+44 (0)20 7946 0000", NULL, "+442079460000"},
        {"+44(0)20 7946 0000", "34", "+442079460000"},
        {"0044 (0)20 7946 0000", "34", "+442079460000"},
        {"44 (0)20 7946 0000", NULL, "+442079460000"},
        {"+358 (0)40 123 4567", NULL, "+358401234567"},
        {"(+44) (0)20 7946 0000", NULL, "+442079460000"},
        {"+34 (0)600 000 000", NULL, "+34600000000"},
        /* Where no calling code can end it is a zero like any other. */
        {"+(0)44 20 7946 0000", NULL, NULL},
        {"0(0)34 600 000 000", NULL, "+34600000000"},
        {"00(0)44 20 7946 0000", NULL, NULL},
        {"+3460 (0)000000", NULL, "+34600000000"},
        {"+44 (00)20 7946 000", NULL, NULL},
        /* It may be a mobile number or, with the zero, one in a town. */
        {"+39 (0)347 123 4567", NULL, NULL},
    };
    CHECK_NUMBERS(cases);
}

Test(number, length)
{
    static const struct number_case cases[] = {
        {"+3460000000", NULL, NULL},
        {"+34600000000", NULL, "+34600000000"},
        {"+346000000000", NULL, NULL},
        {"60000000", "34", NULL},
        {"6000000000", "34", NULL},
        {"+1212555012", NULL, NULL},
        {"+121255501234", NULL, NULL},
        {"07700 90000", "44", NULL},
        {"0151 1234567", "49", NULL},
        {"090-1234-567", "81", NULL},
        {"+6837012", NULL, "+6837012"},
        {"+9991234567", NULL, NULL},
        {"+1234567890123456", NULL, NULL},
        {"+1234567890123456789012345678901234567890", NULL, NULL},
        {"+44 4000000000", NULL, NULL},
    };
    CHECK_NUMBERS(cases);
}

Test(number, characters_that_cannot_be_seen_and_other_scripts)
{
    static const struct number_case cases[] = {
        {"+34\xc2\xa0"
         "600\xe2\x80\xaf"
         "000\xe2\x80\x87"
         "000",
         NULL, "+34600000000"},
        {"+34 600\xe2\x80\x90"
         "000\xe2\x80\x91"
         "000",
         NULL, "+34600000000"},
        {"+34\xe2\x80\x92"
         "600\xe2\x80\x93"
         "000\xe2\x80\x94"
         "000",
         NULL, "+34600000000"},
        {"+34 600\xe2\x88\x92"
         "000\xe3\x80\x80"
         "000",
         NULL, "+34600000000"},
        {"\xe2\x80\x8e+34600000000\xe2\x80\x8f", NULL, "+34600000000"},
        {"\xe2\x80\xaa+34600000000\xe2\x80\xac", NULL, "+34600000000"},
        {"\xef\xbb\xbf+34600\xc2\xad"
         "000\xe2\x81\xa0"
         "000",
         NULL, "+34600000000"},
        {"\xef\xbc\x8b\xef\xbc\x93\xef\xbc\x94\xef\xbc\x96\xef\xbc\x90\xef\xbc\x90\xef\xbc\x90\xef"
         "\xbc\x90\xef\xbc\x90\xef\xbc\x90\xef\xbc\x90\xef\xbc\x90",
         NULL, "+34600000000"},
        {"+\xd9\xa3\xd9\xa4\xd9\xa6\xd9\xa0\xd9\xa0\xd9\xa0\xd9\xa0\xd9\xa0\xd9\xa0\xd9\xa0\xd9"
         "\xa0",
         NULL, "+34600000000"},
        {"+\xdb\xb3\xdb\xb4\xdb\xb6\xdb\xb0\xdb\xb0\xdb\xb0\xdb\xb0\xdb\xb0\xdb\xb0\xdb\xb0\xdb"
         "\xb0",
         NULL, "+34600000000"},
        /* The no-break space and the dash of Windows-1252. */
        {"+34\xa0"
         "600\x96"
         "000\xa0"
         "000",
         NULL, "+34600000000"},
        /* Letters that look like digits, a circled one, half a character. */
        {"+346\xd0\x9e"
         "0000000",
         NULL, NULL},
        {"+346\xe2\x93\xaa"
         "0000000",
         NULL, NULL},
        {"+34600000000\xe2\x80", NULL, NULL},
    };
    CHECK_NUMBERS(cases);
}

Test(number, what_spreadsheets_make_of_it)
{
    static const struct number_case cases[] = {
        {"34600000000.0", NULL, NULL},
        {"34600000000.00", NULL, NULL},
        {"34600000000.000", NULL, NULL},
        {"1712345678.0", "49", NULL},
        {"34600000000.5", NULL, NULL},
        {"3.46E+10", NULL, NULL},
        {"3.46e10", NULL, NULL},
        {"34,600,000,000", NULL, NULL},
        {"34.600.000.000", NULL, "+34600000000"},
        {"600.000.000", "34", "+34600000000"},
        {"+44 (0)20-7946.0000", NULL, "+442079460000"},
        {"600000000.", "34", "+34600000000"},
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
        {"tel:", NULL, NULL},
        {"34+600000000", NULL, NULL},
        {"++34600000000", NULL, NULL},
        {"+34600000000+", NULL, NULL},
        {"00+34600000000", NULL, NULL},
        {"+034600000000", NULL, NULL},
        {"+0034600000000", NULL, NULL},
        {"00034600000000", NULL, NULL},
        {"0600000000", NULL, NULL},
        {"+3460000000O", NULL, NULL},
        {"fax:+34600000000", NULL, NULL},
        {"tel:tel:+34600000000", NULL, NULL},
        {"+34600000000x12", NULL, NULL},
        {"+34600000000;ext=12", NULL, NULL},
        {"+34,600000000", NULL, NULL},
        {"+34600000000\n", NULL, NULL},
    };
    CHECK_NUMBERS(cases);
    char e164[NUMBER_SIZE];
    cr_expect_not(number_parse("+34600000000\0", 13, NULL, e164), "a NUL is not a separator");
    cr_expect(number_parse("+346000000009", 12, NULL, e164));
    cr_expect_str_eq(e164, "+34600000000", "`len` is the end, not a NUL");
    cr_expect(number_parse("+44 (0)2079460000", 17, NULL, e164));
    cr_expect_not(number_parse("+44 (0", 6, NULL, e164));
}

Test(number, faults_in_words)
{
    static const struct {
        const char *written;
        const char *country_code;
        const char *fault;
    } cases[] = {
        {"+3460000000", NULL, "too short for +34"},
        {"+346000000000", NULL, "too long for +34"},
        {"60000000", "34", "too short for +34"},
        {"0207946000", "44", "too short for +44"},
        {"34600000000", "1", "too long for +1"},
        {"555", NULL, "too short"},
        {"5", "34", "too short"},
        {"+99912345678", NULL, "no country has the calling code +999"},
        {"011 34 600 000 000", NULL,
         "no country has the calling code +011; national numbers need sms.default_country"},
        {"0171 2345678", NULL,
         "no country has the calling code +017; national numbers need sms.default_country"},
        {"600000000", NULL, "too short for +60; national numbers need sms.default_country"},
        {"0034 60000000", NULL, "too short for +34"},
        {"600000000", "999", "no country has the calling code +999"},
        {"+444000000000", NULL, "not in the numbering plan of +44"},
        {"0600000000", "34", "too long for +34"},
        {"+1234567890123456789012345678901234567890", NULL, "too long"},
        {"34600000000", "49", "ambiguous, +4934... or +3460...: begin it with a +"},
        {"+39 (0)347 123 4567", NULL, "ambiguous: is the zero in brackets part of it?"},
        {"34600000000.0", NULL, "a decimal fraction"},
        {"3.46E+10", NULL, "rounded by a spreadsheet"},
        {"+34600000000x12", NULL, "an extension gets no SMS"},
        {"+34600000000 ext. 12", NULL, "an extension gets no SMS"},
        {"+34600000000;ext=12", NULL, "an extension gets no SMS"},
        {"+3460000000O", NULL, "\"O\" is not part of a number"},
        {"+34600\xe2\x82\xac", NULL, "\"\\xE2\\x82\\xAC\" is not part of a number"},
        {"+34600\xff", NULL, "\"\\xFF\" is not part of a number"},
        {"34+600000000", NULL, "\"+\" is not part of a number"},
        {"+", NULL, "no digits"},
        {"nobody", NULL, ""},
        {"", NULL, ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char fault[NUMBER_FAULT_SIZE];
        number_explain(cases[i].written, strlen(cases[i].written), cases[i].country_code, fault);
        cr_expect_str_eq(fault, cases[i].fault, "\"%s\": %s", cases[i].written, fault);
    }
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
