/*
 * match: which message each entry of a bulk's answer is about.
 *
 * The documentation does not say how an entry names its message, so there are four ways: by
 * clientId, by index (a member, or the key or path that it stands under), by echoed fields (number,
 * sender, text), or by order. Each is used only if it leaves no other reading; a message without an
 * entry is left to the history. Does not care what an entry says, except whether it is in `entities`
 * or in `errors`. Thread: any. Pure.
 */
#ifndef GATEWAY_API_MATCH_H
#define GATEWAY_API_MATCH_H

#include "gateway/api/list.h"
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

    const char *key; /* that it stands under, or NULL */

    /* For the matching only. */
    size_t index;                 /* API_NO_INDEX = it has none */
    bool is_keyed;                /* its index is its key */
    const char *to, *from, *text; /* as echoed, or NULL */
    bool is_foreign;              /* has a clientId that is not one of the request's */
    bool is_examined;             /* its echoed fields have been compared */
    char to_digits[API_DIGITS_SIZE], from_digits[API_DIGITS_SIZE];
};

/*
 * Makes entries of both lists (NULL = none), those of `entities` first, and matches them. Several
 * entries may be about one message. Returns a malloc'ed array, NULL on allocation failure; the
 * entries borrow from the JSON.
 */
struct api_entry *api_match_entries(const json_t *entities, const json_t *errors,
                                    struct message *const *messages, size_t count,
                                    size_t *entry_count);

#endif
