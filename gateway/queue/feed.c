/* feed: see feed.h. */
#include "gateway/queue/feed.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_EVENTS = 64 };

static bool reserve_one(struct queue_feed *feed)
{
    if (feed->count < feed->size) {
        return true;
    }
    size_t size = feed->size == 0 ? FIRST_EVENTS : feed->size * 2;
    struct queue_event *events = realloc(feed->events, size * sizeof *events);
    if (events == NULL) {
        return false;
    }
    feed->events = events;
    feed->size = size;
    return true;
}

/* Most events are not watched, so only those that are get copied. */
static void copy(struct queue_feed *feed, const struct message *m)
{
    struct queue_event *event = &feed->events[feed->count++];
    *event = (struct queue_event){
        .number = feed->last,
        .id = m->id,
        .owner = m->owner,
        .state = (enum message_state)m->state,
        .answer = message_answer_copy(m->answer),
    };
    memcpy(event->to, message_to(m), m->to_len + 1U);
    memcpy(event->from, message_from(m), m->from_len + 1U);
    memcpy(event->ref, message_ref(m), m->ref_len + 1U);
}

void queue_feed_note(struct queue_feed *feed, const struct message *m)
{
    feed->last++;
    if (feed->recent != NULL) {
        queue_recent_note(feed->recent, feed->last, m);
    }
    bool is_watched =
        m->is_watched || feed->is_all_watched ||
        (feed->tells_settled && message_state_is_settled((enum message_state)m->state));
    if (is_watched && reserve_one(feed)) {
        copy(feed, m);
    }
}

void queue_feed_add(struct queue_feed *feed, const struct queue_event *event, const char *api_id)
{
    feed->last++;
    if (feed->recent != NULL) {
        queue_recent_add(feed->recent, feed->last, event);
    }
    if (!reserve_one(feed)) {
        return;
    }
    struct queue_event *copied = &feed->events[feed->count++];
    *copied = *event;
    copied->number = feed->last;
    copied->answer = message_answer_new(api_id, NULL);
    copied->text = event->text == NULL ? NULL : strdup(event->text);
}

struct queue_event *queue_feed_take(struct queue_feed *feed, size_t *count)
{
    struct queue_event *events = feed->events;
    *count = feed->count;
    feed->events = NULL;
    feed->count = feed->size = 0;
    feed->is_told = false;
    return events;
}
