/* value: see value.h. */
#include "gateway/api/value.h"

#include "proto/number.h"
#include "proto/ulid.h"

#include <stdio.h>
#include <string.h>

const char *api_value_text(const json_t *value, char digits[API_DIGITS_SIZE])
{
    if (json_is_integer(value) && json_integer_value(value) > 0) {
        snprintf(digits, API_DIGITS_SIZE, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return digits;
    }
    const char *s = json_string_value(value);
    return s != NULL && *s != '\0' && strlen(s) == json_string_length(value) ? s : NULL;
}

json_t *api_value_client_id(const json_t *object)
{
    json_t *value = json_object_get(object, "clientId");
    return value != NULL ? value : json_object_get(object, "client_id");
}

/* Copies at most `max` bytes, in whole characters, and a NUL. */
static void copy_cut(char *to, const char *text, size_t max)
{
    size_t len = strnlen(text, max + 1);
    if (len > max) {
        len = max;
        while (len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80) {
            len--;
        }
    }
    memcpy(to, text, len);
    to[len] = '\0';
}

/* As it is written: a number with up to 15 digits has only those. */
static void read_code(const json_t *value, char code[REPORT_CODE_MAX + 1])
{
    char number[REPORT_CODE_MAX + 1] = "";
    if (json_is_number(value)) {
        size_t len =
            json_dumpb(value, number, REPORT_CODE_MAX, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
        number[len <= REPORT_CODE_MAX ? len : 0] = '\0';
    }
    const char *text = json_is_string(value) ? json_string_value(value) : number;
    copy_cut(code, text[0] != '\0' ? text : "0", REPORT_CODE_MAX);
}

void api_value_report(const json_t *object, struct report *report)
{
    const char *status = json_string_value(json_object_get(object, "status"));
    status = status == NULL ? "" : status;
    const char *known = report_status_known(status);
    copy_cut(report->status, known != NULL ? known : status, REPORT_STATUS_MAX);
    read_code(json_object_get(object, "code"), report->code);
}

bool api_value_is_ulid(const json_t *value)
{
    struct ulid id;
    return json_is_string(value) &&
           ulid_parse(json_string_value(value), json_string_length(value), &id);
}

bool api_value_is_number(const json_t *value)
{
    char digits[API_DIGITS_SIZE];
    const char *s = api_value_text(value, digits);
    if (s == NULL) {
        return false;
    }
    s += *s == '+';
    size_t len = strspn(s, "0123456789");
    return len >= NUMBER_MIN_DIGITS && len <= NUMBER_MAX_DIGITS && s[len] == '\0';
}

bool api_value_is_item(const json_t *value)
{
    return json_is_object(value) && (api_value_is_number(json_object_get(value, "to")) ||
                                     api_value_is_ulid(api_value_client_id(value)));
}
