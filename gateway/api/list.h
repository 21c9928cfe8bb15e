/*
 * list: the entries of a list, whether it comes as an array or as an object.
 *
 * PHP writes a list with gaps as an object keyed by index, and errors may be keyed by what they are
 * about: a clientId, or a path such as "[3].to". Leaves to match what a key is worth. Thread: any.
 * Pure.
 */
#ifndef GATEWAY_API_LIST_H
#define GATEWAY_API_LIST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define API_NO_INDEX SIZE_MAX

/*
 * The index at the start of a path: 3 in "3", "[3].to", "[3][to]", "/3/to", "children[3].data.to"
 * (but not in "to[3]"). API_NO_INDEX if there is none.
 */
size_t api_path_index(const char *path);
/* What follows the index, without separators: "to", "to]", "data.to"; all of a path without one. */
const char *api_path_field(const char *path);

/* Does this key tell which entry it belongs to, by an index, a path or one of our clientIds? */
bool api_list_is_key(const char *key);

/*
 * `value` itself or its member `data`, if that is a list: an array, an object with such a key, or an
 * empty object. NULL if neither is.
 */
const json_t *api_list_of(const json_t *value);

/* How many entries a list has. */
size_t api_list_size(const json_t *list);

/* An entry. All zero: before the first. */
struct api_list_entry {
    const json_t *value;
    const char *key; /* borrowed from the list; NULL in an array */
    size_t next;
    void *iterator;
};
/* Steps to the next entry. Returns false when there is none. NULL has none. */
bool api_list_next(const json_t *list, struct api_list_entry *entry);

#endif
