/* value: see value.h. */
#include "gateway/api/value.h"

#include "proto/number.h"
#include "proto/ulid.h"

#include <stdio.h>
#include <stdlib.h>
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

/* A number may come as a string; one that does not fit is no code. */
static int32_t read_code(const json_t *value)
{
    long long code = json_is_string(value) ? strtoll(json_string_value(value), NULL, 10)
                                           : json_integer_value(value);
    return code >= INT32_MIN && code <= INT32_MAX ? (int32_t)code : 0;
}

void api_value_report(const json_t *object, struct report *report)
{
    const char *status = json_string_value(json_object_get(object, "status"));
    size_t len = status == NULL ? 0 : strnlen(status, REPORT_STATUS_MAX);
    while (len > 0 && ((unsigned char)status[len] & 0xC0) == 0x80) {
        len--;
    }
    memcpy(report->status, status == NULL ? "" : status, len);
    report->status[len] = '\0';
    report->code = read_code(json_object_get(object, "code"));
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
