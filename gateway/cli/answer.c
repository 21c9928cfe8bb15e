/* answer: see answer.h. */
#include "gateway/cli/answer.h"

#include "proto/text.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* --- key=value -------------------------------------------------------------------------------- */

/* The byte behind a backslash, which `*s` is at; moves to its last character. */
static char unescape(const char **s, const char *end)
{
    char digits[3] = "";
    (*s)++;
    if (**s == 'n') {
        return '\n';
    }
    if (**s == 'x' && end - *s > 2 && isxdigit((unsigned char)(*s)[1]) &&
        isxdigit((unsigned char)(*s)[2])) {
        memcpy(digits, *s + 1, 2);
        *s += 2;
        return (char)strtoul(digits, NULL, 16);
    }
    return **s;
}

/* Reads a value, in quotes or bare; moves `*s` behind it. */
static void read_value(const char **s, const char *end, struct buffer *value)
{
    bool is_quoted = *s < end && **s == '"';
    const char *p = *s + is_quoted;
    while (p < end && *p != (is_quoted ? '"' : ' ')) {
        buffer_putc(value, is_quoted && *p == '\\' && p + 1 < end ? unescape(&p, end) : *p);
        p++;
    }
    *s = is_quoted && p < end ? p + 1 : p;
}

/* --- JSON ------------------------------------------------------------------------------------- */

static bool is_listed(const char *key, const char *const *keys)
{
    while (*keys != NULL && strcmp(*keys, key) != 0) {
        keys++;
    }
    return *keys != NULL;
}

static json_t *json_text(const struct buffer *value)
{
    struct buffer valid = BUFFER_EMPTY;
    const char *s = buffer_bytes(value);
    for (size_t i = 0; i < value->len;) {
        i += text_repair_char(s + i, value->len - i, &valid);
    }
    json_t *text = valid.has_failed ? NULL : json_stringn(buffer_bytes(&valid), valid.len);
    buffer_free(&valid);
    return text;
}

/* The type of a value goes by its key: a REF may look like a number. */
static json_t *json_value(const char *key, const struct buffer *value, bool is_counter)
{
    static const char *const numbers[] = {
        "attempts", "parts",   "event",    "last",      "more",       "numbers", "oldest",
        "queued",   "sending", "deferred", "scheduled", "unresolved", NULL};
    static const char *const booleans[] = {"relaying", "accepting", "duplicate", "missed",
                                           "optout",   "given",     "more",      NULL};
    char word[32] = "";
    char *end = word;
    memcpy(word, buffer_bytes(value), value->len < sizeof word ? value->len : 0);
    long long number = strtoll(word, &end, 10);
    if (((is_counter && strcmp(key, "version") != 0) || is_listed(key, numbers)) &&
        word[0] != '\0' && *end == '\0') {
        return json_integer(number);
    }
    if (is_listed(key, booleans) && (strcmp(word, "yes") == 0 || strcmp(word, "no") == 0)) {
        return json_boolean(word[0] == 'y');
    }
    return json_text(value);
}

/* Adds one word of a line, and moves `*s` behind it. Returns false on allocation failure. */
static bool add_word(json_t *object, const char **s, const char *end, bool is_first,
                     bool are_counters)
{
    char key[64];
    struct buffer value = BUFFER_EMPTY;
    size_t len = 0;
    while (*s + len < end && (*s)[len] != '=' && (*s)[len] != ' ') {
        len++;
    }
    bool has_value = *s + len < end && (*s)[len] == '=';
    bool is_result = is_first && !has_value;
    snprintf(key, sizeof key, "%.*s", is_result ? 6 : (int)len, is_result ? "result" : *s);
    *s += has_value ? len + 1 : 0;
    if (has_value || is_result) {
        read_value(s, end, &value);
    } else {
        *s += len;
    }
    json_t *read = has_value || is_result ? json_value(key, &value, are_counters) : json_true();
    bool is_good = !value.has_failed && json_object_set_new(object, key, read) == 0;
    buffer_free(&value);
    return is_good;
}

static bool add_line(json_t *object, const char *s, const char *end, bool are_counters)
{
    bool is_first = true;
    bool is_good = true;
    while (is_good && s < end) {
        if (*s == ' ') {
            s++;
            continue;
        }
        is_good = add_word(object, &s, end, is_first, are_counters);
        is_first = false;
    }
    return is_good;
}

static bool begins(const char *s, const char *end, const char *start)
{
    size_t len = strlen(start);
    return (size_t)(end - s) >= len && memcmp(s, start, len) == 0;
}

/* A line is a message, but for "none", and "more=", which is about all of them. */
static bool add_message(json_t *object, json_t *messages, const char *s, const char *end)
{
    if (begins(s, end, "more=")) {
        return add_line(object, s, end, false);
    }
    if (begins(s, end, "none")) {
        return true;
    }
    json_t *message = json_object();
    bool is_good = message != NULL && add_line(message, s, end, false);
    return json_array_append_new(messages, message) == 0 && is_good;
}

static bool dump(const json_t *value, FILE *out)
{
    json_dumpf(value, out, JSON_COMPACT);
    fputc('\n', out);
    return true;
}

static bool print_json(const struct buffer *words, enum answer_shape shape, FILE *out)
{
    const char *s = buffer_bytes(words), *end = s + words->len;
    json_t *object = json_object();
    json_t *messages = json_array();
    bool are_counters = shape == ANSWER_COUNTERS;
    bool is_good = object != NULL && messages != NULL;
    if (shape == ANSWER_MESSAGES) {
        is_good = is_good && json_object_set(object, "messages", messages) == 0;
    }
    while (is_good && s < end) {
        const char *stop = memchr(s, '\n', (size_t)(end - s));
        stop = stop == NULL ? end : stop;
        is_good = shape == ANSWER_MESSAGES ? add_message(object, messages, s, stop)
                                           : add_line(object, s, stop, are_counters);
        if (is_good && shape == ANSWER_EVENTS) {
            dump(object, out);
            json_object_clear(object);
        }
        s = stop + 1;
    }
    if (is_good && shape != ANSWER_EVENTS) {
        dump(object, out);
    }
    json_decref(messages);
    json_decref(object);
    return is_good;
}

bool answer_print(const struct buffer *words, enum answer_shape shape, bool is_json, FILE *out)
{
    if (words->has_failed) {
        return false;
    }
    if (is_json) {
        return print_json(words, shape, out);
    }
    fwrite(buffer_bytes(words), 1, words->len, out);
    return true;
}
