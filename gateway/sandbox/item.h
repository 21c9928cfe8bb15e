/*
 * item: one message as a request brings it, and how an answer speaks of it.
 *
 * Owns the rules that every item is checked by, and the variants in which `entities` and `errors`
 * may be written. Does not know what was accepted before. Thread: any. Pure.
 */
#ifndef GATEWAY_SANDBOX_ITEM_H
#define GATEWAY_SANDBOX_ITEM_H

#include "gateway/sandbox/settings.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* What entities can echo: "clientId", "from", "to", "text", ended by NULL. */
extern const char *const sandbox_item_names[];

enum { SANDBOX_ITEM_ALL = 0xf }; /* a bit for each of them */

enum sandbox_unicode { SANDBOX_UNICODE_ABSENT, SANDBOX_UNICODE_NO, SANDBOX_UNICODE_YES };

/* A message's fields. The strings belong to the JSON they were read from; NULL = absent. */
struct sandbox_item {
    const char *client_id, *from, *to, *text;
    enum sandbox_unicode unicode;
};

/*
 * Reads and checks one item, an object. Returns NULL when every field is right, else a new object
 * {"field":["what is wrong"], ..}. The fields that could be read are in `item` either way.
 */
json_t *sandbox_item_read(const json_t *object, struct sandbox_item *item);

/* Says in errors as above what is wrong with a field; starts them where `errors` is NULL. */
json_t *sandbox_item_refuse(json_t *errors, const char *field, const char *sentence);

/* The same errors in the form of `errors_as`, a new value. */
json_t *sandbox_item_errors(json_t *errors, enum sandbox_errors_as errors_as);

/* An entry of `entities`, a new object: the id and what `echo` names of the item. */
json_t *sandbox_item_entity(const struct sandbox_item *item, const char *id, unsigned echo);

/* An entry of `errors`, a new object: names the item as the settings say. */
json_t *sandbox_item_error_entry(const struct sandbox_item *item, size_t index, json_t *errors,
                                 const struct sandbox_settings *settings);

/* "to: is not a number in E.164 form; text: ..", a new string for the record, or NULL. */
char *sandbox_item_reason(json_t *errors);

#endif
