/* suspects: see suspects.h. What is static here runs under the mutex. */
#include "gateway/queue/suspects.h"

#include "gateway/queue/core.h"

static void convict(struct queue *q, struct message *m, int64_t now_ms)
{
    if (m->attempts < MESSAGE_ATTEMPTS_MAX) {
        m->attempts++;
    }
    if (m->proofs < QUEUE_PROOFS_MAX) {
        m->proofs++;
    }
    if (m->is_unwelcome && m->proofs == QUEUE_PROOFS_MAX) {
        queue_conclude(q, m, END_REJECTED_API, now_ms);
    } else {
        queue_move(q, m, PLACE_DEFERRED, QUEUE_TAIL, now_ms);
    }
}

bool queue_suspects_convict(struct queue *q, uint32_t group, int64_t latest_ms, int64_t now_ms)
{
    queue_enter(q);
    struct message *m = q->places[PLACE_SUSPECT].first;
    if (m != NULL) {
        m->group = group;
        m->due_ms = m->due_ms < latest_ms ? m->due_ms : latest_ms;
        convict(q, m, now_ms);
    }
    queue_leave(q);
    return m != NULL;
}

void queue_suspects_recall(struct queue *q, int64_t now_ms)
{
    queue_enter(q);
    queue_recall_suspects(q, now_ms);
    queue_leave(q);
}
