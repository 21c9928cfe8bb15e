/*
 * changes: see changes.h. Owns the array of changes. Under the queue's mutex.
 */
#include "gateway/queue/feed.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CHANGES = 64 };

void queue_events_drop(struct queue_event *changes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(changes[i].answer);
        free(changes[i].text);
    }
}

void queue_events_free(struct queue_event *changes, size_t count)
{
    queue_events_drop(changes, count);
    free(changes);
}

void queue_events_clear(struct queue_events *changes)
{
    queue_events_free(changes->array, changes->count);
    changes->array = NULL;
    changes->count = changes->size = 0;
}

static bool reserve_one(struct queue_events *changes)
{
    if (changes->count < changes->size) {
        return true;
    }
    size_t size = changes->size == 0 ? FIRST_CHANGES : changes->size * 2;
    struct queue_event *array = realloc(changes->array, size * sizeof(*array));
    if (array == NULL) {
        return false;
    }
    changes->array = array;
    changes->size = size;
    return true;
}

void queue_events_note_report(struct queue_events *changes, const struct queue_report *report)
{
    struct queue_event change = {
        .id = report->id,
        .owner = report->owner,
        .state = report->state,
        .report = report->report,
        .text = (char *)report->text, /* for the past to copy */
    };
    memcpy(change.to, report->to, sizeof change.to);
    memcpy(change.from, report->from, sizeof change.from);
    memcpy(change.ref, report->ref, sizeof change.ref);
    change.event = ++changes->event;
    if (changes->past != NULL) {
        queue_recent_add(changes->past, &change);
    }
    if (reserve_one(changes)) {
        change.answer = message_answer_new(report->api_id, NULL);
        change.text = report->text == NULL ? NULL : strdup(report->text);
        changes->array[changes->count++] = change;
    }
}

/* Most changes are told to nobody: only for those that are there is a copy. */
static void copy(struct queue_events *changes, const struct message *m)
{
    struct queue_event *change = &changes->array[changes->count++];
    *change = (struct queue_event){
        .event = changes->event,
        .id = m->id,
        .owner = m->owner,
        .state = (enum message_state)m->state,
        .answer = message_answer_copy(m->answer),
    };
    memcpy(change->to, message_to(m), m->to_len + 1U);
    memcpy(change->from, message_from(m), m->from_len + 1U);
    memcpy(change->ref, message_ref(m), m->ref_len + 1U);
}

void queue_events_note(struct queue_events *changes, const struct message *m)
{
    changes->event++;
    if (changes->past != NULL) {
        queue_recent_note(changes->past, changes->event, m);
    }
    bool is_told =
        m->is_watched || changes->is_all_watched ||
        (changes->tells_settled && message_state_is_settled((enum message_state)m->state));
    if (is_told && reserve_one(changes)) {
        copy(changes, m);
    }
}
