/* records: see records.h. What is static here runs under the mutex. */
#include "gateway/queue/records.h"

#include "gateway/queue/core.h"

#include <stdlib.h>
#include <string.h>

/* Records what a message is now. Returns false on allocation failure. */
static bool record(const struct queue *q, struct message *m, struct queue_record *r,
                   struct buffer *answers)
{
    *r = (struct queue_record){
        .message = m,
        .row = message_row_links(m)->row,
        .state = (enum message_state)m->state,
        .may_be_sent = m->may_be_sent,
        .is_unlooked = m->is_unlooked,
        .is_expiry_lifted = m->expires_ms == QUEUE_NEVER,
        .attempts = m->attempts,
        .ambiguous_ends = m->ambiguous_ends,
        .doubts = m->doubts,
        .due_ms = queue_due_unix_ms(q, m),
        .updated_ms = m->updated_ms + q->clock_offset_ms,
        .answer_at = SIZE_MAX,
    };
    if (m->answer == NULL) {
        return true;
    }
    r->answer_at = answers->len;
    buffer_append(answers, m->answer, strlen(message_api_id(m)) + 1);
    buffer_append(answers, message_reason(m), strlen(message_reason(m)) + 1);
    return !answers->has_failed;
}

size_t queue_records_take(struct queue *q, struct queue_record *records, size_t max,
                          struct buffer *answers)
{
    size_t taken = 0;
    queue_enter(q);
    struct queue_unsaved *unsaved = &q->unsaved;
    while (taken < max && unsaved->first != NULL) {
        if (!record(q, unsaved->first, &records[taken], answers)) {
            break;
        }
        taken++;
        queue_unsaved_take(unsaved);
    }
    unsaved->is_told = unsaved->first != NULL;
    queue_leave(q);
    return taken;
}

static void end_saved(struct queue *q, const struct queue_record *records, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct message *m = records[i].message;
        if (queue_unsaved_end(m) && message_state_is_finished((enum message_state)m->state)) {
            queue_release(q, m);
        }
    }
    queue_unsaved_advance(&q->unsaved, count);
}

static void end_failed(struct queue *q, const struct queue_record *records, size_t count)
{
    for (size_t i = count; i > 0; i--) { /* each goes to the head: the first one last */
        queue_unsaved_return(&q->unsaved, records[i - 1].message);
    }
    queue_unsaved_redo(&q->unsaved);
}

void queue_records_done(struct queue *q, const struct queue_record *records, size_t count,
                        bool is_saved)
{
    queue_enter(q);
    if (is_saved) {
        end_saved(q, records, count);
    } else {
        end_failed(q, records, count);
    }
    queue_leave(q);
}

uint64_t queue_records_mark(struct queue *q)
{
    queue_enter(q);
    uint64_t mark = q->unsaved.added;
    queue_leave(q);
    return mark;
}

bool queue_records_are_saved(struct queue *q, uint64_t mark)
{
    queue_enter(q);
    bool is_saved = q->unsaved.saved >= mark;
    queue_leave(q);
    return is_saved;
}
