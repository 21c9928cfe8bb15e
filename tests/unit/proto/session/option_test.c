/* option: values, bounds, quoting. */
#include "proto/session/option.h"

#include <criterion/criterion.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

#define NOW_MS INT64_C(1776766500000) /* 2026-04-21T10:15:00Z */
#define DAY_MS (INT64_C(24) * 3600 * 1000)

static bool set(struct options *options, const char *name, const char *value, const char *code)
{
    struct buffer error = BUFFER_EMPTY;
    bool is_set = options_set(options, name, strlen(name), value, strlen(value), NOW_MS, &error);
    cr_assert_eq(is_set, error.len == 0, "%s=%s", name, value);
    if (!is_set) {
        cr_assert_eq(memcmp(error.data, code, strlen(code)), 0, "%s=%s: %.*s", name, value,
                     (int)error.len, error.data);
        cr_assert_eq(memcmp(error.data + error.len - 2, "\r\n", 2), 0);
    }
    buffer_free(&error);
    return is_set;
}

Test(option, durations)
{
    static const struct {
        const char *text;
        int64_t ms; /* 0 = refused */
    } rows[] = {
        {"1", 1000},
        {"90", 90000},
        {"90s", 90000},
        {"5m", 300000},
        {"2h", 7200000},
        {"1d", DAY_MS},
        {"5M", 300000},
        {"30d", 30 * DAY_MS},
        {"2592000", 30 * DAY_MS},
        {"", 0},
        {"0", 0},
        {"0s", 0},
        {"s", 0},
        {"-5", 0},
        {"+5", 0},
        {"5x", 0},
        {"5ms", 0},
        {"5 ", 0},
        {" 5", 0},
        {"1.5h", 0},
        {"31d", 0},
        {"2592001", 0},
        {"9223372036854775807", 0},
        {"18446744073709551617", 0},
        {"99999999999999999999999999999999999", 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct options options;
        options_init(&options, TEXT_UNICODE_AUTO);
        cr_assert_eq(set(&options, "TTL", rows[i].text, "501 5.5.4"), rows[i].ms != 0, "\"%s\"",
                     rows[i].text);
        cr_assert_eq(options.ttl_ms, rows[i].ms, "\"%s\"", rows[i].text);
    }
}

Test(option, times)
{
    static const struct {
        const char *text;
        int64_t ms; /* -1 = refused */
    } rows[] = {
        {"2026-04-21T10:15:00Z", NOW_MS},
        {"2026-04-21t10:15:00z", NOW_MS},
        {"2026-04-21T12:15:00+02:00", NOW_MS},
        {"2026-04-21T05:45:00-04:30", NOW_MS},
        {"2026-04-21T10:15:00.999Z", NOW_MS + 999},
        {"2026-04-21T10:15:00.05Z", NOW_MS + 50},
        {"2026-04-21T12:15:00.123456789+02:00", NOW_MS + 123},
        {"1970-01-01T00:00:00Z", 0},
        {"2024-02-29T00:00:00Z", 1709164800000},
        {"2026-02-29T00:00:00Z", -1},
        {"2026-04-31T00:00:00Z", -1},
        {"2026-13-01T00:00:00Z", -1},
        {"2026-00-01T00:00:00Z", -1},
        {"2026-04-00T00:00:00Z", -1},
        {"2026-04-21T24:00:00Z", -1},
        {"2026-04-21T10:60:00Z", -1},
        {"2026-04-21T10:15:00", -1},
        {"2026-04-21T10:15Z", -1},
        {"2026-04-21 10:15:00Z", -1},
        {"2026-04-21T10:15:00.Z", -1},
        {"2026-04-21T10:15:00+2:00", -1},
        {"2026-04-21T10:15:00+0200", -1},
        {"2026-04-21T10:15:00+24:00", -1},
        {"2026-04-21T10:15:00Zx", -1},
        {"2026-04-21", -1},
        {"", -1},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t ms = -1;
        bool is_good = option_parse_time(rows[i].text, strlen(rows[i].text), &ms);
        cr_assert_eq(is_good, rows[i].ms >= 0, "\"%s\"", rows[i].text);
        cr_assert_eq(ms, rows[i].ms, "\"%s\": %lld", rows[i].text, (long long)ms);
    }
}

Test(option, at_is_within_30_days)
{
    static const struct {
        const char *text;
        int64_t ahead_ms; /* -1 = refused */
    } rows[] = {
        {"+15m", 900000},
        {"+30d", 30 * DAY_MS},
        {"+30", 30000},
        {"2026-05-21T10:15:00Z", 30 * DAY_MS},
        {"2026-05-21T10:15:01Z", -1},
        {"+31d", -1},
        {"+0", -1},
        {"15m", -1},
        {"tomorrow", -1},
        {"+", -1},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct options options;
        options_init(&options, TEXT_UNICODE_AUTO);
        bool is_set = set(&options, "AT", rows[i].text, "501 5.5.4 ");
        cr_assert_eq(is_set, rows[i].ahead_ms >= 0, "%s", rows[i].text);
        if (is_set) {
            cr_assert_eq(options.at_ms - NOW_MS, rows[i].ahead_ms, "%s", rows[i].text);
        }
    }
    /* A time that has passed means now. */
    struct options options;
    options_init(&options, TEXT_UNICODE_AUTO);
    cr_assert(set(&options, "AT", "2026-04-21T10:14:59Z", ""));
    cr_assert_eq(options.at_ms, 0);
}

Test(option, values_that_are_refused)
{
    static const struct {
        const char *name, *value, *code; /* NULL = accepted */
    } rows[] = {
        {"REF", "order-17", NULL},
        {"ref", "with space", NULL},
        {"REF", "1234567890123456789012345678901234567890123456789012345678901234", NULL},
        {"REF", "12345678901234567890123456789012345678901234567890123456789012345", "501 5.5.4"},
        {"REF", "", "501 5.5.4"},
        {"REF", "caf\xc3\xa9", "501 5.5.4"},
        {"REF", "a\nb", "501 5.5.4"},
        {"REF", "01KPQRJF500000000000000000", "501 5.5.4"},
        {"REF", "01kpqrjf500000000000000000", "501 5.5.4"},
        {"TTL", "0", "501 5.5.4"},
        {"PRIORITY", "HIGH", NULL},
        {"PRIORITY", "urgent", "501 5.5.4"},
        {"PRIORITY", "", "501 5.5.4"},
        {"UNICODE", "Auto", NULL},
        {"UNICODE", "maybe", "501 5.5.4"},
        {"ACK", "queued", NULL},
        {"ACK", "relayed", NULL},
        {"ACK", "never", "501 5.5.4"},
        {"FROM", "Acme Shop", NULL},
        {"FROM", "+34600000000", NULL},
        {"FROM", "twelve chars", "553 5.1.7"},
        {"FROM", "", "553 5.1.7"},
        {"FROM", "caf\xc3\xa9", "553 5.1.7"},
        {"FOO", "x", "501 5.5.4"},
        {"RE", "x", "501 5.5.4"},
        {"REFS", "x", "501 5.5.4"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct options options;
        options_init(&options, TEXT_UNICODE_AUTO);
        bool is_set = set(&options, rows[i].name, rows[i].value, rows[i].code);
        cr_assert_eq(is_set, rows[i].code == NULL, "%s=%s", rows[i].name, rows[i].value);
    }
}

Test(option, none_is_given_twice)
{
    struct options options;
    options_init(&options, TEXT_UNICODE_YES);
    cr_assert_eq(options.unicode, TEXT_UNICODE_YES);
    cr_assert(set(&options, "TTL", "5", ""));
    cr_assert(set(&options, "REF", "x", ""));
    cr_assert_not(set(&options, "ttl", "5", "501 5.5.4 TTL was given twice"));
    cr_assert_eq(options.ttl_ms, 5000);
}

Test(option, cuts_key_and_value)
{
    static const struct {
        const char *text;
        const char *name;  /* NULL = no option in front */
        const char *value; /* NULL = malformed */
        const char *rest;
    } rows[] = {
        {"TTL=5m +34600000000 x", "TTL", "5m", "+34600000000 x"},
        {"TTL=5m", "TTL", "5m", ""},
        {"TTL=", "TTL", "", ""},
        {"TTL= x", "TTL", "", "x"},
        {"FROM=\"Acme Shop\"  x", "FROM", "Acme Shop", "x"},
        {"REF=\"\" x", "REF", "", "x"},
        {"REF=\"a\\\"b\\\\c\\nd\\x41\" x", "REF", "a\"b\\c\ndA", "x"},
        {"REF=a\"b x", "REF", "a\"b", "x"},
        {"REF=a=b x", "REF", "a=b", "x"},
        {"REF=\"open x", "REF", NULL, ""},
        {"REF=\"bad \\q\" x", "REF", NULL, "x"},
        {"REF=\"bad \\x4\" x", "REF", NULL, "x"},
        {"REF=\"open \\", "REF", NULL, ""},
        {"+34600000000 TTL=5m", NULL, NULL, "+34600000000 TTL=5m"},
        {"=x", NULL, NULL, "=x"},
        {"TTL", NULL, NULL, "TTL"},
        {"", NULL, NULL, ""},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char value[OPTION_VALUE_MAX];
        const char *s = rows[i].text;
        const char *name = NULL;
        size_t name_len = 0;
        size_t value_len = 0;
        bool is_option = option_next(&s, s + strlen(s), &name, &name_len, value, &value_len);
        cr_assert_eq(is_option, rows[i].name != NULL, "%s", rows[i].text);
        cr_assert_str_eq(s, rows[i].rest, "%s", rows[i].text);
        if (is_option) {
            cr_assert_eq(name_len, strlen(rows[i].name));
            cr_assert_eq(memcmp(name, rows[i].name, name_len), 0);
            cr_assert_eq(value_len, rows[i].value == NULL ? SIZE_MAX : strlen(rows[i].value), "%s",
                         rows[i].text);
            cr_assert(rows[i].value == NULL || memcmp(value, rows[i].value, value_len) == 0, "%s",
                      rows[i].text);
        }
    }
}

Test(option, a_value_has_a_limit)
{
    for (size_t len = OPTION_VALUE_MAX - 2; len < OPTION_VALUE_MAX + 2; len++) {
        char text[OPTION_VALUE_MAX + 10];
        char value[OPTION_VALUE_MAX];
        const char *s = text;
        const char *name;
        size_t name_len;
        size_t value_len;
        memcpy(text, "REF=", 4);
        memset(text + 4, 'x', len);
        cr_assert(option_next(&s, text + 4 + len, &name, &name_len, value, &value_len));
        cr_assert_eq(value_len, len < OPTION_VALUE_MAX ? len : SIZE_MAX);
    }
}
