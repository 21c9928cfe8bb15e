/* recipients: each number once, in the order they were named. */
#include "proto/recipients.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void number(char e164[NUMBER_SIZE], unsigned n)
{
    snprintf(e164, NUMBER_SIZE, "+346%08u", n);
}

Test(recipients, each_once_in_order)
{
    static const size_t COUNTS[] = {1, 2, 3, 5, 1000};
    struct recipients r = {0};
    char e164[NUMBER_SIZE];
    for (size_t i = 0; i < sizeof COUNTS / sizeof COUNTS[0]; i++) {
        for (int twice = 0; twice < 2; twice++) {
            for (unsigned n = 0; n < COUNTS[i]; n++) {
                number(e164, n * 7);
                cr_assert_eq(recipients_has(&r, e164), twice == 1);
                cr_assert(recipients_add(&r, e164));
            }
        }
        cr_assert_eq(r.count, COUNTS[i]);
        for (unsigned n = 0; n < COUNTS[i]; n++) {
            number(e164, n * 7);
            cr_assert_str_eq(r.numbers[n], e164);
        }
        number(e164, 3);
        cr_assert_not(recipients_has(&r, e164));
        /* Numbers of an earlier message are not in the next one. */
        recipients_clear(&r);
        number(e164, 0);
        cr_assert_not(recipients_has(&r, e164));
    }
    recipients_free(&r);
}

/* A connection that lasts for weeks does not keep the memory of its largest message. */
Test(recipients, a_long_list_is_given_back)
{
    struct recipients r = {0};
    char e164[NUMBER_SIZE];
    for (unsigned n = 0; n < 1000; n++) {
        number(e164, n);
        cr_assert(recipients_add(&r, e164));
    }
    recipients_clear(&r);
    cr_assert_leq(r.size, 4);
    recipients_free(&r);
}

Test(recipients, room_for_more)
{
    static const size_t COUNTS[] = {0, 1, 2, 1000};
    for (size_t i = 0; i < sizeof COUNTS / sizeof COUNTS[0]; i++) {
        struct recipients r = {0};
        char e164[NUMBER_SIZE];
        number(e164, 999999);
        cr_assert(recipients_add(&r, e164));
        cr_assert(recipients_reserve(&r, COUNTS[i]));
        const void *numbers = r.numbers;
        for (unsigned n = 0; n < COUNTS[i]; n++) {
            number(e164, n);
            cr_assert(recipients_add(&r, e164));
        }
        cr_expect_eq(r.count, 1 + COUNTS[i]);
        cr_expect_eq(r.numbers, numbers, "no memory was needed for the %zu", COUNTS[i]);
        recipients_free(&r);
    }
}

enum { REMOVED = 60, STEPS = 20000 };

/* The list has just those numbers of which `has` says so. */
static void assert_has(const struct recipients *r, const bool *has, unsigned step)
{
    size_t count = 0;
    char e164[NUMBER_SIZE];
    for (unsigned n = 0; n < REMOVED; n++) {
        number(e164, n);
        size_t position = recipients_find(r, e164);
        cr_assert(has[n] ? position < r->count && strcmp(r->numbers[position], e164) == 0
                         : position == SIZE_MAX,
                  "step %u: %s", step, e164);
        count += has[n] ? 1 : 0;
    }
    cr_assert_eq(r->count, count, "step %u", step);
}

Test(recipients, added_and_removed_in_any_order)
{
    struct recipients r = {0};
    bool has[REMOVED] = {false};
    unsigned seed = 7;
    char e164[NUMBER_SIZE];
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned n = (unsigned)rand_r(&seed) % REMOVED;
        bool adds = rand_r(&seed) % 2 == 0;
        number(e164, n);
        cr_assert(adds ? recipients_add(&r, e164) : recipients_remove(&r, e164) == has[n]);
        has[n] = adds;
        assert_has(&r, has, step);
    }
    recipients_free(&r);
}
