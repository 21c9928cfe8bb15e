/* form: see form.h. */
#include "gateway/api/form.h"

#include "proto/buffer.h"
#include "proto/text.h"

#include <ctype.h>
#include <string.h>

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = memchr(digits, tolower((unsigned char)c), sizeof digits - 1);
    return at != NULL ? (int)(at - digits) : -1;
}

/* Reads one byte at `*at`, which is "+", "%20" or itself. */
static char next_byte(const char **at, const char *end)
{
    const char *here = (*at)++;
    if (*here == '+') {
        return ' ';
    }
    int high = *here == '%' && end - here > 2 ? hex_digit(here[1]) : -1;
    int low = high >= 0 ? hex_digit(here[2]) : -1;
    if (low < 0) {
        return *here;
    }
    *at += 2;
    return (char)(high * 16 + low);
}

/* Decodes what stands between two separators, as UTF-8 without NULs, but with one at the end. */
static void decode(const char *at, const char *end, struct buffer *out)
{
    struct buffer bytes = BUFFER_EMPTY;
    while (at < end) {
        buffer_putc(&bytes, next_byte(&at, end));
    }
    for (size_t i = 0; i < bytes.len;) {
        bool is_nul = bytes.data[i] == '\0';
        i += text_repair_char(is_nul ? "\xff" : bytes.data + i, is_nul ? 1 : bytes.len - i, out);
    }
    buffer_putc(out, '\0');
    out->has_failed = out->has_failed || bytes.has_failed;
    buffer_free(&bytes);
}

/* The object `name` of `objects`, made if it is missing. NULL on allocation failure. */
static json_t *find_object(json_t *objects, const char *name)
{
    if (json_object_get(objects, name) == NULL) {
        json_object_set_new(objects, name, json_object());
    }
    return json_object_get(objects, name);
}

/* Adds a member, to the object that its name's brackets belong to. */
static void add(json_t *root, json_t *objects, char *name, const char *value)
{
    char *bracket = strrchr(name, '[');
    if (bracket == NULL) {
        json_object_set_new(root, name, json_string(value));
        return;
    }
    size_t len = strcspn(bracket + 1, "]");
    if (len > 0 && strcmp(bracket + 1 + len, "]") == 0) {
        *bracket = bracket[1 + len] = '\0';
        json_object_set_new(find_object(objects, name), bracket + 1, json_string(value));
    }
}

static bool read_pair(const char *at, const char *end, json_t *root, json_t *objects)
{
    const char *sign = memchr(at, '=', (size_t)(end - at));
    if (sign == NULL) {
        return true;
    }
    struct buffer name = BUFFER_EMPTY, value = BUFFER_EMPTY;
    decode(at, sign, &name);
    decode(sign + 1, end, &value);
    bool is_decoded = !name.has_failed && !value.has_failed;
    if (is_decoded) {
        add(root, objects, name.data, value.data);
    }
    buffer_free(&name);
    buffer_free(&value);
    return is_decoded;
}

/* The values of an object, as an array. */
static json_t *values_of(json_t *objects)
{
    json_t *array = json_array();
    const char *name;
    json_t *value;
    json_object_foreach(objects, name, value)
    {
        json_array_append(array, value);
    }
    return array;
}

json_t *api_form_load(const char *body, size_t len)
{
    const char *end = body + len;
    json_t *root = json_object(), *objects = json_object();
    bool is_read = root != NULL && objects != NULL && memchr(body, '=', len) != NULL;
    for (const char *at = body; is_read && at < end;) {
        const char *sign = memchr(at, '&', (size_t)(end - at));
        sign = sign != NULL ? sign : end;
        is_read = read_pair(at, sign, root, objects);
        at = sign + 1;
    }
    if (is_read && json_object_size(objects) > 0) {
        is_read = json_object_set_new(root, "entities", values_of(objects)) == 0;
    }
    json_decref(objects);
    if (!is_read) {
        json_decref(root);
        return NULL;
    }
    return root;
}
