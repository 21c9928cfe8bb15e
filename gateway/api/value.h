/*
 * value: the questions that all readers of the API's JSON ask about a value. Thread: any. Pure.
 */
#ifndef GATEWAY_API_VALUE_H
#define GATEWAY_API_VALUE_H

#include "proto/report.h"

#include <jansson.h>
#include <stdbool.h>

enum { API_DIGITS_SIZE = 24 };

/*
 * A string that is not empty, or an integer above 0, written into `digits`. NULL for anything else,
 * also a string with a NUL in it. Valid as long as the value and `digits`.
 */
const char *api_value_text(const json_t *value, char digits[API_DIGITS_SIZE]);

/* The member `clientId` or `client_id`, or NULL. */
json_t *api_value_client_id(const json_t *object);

/*
 * Reads `status` and `code` of an object: "" and "0" where they are missing. A known status may be
 * in any case of letters, a code may be a number or a string. What is longer than REPORT_STATUS_MAX
 * or REPORT_CODE_MAX is cut, in whole characters. Leaves the time as it is.
 */
void api_value_report(const json_t *object, struct report *report);

/* Does it have the form of our clientIds? */
bool api_value_is_ulid(const json_t *value);

/* Is it a phone number, not words about one? */
bool api_value_is_number(const json_t *value);

/* Is it an object that repeats a message, with its number or its clientId? */
bool api_value_is_item(const json_t *value);

#endif
