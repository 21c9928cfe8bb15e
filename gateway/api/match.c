/* match: see match.h. */
#include "gateway/api/match.h"

#include "gateway/api/words.h"

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

static void entry_init(struct api_entry *entry, const json_t *value, bool is_error)
{
    entry->value = value;
    entry->is_error = is_error;
    entry->message = API_UNMATCHED;
    entry->echo = find_echo(value);
    const json_t *to = json_object_get(entry->echo, "to");
    entry->to = api_value_is_number(to) ? api_value_text(to, entry->to_digits) : NULL;
    entry->from = api_value_text(json_object_get(entry->echo, "from"), entry->from_digits);
    const json_t *text = json_object_get(entry->echo, "text");
    entry->text = json_is_string(text) ? text : NULL;
}

/* In an error, words about the clientId may be under the same name as the clientId itself. */
static const json_t *entry_client_id(const struct api_entry *entry)
{
    const json_t *outer = api_value_client_id(entry->value);
    const json_t *inner = api_value_client_id(entry->echo);
    return !api_value_is_ulid(outer) && api_value_is_ulid(inner) ? inner : outer;
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
           (entry->text == NULL || (json_string_length(entry->text) == message->text_len &&
                                    memcmp(json_string_value(entry->text), message_text(message),
                                           message->text_len) == 0));
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
        const json_t *client_id = entry_client_id(entry);
        struct ulid id;
        if (json_string_length(client_id) == 0) {
            continue;
        }
        if (!ulid_parse(json_string_value(client_id), json_string_length(client_id), &id)) {
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

/* Returns API_UNMATCHED without an index, and SIZE_MAX - 1 for one that is no place in a list. */
static size_t entry_index(const struct api_entry *entry)
{
    enum { LONGEST = 9 };
    const json_t *value = json_object_get(entry->value, "index");
    if (json_is_integer(value)) {
        json_int_t index = json_integer_value(value);
        return index >= 0 ? (size_t)index : SIZE_MAX - 1;
    }
    const char *digits = json_string_value(value);
    size_t len = json_string_length(value);
    if (len == 0) {
        return API_UNMATCHED;
    }
    bool is_index = len <= LONGEST && strspn(digits, "0123456789") == len;
    return is_index ? strtoul(digits, NULL, 10) : SIZE_MAX - 1;
}

/* If one index cannot be right, the API does not count as we think, and none is. */
static bool indexes_are_credible(const struct matching *m)
{
    for (size_t i = 0; i < m->entry_count; i++) {
        const struct api_entry *entry = &m->entries[i];
        size_t index = entry_index(entry);
        if (index == API_UNMATCHED) {
            continue;
        }
        if (index >= m->count || entry_refutes(entry, m->messages[index]) ||
            (entry->message != API_UNMATCHED && entry->message != index)) {
            return false;
        }
    }
    return true;
}

static void match_indexes(struct matching *m)
{
    if (!indexes_are_credible(m)) {
        return;
    }
    for (size_t i = 0; i < m->entry_count; i++) {
        struct api_entry *entry = &m->entries[i];
        size_t index = entry_index(entry);
        if (entry->message == API_UNMATCHED && !entry->is_foreign && index != API_UNMATCHED) {
            claim(m, entry, index);
        }
    }
}

/* --- by echoed fields ------------------------------------------------------------------------- */

static bool is_left(const struct api_entry *entry)
{
    return entry->message == API_UNMATCHED && !entry->is_foreign;
}

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

static void entries_init(struct api_entry *entries, const json_t *list, bool is_error)
{
    size_t i;
    json_t *value;
    json_array_foreach(list, i, value)
    {
        entry_init(&entries[i], value, is_error);
    }
}

struct api_entry *api_match_entries(const json_t *entities, const json_t *errors,
                                    struct message *const *messages, size_t count,
                                    size_t *entry_count)
{
    size_t accepted = json_array_size(entities);
    struct matching m = {.messages = messages, .count = count};
    m.entry_count = accepted + json_array_size(errors);
    m.entries =
        calloc(m.entry_count + 1, sizeof(*m.entries)); /* + 1, so that no entries are not NULL */
    m.is_claimed = calloc(count + 1, sizeof(*m.is_claimed));
    m.candidates = calloc(count + 1, sizeof(*m.candidates));
    if (m.entries != NULL && m.is_claimed != NULL && m.candidates != NULL) {
        entries_init(m.entries, entities, false);
        entries_init(m.entries + accepted, errors, true);
        match_client_ids(&m);
        match_indexes(&m);
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
