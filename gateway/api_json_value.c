/* api_json_value: see api_json_value.h. */
#include "gateway/api_json_value.h"

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
