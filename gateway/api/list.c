/* list: see list.h. */
#include "gateway/api/list.h"

#include "proto/ulid.h"

#include <stdlib.h>
#include <string.h>

/* --- keys ------------------------------------------------------------------------------------- */

/* No list is so long that its indexes have more digits. */
enum { MAX_DIGITS = 9 };

#define DIGITS     "0123456789"
#define LETTERS    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
#define SEPARATORS "./["

/* Reads a path. "to[3]" is about a part of `to`; "children[3].to" is about `to` of a child. */
static bool read_path(const char *path, size_t *index, const char **field)
{
    const char *at = path + strspn(path, LETTERS);
    bool has_name = at > path, is_bracketed = *at == '[';
    at += is_bracketed || (*at == '/' && !has_name);
    size_t digits = strspn(at, DIGITS);
    if (digits == 0 || digits > MAX_DIGITS) {
        return false;
    }
    *index = strtoul(at, NULL, 10);
    at += digits;
    if (is_bracketed && *at++ != ']') {
        return false;
    }
    *field = at + strspn(at, SEPARATORS);
    return (*at == '\0' && !has_name) || (*field > at && (is_bracketed || !has_name));
}

size_t api_path_index(const char *path)
{
    size_t index;
    const char *field;
    return read_path(path, &index, &field) ? index : API_NO_INDEX;
}

const char *api_path_field(const char *path)
{
    size_t index;
    const char *field;
    return read_path(path, &index, &field) ? field : path;
}

bool api_list_is_key(const char *key)
{
    struct ulid id;
    return api_path_index(key) != API_NO_INDEX || ulid_parse(key, strlen(key), &id);
}

/* --- lists ------------------------------------------------------------------------------------ */

static bool is_list(const json_t *value)
{
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)value, key, member)
    {
        if (api_list_is_key(key)) {
            return true;
        }
    }
    return json_is_array(value) || (json_is_object(value) && json_object_size(value) == 0);
}

const json_t *api_list_of(const json_t *value)
{
    if (is_list(value)) {
        return value;
    }
    const json_t *inner = json_object_get(value, "data");
    return is_list(inner) ? inner : NULL;
}

size_t api_list_size(const json_t *list)
{
    return json_array_size(list) + json_object_size(list);
}

bool api_list_next(const json_t *list, struct api_list_entry *entry)
{
    if (json_is_array(list)) {
        entry->value = json_array_get(list, entry->next++);
        return entry->value != NULL;
    }
    json_t *object = (json_t *)list;
    entry->iterator = entry->iterator == NULL ? json_object_iter(object)
                                              : json_object_iter_next(object, entry->iterator);
    entry->key = json_object_iter_key(entry->iterator);
    entry->value = json_object_iter_value(entry->iterator);
    return entry->value != NULL;
}
