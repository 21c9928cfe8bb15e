/*
 * queue_changes: see queue_changes.h. Owns the array of changes. Under the queue's mutex.
 */
#include "gateway/queue_changes.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CHANGES = 64 };

void queue_changes_free(struct queue_change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(changes[i].answer);
        free(changes[i].text);
    }
    free(changes);
}

void queue_changes_clear(struct queue_changes *changes)
{
    queue_changes_free(changes->array, changes->count);
    changes->array = NULL;
    changes->count = changes->size = 0;
}

static bool reserve_one(struct queue_changes *changes)
{
    if (changes->count < changes->size) {
        return true;
    }
    size_t size = changes->size == 0 ? FIRST_CHANGES : changes->size * 2;
    struct queue_change *array = realloc(changes->array, size * sizeof(*array));
    if (array == NULL) {
        return false;
    }
    changes->array = array;
    changes->size = size;
    return true;
}

void queue_changes_note_report(struct queue_changes *changes, const struct queue_report *report)
{
    changes->event++;
    if (reserve_one(changes)) {
        changes->array[changes->count++] = (struct queue_change){
            .event = changes->event,
            .id = report->id,
            .owner = report->owner,
            .state = report->state,
            .answer = message_answer_new(report->api_id, NULL),
            .report = report->report,
            .text = report->text == NULL ? NULL : strdup(report->text),
        };
        memcpy(changes->array[changes->count - 1].to, report->to, sizeof report->to);
    }
}

void queue_changes_note(struct queue_changes *changes, const struct message *m)
{
    changes->event++;
    if (!(m->is_watched || changes->is_all_watched) || !reserve_one(changes)) {
        return;
    }
    changes->array[changes->count++] = (struct queue_change){
        .event = changes->event,
        .id = m->id,
        .owner = m->owner,
        .state = (enum message_state)m->state,
        .answer = message_answer_copy(m->answer),
    };
}
