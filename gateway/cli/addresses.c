/* addresses: address lists (RFC 5322, 3.4). See the header. Thread: any. Pure. */
#include "gateway/cli/addresses.h"

#include "proto/address.h"

#include <ctype.h>
#include <string.h>

/* Starts at the opening bracket and returns what is behind the closing one, or NULL where there is
 * none. */
static const char *skip_path(const char *s, const char *end)
{
    while (s != NULL && s < end && *s != '>') {
        s = *s == '"' ? address_skip_quoted(s, end) : s + 1;
    }
    return s != NULL && s < end ? s + 1 : NULL;
}

/* An element of the list, as far as it has been read. */
struct element {
    struct buffer words; /* a path, or else everything but comments */
    bool has_path;       /* it had <...>: the rest is just a name */
};

static void take(struct element *element, const char *s, const char *stop)
{
    if (!element->has_path) {
        buffer_append(&element->words, s, (size_t)(stop - s));
    }
}

static void take_path(struct element *element, const char *s, const char *stop)
{
    if (!element->has_path) {
        buffer_clear(&element->words);
        take(element, s, stop);
        element->has_path = true;
    }
}

static bool is_blank(const struct element *element)
{
    for (size_t i = 0; i < element->words.len; i++) {
        if (element->words.data[i] != ' ') {
            return false;
        }
    }
    return true;
}

static void take_comment(struct element *element, const char *s, const char *stop)
{
    bool is_digits = is_blank(element);
    for (const char *p = s + 1; p < stop - 1; p++) {
        is_digits = is_digits && (isdigit((unsigned char)*p) || *p == '+' || *p == ' ');
    }
    if (is_digits) {
        take(element, s, stop);
    }
}

static bool is_safe(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (iscntrl((unsigned char)s[i]) || s[i] == '<' || s[i] == '>') {
            return false;
        }
    }
    return true;
}

/* Ends the element: appends its address, if it has one, and clears it for the next. */
static bool end_element(struct element *element, struct buffer *list)
{
    const char *s = element->words.data;
    size_t len = element->words.len;
    while (len > 0 && s[len - 1] == ' ') {
        len--;
    }
    while (len > 0 && *s == ' ') {
        s++;
        len--;
    }
    bool is_good = is_safe(s, len) && !element->words.has_failed;
    if (is_good && len > 0) {
        buffer_append(list, s, len);
        buffer_putc(list, '\0');
    }
    buffer_clear(&element->words);
    element->has_path = false;
    return is_good;
}

bool addresses_parse(const char *s, size_t len, struct buffer *list)
{
    struct element element = {.words = BUFFER_EMPTY};
    const char *end = s + len;
    bool is_good = true;
    while (is_good && s < end) {
        const char *next = s + 1;
        if (*s == ',' || *s == ';') {
            is_good = end_element(&element, list);
        } else if (*s == ':' && !element.has_path) {
            buffer_clear(&element.words); /* the name of a group */
        } else if (*s == '"' && (next = address_skip_quoted(s, end)) != NULL) {
            take(&element, s, next);
        } else if (*s == '(' && (next = address_skip_comment(s, end)) != NULL) {
            take_comment(&element, s, next);
        } else if (*s == '<' && (next = skip_path(s, end)) != NULL) {
            take_path(&element, s + 1, next - 1);
        } else if (next != NULL && *s != '>') {
            take(&element, s, next);
        } else {
            is_good = false;
        }
        s = next;
    }
    is_good = is_good && end_element(&element, list);
    buffer_free(&element.words);
    return is_good;
}

const char *addresses_next(const struct buffer *list, const char *address)
{
    const char *next = address == NULL ? list->data : address + strlen(address) + 1;
    return list->len > 0 && next < list->data + list->len ? next : NULL;
}
