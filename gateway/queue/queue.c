/* queue: see queue.h. */
#include "gateway/queue/queue.h"

#include "gateway/queue/core.h"
#include "gateway/queue/events.h"

#include <stdlib.h>

static bool init_tables(struct queue *q, const struct queue_options *options)
{
    q->feed.recent = options->recent_events > 0 ? queue_recent_new(options->recent_events) : NULL;
    q->api_ids = options->expects_reports ? queue_api_ids_new() : NULL;
    return (q->feed.recent != NULL || options->recent_events == 0) &&
           (q->api_ids != NULL || !options->expects_reports) && queue_refs_init(&q->refs) &&
           queue_index_init(&q->by_id, offsetof(struct message, same_bucket),
                            offsetof(struct message, id) + ULID_BYTES - sizeof(uint64_t));
}

struct queue *queue_new(const struct queue_options *options)
{
    struct queue *q = calloc(1, sizeof(*q));
    if (q == NULL || pthread_mutex_init(&q->mutex, NULL) != 0) {
        free(q);
        return NULL;
    }
    q->options = *options;
    q->limits = queue_limits_of(options);
    q->told_due_ms = QUEUE_NEVER;
    q->room = SIZE_MAX;
    q->clock_offset_ms = options->clock_offset_ms;
    q->feed.last = options->first_event;
    q->feed.tells_settled = options->tells_settled;
    if (!init_tables(q, options)) {
        queue_free(q);
        return NULL;
    }
    return q;
}

void queue_free(struct queue *q)
{
    if (q == NULL) {
        return;
    }
    for (int place = 0; place < QUEUE_PLACES; place++) {
        for (struct message *m = q->places[place].first, *next; m != NULL; m = next) {
            next = m->next;
            message_free(m);
        }
    }
    queue_events_free(q->feed.events, q->feed.count);
    queue_recent_free(q->feed.recent);
    queue_heap_free(&q->heap);
    queue_index_free(&q->by_id);
    queue_refs_free(&q->refs);
    queue_api_ids_free(q->api_ids);
    queue_accounts_free(&q->accounts);
    recipients_free(&q->refused);
    pthread_mutex_destroy(&q->mutex);
    free(q);
}
