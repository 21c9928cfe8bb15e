/* page_messages: see page_messages.h. */
#include "gateway/page_messages.h"

#include "gateway/log.h"

#include <stdlib.h>
#include <string.h>

/* Some five changes make a message's life: queued, sending, relayed, and its reports. */
enum { CHANGES = 6 * PAGE_MESSAGES };

/* By message, the last submitted first; then in their order. */
static int compare(const void *a, const void *b)
{
    const struct queue_change *left = a, *right = b;
    int order = memcmp(&right->id, &left->id, sizeof left->id);
    return order != 0 ? order : left->event < right->event ? -1 : 1;
}

static json_t *show_number(const char *number, bool shows_all)
{
    char masked[LOG_MASKED_SIZE];
    if (shows_all) {
        return json_string(number);
    }
    return json_stringn(masked, log_mask_number(number, strlen(number), masked));
}

/* One message, of which these are the last changes. */
static json_t *show(const struct queue_change *changes, size_t count, bool shows_all)
{
    const struct queue_change *last = &changes[count - 1], *report = NULL;
    char id[ULID_SIZE];
    bool has_answered = false;
    for (size_t i = 0; i < count; i++) {
        report =
            changes[i].report.status[0] != '\0' && changes[i].text == NULL ? &changes[i] : report;
        has_answered = has_answered || changes[i].text != NULL;
    }
    ulid_format(&last->id, id);
    json_t *object =
        json_pack("{s:s, s:I, s:o, s:s}", "id", id, "at", (json_int_t)ulid_time_ms(&last->id), "to",
                  show_number(last->to, shows_all), "state", message_state_name(last->state));
    if (report != NULL) {
        json_object_set_new(object, "dlr", json_string(report->report.status));
        json_object_set_new(object, "code", json_integer(report->report.code));
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
    struct queue_change *changes = calloc(CHANGES, sizeof *changes);
    json_t *messages = json_array();
    if (changes == NULL || messages == NULL) {
        free(changes);
        json_decref(messages);
        return NULL;
    }
    bool is_gone;
    uint64_t last = queue_last_event(queue);
    size_t count =
        queue_changes_since(queue, last < CHANGES ? 0 : last - CHANGES, changes, CHANGES, &is_gone);
    qsort(changes, count, sizeof *changes, compare);
    for (size_t i = 0, n = 1; i < count && json_array_size(messages) < PAGE_MESSAGES;
         i += n, n = 1) {
        while (i + n < count &&
               memcmp(&changes[i].id, &changes[i + n].id, sizeof changes[i].id) == 0) {
            n++;
        }
        json_array_append_new(messages, show(&changes[i], n, shows_all));
    }
    queue_changes_drop(changes, count);
    free(changes);
    return messages;
}
