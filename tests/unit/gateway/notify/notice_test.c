/* notice: the JSON that the webhook and the program get, to the letter. */
#include "gateway/notify/notice.h"
#include "gateway/queue/records.h"
#include "gateway/queue/reports.h"
#include "gateway/queue/types.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define ID "01J00000000000000000000001"
#define AT ((int64_t)1776766500007) /* 2026-04-21T10:15:00.007Z */
#define START(event)                                                                      \
    "{\"number\":1776766500007001,\"at\":\"2026-04-21T10:15:00.007Z\",\"event\":\"" event \
    "\",\"id\":\"" ID "\""

static struct ulid id(void)
{
    struct ulid parsed;
    cr_assert(ulid_parse(ID, strlen(ID), &parsed));
    return parsed;
}

static void expect(struct notice *notice, const char *json)
{
    cr_assert_not_null(notice);
    cr_expect_eq(notice->number, 1776766500007001);
    cr_expect_str_eq(notice->json, json);
    cr_expect_eq(notice->len, strlen(json));
    free(notice);
}

Test(notice, of_a_state)
{
    static const struct {
        enum message_state state;
        const char *ref, *api_id, *reason, *json;
    } rows[] = {
        {MESSAGE_RELAYED, "order-1", "api-1", "",
         START("state") ",\"ref\":\"order-1\",\"to\":\"+34600000000\",\"from\":\"Acme\","
                        "\"api\":\"api-1\",\"state\":\"relayed\"}"},
        {MESSAGE_REJECTED, "", "", "from: \"x\"\n\xC3\xB1",
         START("state") ",\"to\":\"+34600000000\",\"from\":\"Acme\",\"state\":\"rejected\","
                        "\"reason\":\"from: \\\"x\\\"\\n\xC3\xB1\"}"},
        {MESSAGE_EXPIRED, "", "", "",
         START("state") ",\"to\":\"+34600000000\",\"from\":\"Acme\",\"state\":\"expired\"}"},
        /* Invalid UTF-8, as in a damaged file: left out like members without a value. */
        {MESSAGE_RELAYED, "", "api-\xC3", "cut \xE2\x82",
         START("state") ",\"to\":\"+34600000000\",\"from\":\"Acme\",\"state\":\"relayed\"}"},
        {MESSAGE_CANCELED, "", "", "",
         START("state") ",\"to\":\"+34600000000\",\"from\":\"Acme\",\"state\":\"canceled\"}"},
        {MESSAGE_UNRESOLVED, "", "", "",
         START("state") ",\"to\":\"+34600000000\",\"from\":\"Acme\",\"state\":\"unresolved\"}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct message *m = message_new(&(struct message_content){.id = id(),
                                                                  .to = "+34600000000",
                                                                  .from = "Acme",
                                                                  .ref = rows[i].ref,
                                                                  .text = "secret",
                                                                  .text_len = 6});
        char *answer = message_answer_new(rows[i].api_id, rows[i].reason);
        const struct queue_record record = {.message = m, .state = rows[i].state, .updated_ms = AT};
        expect(notice_of_record(AT * 1000 + 1, &record, answer), rows[i].json);
        struct queue_event event = {.id = id(), .state = rows[i].state, .answer = answer};
        strcpy(event.to, "+34600000000");
        strcpy(event.from, "Acme");
        strcpy(event.ref, rows[i].ref);
        expect(notice_of_event(AT * 1000 + 1, &event, AT), rows[i].json);
        free(answer);
        message_free(m);
    }
}

Test(notice, of_what_comes_in)
{
    static const struct {
        struct report report;
        const char *text, *json;
    } rows[] = {
        {{"delivered", "0", AT - 7},
         NULL,
         START("report") ",\"to\":\"+1\",\"api\":\"a\",\"status\":\"delivered\",\"code\":0,"
                         "\"eventAt\":\"2026-04-21T10:15:00.000Z\"}"},
        {{"failed", "-21", 0},
         NULL,
         START("report") ",\"to\":\"+1\",\"api\":\"a\",\"status\":\"failed\",\"code\":-21}"},
        {{"failed", "E21", 0},
         NULL,
         START("report") ",\"to\":\"+1\",\"api\":\"a\",\"status\":\"failed\",\"code\":\"E21\"}"},
        {{"delivered", "0", AT},
         "yes",
         START("inbound") ",\"to\":\"+1\",\"api\":\"a\",\"text\":\"yes\","
                          "\"eventAt\":\"2026-04-21T10:15:00.007Z\"}"},
        {{"", "0", AT},
         "",
         START("inbound") ",\"to\":\"+1\",\"api\":\"a\",\"text\":\"\","
                          "\"eventAt\":\"2026-04-21T10:15:00.007Z\"}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct queue_report report = {.has_id = true,
                                            .id = id(),
                                            .api_id = "a",
                                            .to = "+1",
                                            .report = rows[i].report,
                                            .text = rows[i].text};
        expect(notice_of_report(AT * 1000 + 1, &report, AT), rows[i].json);
        char *answer = message_answer_new("a", NULL);
        const struct queue_event event = {.id = id(),
                                          .to = "+1",
                                          .report = rows[i].report,
                                          .text = (char *)rows[i].text,
                                          .answer = answer};
        expect(notice_of_event(AT * 1000 + 1, &event, AT), rows[i].json);
        free(answer);
    }
}

/* Longer than a notice usually is. */
Test(notice, of_a_long_text)
{
    char text[20001];
    memset(text, '"', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    const struct queue_report report = {.has_id = true, .id = id(), .text = text};
    struct notice *notice = notice_of_report(AT * 1000 + 1, &report, AT);
    cr_assert_not_null(notice);
    cr_expect_gt(notice->len, 40000);
    cr_expect_eq(strlen(notice->json), notice->len);
    cr_expect_eq(notice->json[notice->len - 1], '}');
    free(notice);
}
