/* api_body: what is sent is what jansson would send, to the byte. */
#include "gateway/api/body.h"

#include "tests/support/api_body.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define C0 "01ARZ3NDEKTSV4RRFFQ69G5FA0"
#define C1 "01ARZ3NDEKTSV4RRFFQ69G5FA1"

static struct message *message_of(const char *id, const char *text, size_t len, bool unicode)
{
    struct message_content content = {
        .to = "+34600000000", .from = "Acme", .ref = "", .text = text, .text_len = len};
    content.allow_unicode = unicode;
    cr_assert(ulid_parse(id, strlen(id), &content.id));
    struct message *message = message_new(&content);
    cr_assert_not_null(message);
    return message;
}

static void expect_body(char *body, size_t len, const char *expected)
{
    cr_assert_not_null(body);
    cr_expect_str_eq(body, expected);
    cr_expect_eq(len, strlen(expected));
    free(body);
}

Test(api_body, requests)
{
    struct message *messages[] = {message_of(C0, "hello", 5, false),
                                  message_of(C1, "h\xc3\xa9llo", 6, true)};
    size_t len;
    char *body = api_body_single(messages[0], &len);
    expect_body(body, len,
                "{\"from\":\"Acme\",\"to\":\"+34600000000\",\"text\":\"hello\",\"clientId\":\"" C0
                "\"}");
    body = api_body_bulk(messages, 2, &len);
    expect_body(body, len,
                "[{\"from\":\"Acme\",\"to\":\"+34600000000\",\"text\":\"hello\",\"clientId\":\"" C0
                "\"},{\"from\":\"Acme\",\"to\":\"+34600000000\",\"text\":\"h\xc3\xa9llo\","
                "\"clientId\":\"" C1 "\",\"allowUnicode\":true}]");
    message_free(messages[0]);
    message_free(messages[1]);
}

static void expect_as_jansson(const char *text, size_t text_len)
{
    struct message *messages[] = {message_of(C0, text, text_len, true),
                                  message_of(C1, text, text_len, false)};
    char *single = jansson_single(messages[0]), *bulk = jansson_bulk(messages, 2);
    size_t len;
    char *body = api_body_single(messages[0], &len);
    cr_expect_eq(body == NULL, single == NULL);
    if (single != NULL && body != NULL) {
        expect_body(body, len, single);
        body = api_body_bulk(messages, 2, &len);
        expect_body(body, len, bulk);
    } else {
        cr_expect_null(api_body_bulk(messages, 2, &len), "never sends what is no JSON");
    }
    free(single);
    free(bulk);
    message_free(messages[0]);
    message_free(messages[1]);
}

/* Each byte by itself, in the middle, and at the end; then all those that are whole characters. */
Test(api_body, every_byte_is_as_jansson_writes_it)
{
    char all[0x80 * 4];
    for (int c = 0; c < 0x100; c++) {
        char text[] = {(char)c, 'a', (char)c, 'b', (char)c};
        expect_as_jansson(text, 1);
        expect_as_jansson(text, sizeof text);
    }
    for (size_t i = 0; i < sizeof all; i++) {
        all[i] = (char)(i % 0x80);
    }
    expect_as_jansson(all, sizeof all);
}

Test(api_body, characters_are_as_jansson_writes_them)
{
    static const char *const texts[] = {
        "\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xef\xbf\xbf \xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf", "\xe2\x80\xa8 \xe2\x82\xac \"\xf0\x9f\x98\x80/\"\n",
        /* no UTF-8: alone, cut, overlong, a surrogate, too large */
        "\x80", "\xc3", "\xe2\x82", "\xf0\x9f\x98", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "a\xff"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        expect_as_jansson(texts[i], strlen(texts[i]));
    }
}

/* A bulk of nothing but escapes is six times as long as was reckoned with. */
Test(api_body, room_for_escapes)
{
    enum { LONGEST = UINT16_MAX };
    char *text = calloc(1, LONGEST);
    expect_as_jansson("", 0);
    expect_as_jansson(text, LONGEST);
    free(text);
}
