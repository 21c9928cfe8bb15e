/* json: see json.h. */
#include "proto/session/json.h"

#include "proto/reply.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECOND_MS = 1000, NUMBER_TEXT_SIZE = 32 };

struct json_batch {
    json_t *root;
};

/* Members that are options, and the options' own names. */
static const struct {
    const char *member;
    const char *option;
} OPTION_MEMBERS[] = {
    {"from", "FROM"}, {"clientId", "REF"}, {"ref", "REF"},           {"ttl", "TTL"},
    {"at", "AT"},     {"ack", "ACK"},      {"priority", "PRIORITY"}, {"unicode", "UNICODE"},
};

static const char *option_of(const char *member)
{
    for (size_t i = 0; i < sizeof OPTION_MEMBERS / sizeof OPTION_MEMBERS[0]; i++) {
        if (strcmp(member, OPTION_MEMBERS[i].member) == 0) {
            return OPTION_MEMBERS[i].option;
        }
    }
    return NULL;
}

static void refuse(struct buffer *error, const char *member, const char *words)
{
    reply_begin(error, REPLY_BAD_ARGUMENT, false);
    buffer_puts(error, "JSON member ");
    reply_quote_start(error, member, strlen(member));
    buffer_printf(error, ": %s\r\n", words);
}

static const char *type_name(const json_t *value)
{
    static const char *const NAMES[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a string",
        [JSON_INTEGER] = "a number", [JSON_REAL] = "a number",  [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",      [JSON_NULL] = "null",
    };
    return NAMES[json_typeof(value)];
}

/* Refuses a value of the wrong type. */
static void refuse_type(struct buffer *error, const char *member, const char *expected,
                        const char *got)
{
    char words[128];
    snprintf(words, sizeof words, "expected %s; got %s", expected, got);
    refuse(error, member, words);
}

struct json_batch *json_batch_new(const char *s, size_t len, struct buffer *error)
{
    json_error_t where;
    json_t *root = json_loadb(s, len, JSON_REJECT_DUPLICATES, &where);
    const char *complaint = NULL;
    if (root == NULL) {
        reply_begin(error, REPLY_BAD_ARGUMENT, false);
        buffer_printf(error, "malformed JSON at byte %d: ", where.position);
        reply_quote(error, where.text, strlen(where.text));
        buffer_puts(error, "\r\n");
        return NULL;
    }
    if (!json_is_object(root) && !json_is_array(root)) {
        complaint = "expected an object or an array of objects";
    } else if (json_is_array(root) && json_array_size(root) == 0) {
        complaint = "the array is empty";
    } else if (json_array_size(root) > JSON_MAX_ITEMS) {
        complaint = "the array has more than 1000 elements";
    }
    struct json_batch *batch = complaint == NULL ? malloc(sizeof *batch) : NULL;
    if (batch == NULL) {
        enum reply reply = complaint == NULL ? REPLY_CANNOT_STORE : REPLY_BAD_ARGUMENT;
        reply_line(error, reply, false, "%s", complaint == NULL ? reply_text(reply) : complaint);
        json_decref(root);
        return NULL;
    }
    batch->root = root;
    return batch;
}

void json_batch_free(struct json_batch *batch)
{
    if (batch != NULL) {
        json_decref(batch->root);
        free(batch);
    }
}

size_t json_batch_count(const struct json_batch *batch)
{
    return json_is_array(batch->root) ? json_array_size(batch->root) : 1;
}

/* Writes a number as people do: 60.0 and 6e1 as 60. */
static void write_number(const json_t *value, char text[NUMBER_TEXT_SIZE])
{
    if (json_is_integer(value)) {
        snprintf(text, NUMBER_TEXT_SIZE, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    } else {
        snprintf(text, NUMBER_TEXT_SIZE, "%.15g", json_real_value(value));
    }
}

/* Reads the TTL, a string or a whole number. */
static bool read_ttl(const char *member, const json_t *value, struct options *options,
                     int64_t now_ms, struct buffer *error)
{
    char number[NUMBER_TEXT_SIZE];
    const char *s = json_string_value(value);
    if (json_is_number(value)) {
        write_number(value, number);
        s = number;
    }
    if (s == NULL || (json_is_real(value) && strpbrk(s, ".e") != NULL)) {
        refuse_type(error, member, "whole seconds, or a string such as 90s or 5m",
                    s == NULL ? type_name(value) : s);
        return false;
    }
    return options_set(options, "TTL", strlen("TTL"), s, strlen(s), now_ms, error);
}

/* Sets the option of a member. */
static bool read_option(const char *member, const char *option, const json_t *value,
                        struct options *options, int64_t now_ms, struct buffer *error)
{
    if (strcmp(option, "TTL") == 0) {
        return read_ttl(member, value, options, now_ms, error);
    }
    if (!json_is_string(value)) {
        refuse_type(error, member, "a string", type_name(value));
        return false;
    }
    return options_set(options, option, strlen(option), json_string_value(value),
                       json_string_length(value), now_ms, error);
}

static bool read_member(const char *member, const json_t *value, struct json_item *item,
                        struct options *options, int64_t now_ms, struct buffer *error)
{
    const char *option = option_of(member);
    if (option != NULL) {
        return read_option(member, option, value, options, now_ms, error);
    }
    if (strcmp(member, "allowUnicode") == 0) {
        if (!json_is_boolean(value)) {
            refuse_type(error, member, "true or false", type_name(value));
            return false;
        }
        const char *word = json_is_true(value) ? "yes" : "no";
        return options_set(options, "UNICODE", strlen("UNICODE"), word, strlen(word), now_ms,
                           error);
    }
    bool is_to = strcmp(member, "to") == 0;
    if (!is_to && strcmp(member, "text") != 0) {
        refuse(error, member, "unknown");
        return false;
    }
    if (!json_is_string(value)) {
        refuse_type(error, member, "a string", type_name(value));
        return false;
    }
    *(is_to ? &item->to : &item->text) = json_string_value(value);
    *(is_to ? &item->to_len : &item->text_len) = json_string_length(value);
    return true;
}

bool json_batch_read(const struct json_batch *batch, size_t position, int64_t now_ms,
                     struct json_item *item, struct options *options, struct buffer *error)
{
    json_t *object =
        json_is_array(batch->root) ? json_array_get(batch->root, position) : batch->root;
    const char *member;
    json_t *value;
    *item = (struct json_item){0};
    if (!json_is_object(object)) {
        reply_line(error, REPLY_BAD_ARGUMENT, false, "element %zu: expected an object; got %s",
                   position, type_name(object));
        return false;
    }
    json_object_foreach(object, member, value)
    {
        if (!json_is_null(value) && !read_member(member, value, item, options, now_ms, error)) {
            return false;
        }
    }
    if (item->to == NULL || item->text == NULL) {
        refuse(error, item->to == NULL ? "to" : "text", "missing");
        return false;
    }
    return true;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* When a scheduled message is due, Unix seconds rounded up; 0 if it is due already. */
static int64_t at_seconds(const struct message *m, int64_t now_ms)
{
    bool is_ahead = m->state == MESSAGE_SCHEDULED && m->due_ms > now_ms;
    return is_ahead ? (m->due_ms + SECOND_MS - 1) / SECOND_MS : 0;
}

/* Seconds of its life that are left from `at` on (0 = now), up to the maximum of TTL. */
static int64_t left_seconds(const struct message *m, int64_t at, int64_t now_ms)
{
    const int64_t max = (int64_t)OPTION_MAX_AHEAD_DAYS * 24 * 3600;
    int64_t begin_ms = at > 0 ? at * SECOND_MS : now_ms;
    int64_t left = m->expires_ms > begin_ms ? (m->expires_ms - begin_ms) / SECOND_MS : 0;
    return left < max ? left : max;
}

/* `at` as an RFC 3339 time, or NULL if that is 0; borrowed from `time`, which is empty. */
static const char *write_at(struct buffer *time, int64_t at)
{
    static const char lead[] = " at=";
    if (at == 0) {
        return NULL;
    }
    reply_time(time, "at", at * SECOND_MS);
    buffer_append(time, "", 1);
    return time->has_failed ? NULL : time->data + strlen(lead);
}

bool json_write_message(struct buffer *out, const struct message *m, int64_t now_ms)
{
    struct buffer time = BUFFER_EMPTY;
    int64_t at = at_seconds(m, now_ms);
    int64_t left = left_seconds(m, at, now_ms);
    if (left == 0) {
        return false;
    }
    /* `s*`: a NULL leaves the member out. */
    json_t *object =
        json_pack("{s:s, s:s, s:s%, s:b, s:s*, s:s, s:s*, s:I}", "from", message_from(m), "to",
                  message_to(m), "text", message_text(m), (size_t)m->text_len, "allowUnicode",
                  (int)m->allow_unicode, "clientId", m->ref_len > 0 ? message_ref(m) : NULL,
                  "priority", message_priority_name((enum message_priority)m->priority), "at",
                  write_at(&time, at), "ttl", (json_int_t)left);
    char *line = object == NULL || time.has_failed ? NULL : json_dumps(object, JSON_COMPACT);
    if (line == NULL) {
        out->has_failed = true;
    } else {
        buffer_puts(out, line);
        buffer_putc(out, '\n');
    }
    free(line);
    json_decref(object);
    buffer_free(&time);
    return true;
}
