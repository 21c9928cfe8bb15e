/* Which of two delivery reports counts. */
#include "proto/report.h"

#include <criterion/criterion.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

Test(report, final)
{
    static const char *const finals[] = {"delivered", "error",    "failed",
                                         "expired",   "canceled", "rejected"};
    static const char *const others[] = {"", "sent", "accepted", "buffered", "unknown", "stored"};
    for (size_t i = 0; i < COUNT(finals); i++) {
        cr_assert(report_status_is_final(finals[i]), "%s", finals[i]);
        cr_assert(report_status_is_last(finals[i]), "%s", finals[i]);
    }
    for (size_t i = 0; i < COUNT(others); i++) {
        cr_assert_not(report_status_is_final(others[i]), "%s", others[i]);
        cr_assert_not(report_status_is_last(others[i]), "%s", others[i]);
    }
    cr_assert_not(report_status_is_final("stop"), "the message may yet be delivered");
    cr_assert(report_status_is_last("stop"));
}

Test(report, known)
{
    cr_expect_str_eq(report_status_known("Delivered"), "delivered");
    cr_expect_str_eq(report_status_known("UNKNOWN"), "unknown");
    cr_expect_str_eq(report_status_known("STOP"), "stop");
    cr_expect_null(report_status_known("handed over"));
    cr_expect_null(report_status_known(""));
}

Test(report, codes)
{
    int64_t number;
    cr_expect(report_code_number("-21", &number) && number == -21);
    cr_expect(report_code_number("0", &number) && number == 0);
    cr_expect(report_code_number("9223372036854775807", &number) && number == INT64_MAX);
    static const char *const words[] = {
        "", "007", "21.0", "1e2", "E21", " 1", "+1", "-0", "9223372036854775808"};
    for (size_t i = 0; i < COUNT(words); i++) {
        cr_expect_not(report_code_number(words[i], &number), "%s", words[i]);
    }
}

Test(report, order)
{
    static const struct {
        struct report known, late;
        bool supersedes;
    } cases[] = {
        {{"", "0", 0}, {"sent", "0", 5}, true},
        {{"", "0", 0}, {"nonsense", "0", 0}, true},
        {{"sent", "0", 5}, {"sent", "0", 5}, false},
        {{"sent", "0", 5}, {"accepted", "0", 6}, true},
        {{"accepted", "0", 6}, {"sent", "0", 5}, false},
        {{"sent", "0", 5}, {"accepted", "0", 5}, true},
        {{"accepted", "0", 5}, {"sent", "0", 5}, false},
        {{"accepted", "0", 5}, {"handed-over", "0", 6}, true},
        {{"accepted", "0", 5}, {"handed-over", "0", 5}, false},
        {{"buffered", "0", 9}, {"delivered", "0", 5}, true},
        {{"delivered", "0", 5}, {"buffered", "0", 9}, false},
        {{"delivered", "0", 5}, {"nonsense", "0", 9}, false},
        {{"failed", "7", 5}, {"delivered", "0", 6}, true},
        {{"delivered", "0", 6}, {"failed", "7", 5}, false},
        {{"failed", "7", 5}, {"delivered", "0", 5}, true},
        {{"delivered", "0", 5}, {"delivered", "0", 5}, false},
        /* Without a time, as from polling. */
        {{"delivered", "0", 0}, {"delivered", "0", 0}, false},
        {{"delivered", "0", 0}, {"delivered", "0", 5}, false},
        {{"delivered", "0", 5}, {"delivered", "0", 0}, false},
        {{"sent", "0", 0}, {"sent", "0", 5}, false},
        {{"failed", "0", 0}, {"failed", "7", 5}, true},
        {{"failed", "0", 0}, {"delivered", "0", 0}, true},
        {{"failed", "7", 5}, {"delivered", "0", 0}, false},
        {{"sent", "0", 5}, {"buffered", "0", 0}, false},
        {{"sent", "0", 0}, {"buffered", "0", 0}, true},
        {{"sent", "0", 5}, {"delivered", "0", 0}, true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        cr_assert_eq(report_supersedes(&cases[i].late, &cases[i].known), cases[i].supersedes,
                     "%s at %d after %s at %d", cases[i].late.status, (int)cases[i].late.event_ms,
                     cases[i].known.status, (int)cases[i].known.event_ms);
    }
}
