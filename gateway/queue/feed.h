/*
 * changes: the changes that watchers have not been told of yet.
 *
 * Owns the array of them and their numbering. Who watches what, and waking the one who tells them,
 * is the queue's affair. Thread: any, under the queue's mutex, except where it says otherwise.
 */
#ifndef GATEWAY_QUEUE_FEED_H
#define GATEWAY_QUEUE_FEED_H

#include "gateway/queue/queue.h"
#include "gateway/queue/recent.h"

/* All zeros: nothing has ever changed. */
struct queue_events {
    struct queue_recent *past; /* the last ones; NULL = they are not kept */
    uint64_t event;            /* of the last change of any message */
    bool is_all_watched;
    bool tells_settled; /* see queue_options */
    struct queue_event *array;
    size_t count, size;
};

/* Frees what nobody took; not the past. */
void queue_events_clear(struct queue_events *changes);

/*
 * A message has come to the state and the answer that it has now: takes a number for it and, if
 * it or everything is watched, a copy. Without memory the copy is left out.
 */
void queue_events_note(struct queue_events *changes, const struct message *m);

/* The same of a report. The watched messages may have been forgotten, so all are told. */
void queue_events_note_report(struct queue_events *changes, const struct queue_report *report);

#endif
