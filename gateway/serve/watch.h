/*
 * watch: who waits for changes of which messages.
 *
 * Owns the subscriptions of WATCH and the replies that ACK=relayed holds back, and their timer.
 * Takes the queue's changes and hands each to whom it concerns. Leaves writing to the connection.
 * Thread: the loop's.
 */
#ifndef GATEWAY_SERVE_WATCH_H
#define GATEWAY_SERVE_WATCH_H

#include "proto/session/session.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue;
struct queue_event;
struct watch;

struct watch_options {
    int64_t ack_timeout_ms; /* ACK=relayed is answered with the present state after this */
    /* One change for one watching client. Everything is borrowed for the call. */
    void (*changed)(void *client, const struct queue_event *change);
    /* All recipients of a slot are settled, or its time is up. */
    void (*acknowledge)(void *client, uint32_t slot, const struct session_receipt *receipts,
                        size_t count);
    /* Every change that the queue tells, watched or not; NULL = nobody wants them all. */
    void (*taken)(void *arg, const struct queue_event *change);
    void *taken_arg;
    /* Called after a run of calls of the two above: flush what they wrote. */
    void (*dispatched)(void *arg);
    void *arg;
};

/* Returns NULL without memory. Options are copied. */
struct watch *watch_new(struct event_base *base, struct queue *queue,
                        const struct watch_options *options);
void watch_free(struct watch *watch);

/* The queue has changes: take them in the loop. Any thread (for queue_options.notify_events). */
void watch_wake(void *watch);

/* Takes what the queue has now, without waiting for the loop's turn. */
void watch_take(struct watch *watch);

/*
 * Holds the reply of a slot back until every receipt of it is settled (relayed, unresolved, or
 * at an end). The receipts are copied. Returns false when nothing is to be waited for (all
 * settled), or without memory: answer at once.
 */
bool watch_await(struct watch *watch, void *client, uint32_t slot,
                 const struct session_receipt *receipts, size_t count);

/* Tells `client` of one message's changes, resp. of all; of one that has left the queue, of the
 * reports that come for it. Returns false without memory. */
bool watch_message(struct watch *watch, void *client, const struct ulid *id);
bool watch_all(struct watch *watch, void *client);

/* Does `client` watch this message, or all? */
bool watch_concerns(const struct watch *watch, const void *client, const struct ulid *id);

/* UNWATCH: no changes any more; replies held back stay so. */
void watch_end(struct watch *watch, void *client);

/* The client is gone: nothing is called for it any more. */
void watch_forget(struct watch *watch, void *client);

#endif
