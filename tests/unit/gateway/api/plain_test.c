/* api_plain: takes the usual answers, leaves the others to json, and reads none in another way. */
#include "gateway/api/plain.h"

#include "tests/support/api_answer.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define C0 "01ARZ3NDEKTSV4RRFFQ69G5FA0"
#define C1 "01ARZ3NDEKTSV4RRFFQ69G5FA1"

/* The answer to two messages, the first of which has these members besides its clientId. */
#define BULK(first)                                                                       \
    "{\"entities\":[{" first ",\"clientId\":\"" C0 "\"},{\"id\":\"b\",\"clientId\":\"" C1 \
    "\"}],\"errors\":[]}"

/* `count` = 0 for a single. */
static bool is_taken(const char *body, size_t count)
{
    bool taken;
    const char *fault = answer_plain_fault(body, strlen(body), answer_messages(), count, &taken);
    cr_expect_null(fault, "%s: %s", fault, body);
    return taken;
}

/* Members of an entry, in a bulk and by themselves. */
Test(api_plain, members)
{
    static const struct {
        const char *members, *body, *bulk;
        bool is_plain;
    } cases[] = {
#define CASE(members, is_plain) {members, "{" members "}", BULK(members), is_plain}
        CASE("\"id\":\"a\"", true),
        CASE("\"id\":17", true),
        CASE(" \"id\" : \"a-1_/ \" ,\n\"status\":\t\"queued\"\r", true),
        CASE("\"id\":\"a\",\"text\":\"\\u00f1 \\\" \\/ \xc3\xb1\"", true),
        CASE("\"id\":\"a\",\"p\":0.05,\"q\":-1,\"r\":0,\"s\":null,\"t\":true,\"u\":false", true),
        CASE("\"status\":\"queued\",\"index\":7,\"to\":\"+34600000000\",\"id\":\"a\"", true),
        CASE("\"ID\":1,\"id\":\"a\"", true),
        /* no id, or one of another kind */
        CASE("\"a\":1", false),
        CASE("\"id\":\"\"", false),
        CASE("\"id\":null", false),
        CASE("\"id\":0", false),
        CASE("\"id\":-1", false),
        CASE("\"id\":1.5", false),
        CASE("\"id\":1e3", false),
        CASE("\"id\":1234567890123456789", false),
        CASE("\"id\":\"\\u0061\"", false),
        CASE("\"id\":\"\xc3\xb1\"", false),
        CASE("\"id\":\"a\",\"id\":\"b\"", false),
        CASE("\"i\\u0064\":\"a\"", false),
        /* more than flat */
        CASE("\"id\":\"a\",\"x\":{}", false),
        CASE("\"id\":\"a\",\"x\":[1]", false),
        CASE("\"entity\":{\"id\":\"a\"}", false),
        /* no strict JSON */
        CASE("\"id\":\"a\",\"x\":\"\xff\"", false),
        CASE("\"id\":\"a\",\"x\":\"\\ud83d\\ude00\"", false),
        CASE("\"id\":\"a\",\"x\":\"\\u0000\"", false),
        CASE("\"id\":\"a\",\"x\":\"\\x\"", false),
        CASE("\"id\":\"a\",\"x\":\"\t\"", false),
        CASE("\"id\":\"a\",\"x\":01", false),
        CASE("\"id\":\"a\",\"x\":1.", false),
        CASE("\"id\":\"a\",\"x\":NaN", false),
        CASE("\"id\":\"a\",\"x\":nulls", false),
        CASE("\"id\":\"a\",", false),
        CASE("'id':\"a\"", false),
#undef CASE
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_eq(is_taken(cases[i].body, 0), cases[i].is_plain, "%s", cases[i].body);
        cr_expect_eq(is_taken(cases[i].bulk, 2), cases[i].is_plain, "%s", cases[i].bulk);
    }
}

#define FIRST  "{\"id\":\"a\",\"clientId\":\"" C0 "\"}"
#define SECOND "{\"id\":\"b\",\"clientId\":\"" C1 "\"}"

Test(api_plain, bulks)
{
    static const struct {
        const char *body;
        bool is_plain;
    } cases[] = {
        {"{\"entities\":[" FIRST "," SECOND "],\"errors\":[]}", true},
        {" { \"entities\" : [ " FIRST " , " SECOND " ] , \"errors\" : [ ] } \n", true},
        {"{\"entities\":[{\"id\":\"a\",\"clientId\":\"01arz3ndektsv4rrffq69g5fa0\"}," SECOND
         "],\"errors\":[]}",
         true},
        {"{\"entities\":[" SECOND "," FIRST "],\"errors\":[]}", false},
        {"{\"entities\":[" FIRST "],\"errors\":[]}", false},
        {"{\"entities\":[" FIRST "," SECOND "," SECOND "],\"errors\":[]}", false},
        {"{\"entities\":[" FIRST "," FIRST "],\"errors\":[]}", false},
        {"{\"entities\":[" FIRST ",{\"id\":\"b\"}],\"errors\":[]}", false},
        {"{\"entities\":[" FIRST "," SECOND "]}", false},
        {"{\"entities\":[" FIRST "," SECOND "],\"errors\":{}}", false},
        {"{\"entities\":[" FIRST "," SECOND "],\"errors\":[{}]}", false},
        {"{\"entities\":[" FIRST "," SECOND "],\"errors\":[],\"entities\":[]}", false},
        {"{\"errors\":[],\"entities\":[" FIRST "," SECOND "]}", false},
        {"[" FIRST "," SECOND "]", false},
        {"{\"entities\":[" FIRST "," SECOND "],\"errors\":[]}}", false},
        {"{\"entities\":[" FIRST "," SECOND "],\"errors\":[]", false},
        {"\xef\xbb\xbf{\"entities\":[" FIRST "," SECOND "],\"errors\":[]}", false},
        {"{\"entities\":[" FIRST ",{\"id\":\"b\",\"clientId\":\"" C1 "\",\"clientId\":\"" C0
         "\"}],\"errors\":[]}",
         false},
        {"", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_eq(is_taken(cases[i].body, 2), cases[i].is_plain, "%s", cases[i].body);
    }
}

static void expect_alike(const char *body, size_t len)
{
    for (size_t count = 0; count <= 2; count += 2) {
        const char *fault = answer_plain_fault(body, len, answer_messages(), count, NULL);
        cr_assert_null(fault, "%s: %.*s", fault, (int)len, body);
    }
}

/* Each byte of an answer replaced, left out and doubled, and the answer cut there. */
Test(api_plain, damage)
{
    static const char bodies[][256] = {
        BULK("\"id\":\"a\",\"x\":\"\\u00f1\xc3\xb1\\n\",\"p\":-0.5,\"s\":null"),
        "{\"id\":17,\"x\":\"\\u00f1\xc3\xb1\\n\",\"p\":-0.5,\"s\":true}"};
    static const char bytes[] = "\0 \t\n\x01\x7f\x80\xc0\xed\xff\"\\/:,.+-[]{}019aeEfnu'#";
    for (size_t b = 0; b < sizeof bodies / sizeof *bodies; b++) {
        size_t len = strlen(bodies[b]);
        for (size_t at = 0; at < len; at++) {
            char body[sizeof bodies[b] + 1];
            for (size_t i = 0; i < sizeof bytes - 1; i++) {
                memcpy(body, bodies[b], len);
                body[at] = bytes[i];
                expect_alike(body, len);
                memmove(body + at + 1, bodies[b] + at, len - at);
                expect_alike(body, len + 1);
            }
            memcpy(body, bodies[b], at);
            memcpy(body + at, bodies[b] + at + 1, len - at - 1);
            expect_alike(body, len - 1);
            expect_alike(bodies[b], at);
        }
    }
}
