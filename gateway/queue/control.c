/* control: see control.h. What is static here runs under the mutex. */
#include "gateway/queue/control.h"

#include "gateway/base/int64.h"
#include "gateway/queue/core.h"

static enum queue_outcome cancel(struct queue *q, struct message *m, int64_t now_ms)
{
    enum message_state state = (enum message_state)m->state;
    if (state == MESSAGE_SENDING || message_state_is_finished(state)) {
        return QUEUE_WRONG_STATE;
    }
    m->may_be_sent = m->may_be_sent || state == MESSAGE_UNRESOLVED;
    queue_set_reason(q, m,
                     m->may_be_sent ? "canceled, but it may have been sent"
                                    : "canceled before it was sent");
    q->is_refused_gone = q->is_refused_gone || m->refusals > 0;
    queue_conclude(q, m, END_CANCELED, now_ms);
    return QUEUE_DONE;
}

enum queue_outcome queue_cancel(struct queue *q, const struct ulid *id, int32_t owner,
                                bool sees_all, int64_t now_ms)
{
    queue_enter(q);
    struct message *m = queue_find_visible(q, id, owner, sees_all);
    enum queue_outcome outcome = m == NULL ? QUEUE_UNKNOWN : cancel(q, m, now_ms);
    queue_leave(q);
    return outcome;
}

static enum queue_outcome retry(struct queue *q, struct message *m, int64_t now_ms)
{
    if (m->state != MESSAGE_UNRESOLVED) {
        return QUEUE_WRONG_STATE;
    }
    if (m->expires_ms <= now_ms) {
        m->expires_ms = QUEUE_NEVER; /* the operator knows that it is late, and wants it sent */
        m->has_ttl = false;
    }
    m->group = 0;
    m->doubts = 0; /* the operator takes the risk: they are counted anew */
    m->ambiguous_ends = 0;
    queue_move_to_lane(q, m, QUEUE_HEAD, now_ms);
    return QUEUE_DONE;
}

enum queue_outcome queue_retry(struct queue *q, const struct ulid *id, int64_t now_ms)
{
    queue_enter(q);
    struct message *m = queue_find(q, id);
    enum queue_outcome outcome = m == NULL ? QUEUE_UNKNOWN : retry(q, m, now_ms);
    queue_leave(q);
    return outcome;
}

void queue_flush(struct queue *q, int64_t now_ms)
{
    queue_enter(q);
    while (q->places[PLACE_DEFERRED].count > 0) {
        queue_move_to_lane(q, q->places[PLACE_DEFERRED].first, QUEUE_TAIL, now_ms);
    }
    queue_recall_suspects(q, now_ms);
    queue_leave(q);
}

void queue_hold(struct queue *q, bool holds)
{
    queue_enter(q);
    q->relaying.is_held = holds;
    queue_leave(q);
    if (!holds && q->options.wake_forwarder != NULL) {
        q->options.wake_forwarder(q->options.wake_arg);
    }
}

void queue_clock_set(struct queue *q, int64_t offset_ms, int64_t now_ms)
{
    queue_enter(q);
    queue_jumps_add(&q->jumps, now_ms, q->clock_offset_ms);
    q->clock_offset_ms = offset_ms;
    for (size_t i = 0; i < q->heap.count; i++) {
        struct queue_heap_slot *slot = &q->heap.slots[i];
        if (slot->message->state == MESSAGE_SCHEDULED) {
            slot->time_ms = int64_max(queue_look_at_ms(q, slot->message), now_ms);
        }
    }
    queue_heap_restore_order(&q->heap);
    queue_leave(q);
}

void queue_refuse_all(struct queue *q, struct recipients *all)
{
    queue_enter(q);
    struct recipients old = q->refused;
    q->refused = *all;
    *all = old;
    queue_leave(q);
    recipients_free(all);
}

bool queue_refuse(struct queue *q, const char *number, bool is_refused)
{
    queue_enter(q);
    bool is_good = true;
    if (is_refused) {
        is_good = recipients_add(&q->refused, number);
    } else {
        recipients_remove(&q->refused, number);
    }
    queue_leave(q);
    return is_good;
}
