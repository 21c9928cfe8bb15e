/*
 * watch: WATCH, and the replies that ACK=relayed holds back.
 *
 * Owns who waits for which messages, what watchers are told and in which order, the held replies and
 * their timer. Takes the queue's events and hands each to those it concerns. Leaves sending to the
 * connection, and what a watcher may leave unread. Thread: the loop's.
 */
#ifndef GATEWAY_SERVE_WATCH_H
#define GATEWAY_SERVE_WATCH_H

#include "proto/session/session.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct await;
struct queue;
struct queue_event;
struct stats;
struct watch;

/* How many messages the clients of one owner may wait for, each counted for each client and reply. */
struct watch_budget {
    size_t used, max;
};

/*
 * What a client waits for. A connection owns it, sets `client` and `budget`, and keeps it in place until
 * watch_forget; the rest starts all zero and is for watch to change.
 */
struct watcher {
    void *client;                          /* for the callbacks */
    struct watch_budget *budget;           /* of its owner; NULL = it has none */
    LIST_ENTRY(watcher) entry;             /* of those that watch all messages */
    LIST_HEAD(held_replies, await) awaits; /* held replies */
    void *watched;                         /* the messages that it watches: a tree of tsearch(3) */
    uint64_t caught_up; /* the last event that it missed and was told; live ones are above it */
    bool is_watching;
    bool is_catching_up; /* told what it missed before any live event */
    bool watches_all;
    bool
        is_over; /* watch_message has failed because the budget is used up; for the reader to clear */
};

struct watch_options {
    int64_t ack_timeout_ms; /* after this, ACK=relayed is answered with the state so far */
    struct stats *stats;
    /* Tells a client of an event: a whole line, borrowed. It may have failed on allocation. */
    void (*tell)(void *client, const struct buffer *line);
    /* All receipts of a slot are settled, or its time is up. They are borrowed. */
    void (*acknowledge)(void *client, uint32_t slot, const struct session_receipt *receipts,
                        size_t count);
    /* Called with every event that the queue hands out, watched or not; may be NULL. */
    void (*taken)(void *arg, const struct queue_event *event);
    void *taken_arg;
    /* Called after a run of calls of the first two: send what they wrote. */
    void (*dispatched)(void *arg);
    void *arg;
};

/* Returns NULL on allocation failure. Options are copied; what they point to must outlive it. */
struct watch *watch_new(struct event_base *base, struct queue *queue,
                        const struct watch_options *options);
/* Every watcher has been forgotten. NULL is fine. */
void watch_free(struct watch *watch);

/* The queue has events: take them in the loop. Thread: any (for queue_options.notify_events). */
void watch_wake(void *watch);

/* Takes all events that the queue has now; the loop itself takes them a portion a turn. */
void watch_take(struct watch *watch);

/* Has its owner's budget room for `count` messages more? */
bool watch_has_room(const struct watcher *watcher, size_t count);

/*
 * Holds back the reply of a slot until all its receipts are settled (relayed, unresolved or
 * finished). Copies the receipts. Returns false if there is nothing to wait for, no room in the budget,
 * or on allocation failure: answer at once.
 */
bool watch_await(struct watch *watch, struct watcher *watcher, uint32_t slot,
                 const struct session_receipt *receipts, size_t count);

/*
 * Tells `watcher` of one message's events. One that has left the queue may still get reports. Returns
 * false on allocation failure, or if the budget has no room.
 */
bool watch_message(struct watch *watch, struct watcher *watcher, const struct ulid *id);

/* Tells `watcher` of all messages' events. */
void watch_all(struct watch *watch, struct watcher *watcher);

/*
 * Has `watcher`, which watches, catch up with the events after number `since` before it is told live
 * ones: watch_catch_up tells them. Returns false if some are no longer kept.
 */
bool watch_since(struct watch *watch, struct watcher *watcher, uint64_t since);

/*
 * Tells a watcher that is catching up some more events. Returns false if the next ones are no longer
 * kept, although the client was told that it would get them: disconnect it.
 */
bool watch_catch_up(struct watch *watch, struct watcher *watcher);

/*
 * UNWATCH: tells no more events. Held replies stay. Forgets a portion of the messages that were
 * watched, and returns true once there are none: call it again until then.
 */
bool watch_end(struct watch *watch, struct watcher *watcher);

/* The client is gone: calls nothing for it any more once this, called again and again, has returned
 * true. */
bool watch_forget(struct watch *watch, struct watcher *watcher);

#endif
