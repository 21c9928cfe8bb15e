/*
 * feed: numbers every event, and collects those that watchers have yet to take.
 *
 * Owns the collected events, and the recent ones. Leaves to others which message is watched
 * (a flag of the message) and waking the taker (core). Thread: any, under the queue's mutex.
 */
#ifndef GATEWAY_QUEUE_FEED_H
#define GATEWAY_QUEUE_FEED_H

#include "gateway/queue/recent.h"
#include "gateway/queue/types.h"

/* All zeros: no event yet. */
struct queue_feed {
    struct queue_recent *recent; /* NULL = recent events are not kept */
    uint64_t last;               /* the number of the last event */
    bool is_all_watched;
    bool tells_settled; /* see queue_options */
    bool is_told;       /* notify_events was called, and nothing has been taken since */
    struct queue_event *events;
    size_t count, size;
};

/* A message has come to the state and the answer that it has now. Copies that if it is watched;
 * leaves the copy out on allocation failure. */
void queue_feed_note(struct queue_feed *feed, const struct message *m);

/* A report or an inbound message has come in. Numbers and copies `event`, with `api_id` for an
 * answer; always, since a watched message may have been forgotten. */
void queue_feed_add(struct queue_feed *feed, const struct queue_event *event, const char *api_id);

/* Hands over the collected events, malloc'ed; NULL if there are none. */
struct queue_event *queue_feed_take(struct queue_feed *feed, size_t *count);

#endif
