/* events: see events.h. */
#include "gateway/queue/events.h"

#include "gateway/queue/core.h"

#include <stdlib.h>

void queue_events_drop(struct queue_event *events, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(events[i].answer);
        free(events[i].text);
    }
}

void queue_events_free(struct queue_event *events, size_t count)
{
    queue_events_drop(events, count);
    free(events);
}

bool queue_watch(struct queue *q, const struct ulid *id, bool is_watched)
{
    queue_enter(q);
    struct message *m = queue_find(q, id);
    if (m != NULL) {
        m->is_watched = is_watched;
    }
    queue_leave(q);
    return m != NULL;
}

void queue_watch_all(struct queue *q, bool is_watched)
{
    queue_enter(q);
    q->feed.is_all_watched = is_watched;
    queue_leave(q);
}

struct queue_event *queue_events_take(struct queue *q, size_t *count)
{
    queue_enter(q);
    struct queue_event *events = queue_feed_take(&q->feed, count);
    queue_leave(q);
    return events;
}

/* Adds what the recent events do not have, of the messages that are still in memory. Under the mutex. */
static void complete(struct queue *q, struct queue_event *events, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct message *m = queue_find(q, &events[i].id);
        events[i].at_ms += q->clock_offset_ms;
        if (m != NULL && m->state == events[i].state) {
            events[i].answer = message_answer_copy(m->answer);
        }
    }
}

size_t queue_events_since(struct queue *q, uint64_t since, struct queue_event *events, size_t max,
                          bool *is_gone)
{
    size_t count = 0;
    *is_gone = since < q->options.first_event;
    queue_enter(q);
    if (q->feed.recent != NULL) {
        bool is_recent_gone;
        count = queue_recent_read(q->feed.recent, since, events, max, &is_recent_gone);
        *is_gone = *is_gone || is_recent_gone;
    }
    complete(q, events, count);
    queue_leave(q);
    return count;
}

size_t queue_events_find(struct queue *q, queue_event_filter *is_wanted, const void *arg,
                         struct queue_event *events, size_t max)
{
    size_t count = 0;
    queue_enter(q);
    if (q->feed.recent != NULL) {
        count = queue_recent_find(q->feed.recent, is_wanted, arg, events, max);
    }
    complete(q, events, count);
    queue_leave(q);
    return count;
}

uint64_t queue_last_event(struct queue *q)
{
    queue_enter(q);
    uint64_t last = q->feed.last;
    queue_leave(q);
    return last;
}
