/* ulid: the text form and back, order, and what is not an id. */
#include "proto/ulid.h"

#include <criterion/criterion.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const unsigned char zeros[ULID_RANDOM_BYTES];
static const unsigned char ones[ULID_RANDOM_BYTES] = {255, 255, 255, 255, 255,
                                                      255, 255, 255, 255, 255};
static const unsigned char steps[ULID_RANDOM_BYTES] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};

/* The texts were worked out by hand from the definition of the base-32 form. */
Test(ulid, text_and_back)
{
    static const struct {
        int64_t unix_ms;
        const unsigned char *random;
        const char *text;
    } cases[] = {
        {0, zeros, "00000000000000000000000000"},
        {1, zeros, "00000000010000000000000000"},
        {0, ones, "0000000000ZZZZZZZZZZZZZZZZ"},
        {(INT64_C(1) << 48) - 1, ones, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"},
        {1469918176385, zeros, "01ARYZ6S410000000000000000"},
        {1469918176385, steps, "01ARYZ6S41041061050R3GG28A"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ulid id = ulid_make(cases[i].unix_ms, cases[i].random);
        char text[ULID_SIZE + 1];
        memset(text, '#', sizeof(text));
        ulid_format(&id, text);
        cr_expect_str_eq(text, cases[i].text);
        cr_expect_eq(text[ULID_SIZE], '#', "wrote past the end");
        cr_expect_eq(ulid_time_ms(&id), cases[i].unix_ms);

        struct ulid read;
        cr_expect(ulid_parse(text, ULID_LENGTH, &read), "%s", text);
        cr_expect_arr_eq(read.bytes, id.bytes, ULID_BYTES, "%s", text);
    }
}

Test(ulid, letters_that_people_confuse)
{
    static const struct {
        const char *written, *meant;
    } cases[] = {
        {"01aryz6s41041061050r3gg28a", "01ARYZ6S41041061050R3GG28A"},
        {"0lARYZ6S4I041061050R3GG28A", "01ARYZ6S41041061050R3GG28A"},
        {"OiARYZ6S41o4LO61o5OR3GG28A", "01ARYZ6S41041061050R3GG28A"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ulid id;
        char text[ULID_SIZE];
        cr_assert(ulid_parse(cases[i].written, ULID_LENGTH, &id), "%s", cases[i].written);
        ulid_format(&id, text);
        cr_expect_str_eq(text, cases[i].meant);
    }
}

Test(ulid, what_is_not_an_id)
{
    static const char *const cases[] = {
        "",
        "0",
        "01ARYZ6S41041061050R3GG28",   /* too short by one */
        "01ARYZ6S41041061050R3GG28A0", /* too long by one */
        "01ARYZ6S41041061050R3GG28U",  /* U is no digit */
        "01ARYZ6S41-41061050R3GG28A",
        "01ARYZ6S41041061050R3GG28 ",
        "81ARYZ6S41041061050R3GG28A", /* more than 128 bits */
        "ZZZZZZZZZZZZZZZZZZZZZZZZZZ",
        "01ARYZ6S41041061050R3GG28\x80",
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ulid id;
        memset(&id, 0x5A, sizeof(id));
        struct ulid before = id;
        cr_expect_not(ulid_parse(cases[i], strlen(cases[i]), &id), "%s", cases[i]);
        cr_expect_arr_eq(id.bytes, before.bytes, ULID_BYTES, "%s: touched", cases[i]);
    }
    struct ulid id;
    cr_expect_not(ulid_parse("01ARYZ6S41\0ARYZ6S41ARYZ6S4", ULID_LENGTH, &id), "a NUL inside");
}

/* Queries sort ids: bytes, texts and times must have the same order. */
Test(ulid, later_is_greater)
{
    struct ulid before = ulid_make(0, ones);
    for (int64_t ms = 1; ms < INT64_C(1) << 48; ms *= 3) {
        struct ulid id = ulid_make(ms, zeros);
        char text[ULID_SIZE], text_before[ULID_SIZE];
        ulid_format(&id, text);
        ulid_format(&before, text_before);
        cr_expect_gt(memcmp(id.bytes, before.bytes, ULID_BYTES), 0);
        cr_expect_gt(strcmp(text, text_before), 0);
        before = id;
    }
}
