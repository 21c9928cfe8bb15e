/*
 * match: which message an entry of a bulk's answer is about.
 *
 * Owns the rules of certainty: by clientId, then index, then echoed fields, then order, each only
 * while there is no other way to read it. Does not care what an entry says of its message, but for
 * whether it is in `entities` or in `errors`. Thread: any. Pure.
 */
#ifndef GATEWAY_API_MATCH_H
#define GATEWAY_API_MATCH_H

#include "gateway/api/value.h"
#include "proto/message.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define API_UNMATCHED SIZE_MAX

struct api_entry {
    const json_t *value;
    const json_t *echo; /* the part that repeats the message: `value`, a member of it, or NULL */
    bool is_error;
    size_t message; /* its index, or API_UNMATCHED */

    /* Of use to the matching only. */
    const char *to, *from; /* as echoed, or NULL */
    const json_t *text;
    bool is_foreign;  /* carries a clientId that is none of ours */
    bool is_examined; /* its echoed fields have been compared */
    char to_digits[API_DIGITS_SIZE], from_digits[API_DIGITS_SIZE];
};

/*
 * Makes entries of both arrays (NULL = none), those of `entities` first, and matches them. Several
 * entries may be about one message. Returns a malloc'ed array, NULL without memory; the entries
 * borrow from the JSON.
 */
struct api_entry *api_match_entries(const json_t *entities, const json_t *errors,
                                    struct message *const *messages, size_t count,
                                    size_t *entry_count);

#endif
