/* What the API posts: every variant that its documentation leaves open, and what is no report. */
#include "gateway/api/report.h"

#include <criterion/criterion.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define ULID         "01ARZ3NDEKTSV4RRFFQ69G5FAV"

enum { NOW_MS = 12345 };

Test(api_json_report, reports)
{
    static const struct {
        const char *body;
        bool has_client_id, is_foreign;
        const char *api_id, *status;
        int32_t code;
        int64_t event_ms;
        const char *text;
    } cases[] = {
        {"{\"id\":\"a\",\"clientId\":\"" ULID "\",\"status\":\"delivered\",\"code\":0,"
         "\"eventAt\":\"1970-01-01T00:00:07Z\"}",
         true, false, "a", "delivered", 0, 7000, NULL},
        {"{\"client_id\":\"" ULID "\",\"status\":\"failed\",\"code\":21,\"more\":[{}]}", true,
         false, "", "failed", 21, 0, NULL},
        {"{\"id\":17,\"clientId\":\"not ours\",\"status\":\"error\",\"code\":\"30\"}", false, true,
         "17", "error", 30, 0, NULL},
        {"{\"id\":\"a\",\"clientId\":null,\"status\":\"sent\",\"code\":4294967296}", false, false,
         "a", "sent", 0, 0, NULL},
        {"{\"id\":\"a\",\"status\":\"sent\",\"eventAt\":\"yesterday\"}", false, false, "a", "sent",
         0, 0, NULL},
        {"{\"id\":\"a\",\"status\":\"sent\",\"eventAt\":\"1970-01-01T01:00:07.25+01:00\"}", false,
         false, "a", "sent", 0, 7250, NULL},
        {"{\"id\":\"a\",\"message\":\"yes\"}", false, false, "a", "", 0, NOW_MS, "yes"},
        {"{\"id\":\"a\",\"message\":\"\",\"status\":\"sent\"}", false, false, "a", "sent", 0, 0,
         NULL},
        {"{\"id\":\"a\",\"message\":\"\"}", false, false, "a", "", 0, NOW_MS, ""},
        {"{\"id\":\"a\",\"message\":\"\",\"status\":\"stop\"}", false, false, "a", "stop", 0,
         NOW_MS, "STOP"},
        {"{\"id\":\"a\",\"message\":null,\"status\":\"sent\"}", false, false, "a", "sent", 0, 0,
         NULL},
        {"{\"id\":\"a\",\"status\":\"stop\"}", false, false, "a", "stop", 0, NOW_MS, "STOP"},
        {"{\"id\":\"a\",\"status\":\"stop\",\"message\":\"Baja\"}", false, false, "a", "stop", 0,
         NOW_MS, "Baja"},
        {"{\"id\":\"a\",\"status\":\"123456789012345678901234567890\xc3\xa9!\"}", false, false, "a",
         "123456789012345678901234567890", 0, 0, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct api_report report;
        cr_assert(api_json_read_report(cases[i].body, strlen(cases[i].body), NOW_MS, &report), "%s",
                  cases[i].body);
        cr_expect_eq(report.has_client_id, cases[i].has_client_id, "case %zu", i);
        cr_expect_eq(report.is_foreign, cases[i].is_foreign, "case %zu", i);
        cr_expect_str_eq(report.api_id, cases[i].api_id, "case %zu", i);
        cr_expect_str_eq(report.report.status, cases[i].status, "case %zu", i);
        cr_expect_eq(report.report.code, cases[i].code, "case %zu", i);
        cr_expect_eq(report.report.event_ms, cases[i].event_ms, "case %zu", i);
        cr_expect((report.text == NULL) == (cases[i].text == NULL) &&
                      (report.text == NULL || strcmp(report.text, cases[i].text) == 0),
                  "case %zu", i);
        api_report_free(&report);
    }
}

Test(api_json_report, no_reports)
{
    static const char *const bodies[] = {
        "",
        "{",
        "[]",
        "\"sent\"",
        "{\"status\":\"sent\"}",
        "{\"id\":\"\",\"status\":\"sent\"}",
        "{\"id\":\"a\"}",
        "{\"id\":\"a\",\"status\":\"\"}",
        "{\"id\":\"a\",\"status\":7}",
        "{\"id\":\"a\",\"id\":\"b\",\"status\":\"sent\"}",
        "{\"id\":\"a\\u0000\",\"status\":\"sent\"}",
        "{\"id\":\"a\",\"status\":\"\xff\"}",
    };
    for (size_t i = 0; i < COUNT(bodies); i++) {
        struct api_report report;
        cr_assert_not(api_json_read_report(bodies[i], strlen(bodies[i]), NOW_MS, &report), "%s",
                      bodies[i]);
    }
}
