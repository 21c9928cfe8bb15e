/*
 * item: one message of a request, and its entry in the answer.
 *
 * Owns the rules that every item is checked against, and the variants in which `entities` and
 * `errors` may be written. Does not know what was accepted before. Thread: any. Pure.
 */
#ifndef GATEWAY_SANDBOX_ITEM_H
#define GATEWAY_SANDBOX_ITEM_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* What entities can echo: "clientId", "from", "to", "text", NULL. */
extern const char *const sandbox_item_names[];

enum { SANDBOX_ITEM_ALL = 0xf }; /* a bit for each of them */

/* In the order of their names in settings.c; the first is the default. */
enum sandbox_errors_by {
    SANDBOX_BY_INDEX,
    SANDBOX_BY_CLIENT_ID,
    SANDBOX_BY_FIELDS,
    SANDBOX_BY_NESTED,
    SANDBOX_BY_NONE
};
enum sandbox_errors_as { SANDBOX_AS_OBJECT, SANDBOX_AS_LIST, SANDBOX_AS_STRING };

/* How an answer writes items. */
struct sandbox_item_style {
    int errors_by, errors_as; /* the enums above */
    unsigned echo;            /* a bit for each of sandbox_item_names */
};

enum sandbox_unicode { SANDBOX_UNICODE_ABSENT, SANDBOX_UNICODE_NO, SANDBOX_UNICODE_YES };

/* A message's fields. The strings belong to the JSON they were read from; NULL = absent. */
struct sandbox_item {
    const char *client_id, *from, *to, *text;
    enum sandbox_unicode unicode;
};

/*
 * Reads and checks one item, an object. Returns NULL if every field is valid, else a new object
 * {"field":["what is wrong"], ..}. Sets the fields of `item` that it could read either way.
 */
json_t *sandbox_item_read(const json_t *object, struct sandbox_item *item);

/* Adds what is wrong with a field to such errors; makes them if `errors` is NULL. */
json_t *sandbox_item_refuse(json_t *errors, const char *field, const char *sentence);

/* The same errors as `style` writes them, a new value. */
json_t *sandbox_item_errors(json_t *errors, const struct sandbox_item_style *style);

/* An entry of `entities`, a new object: the id and what `style` echoes of the item. */
json_t *sandbox_item_entity(const struct sandbox_item *item, const char *id,
                            const struct sandbox_item_style *style);

/* An entry of `errors`, a new object: names the item as `style` does. */
json_t *sandbox_item_error_entry(const struct sandbox_item *item, size_t index, json_t *errors,
                                 const struct sandbox_item_style *style);

/* "to: is not a number in E.164 form; text: ..", a new string for the record, or NULL. */
char *sandbox_item_reason(json_t *errors);

#endif
