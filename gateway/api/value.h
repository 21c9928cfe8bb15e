/*
 * value: the few questions that all readers of the API's JSON ask about one value.
 *
 * Thread: any. Pure.
 */
#ifndef GATEWAY_API_VALUE_H
#define GATEWAY_API_VALUE_H

#include "proto/report.h"

#include <jansson.h>
#include <stdbool.h>

enum { API_DIGITS_SIZE = 24 };

/*
 * A string that is not empty, or an integer above 0 written into `digits`. NULL for all else, and
 * for a string with a NUL within. Lives as long as the value and `digits`.
 */
const char *api_value_text(const json_t *value, char digits[API_DIGITS_SIZE]);

/* The member `clientId` or `client_id`, or NULL. */
json_t *api_value_client_id(const json_t *object);

/*
 * Reads `status` and `code` of an object: "" and 0 where they are missing. A status that is longer than
 * any that we could tell of is cut, in whole characters. The time is left as it is.
 */
void api_value_report(const json_t *object, struct report *report);

/* Tells whether it has the form of our clientIds. */
bool api_value_is_ulid(const json_t *value);

/* Tells whether it is a phone number, not words about one. */
bool api_value_is_number(const json_t *value);

/* Tells whether it is an object that repeats a message: with its number, or its clientId. */
bool api_value_is_item(const json_t *value);

#endif
