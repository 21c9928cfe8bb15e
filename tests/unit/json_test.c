/* json: members, types, positions. */
#include "proto/json.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define NOW_MS       INT64_C(1776766500000)

static void expect_error(struct buffer *error, const char *start, const char *input)
{
    buffer_append(error, "", 1);
    cr_assert_eq(strncmp(error->data, start, strlen(start)), 0, "%s: %s", input, error->data);
    cr_assert_eq(strcmp(error->data + error->len - 3, "\r\n"), 0, "%s", input);
    buffer_free(error);
}

Test(json, what_is_no_batch)
{
    static const struct {
        const char *input, *error;
    } rows[] = {
        {"{\"to\":\"x\"", "501 5.5.4 malformed JSON at byte 9: "},
        {"{to:1}", "501 5.5.4 malformed JSON at byte 3: "},
        {"[1,]", "501 5.5.4 malformed JSON at byte 4: "},
        {"{} {}", "501 5.5.4 malformed JSON at byte 4: "},
        {"", "501 5.5.4 malformed JSON at byte 0: "},
        {"17", "501 5.5.4 malformed JSON at byte 2: "},
        {"\"text\"", "501 5.5.4 malformed JSON at byte 6: "},
        {"[]", "501 5.5.4 the array is empty"},
        {"{\"text\":\"a\",\"text\":\"b\"}", "501 5.5.4 malformed JSON at byte 18: "},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buffer error = BUFFER_EMPTY;
        cr_assert_null(json_batch_new(rows[i].input, strlen(rows[i].input), &error));
        expect_error(&error, rows[i].error, rows[i].input);
    }
}

/* The name of a repeated member is in the reply. */
Test(json, names_what_is_repeated)
{
    static const char INPUT[] = "{\"text\":\"a\",\"text\":\"b\"}";
    struct buffer error = BUFFER_EMPTY;
    cr_assert_null(json_batch_new(INPUT, strlen(INPUT), &error));
    cr_assert_not_null(memmem(error.data, error.len, "text", 4));
    buffer_free(&error);
}

Test(json, at_most_1000_elements)
{
    for (int count = JSON_MAX_ITEMS; count <= JSON_MAX_ITEMS + 1; count++) {
        struct buffer input = BUFFER_EMPTY;
        struct buffer error = BUFFER_EMPTY;
        for (int i = 0; i < count; i++) {
            buffer_puts(&input, i == 0 ? "[1" : ",1");
        }
        buffer_puts(&input, "]");
        struct json_batch *batch = json_batch_new(input.data, input.len, &error);
        cr_assert_eq(batch != NULL, count == JSON_MAX_ITEMS);
        cr_assert(batch == NULL || json_batch_count(batch) == (size_t)count);
        json_batch_free(batch);
        buffer_free(&input);
        buffer_free(&error);
    }
}

Test(json, members)
{
    static const struct {
        const char *input, *error; /* NULL = taken */
    } rows[] = {
        {"{\"to\":\"1\",\"text\":\"x\"}", NULL},
        {"{\"to\":\"1\",\"text\":\"x\",\"from\":\"Acme\",\"clientId\":\"r\",\"ttl\":5,"
         "\"priority\":\"low\",\"at\":\"+5m\",\"unicode\":\"no\",\"ack\":\"relayed\"}",
         NULL},
        {"{\"to\":\"1\",\"text\":\"x\",\"ttl\":\"5m\",\"ref\":\"r\"}", NULL},
        {"{\"to\":\"1\",\"text\":\"x\",\"allowUnicode\":false}", NULL},
        {"{\"to\":\"1\"}", "501 5.5.4 JSON member text: missing"},
        {"{\"text\":\"x\"}", "501 5.5.4 JSON member to: missing"},
        {"{\"to\":1,\"text\":\"x\"}", "501 5.5.4 JSON member to: a string"},
        {"{\"to\":[\"1\"],\"text\":\"x\"}", "501 5.5.4 JSON member to: a string"},
        {"{\"to\":\"1\",\"text\":null}", "501 5.5.4 JSON member text: a string"},
        {"{\"to\":\"1\",\"text\":\"x\",\"from\":1}", "501 5.5.4 JSON member from: a string"},
        {"{\"to\":\"1\",\"text\":\"x\",\"ttl\":1.5}", "501 5.5.4 JSON member ttl: a string"},
        {"{\"to\":\"1\",\"text\":\"x\",\"ttl\":-1}", "501 5.5.4 TTL: "},
        {"{\"to\":\"1\",\"text\":\"x\",\"from\":\"much too long\"}", "553 5.1.7 FROM: "},
        {"{\"to\":\"1\",\"text\":\"x\",\"allowUnicode\":\"yes\"}",
         "501 5.5.4 JSON member allowUnicode: true or false"},
        {"{\"to\":\"1\",\"text\":\"x\",\"allowUnicode\":true,\"unicode\":\"no\"}",
         "501 5.5.4 UNICODE is given twice"},
        {"{\"to\":\"1\",\"text\":\"x\",\"FROM\":\"Acme\"}", "501 5.5.4 JSON member FROM: unknown"},
        {"{\"to\":\"1\",\"text\":\"x\",\"a b\":1}", "501 5.5.4 JSON member \"a b\": unknown"},
        {"[7]", "501 5.5.4 element 0 is not an object"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buffer error = BUFFER_EMPTY;
        struct json_item item;
        struct options options;
        options_init(&options, TEXT_UNICODE_AUTO);
        struct json_batch *batch = json_batch_new(rows[i].input, strlen(rows[i].input), &error);
        cr_assert_not_null(batch, "%s", rows[i].input);
        cr_assert_eq(json_batch_count(batch), 1);
        bool is_read = json_batch_read(batch, 0, NOW_MS, &item, &options, &error);
        cr_assert_eq(is_read, rows[i].error == NULL, "%s", rows[i].input);
        if (is_read) {
            cr_assert_str_eq(item.to, "1");
            cr_assert_str_eq(item.text, "x");
            cr_assert_eq(error.len, 0);
        } else {
            expect_error(&error, rows[i].error, rows[i].input);
        }
        json_batch_free(batch);
    }
}

Test(json, options_arrive)
{
    static const char INPUT[] = "{\"to\":\"1\",\"text\":\"a\\u00e9\\n\",\"from\":\"Acme\","
                                "\"clientId\":\"r\",\"ttl\":5,\"priority\":\"low\",\"at\":\"+5m\","
                                "\"unicode\":\"no\",\"ack\":\"relayed\"}";
    struct buffer error = BUFFER_EMPTY;
    struct json_item item;
    struct options options;
    options_init(&options, TEXT_UNICODE_AUTO);
    struct json_batch *batch = json_batch_new(INPUT, strlen(INPUT), &error);
    cr_assert(json_batch_read(batch, 0, NOW_MS, &item, &options, &error));
    cr_assert_str_eq(item.text, "a\xc3\xa9\n");
    cr_assert_str_eq(options.from, "Acme");
    cr_assert_str_eq(options.ref, "r");
    cr_assert_eq(options.ttl_ms, 5000);
    cr_assert_eq(options.at_ms, NOW_MS + 300000);
    cr_assert_eq(options.priority, PRIORITY_LOW);
    cr_assert_eq(options.unicode, TEXT_UNICODE_NO);
    cr_assert_eq(options.ack, ACK_RELAYED);
    json_batch_free(batch);
}

Test(json, allow_unicode_is_yes_or_no)
{
    static const struct {
        const char *input;
        enum text_unicode unicode;
    } rows[] = {{"{\"to\":\"1\",\"text\":\"x\",\"allowUnicode\":true}", TEXT_UNICODE_YES},
                {"{\"to\":\"1\",\"text\":\"x\",\"allowUnicode\":false}", TEXT_UNICODE_NO},
                {"{\"to\":\"1\",\"text\":\"x\"}", TEXT_UNICODE_AUTO}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buffer error = BUFFER_EMPTY;
        struct json_item item;
        struct options options;
        options_init(&options, TEXT_UNICODE_AUTO);
        struct json_batch *batch = json_batch_new(rows[i].input, strlen(rows[i].input), &error);
        cr_assert(json_batch_read(batch, 0, NOW_MS, &item, &options, &error));
        cr_assert_eq(options.unicode, rows[i].unicode, "%s", rows[i].input);
        json_batch_free(batch);
    }
}
