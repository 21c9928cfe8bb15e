/*
 * consumers: who is told of changes beside the clients: the webhook and the program of the settings.
 *
 * Owns the outbox and both, and the order in which they begin and end. Where nothing is durable it
 * brings the queue's changes to the outbox, too; otherwise the store does.
 * Thread: the loop's, unless it says otherwise.
 */
#ifndef GATEWAY_NOTIFY_NOTIFY_H
#define GATEWAY_NOTIFY_NOTIFY_H

#include "gateway/notify/outbox.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

struct notify;
struct queue_event;

struct notify_options {
    const char *webhook, *webhook_secret; /* NULL = there is none */
    const char *exec;                     /* the same */
    size_t backlog;                       /* changes that may wait */
    struct stats *stats;
    void (*ended)(void *arg); /* after notify_stop: all have ended */
    void *arg;
};

/* Makes them, and lets nothing run. Options are copied. Returns NULL with a sentence in `error`. */
struct notify *notify_new(struct event_base *base, const struct notify_options *options,
                          char *error, size_t error_size);
/* For the store, which keeps it. Lives as long as the consumers. */
struct outbox *notify_outbox(struct notify *n);
/* Starts all. Returns 0 or an errno value. */
int notify_start(struct notify *n);

/* A change of the queue: a settled state, a report or an inbound message is to be told; the rest is
 * passed over. For watch_options.taken; `consumers` is one. */
void notify_tell(void *notify, const struct queue_event *event);

/* What is there is told, within a short time and if nothing fails; then `ended`, in the loop. Once. */
void notify_stop(struct notify *n);
bool notify_have_ended(const struct notify *n);
/* Ends those that have not ended, at once; whoever appends may still go on. */
void notify_end(struct notify *n);
/* Logs how many notices are left, if any: kept in the store at `path`, or lost if that is NULL. */
void notify_log_left(struct notify *n, const char *path);

/* NULL is fine. */
void notify_free(struct notify *n);

#endif
