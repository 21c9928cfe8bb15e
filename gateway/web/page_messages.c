/* page_messages: see page_messages.h. */
#include "gateway/web/page_messages.h"

#include "gateway/base/foreign.h"
#include "gateway/base/log.h"
#include "gateway/queue/ask.h"
#include "gateway/queue/events.h"
#include "gateway/web/page_answer.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* A message has about five events: queued, sending, relayed, and its reports. */
enum { EVENTS = 6 * PAGE_MESSAGES, LIFE_MAX = 100 };

/* --- events to messages ----------------------------------------------------------------------- */

/* The events of one message, in order. */
struct group {
    const struct queue_event *events;
    size_t count;
};

static int compare_numbers(uint64_t left, uint64_t right)
{
    return left < right ? -1 : left > right;
}

/* By message, then in order. */
static int compare_events(const void *a, const void *b)
{
    const struct queue_event *left = a, *right = b;
    int order = memcmp(&left->id, &right->id, sizeof left->id);
    return order != 0 ? order : compare_numbers(left->number, right->number);
}

/* The last submitted first; by the first event where two have the same millisecond. */
static int compare_groups(const void *a, const void *b)
{
    const struct queue_event *left = ((const struct group *)a)->events;
    const struct queue_event *right = ((const struct group *)b)->events;
    int order =
        compare_numbers((uint64_t)ulid_time_ms(&right->id), (uint64_t)ulid_time_ms(&left->id));
    return order != 0 ? order : compare_numbers(right->number, left->number);
}

/* Returns how many messages there are. */
static size_t group_events(struct queue_event *events, size_t count, struct group *groups)
{
    size_t found = 0;
    qsort(events, count, sizeof *events, compare_events);
    for (size_t i = 0; i < count; i++) {
        bool is_next = i == 0 || memcmp(&events[i - 1].id, &events[i].id, sizeof events[i].id) != 0;
        if (is_next) {
            groups[found++] = (struct group){.events = &events[i]};
        }
        groups[found - 1].count++;
    }
    qsort(groups, found, sizeof *groups, compare_groups);
    return found;
}

/* --- one message ------------------------------------------------------------------------------ */

static json_t *show_number(const char *number, bool shows_all)
{
    char masked[LOG_MASKED_SIZE];
    if (shows_all) {
        return json_string(number);
    }
    return json_stringn(masked, log_mask_number(number, strlen(number), masked));
}

/* The API's words may be anything, a number as well. */
static void show_report(json_t *object, struct report report, bool shows_all)
{
    if (!shows_all) {
        foreign_hide_numbers(report.status);
        foreign_hide_numbers(report.code);
    }
    json_object_set_new(object, "dlr", page_words(report.status));
    json_object_set_new(object, "code", page_words(report.code));
}

/* What the events of a message tell: enough once the queue has forgotten it. */
static void recall(const struct group *group, struct message_status *status, bool *has_answered)
{
    for (size_t i = 0; i < group->count; i++) {
        const struct queue_event *event = &group->events[i];
        status->id = event->id;
        status->state = event->state;
        memcpy(status->to, event->to, sizeof status->to);
        if (event->text != NULL) {
            *has_answered = true;
        } else if (event->report.status[0] != '\0') {
            status->report = event->report;
        }
    }
}

static void set_words(json_t *object, const char *key, const char *words)
{
    if (words != NULL && words[0] != '\0') {
        json_object_set_new(object, key, page_words(words));
    }
}

/* Adds what is known only while the queue has the message. */
static void show_details(json_t *object, const struct message_status *status, bool shows_all)
{
    json_object_set_new(object, "parts", json_integer((json_int_t)status->parts));
    json_object_set_new(object, "attempts", json_integer((json_int_t)status->attempts));
    json_object_set_new(object, "from", page_words(status->from));
    if (status->due_ms != 0 && !message_state_is_settled(status->state)) {
        json_object_set_new(object, "next", json_integer((json_int_t)status->due_ms));
    }
    if (shows_all) {
        set_words(object, "ref", status->ref);
        set_words(object, "api", message_answer_api_id(status->answer));
    }
}

/* A message of which there are events, or which the queue has, or both; NULL if there is neither. */
static json_t *show(struct queue *queue, const struct ulid *id, const struct group *group,
                    bool shows_all)
{
    struct message_status status = {.id = *id}, held;
    bool has_answered = false;
    char text[ULID_SIZE];
    recall(group, &status, &has_answered);
    char *answer = group->count == 0 ? NULL : group->events[group->count - 1].answer;
    bool is_held = queue_status(queue, id, OWNER_LOCAL, true, &held);
    if (is_held) {
        status = held;
        answer = held.answer;
    } else if (group->count == 0) {
        return NULL;
    }
    ulid_format(id, text);
    json_t *object =
        json_pack("{s:s, s:I, s:o, s:s}", "id", text, "at", (json_int_t)ulid_time_ms(id), "to",
                  show_number(status.to, shows_all), "state", message_state_name(status.state));
    if (status.report.status[0] != '\0') {
        show_report(object, status.report, shows_all);
    }
    if (has_answered) {
        json_object_set_new(object, "inbound", json_true());
    }
    set_words(object, "reason", shows_all ? message_answer_reason(answer) : "");
    if (is_held) {
        show_details(object, &held, shows_all);
        message_status_free(&held);
    }
    return object;
}

/* --- lists ------------------------------------------------------------------------------------ */

/* The messages of these events, which it takes, the last submitted first. NULL on allocation failure. */
static json_t *list(struct queue *queue, struct queue_event *events, size_t count, bool shows_all)
{
    struct group groups[EVENTS] = {{0}};
    json_t *messages = json_array();
    size_t found = group_events(events, count, groups);
    for (size_t i = 0; i < found && i < PAGE_MESSAGES; i++) {
        json_array_append_new(messages, show(queue, &groups[i].events->id, &groups[i], shows_all));
    }
    queue_events_free(events, count);
    return messages;
}

json_t *page_messages(struct queue *queue, bool shows_all)
{
    struct queue_event *events = calloc(EVENTS, sizeof *events);
    bool is_gone;
    if (events == NULL) {
        return NULL;
    }
    uint64_t last = queue_last_event(queue);
    size_t count =
        queue_events_since(queue, last < EVENTS ? 0 : last - EVENTS, events, EVENTS, &is_gone);
    return list(queue, events, count, shows_all);
}

/* --- search ----------------------------------------------------------------------------------- */

/* Digits of a number that is searched for, as they are typed: "+34 600 00", "0034600", "600-000". */
struct wanted {
    char digits[NUMBER_SIZE];
    bool is_international, shows_all;
};

/* Returns false if the words are no number. */
static bool read_number(const char *words, struct wanted *wanted)
{
    size_t len = 0;
    wanted->is_international = words[0] == '+' || strncmp(words, "00", 2) == 0;
    for (words += strncmp(words, "00", 2) == 0 ? 2 : 0; *words != '\0'; words++) {
        if (isdigit((unsigned char)*words) && len < sizeof wanted->digits - 1) {
            wanted->digits[len++] = *words;
        } else if (strchr("+ -./()", *words) == NULL) {
            return false;
        }
    }
    wanted->digits[len] = '\0';
    return len >= 2;
}

/*
 * Is it a recipient who is searched for? Where numbers are masked, only what the page shows of them
 * counts: it must not tell who got messages.
 */
static bool is_wanted(const void *arg, const struct ulid *id, const char *to)
{
    const struct wanted *wanted = arg;
    size_t len = strlen(wanted->digits), to_len = strlen(to);
    (void)id;
    if (wanted->shows_all) {
        const char *place = strstr(to, wanted->digits);
        return place != NULL && (!wanted->is_international || place == to + 1);
    }
    bool starts_alike = strncmp(to + 1, wanted->digits, 2) == 0;
    return to_len >= 2 && strcmp(to + to_len - 2, wanted->digits + len - 2) == 0 &&
           (!wanted->is_international || starts_alike);
}

static json_t *find_number(struct queue *queue, const struct wanted *wanted)
{
    struct queue_event *events = calloc(EVENTS, sizeof *events);
    if (events == NULL) {
        return NULL;
    }
    size_t count = queue_events_find(queue, is_wanted, wanted, events, EVENTS);
    return list(queue, events, count, wanted->shows_all);
}

/* Is it about this message? */
static bool is_of(const void *arg, const struct ulid *id, const char *to)
{
    (void)to;
    return memcmp(arg, id, sizeof *id) == 0;
}

/* The last events of a message, in order, as a new array; NULL on allocation failure. */
static struct queue_event *events_of(struct queue *queue, const struct ulid *id, size_t *count)
{
    struct queue_event *events = calloc(LIFE_MAX, sizeof *events);
    *count = events == NULL ? 0 : queue_events_find(queue, is_of, id, events, LIFE_MAX);
    qsort(events, *count, sizeof *events, compare_events);
    return events;
}

/* Adds a message to the list, if it is known. */
static void find_id(struct queue *queue, const struct ulid *id, bool shows_all, json_t *messages)
{
    struct group group;
    struct queue_event *events = events_of(queue, id, &group.count);
    group.events = events;
    json_t *message = show(queue, id, &group, shows_all);
    if (message != NULL) {
        json_array_append_new(messages, message);
    }
    queue_events_free(events, group.count);
}

json_t *page_messages_find(struct queue *queue, const char *words, bool shows_all)
{
    struct wanted wanted = {.shows_all = shows_all};
    size_t count;
    struct ulid id, *ids = queue_find_ref_of_any(queue, words, PAGE_MESSAGES, &count);
    json_t *messages = read_number(words, &wanted) ? find_number(queue, &wanted) : json_array();
    for (size_t i = 0; i < count && i < PAGE_MESSAGES; i++) {
        find_id(queue, &ids[i], shows_all, messages);
    }
    free(ids);
    if (ulid_parse(words, strlen(words), &id)) {
        find_id(queue, &id, shows_all, messages);
    }
    return messages;
}

/* --- a whole life ------------------------------------------------------------------------------ */

static json_t *show_event(const struct queue_event *event, bool shows_all)
{
    json_t *object = json_pack("{s:I}", "at", (json_int_t)event->at_ms);
    if (event->text != NULL) {
        json_object_set_new(object, "inbound", json_true());
    } else if (event->report.status[0] != '\0') {
        show_report(object, event->report, shows_all);
    } else {
        json_object_set_new(object, "state", json_string(message_state_name(event->state)));
    }
    return object;
}

json_t *page_message(struct queue *queue, const struct ulid *id, bool shows_all)
{
    struct group group;
    struct queue_event *events = events_of(queue, id, &group.count);
    group.events = events;
    json_t *message = show(queue, id, &group, shows_all), *life = json_array();
    for (size_t i = 0; i < group.count; i++) {
        json_array_append_new(life, show_event(&events[i], shows_all));
    }
    json_object_set_new(message, "life", life);
    queue_events_free(events, group.count);
    return message;
}
