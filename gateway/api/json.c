/* json: see json.h. */
#include "gateway/api/json.h"

#include "gateway/api/list.h"
#include "gateway/api/load.h"
#include "gateway/api/match.h"
#include "gateway/api/plain.h"
#include "gateway/api/value.h"
#include "gateway/api/words.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An answer may have several errors for a message; one with far more entries is not ours. */
enum { MAX_ENTRIES_PER_MESSAGE = 4 };

/* --- answers -------------------------------------------------------------------------------- */

/* The API's id for a message, perhaps below what the entity is wrapped in. */
static const char *find_id(const json_t *entity, char digits[API_DIGITS_SIZE])
{
    enum { DEEPEST = 2 };
    const char *id = NULL;
    for (int depth = 0; depth <= DEEPEST && id == NULL; depth++) {
        const json_t *inner = json_object_get(entity, "entity");
        id = api_value_text(json_object_get(entity, "id"), digits);
        entity = inner != NULL ? inner : json_object_get(entity, "data");
    }
    return id;
}

static bool item_accept(struct api_item *item, const json_t *entity)
{
    char digits[API_DIGITS_SIZE];
    const char *id = find_id(entity, digits);
    if (id == NULL) {
        return false;
    }
    item->outcome = API_ITEM_ACCEPTED;
    item->answer = message_answer_new(id, NULL);
    return true;
}

/* A list of the answer to a bulk, which may be wrapped as a whole. */
static const json_t *find_list(const json_t *root, const char *name)
{
    const json_t *value = json_object_get(root, name);
    return api_list_of(value != NULL ? value
                                     : json_object_get(json_object_get(root, "data"), name));
}

/* The only entry of what is written as the answer to a bulk. */
static const json_t *find_alone(const json_t *root)
{
    const json_t *entities = find_list(root, "entities");
    struct api_list_entry at = {0};
    bool is_alone = api_list_size(entities) == 1 && api_list_size(find_list(root, "errors")) == 0;
    return is_alone && api_list_next(entities, &at) ? at.value : NULL;
}

bool api_json_read_single(const char *body, size_t len, struct api_item *item)
{
    *item = (struct api_item){API_ITEM_UNKNOWN, NULL};
    if (api_plain_read_single(body, len, item)) {
        return true;
    }
    json_t *root = api_load(body, len);
    bool is_read = item_accept(item, root) || item_accept(item, find_alone(root));
    json_decref(root);
    return is_read;
}

/* What the entries read so far say of a message. */
struct mention {
    bool is_accepted, is_refused, is_contradictory;
};

static void mention_entity(struct mention *mention, struct api_item *item,
                           const struct api_entry *entry)
{
    if (mention->is_accepted || mention->is_refused) {
        mention->is_contradictory = true;
        return;
    }
    mention->is_accepted = true;
    mention->is_contradictory = !item_accept(item, entry->value) && !item_accept(item, entry->echo);
}

/* An item may have an entry for each of its faults; the words of the first will do. */
static void mention_error(struct mention *mention, struct api_item *item,
                          const struct api_entry *entry)
{
    if (mention->is_accepted) {
        mention->is_contradictory = true;
        return;
    }
    mention->is_refused = true;
    struct api_words words;
    api_words_read(entry->value, entry->echo, entry->key, &words);
    if (words.is_already_used) {
        item->outcome = API_ITEM_ALREADY_USED;
    } else if (item->outcome == API_ITEM_UNKNOWN) {
        item->outcome = API_ITEM_REJECTED;
    }
    if (item->answer == NULL && words.len > 0) {
        item->answer = message_answer_new(NULL, words.reason);
    }
}

static void read_entries(const struct api_entry *entries, size_t entry_count,
                         struct mention *mentions, struct api_item *items, size_t count)
{
    for (size_t i = 0; i < entry_count; i++) {
        size_t message = entries[i].message;
        if (message != API_UNMATCHED) {
            (entries[i].is_error ? mention_error : mention_entity)(&mentions[message],
                                                                   &items[message], &entries[i]);
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (mentions[i].is_contradictory) {
            free(items[i].answer);
            items[i] = (struct api_item){API_ITEM_UNKNOWN, NULL};
        }
    }
}

static bool is_bulk_answer(const json_t *entities, const json_t *errors, size_t count)
{
    return (entities != NULL || errors != NULL) &&
           api_list_size(entities) + api_list_size(errors) <= MAX_ENTRIES_PER_MESSAGE * count;
}

bool api_json_read_bulk(const char *body, size_t len, struct message *const *messages, size_t count,
                        struct api_item *items)
{
    for (size_t i = 0; i < count; i++) {
        items[i] = (struct api_item){API_ITEM_UNKNOWN, NULL};
    }
    if (api_plain_read_bulk(body, len, messages, count, items)) {
        return true;
    }
    json_t *root = api_load(body, len);
    const json_t *entities = find_list(root, "entities");
    const json_t *errors = find_list(root, "errors");
    struct mention *mentions = calloc(count + 1, sizeof(*mentions));
    struct api_entry *entries = NULL;
    size_t entry_count = 0;

    if (mentions != NULL && is_bulk_answer(entities, errors, count)) {
        entries = api_match_entries(entities, errors, messages, count, &entry_count);
    }
    bool is_read = entries != NULL;
    if (is_read) {
        read_entries(entries, entry_count, mentions, items, count);
    }
    free(entries);
    free(mentions);
    json_decref(root);
    return is_read;
}

void api_json_fault(const char *body, size_t len, char fault[API_FAULT_SIZE])
{
    json_error_t error;
    json_t *root = json_loadb(body, len, 0, &error);
    if (len == 0) {
        snprintf(fault, API_FAULT_SIZE, "empty");
    } else if (root == NULL) {
        snprintf(fault, API_FAULT_SIZE, "no JSON from byte %d on", error.position);
    } else {
        snprintf(fault, API_FAULT_SIZE, "JSON with neither an id nor entities or errors");
    }
    json_decref(root);
}

void api_json_read_refusal(const char *body, size_t len, struct api_refusal *refusal)
{
    *refusal = (struct api_refusal){0};
    json_t *root = api_load(body, len);
    refusal->is_unread = root == NULL && errno == ENOMEM;
    if (json_is_object(root)) {
        struct api_words words;
        api_words_read(root, NULL, NULL, &words);
        refusal->is_json = true;
        refusal->names_field = words.names_field;
        refusal->is_already_used = words.is_already_used;
        refusal->reason = words.len > 0 ? strdup(words.reason) : NULL;
    }
    json_decref(root);
}

/* --- history -------------------------------------------------------------------------------- */

/* An empty object may be anything, so it does not say that the history is empty. */
static const json_t *find_page(const json_t *root)
{
    const json_t *page = api_list_of(root);
    page = page != NULL ? page : find_list(root, "entities");
    return json_is_array(page) || json_object_size(page) > 0 ? page : NULL;
}

static bool read_history_entry(const json_t *value, struct api_history_entry *entry)
{
    char digits[API_DIGITS_SIZE];
    if (!json_is_object(value)) {
        return false;
    }
    const char *id = api_value_text(json_object_get(value, "id"), digits);
    entry->id = strdup(id != NULL ? id : "");
    const char *client_id = api_value_text(api_value_client_id(value), digits);
    entry->client_id = client_id != NULL ? strdup(client_id) : NULL;
    api_value_report(value, &entry->report);
    return entry->id != NULL && (client_id == NULL || entry->client_id != NULL);
}

static bool read_page(const json_t *list, struct api_history *page)
{
    *page = (struct api_history){NULL, 0};
    page->entries = list != NULL ? calloc(api_list_size(list) + 1, sizeof(*page->entries)) : NULL;
    bool is_read = page->entries != NULL;
    struct api_list_entry at = {0};
    while (is_read && api_list_next(list, &at)) {
        /* Counted first, so that a half-read entry is freed, too. */
        is_read = read_history_entry(at.value, &page->entries[page->count++]);
    }
    if (!is_read) {
        api_history_free(page);
    }
    return is_read;
}

bool api_json_read_history(const char *body, size_t len, struct api_history *page)
{
    json_t *root = api_load(body, len);
    bool is_read = read_page(find_page(root), page);
    json_decref(root);
    return is_read;
}

/* The message in an answer that shows only one. */
static json_t *find_message(json_t *root)
{
    static const char *const names[] = {"entity", "data"};
    json_t *message = root;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && message == root; i++) {
        json_t *inner = json_object_get(root, names[i]);
        message = json_is_object(inner) ? inner : root;
    }
    return json_is_object(message) ? message : NULL;
}

bool api_json_read_message(const char *body, size_t len, struct api_history *page)
{
    json_t *root = api_load(body, len);
    json_t *alone = json_array();
    const json_t *list = find_page(root);
    if (list == NULL && json_array_append(alone, find_message(root)) == 0) {
        list = alone;
    }
    bool is_read = read_page(list, page);
    json_decref(alone);
    json_decref(root);
    return is_read;
}

void api_history_free(struct api_history *page)
{
    for (size_t i = 0; i < page->count; i++) {
        free(page->entries[i].id);
        free(page->entries[i].client_id);
    }
    free(page->entries);
    *page = (struct api_history){NULL, 0};
}
