/* Tests of backoff: the bounds between which it draws. */
#include "gateway/base/backoff.h"

#include <criterion/criterion.h>

Test(backoff, full_jitter)
{
    static const int64_t caps_ms[] = {0, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};

    for (unsigned n = 0; n < sizeof(caps_ms) / sizeof(caps_ms[0]); n++) {
        cr_expect_eq(backoff_ms(n, 1000, 60000, 0.0), 0);
        cr_expect_eq(backoff_ms(n, 1000, 60000, 0.5), caps_ms[n] / 2, "failure %u", n);
        cr_expect_leq(backoff_ms(n, 1000, 60000, 0.9999999), caps_ms[n]);
    }
    cr_expect_eq(backoff_ms(UINT32_MAX, 1000, 60000, 0.5), 30000);
    cr_expect_eq(backoff_ms(UINT32_MAX, 1000, INT64_MAX / 4, 0.0), 0);
    cr_expect_eq(backoff_ms(UINT32_MAX, 0, 60000, 0.5), 0);
    cr_expect_eq(backoff_ms(5, 9000, 1000, 0.5), 500, "the bound holds for the first, too");
}
