/* json: members, types, positions. */
#include "proto/session/json.h"

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
        {"[\"\\\xC2\xBD\"]",
         "501 5.5.4 malformed JSON at byte 4: \"invalid escape near '\\\"\\\\\\xC2'\""},
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
        const char *input, *error; /* NULL = accepted */
    } rows[] = {
        {"{\"to\":\"1\",\"text\":\"x\"}", NULL},
        {"{\"to\":\"1\",\"text\":\"x\",\"from\":\"Acme\",\"clientId\":\"r\",\"ttl\":5,"
         "\"priority\":\"low\",\"at\":\"+5m\",\"unicode\":\"no\",\"ack\":\"relayed\"}",
         NULL},
        {"{\"to\":\"1\",\"text\":\"x\",\"ttl\":\"5m\",\"ref\":\"r\"}", NULL},
        {"{\"to\":\"1\",\"text\":\"x\",\"allowUnicode\":false}", NULL},
        {"{\"to\":\"1\"}", "501 5.5.4 JSON member text: missing"},
        {"{\"text\":\"x\"}", "501 5.5.4 JSON member to: missing"},
        {"{\"to\":1,\"text\":\"x\"}", "501 5.5.4 JSON member to: expected a string"},
        {"{\"to\":[\"1\"],\"text\":\"x\"}", "501 5.5.4 JSON member to: expected a string"},
        {"{\"to\":\"1\",\"text\":null}", "501 5.5.4 JSON member text: missing"},
        {"{\"to\":\"1\",\"text\":\"x\",\"ttl\":null,\"colour\":null}", NULL},
        {"{\"to\":\"1\",\"text\":\"x\",\"ttl\":60.0}", NULL},
        {"{\"to\":\"1\",\"text\":\"x\",\"from\":1}",
         "501 5.5.4 JSON member from: expected a string"},
        {"{\"to\":\"1\",\"text\":\"x\",\"ttl\":1.5}",
         "501 5.5.4 JSON member ttl: expected whole seconds, or a string such as 90s or 5m; got "
         "1.5"},
        {"{\"to\":\"1\",\"text\":\"x\",\"ttl\":-1}", "501 5.5.4 TTL: "},
        {"{\"to\":\"1\",\"text\":\"x\",\"from\":\"much too long\"}", "553 5.1.7 FROM: "},
        {"{\"to\":\"1\",\"text\":\"x\",\"allowUnicode\":\"yes\"}",
         "501 5.5.4 JSON member allowUnicode: expected true or false"},
        {"{\"to\":\"1\",\"text\":\"x\",\"allowUnicode\":true,\"unicode\":\"no\"}",
         "501 5.5.4 UNICODE was given twice"},
        {"{\"to\":\"1\",\"text\":\"x\",\"FROM\":\"Acme\"}", "501 5.5.4 JSON member FROM: unknown"},
        {"{\"to\":\"1\",\"text\":\"x\",\"a b\":1}", "501 5.5.4 JSON member \"a b\": unknown"},
        {"[7]", "501 5.5.4 element 0: expected an object; got a number"},
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

/* --- writing ---------------------------------------------------------------------------------- */

#define DAY_MS (INT64_C(24) * 3600 * 1000)

/* A message to write; tests change what they need. */
static struct message_content plain(void)
{
    return (struct message_content){.to = "+34600000000",
                                    .from = "Acme Shop",
                                    .ref = "",
                                    .text = "Hello",
                                    .text_len = 5,
                                    .size = {.parts = 1},
                                    .priority = PRIORITY_NORMAL,
                                    .expires_ms = NOW_MS + DAY_MS};
}

/* Writes a message as a NUL-terminated line in `out`; returns whether one was written. */
static bool write_line(struct message_content content, enum message_state state, int64_t now_ms,
                       struct buffer *out)
{
    content.text_len = strlen(content.text);
    struct message *m = message_new(&content);
    m->state = state & 0xF;
    *out = (struct buffer)BUFFER_EMPTY;
    bool is_written = json_write_message(out, m, now_ms);
    cr_assert_not(out->has_failed);
    buffer_append(out, "", 1);
    message_free(m);
    return is_written;
}

/* The JSON verb reads what was written as the same message. */
Test(json, a_written_message_is_read_back)
{
    static const char *const TEXTS[] = {
        "Hello",
        "two\nlines\tand \"quotes\" \\ {}",
        "\xe2\x82\xac 5, \xf0\x9f\x98\x80, \xc3\xb1",
        " spaces around ",
    };
    for (size_t i = 0; i < COUNT(TEXTS); i++) {
        for (int p = 0; p < MESSAGE_PRIORITIES; p++) {
            struct message_content content = plain();
            struct buffer line;
            struct buffer error = BUFFER_EMPTY;
            struct json_item item;
            struct options options;
            content.text = TEXTS[i];
            content.priority = (enum message_priority)p;
            content.allow_unicode = p == 0;
            content.ref = p == 1 ? "" : "order \"17\"";
            cr_assert(write_line(content, MESSAGE_QUEUED, NOW_MS, &line));
            cr_assert_eq(strchr(line.data, '\n'), line.data + line.len - 2, "one line");

            options_init(&options, TEXT_UNICODE_AUTO);
            struct json_batch *batch = json_batch_new(line.data, line.len - 1, &error);
            cr_assert_not_null(batch, "%s", line.data);
            cr_assert(json_batch_read(batch, 0, NOW_MS, &item, &options, &error), "%s", line.data);
            cr_assert_str_eq(item.to, content.to);
            cr_assert_eq(item.text_len, strlen(TEXTS[i]));
            cr_assert_str_eq(item.text, TEXTS[i]);
            cr_assert_str_eq(options.from, content.from);
            cr_assert_str_eq(options.ref, content.ref);
            cr_assert_eq(options.priority, content.priority);
            cr_assert_eq(options.unicode, p == 0 ? TEXT_UNICODE_YES : TEXT_UNICODE_NO);
            cr_assert_eq(options.ttl_ms, DAY_MS);
            cr_assert_eq(options.at_ms, 0);
            json_batch_free(batch);
            buffer_free(&line);
        }
    }
}

/* Text is written as UTF-8, not as escapes. */
Test(json, text_is_written_as_utf8)
{
    struct message_content content = plain();
    struct buffer line;
    content.text = "\xc3\xb1";
    cr_assert(write_line(content, MESSAGE_QUEUED, NOW_MS, &line));
    cr_assert_not_null(strstr(line.data, "\"text\":\"\xc3\xb1\""), "%s", line.data);
    buffer_free(&line);
}

Test(json, times_that_are_written)
{
    static const struct {
        enum message_state state;
        int64_t due_ms, expires_ms; /* from NOW_MS, which is 2026-04-21T10:15:00Z */
        const char *at;             /* NULL = none */
        const char *ttl;            /* NULL = nothing is written */
    } rows[] = {
        {MESSAGE_QUEUED, 0, 90000, NULL, "90"},
        {MESSAGE_QUEUED, 0, 90999, NULL, "90"},
        {MESSAGE_QUEUED, 0, 1000, NULL, "1"},
        {MESSAGE_QUEUED, 0, 999, NULL, NULL},
        {MESSAGE_QUEUED, 0, 0, NULL, NULL},
        {MESSAGE_QUEUED, 0, -5000, NULL, NULL},
        {MESSAGE_UNRESOLVED, 0, INT64_MAX - NOW_MS, NULL, "2592000"},
        {MESSAGE_SCHEDULED, 60000, 90000, "2026-04-21T10:16:00Z", "30"},
        {MESSAGE_SCHEDULED, 59001, 90000, "2026-04-21T10:16:00Z", "30"},
        {MESSAGE_SCHEDULED, 0, 90000, NULL, "90"},
        {MESSAGE_SCHEDULED, -60000, 90000, NULL, "90"},
        /* Not of a deferred message, whose due time is its next attempt. */
        {MESSAGE_DEFERRED, 60000, 90000, NULL, "90"},
        {MESSAGE_SENDING, 60000, 90000, NULL, "90"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct message_content content = plain();
        struct buffer line;
        char wanted[64];
        content.due_ms = NOW_MS + rows[i].due_ms;
        content.expires_ms = NOW_MS + rows[i].expires_ms;
        bool is_written = write_line(content, rows[i].state, NOW_MS, &line);
        cr_assert_eq(is_written, rows[i].ttl != NULL, "%zu", i);
        cr_assert(is_written || line.len == 1, "%zu", i);
        cr_assert_eq(strstr(line.data, "\"at\"") != NULL, rows[i].at != NULL, "%s", line.data);
        if (rows[i].at != NULL) {
            snprintf(wanted, sizeof wanted, "\"at\":\"%s\"", rows[i].at);
            cr_assert_not_null(strstr(line.data, wanted), "%s", line.data);
        }
        if (is_written) {
            snprintf(wanted, sizeof wanted, "\"ttl\":%s}", rows[i].ttl);
            cr_assert_not_null(strstr(line.data, wanted), "%s", line.data);
        }
        buffer_free(&line);
    }
}
