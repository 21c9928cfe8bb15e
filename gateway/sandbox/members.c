/* members: see members.h. */
#include "gateway/sandbox/members.h"

#include <stdlib.h>
#include <string.h>

static const struct sandbox_member *find(const struct sandbox_member *table, const char *name)
{
    for (; table->name != NULL; table++) {
        if (strcmp(table->name, name) == 0) {
            return table;
        }
    }
    return NULL;
}

/* The index of a name among the choices, or -1. */
static int choice_of(const struct sandbox_member *member, const json_t *value)
{
    const char *name = json_string_value(value);

    for (int i = 0; name != NULL && member->names[i] != NULL; i++) {
        if (strcmp(member->names[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

static bool is_within(const struct sandbox_member *member, const json_t *value)
{
    return json_is_integer(value) && json_integer_value(value) >= member->min &&
           json_integer_value(value) <= member->max;
}

static bool are_choices(const struct sandbox_member *member, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (choice_of(member, json_array_get(list, i)) < 0) {
            return false;
        }
    }
    return json_is_array(list);
}

static bool is_acceptable(const struct sandbox_member *member, const json_t *value)
{
    switch (member->kind) {
    case SANDBOX_FLAG:
        return json_is_boolean(value);
    case SANDBOX_INTEGER:
        return is_within(member, value);
    case SANDBOX_INTEGER_OR_NULL:
        return json_is_null(value) || is_within(member, value);
    case SANDBOX_CHOICE:
        return choice_of(member, value) >= 0;
    case SANDBOX_CHOICES:
        return are_choices(member, value);
    case SANDBOX_TEXT:
        return json_is_string(value);
    case SANDBOX_TEXT_OR_NULL:
    case SANDBOX_SECRET_OR_NULL:
        return json_is_null(value) || json_is_string(value);
    case SANDBOX_OBJECT:
        return json_is_object(value);
    case SANDBOX_ANY:
        return true;
    }
    return false;
}

json_t *sandbox_members_check(const struct sandbox_member *table, json_t *object)
{
    json_t *unknown = json_array();
    json_t *problem = NULL;

    if (!json_is_object(object)) {
        problem = json_pack("{s:s}", "message", "expected an object");
    }
    for (void *i = json_object_iter(object); i != NULL; i = json_object_iter_next(object, i)) {
        const char *name = json_object_iter_key(i);
        const struct sandbox_member *member = find(table, name);

        if (member == NULL) {
            json_array_append_new(unknown, json_string(name));
        } else if (problem == NULL && !is_acceptable(member, json_object_iter_value(i))) {
            problem = json_pack("{s:s+}", "message", name, ": invalid value");
        }
    }
    if (problem == NULL && json_array_size(unknown) > 0) {
        problem = json_pack("{s:s}", "message", "unknown members");
    }
    if (problem != NULL) {
        json_object_set(problem, "unknown", unknown);
    }
    json_decref(unknown);
    return problem;
}

static bool replace_text(char **text, const json_t *value)
{
    char *copy = NULL;

    if (json_is_string(value)) {
        copy = strdup(json_string_value(value));
        if (copy == NULL) {
            return false;
        }
    }
    free(*text);
    *text = copy;
    return true;
}

static bool read_member(const struct sandbox_member *member, json_t *value, void *field)
{
    switch (member->kind) {
    case SANDBOX_FLAG:
        *(bool *)field = json_is_true(value);
        return true;
    case SANDBOX_INTEGER:
    case SANDBOX_INTEGER_OR_NULL:
        *(int64_t *)field = json_is_null(value) ? -1 : json_integer_value(value);
        return true;
    case SANDBOX_CHOICE:
        *(int *)field = choice_of(member, value);
        return true;
    case SANDBOX_CHOICES:
        *(unsigned *)field = 0;
        for (size_t i = 0; i < json_array_size(value); i++) {
            *(unsigned *)field |= 1u << choice_of(member, json_array_get(value, i));
        }
        return true;
    case SANDBOX_TEXT:
    case SANDBOX_TEXT_OR_NULL:
    case SANDBOX_SECRET_OR_NULL:
        return replace_text(field, value);
    case SANDBOX_OBJECT:
    case SANDBOX_ANY:
        json_decref(*(json_t **)field);
        *(json_t **)field = json_incref(value);
        return true;
    }
    return false;
}

bool sandbox_members_read(const struct sandbox_member *table, const json_t *object, void *target)
{
    for (; table->name != NULL; table++) {
        json_t *value = json_object_get(object, table->name);

        if (value != NULL && !read_member(table, value, (char *)target + table->offset)) {
            return false;
        }
    }
    return true;
}

static json_t *show_choices(const struct sandbox_member *member, unsigned bits)
{
    json_t *list = json_array();

    for (int i = 0; member->names[i] != NULL; i++) {
        if ((bits & 1u << i) != 0) {
            json_array_append_new(list, json_string(member->names[i]));
        }
    }
    return list;
}

static json_t *show_member(const struct sandbox_member *member, const void *field)
{
    switch (member->kind) {
    case SANDBOX_FLAG:
        return json_boolean(*(const bool *)field);
    case SANDBOX_INTEGER:
        return json_integer(*(const int64_t *)field);
    case SANDBOX_INTEGER_OR_NULL:
        return *(const int64_t *)field < 0 ? json_null() : json_integer(*(const int64_t *)field);
    case SANDBOX_CHOICE:
        return json_string(member->names[*(const int *)field]);
    case SANDBOX_CHOICES:
        return show_choices(member, *(const unsigned *)field);
    case SANDBOX_TEXT:
    case SANDBOX_TEXT_OR_NULL:
        return *(char *const *)field == NULL ? json_null() : json_string(*(char *const *)field);
    case SANDBOX_SECRET_OR_NULL:
        return NULL;
    case SANDBOX_OBJECT:
    case SANDBOX_ANY:
        return json_incref(*(json_t *const *)field);
    }
    return NULL;
}

json_t *sandbox_members_show(const struct sandbox_member *table, const void *target)
{
    json_t *object = json_object();

    for (; table->name != NULL; table++) {
        json_t *value = show_member(table, (const char *)target + table->offset);

        if (value != NULL) {
            json_object_set_new(object, table->name, value);
        }
    }
    return object;
}

void sandbox_members_free(const struct sandbox_member *table, void *target)
{
    for (; table->name != NULL; table++) {
        void *field = (char *)target + table->offset;

        if (table->kind == SANDBOX_TEXT || table->kind == SANDBOX_TEXT_OR_NULL ||
            table->kind == SANDBOX_SECRET_OR_NULL) {
            free(*(char **)field);
            *(char **)field = NULL;
        } else if (table->kind == SANDBOX_OBJECT || table->kind == SANDBOX_ANY) {
            json_decref(*(json_t **)field);
            *(json_t **)field = NULL;
        }
    }
}
