/* delays: who must wait, for whom, and for how long. */
#include "gateway/users/delays.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };

static const uint64_t key[2] = {1, 2};
static struct delays *d;
static int64_t now;
static unsigned guesses;

static void setup(void)
{
    d = delays_new(key);
    now = 0;
    guesses = 0;
}

static void teardown(void)
{
    delays_free(d);
}

static int64_t wait_of(const char *source, const char *name)
{
    const struct delays_pair pair = delays_pair(d, source, strlen(source), name);
    return delays_wait_ms(d, &pair, now);
}

/* Another wrong guess. */
static void fail(const char *source, const char *name)
{
    const struct delays_pair pair = delays_pair(d, source, strlen(source), name);
    unsigned char digest[HASH_DIGEST_BYTES] = {0};
    guesses++;
    memcpy(digest, &guesses, sizeof guesses);
    delays_fail(d, &pair, digest, now);
}

static void succeed(const char *source, const char *name)
{
    const struct delays_pair pair = delays_pair(d, source, strlen(source), name);
    delays_succeed(d, &pair, now);
}

Test(delays, grow, .init = setup, .fini = teardown)
{
    static const int64_t SECONDS[] = {0, 0, 1, 2, 4, 8, 16, 32, 60, 60};
    for (size_t i = 0; i < sizeof SECONDS / sizeof SECONDS[0]; i++) {
        fail("a", "ann");
        cr_expect_eq(wait_of("a", "ann"), SECONDS[i] * SECOND, "after %zu", i + 1);
        now += SECONDS[i] * SECOND;
        cr_expect_eq(wait_of("a", "ann"), 0);
    }
    now += 10 * MINUTE;
    fail("a", "ann");
    cr_expect_eq(wait_of("a", "ann"), 0, "all is forgotten");
}

Test(delays, hold_up_the_source_with_every_name, .init = setup, .fini = teardown)
{
    fail("a", "ann");
    fail("a", "bob");
    fail("a", "cid");
    cr_expect_eq(wait_of("a", "dan"), SECOND);
}

Test(delays, hold_up_no_other_source, .init = setup, .fini = teardown)
{
    for (int i = 0; i < 8; i++) {
        fail("a", "ann");
    }
    cr_expect_eq(wait_of("b", "ann"), 0);
    /* One that has failed itself guesses no faster than all together may. */
    fail("b", "bob");
    cr_expect_eq(wait_of("b", "bob"), 0);
    cr_expect_eq(wait_of("b", "ann"), 32 * SECOND);
}

Test(delays, of_many_sources_that_try_one_name, .init = setup, .fini = teardown)
{
    char source[8];
    for (int i = 0; i < 20; i++) {
        snprintf(source, sizeof source, "%d", i);
        cr_expect_eq(wait_of(source, "ann"), 0, "its first guess");
        fail(source, "ann");
    }
    for (int i = 0; i < 20; i++) {
        snprintf(source, sizeof source, "%d", i);
        cr_expect_eq(wait_of(source, "ann"), MINUTE);
    }
}

Test(delays, not_for_who_has_logged_in_from_there, .init = setup, .fini = teardown)
{
    succeed("a", "ann");
    for (int i = 0; i < 5; i++) {
        fail("a", "bob");
    }
    cr_expect_eq(wait_of("a", "cid"), 4 * SECOND);
    cr_expect_eq(wait_of("a", "ann"), 0);
    /* But his own password cannot be guessed from there. */
    for (int i = 0; i < 3; i++) {
        fail("a", "ann");
    }
    cr_expect_eq(wait_of("a", "ann"), SECOND);
    now += SECOND;
    succeed("a", "ann");
    cr_expect_eq(wait_of("a", "ann"), 0);
    now += 24 * HOUR;
    for (int i = 0; i < 3; i++) {
        fail("a", "bob");
    }
    cr_expect_eq(wait_of("a", "ann"), SECOND, "for a day");
}

Test(delays, know_the_last_wrong_secret, .init = setup, .fini = teardown)
{
    static const unsigned char wrong[HASH_DIGEST_BYTES] = {1}, other[HASH_DIGEST_BYTES] = {2};
    const struct delays_pair pair = delays_pair(d, "a", 1, "ann");
    const struct delays_pair another = delays_pair(d, "b", 1, "ann");
    cr_expect_not(delays_is_repeated(d, &pair, wrong));
    delays_fail(d, &pair, wrong, now);
    cr_expect(delays_is_repeated(d, &pair, wrong));
    cr_expect_not(delays_is_repeated(d, &pair, other));
    cr_expect_not(delays_is_repeated(d, &another, wrong));
    delays_forget_secrets(d);
    cr_expect_not(delays_is_repeated(d, &pair, wrong));
}

/* More names and sources than there is room for do not push out who has logged in. */
Test(delays, keep_who_has_logged_in, .init = setup, .fini = teardown)
{
    char source[16];
    succeed("a", "ann");
    for (int i = 0; i < 20000; i++) {
        now++;
        snprintf(source, sizeof source, "%d", i);
        fail(source, source);
    }
    for (int i = 0; i < 5; i++) {
        fail("a", "bob");
    }
    cr_expect_eq(wait_of("a", "ann"), 0);
    cr_expect_eq(wait_of("a", "bob"), 4 * SECOND);
}
