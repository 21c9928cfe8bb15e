/* api_answer: see api_answer.h. */
#include "tests/support/api_answer.h"

#include "gateway/api/plain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- messages --------------------------------------------------------------------------------- */

static void name_client_id(size_t i, char client_id[ULID_SIZE])
{
    snprintf(client_id, ULID_SIZE, "01ARZ3NDEKTSV4RRFFQ69G5FA%zu", i);
}

static struct message *make_message(size_t i)
{
    char client_id[ULID_SIZE], to[NUMBER_SIZE];
    name_client_id(i, client_id);
    snprintf(to, sizeof to, "+3460000000%zu", i);
    struct message_content content = {
        .to = to, .from = "Acme", .ref = "", .text = "hello", .text_len = 5, .expires_ms = 1};
    struct message *message = NULL;
    if (ulid_parse(client_id, ULID_LENGTH, &content.id)) {
        message = message_new(&content);
    }
    if (message == NULL) {
        abort();
    }
    return message;
}

struct message *const *answer_messages(void)
{
    static struct message *messages[ANSWER_MESSAGES];
    for (size_t i = 0; messages[ANSWER_MESSAGES - 1] == NULL; i++) {
        messages[i] = make_message(i);
    }
    return messages;
}

/* --- entries ---------------------------------------------------------------------------------- */

/* What is being written. */
struct writer {
    const struct answer_plan *plan;
    struct buffer *out;
    enum answer_truth truth; /* which list */
};

static bool is_error_list(const struct writer *w)
{
    return w->truth == TRUTH_REFUSED;
}

static enum answer_list list_kind(const struct writer *w)
{
    enum answer_list kind = is_error_list(w) ? w->plan->errors_as : w->plan->entities_as;
    bool is_forced = w->plan->entities_as == LIST_PLACES || w->plan->errors_as == LIST_PLACES;
    if (is_forced && kind == LIST_PHP) {
        return LIST_INDEXES;
    }
    if (!is_error_list(w) && kind == LIST_PATHS) {
        kind = LIST_ARRAY;
    }
    return is_forced && kind == LIST_ARRAY ? LIST_PLACES : kind;
}

static void write_name(const struct writer *w, size_t i)
{
    char client_id[ULID_SIZE];
    name_client_id(i, client_id);
    switch (w->plan->name) {
    case NAME_CLIENT_ID:
        buffer_printf(w->out, ",\"clientId\":\"%s\"", client_id);
        break;
    case NAME_INDEX:
        buffer_printf(w->out, ",\"index\":%zu", i);
        break;
    case NAME_NUMBER:
        buffer_printf(w->out, ",\"to\":\"%s\"", message_to(answer_messages()[i]));
        break;
    case NAME_NESTED:
        buffer_printf(w->out, ",\"item\":{\"clientId\":\"%s\",\"text\":\"hello\"}", client_id);
        break;
    case NAME_PATH:
        if (is_error_list(w)) {
            buffer_printf(w->out, ",\"propertyPath\":\"[%zu].to\"", i);
        }
        break;
    case NAME_NONE:
    case NAMES:
        break;
    }
}

static void write_damage(const struct writer *w)
{
    static const char *const values[DAMAGES] = {
        [DAMAGE_NONE] = "\"fine\"",
        [DAMAGE_LATIN1] = "\"M\xfcller\"",
        [DAMAGE_CUT_CHARACTER] = "\"hell\xe2\x82\"",
        [DAMAGE_SURROGATE] = "\"\\ud83d, \\ude00\"",
        [DAMAGE_NUL] = "\"a\\u0000b\"",
        [DAMAGE_CONTROL] = "\"a\n\tb\"",
        [DAMAGE_ESCAPE] = "\"it\\'s\"",
        [DAMAGE_NAN] = "[NaN,-Infinity]",
        [DAMAGE_NUMBER] = "[184467440737095516160,1e999]",
    };
    buffer_printf(w->out, ",\"note\":%s", values[w->plan->damage]);
}

static void write_entry(const struct writer *w, size_t i)
{
    if (is_error_list(w) && list_kind(w) == LIST_PATHS) {
        buffer_printf(w->out, "\"bad %zu\"", i);
        return;
    }
    buffer_puts(w->out, w->plan->wrap == WRAP_ENTRIES ? "{\"data\":{" : "{");
    if (is_error_list(w)) {
        buffer_printf(w->out, "\"errors\":{\"to\":[\"bad %zu\"]}", i);
    } else {
        buffer_printf(w->out, "\"id\":\"id-%zu\"", i);
    }
    buffer_puts(w->out, w->plan->wrap == WRAP_ENTRIES ? "}" : "");
    write_name(w, i);
    write_damage(w);
    buffer_puts(w->out, "}");
}

/* --- lists ------------------------------------------------------------------------------------ */

/* The messages of the list in the order of their entries. Returns how many. */
static size_t list_messages(const struct writer *w, size_t places[ANSWER_MESSAGES])
{
    size_t count = 0;
    for (size_t k = 0; k < ANSWER_MESSAGES; k++) {
        size_t i = w->plan->is_reversed ? ANSWER_MESSAGES - 1 - k : k;
        if (w->plan->truth[i] == w->truth) {
            places[count++] = i;
        }
    }
    return count;
}

static void write_key(const struct writer *w, enum answer_list kind, size_t i, size_t place)
{
    char client_id[ULID_SIZE];
    name_client_id(i, client_id);
    switch (kind) {
    case LIST_PHP:
    case LIST_INDEXES:
        buffer_printf(w->out, "\"%zu\":", i);
        break;
    case LIST_PLACES:
        buffer_printf(w->out, "\"%zu\":", place);
        break;
    case LIST_CLIENT_IDS:
        buffer_printf(w->out, "\"%s\":", client_id);
        break;
    case LIST_PATHS:
        buffer_printf(w->out, "\"[%zu].to\":", i);
        break;
    case LIST_ARRAY:
    case LISTS:
        break;
    }
}

static const char *odd_entry(const struct writer *w)
{
    static const char *const values[ODDS] = {NULL, "null", "\"?\"", "{}", "[]"};
    return values[is_error_list(w) ? w->plan->odd_error : w->plan->odd_entity];
}

static void write_list(const struct writer *w)
{
    size_t places[ANSWER_MESSAGES], count = list_messages(w, places);
    enum answer_list kind = list_kind(w);
    bool is_dense = true;
    for (size_t k = 0; k < count; k++) {
        is_dense = is_dense && places[k] == k;
    }
    if (kind == LIST_PHP && is_dense) {
        kind = LIST_ARRAY;
    }
    buffer_putc(w->out, kind == LIST_ARRAY ? '[' : '{');
    for (size_t k = 0; k < count; k++) {
        buffer_puts(w->out, k > 0 ? ", " : "");
        write_key(w, kind, places[k], k);
        if (k == 0 && odd_entry(w) != NULL) {
            buffer_puts(w->out, odd_entry(w));
        } else {
            write_entry(w, places[k]);
        }
    }
    buffer_putc(w->out, kind == LIST_ARRAY ? ']' : '}');
}

static void write_lists(struct writer *w)
{
    static const struct {
        enum answer_truth truth;
        const char *name;
    } lists[] = {{TRUTH_ACCEPTED, "{\"entities\":"}, {TRUTH_REFUSED, ",\"errors\":"}};
    bool is_wrapped = w->plan->wrap == WRAP_LISTS;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        w->truth = lists[i].truth;
        buffer_puts(w->out, lists[i].name);
        buffer_puts(w->out, is_wrapped ? "{\"data\":" : "");
        write_list(w);
        buffer_puts(w->out, is_wrapped ? "}" : "");
    }
    buffer_putc(w->out, '}');
}

void answer_write(const struct answer_plan *plan, struct buffer *body)
{
#define NOTICE "<br />\n<b>Notice</b>: $a[0] {closure} in <b>a.php</b> on line <b>3</b><br />\n"
    static const struct {
        const char *before, *behind;
    } arounds[AROUNDS] = {
        [AROUND_NONE] = {"", ""},
        [AROUND_MARK] = {"\xef\xbb\xbf", ""},
        [AROUND_NOTICE] = {NOTICE, ""},
        [AROUND_WARNINGS] = {"\nWarning: Undefined array key \"to\" in a.php on line 3\n", NOTICE},
        [AROUND_SPACE] = {"\r\n\t ", "\n\n"},
    };
#undef NOTICE
    struct writer w = {.plan = plan, .out = body};
    buffer_puts(body, arounds[plan->around].before);
    buffer_puts(body, plan->wrap == WRAP_ALL ? "{\"data\":" : "");
    write_lists(&w);
    buffer_puts(body, plan->wrap == WRAP_ALL ? "}" : "");
    buffer_puts(body, arounds[plan->around].behind);
}

/* --- the truth -------------------------------------------------------------------------------- */

/* Does each entry of this list tell which message it is about? */
static bool is_named(const struct answer_plan *plan, enum answer_list kind)
{
    bool has_name = plan->name != NAME_NONE && plan->name != NAME_PATH;
    return has_name || kind == LIST_CLIENT_IDS;
}

/* Do keys or places tell it, since each message is mentioned? */
static bool is_complete(const struct answer_plan *plan)
{
    bool is_complete = true;
    for (size_t i = 0; i < ANSWER_MESSAGES; i++) {
        is_complete = is_complete && plan->truth[i] != TRUTH_UNMENTIONED;
    }
    bool has_keys = plan->entities_as == LIST_PHP || plan->entities_as == LIST_INDEXES;
    return is_complete && has_keys &&
           (plan->errors_as == LIST_PHP || plan->errors_as == LIST_INDEXES);
}

bool answer_is_certain(const struct answer_plan *plan)
{
    bool is_certain = is_named(plan, plan->entities_as) &&
                      (is_named(plan, plan->errors_as) || plan->errors_as == LIST_PATHS);
    return (is_certain || is_complete(plan)) && plan->odd_entity == ODD_NONE &&
           plan->odd_error == ODD_NONE;
}

const char *answer_fault(const struct answer_plan *plan, size_t i, const struct api_item *item)
{
    char id[16], words[16];
    snprintf(id, sizeof id, "id-%zu", i);
    snprintf(words, sizeof words, "bad %zu", i);
    const char *given = message_answer_api_id(item->answer);
    const char *reason = message_answer_reason(item->answer);
    bool is_anothers = reason != NULL && strstr(reason, "bad ") != NULL && !strstr(reason, words);
    switch (item->outcome) {
    case API_ITEM_ACCEPTED:
        return plan->truth[i] == TRUTH_ACCEPTED && strcmp(given, id) == 0
                   ? NULL
                   : "the acceptance of another item";
    case API_ITEM_REJECTED:
        return plan->truth[i] == TRUTH_REFUSED && !is_anothers ? NULL
                                                               : "the refusal of another item";
    case API_ITEM_ALREADY_USED:
        return "nobody said so";
    case API_ITEM_UNKNOWN:
        break;
    }
    return answer_is_certain(plan) && plan->truth[i] != TRUTH_UNMENTIONED ? "not matched" : NULL;
}

/* --- the quick reader ------------------------------------------------------------------------- */

/* json itself asks the quick reader first. A list among the members keeps it out, and says nothing. */
static bool read_slowly(const char *body, size_t len, struct message *const *messages, size_t count,
                        struct api_item *items)
{
    static const char member[] = "\"\":[],";
    struct buffer odd = BUFFER_EMPTY;
    const char *brace = memchr(body, '{', len);
    size_t head = brace == NULL ? 0 : (size_t)(brace + 1 - body);
    buffer_append(&odd, body, head);
    buffer_puts(&odd, member);
    buffer_append(&odd, body + head, len - head);
    bool is_read = count == 0 ? api_json_read_single(odd.data, odd.len, items)
                              : api_json_read_bulk(odd.data, odd.len, messages, count, items);
    buffer_free(&odd);
    return is_read;
}

static bool items_are_alike(const struct api_item *a, const struct api_item *b)
{
    return a->outcome == b->outcome && a->answer != NULL && b->answer != NULL &&
           strcmp(message_answer_api_id(a->answer), message_answer_api_id(b->answer)) == 0 &&
           strcmp(message_answer_reason(a->answer), message_answer_reason(b->answer)) == 0;
}

const char *answer_plain_fault(const char *body, size_t len, struct message *const *messages,
                               size_t count, bool *is_taken)
{
    size_t item_count = count == 0 ? 1 : count;
    struct api_item quick[item_count], slow[item_count];
    memset(quick, 0, sizeof quick);
    const char *fault = NULL;
    bool is_quick = count == 0 ? api_plain_read_single(body, len, quick)
                               : api_plain_read_bulk(body, len, messages, count, quick);
    if (is_taken != NULL) {
        *is_taken = is_quick;
    }
    if (is_quick && !read_slowly(body, len, messages, count, slow)) {
        fault = "json does not read it";
    }
    for (size_t i = 0; i < item_count; i++) {
        if (!is_quick && (quick[i].outcome != API_ITEM_UNKNOWN || quick[i].answer != NULL)) {
            fault = "left to json, but not as it was";
        } else if (is_quick && fault == NULL && !items_are_alike(&quick[i], &slow[i])) {
            fault = "json reads another item";
        }
    }
    for (size_t i = 0; i < item_count && is_quick; i++) {
        free(quick[i].answer);
        free(slow[i].answer);
    }
    return fault;
}
