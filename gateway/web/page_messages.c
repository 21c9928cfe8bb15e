/* page_messages: see page_messages.h. */
#include "gateway/web/page_messages.h"

#include "gateway/base/log.h"
#include "gateway/queue/events.h"

#include <stdlib.h>
#include <string.h>

/* A message has about five events: queued, sending, relayed, and its reports. */
enum { EVENTS = 6 * PAGE_MESSAGES };

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

static json_t *show_number(const char *number, bool shows_all)
{
    char masked[LOG_MASKED_SIZE];
    if (shows_all) {
        return json_string(number);
    }
    return json_stringn(masked, log_mask_number(number, strlen(number), masked));
}

static json_t *show(const struct group *group, bool shows_all)
{
    const struct queue_event *last = &group->events[group->count - 1], *report = NULL;
    char id[ULID_SIZE];
    bool has_answered = false;
    for (size_t i = 0; i < group->count; i++) {
        const struct queue_event *event = &group->events[i];
        bool is_report = event->report.status[0] != '\0' && event->text == NULL;
        report = is_report ? event : report;
        has_answered = has_answered || event->text != NULL;
    }
    ulid_format(&last->id, id);
    json_t *object =
        json_pack("{s:s, s:I, s:o, s:s}", "id", id, "at", (json_int_t)ulid_time_ms(&last->id), "to",
                  show_number(last->to, shows_all), "state", message_state_name(last->state));
    if (report != NULL) {
        json_object_set_new(object, "dlr", json_string(report->report.status));
        json_object_set_new(object, "code", json_string(report->report.code));
    }
    if (has_answered) {
        json_object_set_new(object, "inbound", json_true());
    }
    const char *reason = message_answer_reason(last->answer);
    if (shows_all && reason != NULL && reason[0] != '\0') {
        json_object_set_new(object, "reason", json_string(reason));
    }
    return object;
}

json_t *page_messages(struct queue *queue, bool shows_all)
{
    struct queue_event *events = calloc(EVENTS, sizeof *events);
    json_t *messages = json_array();
    if (events == NULL || messages == NULL) {
        free(events);
        json_decref(messages);
        return NULL;
    }
    struct group groups[EVENTS] = {{0}};
    bool is_gone;
    uint64_t last = queue_last_event(queue);
    size_t count =
        queue_events_since(queue, last < EVENTS ? 0 : last - EVENTS, events, EVENTS, &is_gone);
    size_t found = group_events(events, count, groups);
    for (size_t i = 0; i < found && i < PAGE_MESSAGES; i++) {
        json_array_append_new(messages, show(&groups[i], shows_all));
    }
    queue_events_drop(events, count);
    free(events);
    return messages;
}
