/* match: see match.h. */
#include "gateway/api/match.h"

#include "gateway/api/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct matching {
    struct message *const *messages;
    size_t count;
    struct api_entry *entries;
    size_t entry_count;
    bool *is_claimed;   /* by message */
    size_t *candidates; /* room for all messages, in order */
    size_t candidate_count;
};

/* --- an entry -------------------------------------------------------------------------------- */

/* A phone number under "to" is an echo; words there are not. */
static bool has_echo(const json_t *object)
{
    return api_value_is_item(object) || json_is_string(json_object_get(object, "text")) ||
           json_is_string(json_object_get(object, "from"));
}

/* The echo may be under any key. Under one that holds words it must be unmistakable. */
static const json_t *find_echo(const json_t *entry)
{
    if (has_echo(entry)) {
        return entry;
    }
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)entry, name, value)
    {
        if (api_value_is_item(value) || (!api_words_is_holder(name) && has_echo(value))) {
            return value;
        }
    }
    return NULL;
}

/* A text that was damaged on the way is no echo. */
static const char *undamaged(const char *text)
{
    return text != NULL && strstr(text, "\xef\xbf\xbd") == NULL ? text : NULL;
}

/* The index that an entry names itself: as a member, or in the path of the field at fault. */
static size_t find_index(const json_t *value)
{
    const json_t *index = json_object_get(value, "index");
    const char *path = api_words_field(value);
    if (json_is_integer(index) && json_integer_value(index) >= 0) {
        return (size_t)json_integer_value(index);
    }
    if (json_is_string(index)) {
        return api_path_index(json_string_value(index));
    }
    bool is_path = path != NULL && api_path_field(path)[0] != '\0';
    return is_path ? api_path_index(path) : API_NO_INDEX;
}

static void entry_init(struct api_entry *entry, const struct api_list_entry *at, bool is_error)
{
    entry->value = at->value;
    entry->key = at->key;
    entry->is_error = is_error;
    entry->message = API_UNMATCHED;
    entry->index = find_index(at->value);
    entry->is_keyed = entry->index == API_NO_INDEX && at->key != NULL;
    if (entry->is_keyed) {
        entry->index = api_path_index(at->key);
    }
    entry->echo = find_echo(at->value);
    const json_t *to = json_object_get(entry->echo, "to");
    entry->to = api_value_is_number(to) ? api_value_text(to, entry->to_digits) : NULL;
    const json_t *from = json_object_get(entry->echo, "from");
    entry->from = undamaged(api_value_text(from, entry->from_digits));
    entry->text = undamaged(json_string_value(json_object_get(entry->echo, "text")));
}

/* In an error, words about the clientId may be under the same name as the clientId itself. */
static const char *entry_client_id(const struct api_entry *entry)
{
    const json_t *outer = api_value_client_id(entry->value);
    const json_t *inner = api_value_client_id(entry->echo);
    const json_t *id = !api_value_is_ulid(outer) && api_value_is_ulid(inner) ? inner : outer;
    bool is_key = id == NULL && entry->key != NULL && api_path_index(entry->key) == API_NO_INDEX &&
                  api_list_is_key(entry->key);
    return is_key ? entry->key : json_string_value(id);
}

/* The API may leave the "+" out. */
static bool entry_has_number_of(const struct api_entry *entry, const struct message *message)
{
    const char *number = message_to(message);
    return strcmp(entry->to + (*entry->to == '+'), number + (*number == '+')) == 0;
}

static bool entry_refutes(const struct api_entry *entry, const struct message *message)
{
    return entry->to != NULL && !entry_has_number_of(entry, message);
}

static bool entry_fits(const struct api_entry *entry, const struct message *message)
{
    if (entry->to == NULL && entry->from == NULL && entry->text == NULL) {
        return false;
    }
    return !entry_refutes(entry, message) &&
           (entry->from == NULL || strcmp(entry->from, message_from(message)) == 0) &&
           (entry->text == NULL || strcmp(entry->text, message_text(message)) == 0);
}

static bool is_left(const struct api_entry *entry)
{
    return entry->message == API_UNMATCHED && !entry->is_foreign;
}

/* --- by clientId ------------------------------------------------------------------------------ */

static void claim(struct matching *m, struct api_entry *entry, size_t message)
{
    entry->message = message;
    m->is_claimed[message] = true;
}

/* Continues where the last search ended, since the API mostly keeps our order. */
static size_t find_id(const struct matching *m, const struct ulid *id, size_t from)
{
    for (size_t i = 0; i < m->count; i++) {
        size_t at = (from + i) % m->count;
        if (memcmp(&m->messages[at]->id, id, sizeof(*id)) == 0) {
            return at;
        }
    }
    return API_UNMATCHED;
}

static void match_client_ids(struct matching *m)
{
    size_t next = 0;
    for (size_t i = 0; i < m->entry_count; i++) {
        struct api_entry *entry = &m->entries[i];
        const char *client_id = entry_client_id(entry);
        struct ulid id;
        if (client_id == NULL || client_id[0] == '\0') {
            continue;
        }
        if (!ulid_parse(client_id, strlen(client_id), &id)) {
            entry->is_foreign = !entry->is_error; /* in an error these are words about it */
            continue;
        }
        size_t message = find_id(m, &id, next);
        entry->is_foreign = message == API_UNMATCHED;
        if (!entry->is_foreign) {
            claim(m, entry, message);
            next = message + 1;
        }
    }
}

/* --- by index --------------------------------------------------------------------------------- */

/* How many entries a list has if its keys are "0", "1", "2", ..., else 0. */
static size_t count_dense(const json_t *list)
{
    struct api_list_entry at = {0};
    size_t count = 0;
    while (api_list_next(list, &at)) {
        char position[API_DIGITS_SIZE];
        snprintf(position, sizeof position, "%zu", count++);
        if (at.key == NULL || strcmp(at.key, position) != 0) {
            return 0;
        }
    }
    return count;
}

/* Are the keys of `list` the indexes of all messages from `index` on? */
static bool has_rest(const json_t *list, size_t index, size_t count)
{
    struct api_list_entry at = {0};
    size_t first = index;
    while (json_is_object(list) && api_list_next(list, &at)) {
        size_t of_key = api_path_index(at.key);
        bool is_again = index > first && of_key + 1 == index; /* a message has several faults */
        if (of_key != index && !is_again) {
            return false;
        }
        index = of_key + 1;
    }
    return index == count;
}

/*
 * Keys "0", "1", "2" may be the indexes of messages or places in the list. They are indexes if the
 * other list is an array, which shows that the API writes lists without gaps so, or has the
 * others.
 */
static bool keys_are_places(const json_t *list, const json_t *other, size_t count)
{
    size_t dense = count_dense(list);
    return dense > 0 && dense < count && !json_is_array(other) && !has_rest(other, dense, count);
}

/* If one index cannot be right, the API does not count as we think, and none of its kind is. */
static bool indexes_are_credible(const struct matching *m, bool is_keyed)
{
    for (size_t i = 0; i < m->entry_count; i++) {
        const struct api_entry *entry = &m->entries[i];
        size_t index = entry->index;
        if (index == API_NO_INDEX || entry->is_keyed != is_keyed) {
            continue;
        }
        if (index >= m->count || entry_refutes(entry, m->messages[index]) ||
            (entry->message != API_UNMATCHED && entry->message != index)) {
            return false;
        }
    }
    return true;
}

static void match_indexes(struct matching *m, bool is_keyed)
{
    if (!indexes_are_credible(m, is_keyed)) {
        return;
    }
    for (size_t i = 0; i < m->entry_count; i++) {
        struct api_entry *entry = &m->entries[i];
        if (is_left(entry) && entry->index != API_NO_INDEX && entry->is_keyed == is_keyed) {
            claim(m, entry, entry->index);
        }
    }
}

/* --- by echoed fields ------------------------------------------------------------------------- */

static void find_candidates(struct matching *m, const struct api_entry *entry)
{
    m->candidate_count = 0;
    for (size_t i = 0; i < m->count; i++) {
        if (!m->is_claimed[i] && entry_fits(entry, m->messages[i])) {
            m->candidates[m->candidate_count++] = i;
        }
    }
}

/* How many of the candidates an entry fits. */
static size_t count_fits(const struct matching *m, const struct api_entry *entry)
{
    size_t fits = 0;
    for (size_t i = 0; i < m->candidate_count; i++) {
        fits += entry_fits(entry, m->messages[m->candidates[i]]);
    }
    return fits;
}

static size_t count_all_fits(const struct matching *m, const struct api_entry *entry)
{
    size_t fits = 0;
    for (size_t i = 0; i < m->count; i++) {
        fits += !m->is_claimed[i] && entry_fits(entry, m->messages[i]);
    }
    return fits;
}

static bool candidates_are_alike(const struct matching *m)
{
    const struct message *first = m->messages[m->candidates[0]];
    for (size_t i = 1; i < m->candidate_count; i++) {
        const struct message *other = m->messages[m->candidates[i]];
        if (strcmp(message_to(first), message_to(other)) != 0 ||
            strcmp(message_from(first), message_from(other)) != 0 ||
            first->text_len != other->text_len ||
            memcmp(message_text(first), message_text(other), first->text_len) != 0) {
            return false;
        }
    }
    return true;
}

/*
 * Matches `first`, and with it all entries about the same messages. This is certain when there are
 * as many entries as messages, each entry fits all of these and no others, and, if some are
 * accepted and some not, the messages differ in nothing but their clientId.
 */
static void match_alike(struct matching *m, struct api_entry *first)
{
    find_candidates(m, first);
    size_t rivals = 0;
    bool is_certain = true, is_one_kind = true;
    for (struct api_entry *entry = m->entries; entry < m->entries + m->entry_count; entry++) {
        size_t fits = is_left(entry) ? count_fits(m, entry) : 0;
        if (fits > 0) {
            rivals++;
            is_certain = is_certain && !entry->is_examined && fits == m->candidate_count &&
                         count_all_fits(m, entry) == fits;
            is_one_kind = is_one_kind && entry->is_error == first->is_error;
            entry->is_examined = true;
        }
    }
    if (rivals != m->candidate_count || !is_certain || (!is_one_kind && !candidates_are_alike(m))) {
        return;
    }
    size_t next = 0;
    for (struct api_entry *entry = m->entries; next < rivals; entry++) {
        if (is_left(entry) && entry_fits(entry, m->messages[m->candidates[next]])) {
            claim(m, entry, m->candidates[next++]);
        }
    }
}

static void match_fields(struct matching *m)
{
    for (size_t i = 0; i < m->entry_count; i++) {
        if (is_left(&m->entries[i]) && !m->entries[i].is_examined) {
            match_alike(m, &m->entries[i]);
        }
    }
}

/* --- by order --------------------------------------------------------------------------------- */

/* The next entry from `i` on that is not matched; entry_count if there is none. */
static size_t next_entry(const struct matching *m, size_t i)
{
    while (i < m->entry_count && m->entries[i].message != API_UNMATCHED) {
        i++;
    }
    return i;
}

/* The next message from `i` on that no entry has claimed; count if there is none. */
static size_t next_message(const struct matching *m, size_t i)
{
    while (i < m->count && m->is_claimed[i]) {
        i++;
    }
    return i;
}

/*
 * What is left on both sides belongs together in order, if there are as many entries as messages,
 * all in one list (how the two lists interleave is not known), and no echoed number is wrong.
 */
static bool order_is_certain(const struct matching *m)
{
    size_t entry = next_entry(m, 0), message = next_message(m, 0);
    bool is_error = entry < m->entry_count && m->entries[entry].is_error;
    while (entry < m->entry_count && message < m->count) {
        const struct api_entry *e = &m->entries[entry];
        if (e->is_foreign || e->is_error != is_error || entry_refutes(e, m->messages[message])) {
            return false;
        }
        entry = next_entry(m, entry + 1);
        message = next_message(m, message + 1);
    }
    return entry == m->entry_count && message == m->count;
}

static void match_order(struct matching *m)
{
    if (!order_is_certain(m)) {
        return;
    }
    size_t message = next_message(m, 0);
    for (size_t entry = next_entry(m, 0); entry < m->entry_count; entry = next_entry(m, entry)) {
        claim(m, &m->entries[entry], message);
        message = next_message(m, message);
    }
}

/* --- all of them ------------------------------------------------------------------------------ */

static void entries_init(struct api_entry *entry, const json_t *list, bool is_error,
                         bool has_places)
{
    struct api_list_entry at = {0};
    for (; api_list_next(list, &at); entry++) {
        entry_init(entry, &at, is_error);
        if (has_places && entry->is_keyed) {
            entry->index = API_NO_INDEX;
        }
    }
}

struct api_entry *api_match_entries(const json_t *entities, const json_t *errors,
                                    struct message *const *messages, size_t count,
                                    size_t *entry_count)
{
    size_t accepted = api_list_size(entities);
    struct matching m = {.messages = messages, .count = count};
    m.entry_count = accepted + api_list_size(errors);
    m.entries =
        calloc(m.entry_count + 1, sizeof(*m.entries)); /* + 1, so that no entries are not NULL */
    m.is_claimed = calloc(count + 1, sizeof(*m.is_claimed));
    m.candidates = calloc(count + 1, sizeof(*m.candidates));
    if (m.entries != NULL && m.is_claimed != NULL && m.candidates != NULL) {
        entries_init(m.entries, entities, false, keys_are_places(entities, errors, count));
        entries_init(m.entries + accepted, errors, true, keys_are_places(errors, entities, count));
        match_client_ids(&m);
        match_indexes(&m, false);
        match_indexes(&m, true);
        match_fields(&m);
        match_order(&m);
        *entry_count = m.entry_count;
    } else {
        free(m.entries);
        m.entries = NULL;
    }
    free(m.candidates);
    free(m.is_claimed);
    return m.entries;
}
