/* What the API posts: every variant that its documentation leaves open, and what is no report. */
#include "gateway/api/report.h"

#include <criterion/criterion.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define ULID         "01ARZ3NDEKTSV4RRFFQ69G5FAV"

enum { NOW_MS = 12345 };

Test(api_report, one)
{
    static const struct {
        const char *body;
        bool has_client_id, is_foreign;
        const char *api_id, *status;
        const char *code;
        int64_t event_ms;
        const char *text;
    } cases[] = {
        {"{\"id\":\"a\",\"clientId\":\"" ULID "\",\"status\":\"delivered\",\"code\":0,"
         "\"eventAt\":\"1970-01-01T00:00:07Z\"}",
         true, false, "a", "delivered", "0", 7000, NULL},
        {"{\"client_id\":\"" ULID "\",\"status\":\"failed\",\"code\":21,\"more\":[{}]}", true,
         false, "", "failed", "21", 0, NULL},
        {"{\"id\":17,\"clientId\":\"not ours\",\"status\":\"error\",\"code\":\"30\"}", false, true,
         "17", "error", "30", 0, NULL},
        {"{\"id\":\"a\",\"clientId\":null,\"status\":\"sent\",\"code\":4294967296}", false, false,
         "a", "sent", "4294967296", 0, NULL},
        {"{\"id\":\"a\",\"status\":\"FAILED\",\"code\":21.5}", false, false, "a", "failed", "21.5",
         0, NULL},
        {"{\"id\":\"a\",\"status\":\"Failed\",\"code\":\"SMSC-007\"}", false, false, "a", "failed",
         "SMSC-007", 0, NULL},
        {"{\"id\":\"a\",\"status\":\"failed\",\"code\":\"12345678901234567890123\xc3\xa9\"}", false,
         false, "a", "failed", "12345678901234567890123", 0, NULL},
        {"{\"id\":\"a\",\"status\":\"Handed Over\",\"code\":true}", false, false, "a",
         "Handed Over", "0", 0, NULL},
        {"{\"id\":\"a\",\"status\":\"STOP\"}", false, false, "a", "stop", "0", NOW_MS, "STOP"},
        {"{\"id\":\"a\",\"id\":\"b\",\"status\":\"sent\"}", false, false, "b", "sent", "0", 0,
         NULL},
        {"{\"id\":\"a\",\"message\":\"STOP \xf0\x9f\x98\"}", false, false, "a", "", "0", NOW_MS,
         "STOP \xef\xbf\xbd"},
        {"{\"id\":\"a\",\"message\":\"Stop\\ud83d\\u0000\"}", false, false, "a", "", "0", NOW_MS,
         "Stop\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xef\xbb\xbf{\"id\":\"\xff\",\"status\":\"sent\"}", false, false, "\xef\xbf\xbd", "sent",
         "0", 0, NULL},
        {"{\"data\":{\"id\":\"a\",\"status\":\"sent\"}}", false, false, "a", "sent", "0", 0, NULL},
        {"[{\"event\":{\"id\":\"a\",\"status\":\"sent\"}}]", false, false, "a", "sent", "0", 0,
         NULL},
        /* Forms. */
        {"id=a&clientId=" ULID "&status=Delivered&code=0&eventAt=1970-01-01T00%3A00%3A07Z", true,
         false, "a", "delivered", "0", 7000, NULL},
        {"id=a&status=failed&code=E%2d21&code", false, false, "a", "failed", "E-21", 0, NULL},
        {"id=a&message=s%C3%AD+%26+no%0A&status=", false, false, "a", "", "0", NOW_MS,
         "s\xc3\xad & no\n"},
        {"message=%53TOP%F0%9F%00%zz&id=a", false, false, "a", "", "0", NOW_MS,
         "STOP\xef\xbf\xbd\xef\xbf\xbd%zz"},
        {"id=a&message={\"x\":1}", false, false, "a", "", "0", NOW_MS, "{\"x\":1}"},
        {"report%5Bid%5D=a&report%5Bstatus%5D=sent", false, false, "a", "sent", "0", 0, NULL},
        {"{\"id\":\"a\",\"status\":\"sent\",\"eventAt\":\"yesterday\"}", false, false, "a", "sent",
         "0", 0, NULL},
        {"{\"id\":\"a\",\"status\":\"sent\",\"eventAt\":\"1970-01-01T01:00:07.25+01:00\"}", false,
         false, "a", "sent", "0", 7250, NULL},
        {"{\"id\":\"a\",\"message\":\"yes\"}", false, false, "a", "", "0", NOW_MS, "yes"},
        {"{\"id\":\"a\",\"message\":\"\",\"status\":\"sent\"}", false, false, "a", "sent", "0", 0,
         NULL},
        {"{\"id\":\"a\",\"message\":\"\"}", false, false, "a", "", "0", NOW_MS, ""},
        {"{\"id\":\"a\",\"message\":\"\",\"status\":\"stop\"}", false, false, "a", "stop", "0",
         NOW_MS, "STOP"},
        {"{\"id\":\"a\",\"message\":null,\"status\":\"sent\"}", false, false, "a", "sent", "0", 0,
         NULL},
        {"{\"id\":\"a\",\"status\":\"stop\"}", false, false, "a", "stop", "0", NOW_MS, "STOP"},
        {"{\"id\":\"a\",\"status\":\"stop\",\"message\":\"Baja\"}", false, false, "a", "stop", "0",
         NOW_MS, "Baja"},
        {"{\"id\":\"a\",\"status\":\"123456789012345678901234567890\xc3\xa9!\"}", false, false, "a",
         "123456789012345678901234567890", "0", 0, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct api_reports reports;
        cr_assert(api_reports_read(cases[i].body, strlen(cases[i].body), NOW_MS, &reports), "%s",
                  cases[i].body);
        cr_assert_eq(reports.count, 1, "%s", cases[i].body);
        cr_expect_eq(reports.refused, 0);
        const struct api_report *report = &reports.list[0];
        cr_expect_eq(report->has_client_id, cases[i].has_client_id, "case %zu", i);
        cr_expect_eq(report->is_foreign, cases[i].is_foreign, "case %zu", i);
        cr_expect_str_eq(report->api_id, cases[i].api_id, "case %zu", i);
        cr_expect_str_eq(report->report.status, cases[i].status, "case %zu", i);
        cr_expect_str_eq(report->report.code, cases[i].code, "case %zu", i);
        cr_expect_eq(report->report.event_ms, cases[i].event_ms, "case %zu", i);
        cr_expect((report->text == NULL) == (cases[i].text == NULL) &&
                      (report->text == NULL || strcmp(report->text, cases[i].text) == 0),
                  "case %zu", i);
        api_reports_free(&reports);
    }
}

/* Lists of reports, by the ids and what they refuse. */
Test(api_report, lists)
{
#define SENT(id) "{\"id\":\"" id "\",\"status\":\"sent\"}"
    static const struct {
        const char *body, *ids;
        size_t refused;
    } cases[] = {
        {"[" SENT("a") "," SENT("b") "," SENT("c") "]", "abc", 0},
        {"[" SENT("a") ",null,{},7,{\"id\":\"x\"}," SENT("b") "]", "ab", 4},
        {"{\"0\":" SENT("a") ",\"2\":" SENT("b") "}", "ab", 0},
        {"{\"events\":[" SENT("a") "," SENT("b") "]}", "ab", 0},
        {"{\"data\":[" SENT("a") "," SENT("b") "]}", "ab", 0},
        {"{\"reports\":{\"data\":{\"1\":" SENT("a") ",\"3\":{\"data\":" SENT("b") "}}}}", "ab", 0},
        {"{\"id\":\"a\",\"status\":\"sent\",\"data\":[]}", "a", 0},
        {"[" SENT("a") ",{\"id\":\"b\",\"message\":\"\xff\"}]\n<br />", "ab", 0},
        {"0[id]=a&0%5Bstatus%5D=sent&1[id]=b&1[status]=sent&1[]=x&2[id]=c", "ab", 1},
        {"data[0][id]=a&data[1][id]=b&data[0][status]=sent&data[1][status]=sent", "ab", 0},
    };
#undef SENT
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct api_reports reports;
        char ids[16] = "";
        cr_assert(api_reports_read(cases[i].body, strlen(cases[i].body), NOW_MS, &reports), "%s",
                  cases[i].body);
        for (size_t k = 0; k < reports.count; k++) {
            strcat(ids, reports.list[k].api_id);
        }
        cr_expect_str_eq(ids, cases[i].ids, "%s", cases[i].body);
        cr_expect_eq(reports.refused, cases[i].refused, "%s", cases[i].body);
        api_reports_free(&reports);
    }
}

Test(api_report, none)
{
    static const char *const bodies[] = {
        "",
        "{",
        "[]",
        "[{}]",
        "\"sent\"",
        "{\"status\":\"sent\"}",
        "{\"id\":\"\",\"status\":\"sent\"}",
        "{\"id\":\"a\"}",
        "{\"id\":\"a\",\"status\":\"\"}",
        "{\"id\":\"a\",\"status\":7}",
        "{\"id\":\"a\",\"status\":\"sent\"",
        "{\"id\":\"a\",\"status\":\"sent\"},{\"id\":\"b\",\"status\":\"sent\"}",
        "status=sent",
        "id=a",
        "=&=&=a",
        "[id]=a",
        "a[=b&c]=d",
    };
    for (size_t i = 0; i < COUNT(bodies); i++) {
        struct api_reports reports;
        cr_expect_not(api_reports_read(bodies[i], strlen(bodies[i]), NOW_MS, &reports), "%s",
                      bodies[i]);
        cr_expect_eq(reports.count, 0);
        cr_expect_null(reports.list);
    }
}
