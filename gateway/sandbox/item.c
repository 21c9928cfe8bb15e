/* item: see item.h. */
#include "gateway/sandbox/item.h"

#include <stdlib.h>
#include <string.h>

enum {
    MAX_SENDER_CHARACTERS = 11,
    MIN_SENDER_DIGITS = 3,
    MIN_DIGITS = 8,
    MAX_DIGITS = 15,
    MAX_CLIENT_ID_CHARACTERS = 40
};

const char *const sandbox_item_names[] = {"clientId", "from", "to", "text", NULL};

/* Jansson accepts only valid UTF-8: a character is a byte that does not continue another. */
static size_t count_characters(const char *utf8)
{
    size_t n = 0;

    for (; *utf8 != '\0'; utf8++) {
        n += (*utf8 & 0xc0) != 0x80;
    }
    return n;
}

static bool is_digits(const char *s, size_t min, size_t max)
{
    size_t len = strlen(s);

    return len >= min && len <= max && strspn(s, "0123456789") == len;
}

static const char *sender_fault(const char *from)
{
    size_t n = count_characters(from);

    if ((n >= 1 && n <= MAX_SENDER_CHARACTERS) ||
        is_digits(from + (*from == '+'), MIN_SENDER_DIGITS, MAX_DIGITS)) {
        return NULL;
    }
    return "is neither text of 1 to 11 characters nor a number";
}

static const char *recipient_fault(const char *to)
{
    if (*to == '+' && to[1] != '0' && is_digits(to + 1, MIN_DIGITS, MAX_DIGITS)) {
        return NULL;
    }
    return "is not a number in E.164 form";
}

static const char *text_fault(const char *text)
{
    return *text == '\0' ? "is empty" : NULL;
}

static const char *client_id_fault(const char *client_id)
{
    size_t n = count_characters(client_id);

    return n >= 1 && n <= MAX_CLIENT_ID_CHARACTERS ? NULL : "must have 1 to 40 characters";
}

/* In the order of sandbox_item_names. */
static const struct field {
    size_t offset;
    bool is_optional;
    const char *(*fault)(const char *value);
} fields[] = {
    {offsetof(struct sandbox_item, client_id), true, client_id_fault},
    {offsetof(struct sandbox_item, from), false, sender_fault},
    {offsetof(struct sandbox_item, to), false, recipient_fault},
    {offsetof(struct sandbox_item, text), false, text_fault},
};

static const char *field_of(const struct sandbox_item *item, size_t i)
{
    return *(const char *const *)((const char *)item + fields[i].offset);
}

json_t *sandbox_item_refuse(json_t *errors, const char *field, const char *sentence)
{
    if (errors == NULL) {
        errors = json_object();
    }
    json_object_set_new(errors, field, json_pack("[s]", sentence));
    return errors;
}

static json_t *read_field(const json_t *object, size_t i, struct sandbox_item *item, json_t *errors)
{
    const json_t *value = json_object_get(object, sandbox_item_names[i]);
    const char *text = json_string_value(value);
    const char *fault = NULL;

    *(const char **)((char *)item + fields[i].offset) = text;
    if (text != NULL) {
        fault = fields[i].fault(text);
    } else if (value != NULL && !json_is_null(value)) {
        fault = "is not a string";
    } else if (!fields[i].is_optional) {
        fault = "is missing";
    }
    return fault == NULL ? errors : sandbox_item_refuse(errors, sandbox_item_names[i], fault);
}

json_t *sandbox_item_read(const json_t *object, struct sandbox_item *item)
{
    const json_t *unicode = json_object_get(object, "allowUnicode");
    json_t *errors = NULL;

    for (size_t i = 0; sandbox_item_names[i] != NULL; i++) {
        errors = read_field(object, i, item, errors);
    }
    item->unicode = SANDBOX_UNICODE_ABSENT;
    if (json_is_boolean(unicode)) {
        item->unicode = json_is_true(unicode) ? SANDBOX_UNICODE_YES : SANDBOX_UNICODE_NO;
    } else if (unicode != NULL && !json_is_null(unicode)) {
        errors = sandbox_item_refuse(errors, "allowUnicode", "is not a boolean");
    }
    return errors;
}

/* The sentence of the error at an iterator. */
static const char *sentence_at(void *i)
{
    return json_string_value(json_array_get(json_object_iter_value(i), 0));
}

static json_t *errors_as_list(json_t *errors)
{
    json_t *list = json_array();

    for (void *i = json_object_iter(errors); i != NULL; i = json_object_iter_next(errors, i)) {
        json_array_append_new(list, json_pack("{s:s, s:s}", "field", json_object_iter_key(i),
                                              "message", sentence_at(i)));
    }
    return list;
}

char *sandbox_item_reason(json_t *errors)
{
    char *reason = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&reason, &size);

    if (out == NULL) {
        return NULL;
    }
    for (void *i = json_object_iter(errors); i != NULL; i = json_object_iter_next(errors, i)) {
        fprintf(out, "%s%s: %s", ftell(out) > 0 ? "; " : "", json_object_iter_key(i),
                sentence_at(i));
    }
    fclose(out);
    return reason;
}

json_t *sandbox_item_errors(json_t *errors, const struct sandbox_item_style *style)
{
    json_t *value = NULL;
    char *reason;

    switch ((enum sandbox_errors_as)style->errors_as) {
    case SANDBOX_AS_OBJECT:
        return json_deep_copy(errors);
    case SANDBOX_AS_LIST:
        return errors_as_list(errors);
    case SANDBOX_AS_STRING:
        reason = sandbox_item_reason(errors);
        value = json_string(reason == NULL ? "" : reason);
        free(reason);
        return value;
    }
    return value;
}

static void echo_fields(json_t *object, const struct sandbox_item *item, unsigned echo)
{
    for (size_t i = 0; sandbox_item_names[i] != NULL; i++) {
        if ((echo & 1u << i) != 0 && field_of(item, i) != NULL) {
            json_object_set_new_nocheck(object, sandbox_item_names[i],
                                        json_string_nocheck(field_of(item, i)));
        }
    }
}

json_t *sandbox_item_entity(const struct sandbox_item *item, const char *id,
                            const struct sandbox_item_style *style)
{
    json_t *entity = json_object();

    json_object_set_new(entity, "id", json_string(id));
    echo_fields(entity, item, style->echo);
    return entity;
}

json_t *sandbox_item_error_entry(const struct sandbox_item *item, size_t index, json_t *errors,
                                 const struct sandbox_item_style *style)
{
    json_t *entry = json_object();
    json_t *nested;

    switch ((enum sandbox_errors_by)style->errors_by) {
    case SANDBOX_BY_INDEX:
        json_object_set_new(entry, "index", json_integer((json_int_t)index));
        break;
    case SANDBOX_BY_CLIENT_ID:
        echo_fields(entry, item, 1u);
        break;
    case SANDBOX_BY_FIELDS:
        echo_fields(entry, item, style->echo);
        break;
    case SANDBOX_BY_NESTED:
        nested = json_object();
        echo_fields(nested, item, style->echo);
        json_object_set_new(entry, "item", nested);
        break;
    case SANDBOX_BY_NONE:
        break;
    }
    json_object_set_new(entry, "errors", sandbox_item_errors(errors, style));
    return entry;
}
