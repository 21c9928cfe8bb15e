/* reply: codes, quoting, times, what STATUS says. */
#include "proto/reply.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define S(literal)   literal, sizeof(literal) - 1

static void expect(struct buffer *b, const char *text)
{
    buffer_append(b, "", 1);
    cr_assert_str_eq(b->data, text);
    buffer_free(b);
}

/* The table of codes in PROTOCOL.md. */
Test(reply, codes)
{
    static const struct {
        enum reply reply;
        const char *start;
    } rows[] = {
        {REPLY_EVENT, "120 2.0.0 "},
        {REPLY_INBOUND, "121 2.0.0 "},
        {REPLY_HELP, "214 2.0.0 "},
        {REPLY_GREETING, "220 "},
        {REPLY_BYE, "221 2.0.0 "},
        {REPLY_AUTHENTICATED, "235 2.7.0 "},
        {REPLY_OK, "250 2.0.0 "},
        {REPLY_SENDER_OK, "250 2.1.0 "},
        {REPLY_RECIPIENT_OK, "250 2.1.5 "},
        {REPLY_HELLO, "250 "},
        {REPLY_MAY_BE, "252 2.1.5 "},
        {REPLY_CHALLENGE, "334 "},
        {REPLY_GO_ON, "354 "},
        {REPLY_SHUTTING_DOWN, "421 4.3.2 "},
        {REPLY_TIMED_OUT, "421 4.4.2 "},
        {REPLY_GUARD, "421 4.7.0 "},
        {REPLY_CANNOT_STORE, "451 4.3.0 "},
        {REPLY_QUEUE_FULL, "452 4.3.1 "},
        {REPLY_TOO_MANY, "452 4.5.3 "},
        {REPLY_MALFORMED, "500 5.5.2 "},
        {REPLY_AUTH_TOO_LONG, "500 5.5.6 "},
        {REPLY_CONTROL_CHARS, "501 5.5.2 "},
        {REPLY_BAD_BASE64, "501 5.5.2 "},
        {REPLY_BAD_ARGUMENT, "501 5.5.4 "},
        {REPLY_BAD_CHARSET, "501 5.6.7 "},
        {REPLY_AUTH_CANCELED, "501 5.7.0 "},
        {REPLY_NOT_IMPLEMENTED, "502 5.5.1 "},
        {REPLY_BAD_SEQUENCE, "503 5.5.1 "},
        {REPLY_BAD_MECHANISM, "504 5.5.4 "},
        {REPLY_UNKNOWN_MESSAGE, "550 5.0.0 "},
        {REPLY_BAD_NUMBER, "550 5.1.3 "},
        {REPLY_REF_CONFLICT, "550 5.6.0 "},
        {REPLY_NOT_ALLOWED, "550 5.7.1 "},
        {REPLY_TOO_LONG, "552 5.3.4 "},
        {REPLY_BAD_SENDER, "553 5.1.7 "},
        {REPLY_REJECTED, "554 5.0.0 "},
        {REPLY_NOT_UNDERSTOOD, "554 5.6.0 "},
        {REPLY_BAD_PARAMETER, "555 5.5.4 "},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buffer b = BUFFER_EMPTY;
        reply_begin(&b, rows[i].reply, false);
        expect(&b, rows[i].start);
        reply_begin(&b, rows[i].reply, true);
        cr_assert_eq(b.data[3], '-');
        buffer_free(&b);
        cr_assert_eq(reply_code(rows[i].reply), (unsigned)atoi(rows[i].start));
        cr_assert_gt(strlen(reply_text(rows[i].reply)), 0);
        unsigned code = reply_code(rows[i].reply);
        cr_assert_eq(reply_is_syntax_error(rows[i].reply),
                     code == 500 || code == 501 || code == 503);
    }
}

Test(reply, a_line_is_read_as_the_first_reply_with_its_codes)
{
    static const struct {
        const char *line;
        size_t len;
        bool is_reply;
        enum reply reply;
    } rows[] = {
        {S("452 4.3.1 queue full"), true, REPLY_QUEUE_FULL},
        {S("452 4.5.3 too many"), true, REPLY_TOO_MANY},
        {S("550-5.1.3 x\r\n550 5.1.3 y"), true, REPLY_BAD_NUMBER},
        {S("550 5.1.3 "), true, REPLY_BAD_NUMBER},
        {S("501 5.5.2 not base64"), true, REPLY_CONTROL_CHARS},
        {S("354 go on"), true, REPLY_GO_ON},
        {S("550 5.1.3"), false, REPLY_OK},
        {S("550 9.9.9 x"), false, REPLY_OK},
        {S("599 5.1.3 x"), false, REPLY_OK},
        {S("55"), false, REPLY_OK},
        {S(""), false, REPLY_OK},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        enum reply reply = REPLY_OK;
        cr_expect_eq(reply_read(rows[i].line, rows[i].len, &reply), rows[i].is_reply, "%s",
                     rows[i].line);
        cr_expect_eq(reply, rows[i].reply, "%s", rows[i].line);
    }
}

Test(reply, lines)
{
    struct buffer b = BUFFER_EMPTY;
    reply_line(&b, REPLY_OK, true, "a=%d", 1);
    reply_line(&b, REPLY_OK, false, "b=%s", "x");
    expect(&b, "250-2.0.0 a=1\r\n250 2.0.0 b=x\r\n");
}

Test(reply, quotes_what_must_be)
{
    static const struct {
        const char *value;
        size_t len;
        const char *quoted;
    } rows[] = {
        {S("plain"), "plain"},
        {S("a=b;c'd"), "a=b;c'd"},
        {S("\xc3\xa9"), "\xc3\xa9"},
        {S("csi\xc2\x9b"), "\"csi\\xC2\\x9B\""},
        {S("\u2028"), "\"\\xE2\\x80\\xA8\""},
        {S("a\u202etxt"), "\"a\\xE2\\x80\\xAEtxt\""},
        {S("\u2066\u061c\u20ac"), "\"\\xE2\\x81\\xA6\\xD8\\x9C\u20ac\""},
        {S(""), "\"\""},
        {S("two words"), "\"two words\""},
        {S("say \"hi\""), "\"say \\\"hi\\\"\""},
        {S("back\\slash"), "\"back\\\\slash\""},
        {S("a\nb"), "\"a\\nb\""},
        {S("a\r\tb\x7f"), "\"a\\x0D\\x09b\\x7F\""},
        {S("a\0b"), "\"a\\x00b\""},
        {S("250 2.0.0 ok\r\n250 fake"), "\"250 2.0.0 ok\\x0D\\n250 fake\""},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buffer b = BUFFER_EMPTY;
        reply_quote(&b, rows[i].value, rows[i].len);
        expect(&b, rows[i].quoted);
    }
    struct buffer b = BUFFER_EMPTY;
    reply_value(&b, "reason", "no more");
    expect(&b, " reason=\"no more\"");
}

Test(reply, tells_the_start_of_a_mistake)
{
    char value[201];
    memset(value, 'x', sizeof value);
    struct buffer b = BUFFER_EMPTY;
    reply_quote_start(&b, value, 64);
    cr_assert_eq(b.len, 64);
    buffer_clear(&b);
    reply_quote_start(&b, value, 200);
    cr_assert_eq(b.len, 64);
    buffer_clear(&b);
    memcpy(value + 62, "\xe2\x82\xac", 3);
    reply_quote_start(&b, value, 200);
    cr_assert_eq(b.len, 62, "cut within a character");
    buffer_clear(&b);
    reply_quote_start(&b, "MT-PRIORITY", 11);
    reply_quote_start(&b, "+34600", 6);
    expect(&b, "MT-PRIORITY\"+34600\"");
}

Test(reply, bad_number)
{
    struct buffer b = BUFFER_EMPTY;
    reply_quote_number(&b, "+34600", 6);
    expect(&b, "+34600");
    reply_quote_number(&b, "6\xd0\x9e\xff\n", 5);
    expect(&b, "\"6\\xD0\\x9E\\xFF\\n\"");
}

Test(reply, times)
{
    static const struct {
        int64_t unix_ms;
        const char *text;
    } rows[] = {{0, " at=1970-01-01T00:00:00Z"},
                {1776766500999, " at=2026-04-21T10:15:00Z"},
                {951782400000, " at=2000-02-29T00:00:00Z"}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buffer b = BUFFER_EMPTY;
        reply_time(&b, "at", rows[i].unix_ms);
        expect(&b, rows[i].text);
    }
}

static struct message_status some_status(void)
{
    struct message_status status = {
        .state = MESSAGE_QUEUED, .parts = 2, .updated_ms = 1776766501000};
    unsigned char random[ULID_RANDOM_BYTES] = {0};
    status.id = ulid_make(1776766500000, random);
    strcpy(status.to, "+34600000000");
    strcpy(status.from, "Acme Shop");
    return status;
}

#define STATUS_START "id=01KPQRJF500000000000000000 "
#define STATUS_TIMES " submitted=2026-04-21T10:15:00Z updated=2026-04-21T10:15:01Z"

Test(reply, status)
{
    struct buffer b = BUFFER_EMPTY;
    struct message_status status = some_status();
    reply_status(&b, &status, NULL);
    expect(&b, STATUS_START
           "state=queued to=+34600000000 from=\"Acme Shop\" attempts=0 parts=2" STATUS_TIMES);

    /* Only a message that waits for the relay shows why the relay has stopped. */
    reply_status(&b, &status, "on hold");
    expect(&b, STATUS_START "state=queued to=+34600000000 from=\"Acme Shop\" attempts=0 "
                            "parts=2" STATUS_TIMES " reason=\"on hold\"");
    status.state = MESSAGE_RELAYED;
    status.attempts = 3;
    status.due_ms = 1776766600000;
    strcpy(status.ref, "order 17");
    status.answer = message_answer_new("api-1", "");
    reply_status(&b, &status, "on hold");
    expect(&b, STATUS_START "state=relayed to=+34600000000 from=\"Acme Shop\" attempts=3 "
                            "parts=2" STATUS_TIMES " ref=\"order 17\" api=api-1");
    message_status_free(&status);

    status.state = MESSAGE_DEFERRED;
    status.ref[0] = '\0';
    status.answer = message_answer_new("", "HTTP 503\r\n");
    reply_status(&b, &status, NULL);
    expect(&b, STATUS_START
           "state=deferred to=+34600000000 from=\"Acme Shop\" attempts=3 parts=2" STATUS_TIMES
           " next=2026-04-21T10:16:40Z reason=\"HTTP 503\\x0D\\n\"");
    message_status_free(&status);
}

Test(reply, lines_of_watch)
{
    struct buffer b = BUFFER_EMPTY;
    struct message_status status = some_status();
    struct report none = REPORT_NONE;
    struct report failed = {.status = "failed", .code = "21"};
    reply_event(&b, 7, &status.id, MESSAGE_QUEUED, NULL, &none);
    expect(&b, "120 2.0.0 event=7 " STATUS_START "state=queued\r\n");
    char *answer = message_answer_new("api-1", "no route");
    reply_event(&b, 8, &status.id, MESSAGE_RELAYED, answer, &failed);
    expect(&b, "120 2.0.0 event=8 " STATUS_START
               "state=relayed api=api-1 dlr=failed code=21 reason=\"no route\"\r\n");
    free(answer);
    reply_inbound(&b, 9, &status.id, "+34600000000", "who?\r\n250 fake");
    expect(&b, "121 2.0.0 event=9 inbound " STATUS_START
               "to=+34600000000 text=\"who?\\x0D\\n250 fake\"\r\n");
}
