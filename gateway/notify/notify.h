/*
 * notify: delivers notices to the webhook and the program of the settings.
 *
 * Owns the outbox and both, and the order in which they start and stop. Without a store it also turns
 * the queue's events into notices; otherwise the store does.
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
    const char *webhook, *webhook_secret; /* NULL = no webhook */
    const char *webhook_ca_file;          /* NULL = the system's */
    const char *exec;                     /* NULL = no program */
    size_t backlog;                       /* notices that may wait */
    struct stats *stats;
    void (*ended)(void *arg); /* after notify_stop: both have ended */
    void *arg;
};

/* Sets both up, and starts neither. Options are copied. Returns NULL with a sentence in `error`. */
struct notify *notify_new(struct event_base *base, const struct notify_options *options,
                          char *error, size_t error_size);
/* For the store, which saves it. Lives as long as `n`. */
struct outbox *notify_outbox(struct notify *n);
/* Starts both. Returns 0 or an errno value. */
int notify_start(struct notify *n);

/* Has a webhook that is failing, or gone, tried again. NULL is fine. */
void notify_resume(struct notify *n);

/* Makes a notice of an event: a settled state, a report or an inbound message; ignores the others.
 * For watch_options.taken; `notify` is a struct notify. */
void notify_tell(void *notify, const struct queue_event *event);

/* Delivers what is left, unless that fails or takes long; then calls `ended`, in the loop. The second
 * call does nothing. */
void notify_stop(struct notify *n);
bool notify_has_ended(const struct notify *n);
/* Ends both at once, if they have not ended; other threads may still append to the outbox. */
void notify_end(struct notify *n);
/* Logs how many notices are left, if any: kept in the store at `path`, or lost if that is NULL. */
void notify_log_left(struct notify *n, const char *path);

/* NULL is fine. */
void notify_free(struct notify *n);

#endif
