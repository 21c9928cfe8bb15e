/* words: see words.h. */
#include "gateway/api/words.h"

#include "gateway/api/list.h"
#include "gateway/api/value.h"
#include "proto/escape.h"

#include <ctype.h>
#include <string.h>

/* Errors are nested a few levels deep; anything deeper is not meant for people. */
enum { MAX_DEPTH = 8, MAX_COMPLAINTS = 100 };

/* Members that hold words, the most readable first. */
static const char *const holders[] = {
    "message", "messages", "msg",         "title",      "error",      "errors", "detail", "details",
    "reason",  "reasons",  "description", "violations", "validation", "fields", NULL,
};

/* Members that name the field that the words beside them are about. */
static const char *const name_members[] = {
    "field", "property", "propertyPath", "param", "parameter", "attribute", NULL};

static const char *const client_id_names[] = {"clientId", "client_id", "client id", "client-id",
                                              NULL};
static const char *const field_names[] = {"from",          "to", "text", "allowUnicode",
                                          "allow_unicode", NULL};

/* In a sentence, these mean the field; "to" and "from" need more, see is_name_of_field. */
static const char *const field_words[] = {"text",   "allowUnicode", "allow_unicode",
                                          "sender", "recipient",    NULL};
static const char *const field_prepositions[] = {"to", "from", NULL};

/* What follows "to" or "from" as the subject of a sentence. */
static const char *const verbs[] = {"is",      "must",  "has",       "should", "cannot",
                                    "exceeds", "field", "parameter", NULL};

static const char *const used_words[] = {"already",   "used",       "exists", "taken",
                                         "duplicate", "duplicated", "unique", NULL};

/* --- words ---------------------------------------------------------------------------------- */

static bool is_word_byte(char c)
{
    unsigned char byte = (unsigned char)c;
    return isalnum(byte) || byte == '_' || byte == '/' || byte >= 0x80;
}

/* Where `text` has `word` as a word of its own, in any case; NULL = nowhere. */
static const char *find_word(const char *text, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = text; (at = strcasestr(at, word)) != NULL; at++) {
        if ((at == text || !is_word_byte(at[-1])) && !is_word_byte(at[len])) {
            return at;
        }
    }
    return NULL;
}

static bool has_any_word(const char *text, const char *const *words)
{
    for (size_t i = 0; words[i] != NULL; i++) {
        if (find_word(text, words[i]) != NULL) {
            return true;
        }
    }
    return false;
}

static bool starts_with_any(const char *text, const char *const *words)
{
    for (size_t i = 0; words[i] != NULL; i++) {
        size_t len = strlen(words[i]);
        if (strncasecmp(text, words[i], len) == 0 && !is_word_byte(text[len])) {
            return true;
        }
    }
    return false;
}

/* 'to', [to], to:, to=, "to is ...", but not "failed to open", "a request from you". */
static bool is_name_of_field(const char *text, const char *at, size_t len)
{
    const char *end = at + len;
    if (*end == ':' || *end == '=' ||
        (at > text && strchr("'\"`[", at[-1]) != NULL && *end != '\0' &&
         strchr("'\"`]", *end) != NULL)) {
        return true;
    }
    return *end == ' ' && starts_with_any(end + 1, verbs);
}

static bool names_field_in_prose(const char *text)
{
    if (has_any_word(text, field_words)) {
        return true;
    }
    for (size_t i = 0; field_prepositions[i] != NULL; i++) {
        size_t len = strlen(field_prepositions[i]);
        for (const char *at = text; (at = find_word(at, field_prepositions[i])) != NULL;
             at += len) {
            if (is_name_of_field(text, at, len)) {
                return true;
            }
        }
    }
    return false;
}

/* --- the reason ----------------------------------------------------------------------------- */

static size_t character_len(const char *utf8)
{
    unsigned char lead = (unsigned char)*utf8;
    return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/* Jansson lets only valid UTF-8 in. */
static void reason_append(struct api_words *words, const char *utf8, size_t text_len)
{
    const char *end = utf8 + text_len;
    while (utf8 < end && !words->is_cut) {
        size_t taken = character_len(utf8);
        bool is_shown = escape_unsafe(utf8, (size_t)(end - utf8)) == 0;
        const char *shown = is_shown ? utf8 : " ";
        size_t len = is_shown ? taken : 1;
        words->is_cut = words->len + len > API_REASON_MAX;
        if (!words->is_cut) {
            memcpy(words->reason + words->len, shown, len);
            words->len += len;
        }
        utf8 += taken;
    }
}

/* One complaint; `field` is "" if it names none. */
static void words_add(struct api_words *words, const char *field, const char *text)
{
    bool is_about_client_id =
        has_any_word(field, client_id_names) || has_any_word(text, client_id_names);
    bool is_about_field =
        is_about_client_id || has_any_word(field, field_names) || names_field_in_prose(text);
    words->names_field = words->names_field || is_about_field;
    words->is_already_used =
        words->is_already_used || (is_about_client_id && has_any_word(text, used_words));
    if (words->len > 0) {
        reason_append(words, "; ", 2);
    }
    if (*field != '\0') {
        size_t len = strlen(field);
        bool is_bracketed = field[len - 1] == ']' && strchr(field, '[') == NULL; /* "[3][to]" */
        reason_append(words, field, len - is_bracketed);
        reason_append(words, ": ", 2);
    }
    reason_append(words, text, strlen(text));
}

/* --- shapes --------------------------------------------------------------------------------- */

/* Where the reader is: which field the words are about, and how much deeper it may go. */
struct place {
    const json_t *echo;
    const char *field;
    int depth;
};

static void read_value(const json_t *value, struct place place, struct api_words *words);

bool api_words_is_holder(const char *name)
{
    for (size_t i = 0; holders[i] != NULL; i++) {
        if (strcmp(name, holders[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool read_holders(const json_t *object, struct place place, struct api_words *words)
{
    bool has_any = false;
    for (size_t i = 0; holders[i] != NULL; i++) {
        const json_t *value = json_object_get(object, holders[i]);
        if (value != NULL) {
            unsigned before = words->complaints;
            read_value(value, place, words);
            has_any = has_any || words->complaints > before;
        }
    }
    return has_any;
}

/*
 * Members are named after fields. If the object repeats the message, its strings are the message's,
 * except that a clientId not of our form is words about it.
 */
static void read_members(const json_t *object, struct place place, bool is_echo,
                         struct api_words *words)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value)
    {
        bool is_complaint = value == api_value_client_id(object) && !api_value_is_ulid(value);
        if (json_is_string(value) && is_echo && !is_complaint) {
            continue;
        }
        if (value != place.echo) {
            struct place inner = {place.echo, api_path_field(name), place.depth};
            read_value(value, inner, words);
        }
    }
}

const char *api_words_field(const json_t *error)
{
    const char *name = NULL;
    for (size_t i = 0; name_members[i] != NULL && name == NULL; i++) {
        name = json_string_value(json_object_get(error, name_members[i]));
    }
    return name;
}

static void read_object(const json_t *object, struct place place, bool is_echo,
                        struct api_words *words)
{
    const char *field = api_words_field(object);
    if (field != NULL) {
        place.field = api_path_field(field);
    }
    if (!read_holders(object, place, words)) {
        read_members(object, place, is_echo || api_value_is_item(object), words);
    }
}

static void read_value(const json_t *value, struct place place, struct api_words *words)
{
    if (place.depth-- == 0 || words->complaints == MAX_COMPLAINTS) {
        return;
    }
    if (json_string_length(value) > 0) {
        words->complaints++;
        words_add(words, place.field, json_string_value(value));
    } else if (json_is_object(value)) {
        read_object(value, place, false, words);
    } else if (json_is_array(value)) {
        size_t i;
        json_t *element;
        json_array_foreach(value, i, element)
        {
            read_value(element, place, words);
        }
    }
}

void api_words_read(const json_t *error, const json_t *echo, const char *key,
                    struct api_words *words)
{
    bool is_path = key != NULL && api_path_index(key) != API_NO_INDEX;
    struct place place = {echo, is_path ? api_path_field(key) : "", MAX_DEPTH};
    memset(words, 0, sizeof(*words));
    if (json_is_object(error)) {
        /* There are other strings besides the words: index, status, type, path. */
        read_object(error, place, true, words);
    } else {
        read_value(error, place, words);
    }
    words->reason[words->len] = '\0';
}
