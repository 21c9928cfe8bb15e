/*
 * webhook: tells a URL of the user's what has changed (reports.webhook).
 *
 * One POST at a time, of up to a hundred changes: {"changes":[...]}, signed (signature.h). A 2xx means
 * that it has them; whatever else happens, the same bytes under the same webhook-id are sent again,
 * with a backoff, for ever: so what comes twice can be known by its id, or by the numbers of the
 * changes. Redirects are not followed. In the log the URL's host stands for it, since the rest may be
 * a secret.
 *
 * Owns its thread, libcurl's handles and the batch that is under way. Leaves which changes there are
 * to outbox. Threads: it is the caller's, but for webhook_wake, which is any thread's.
 */
#ifndef GATEWAY_NOTIFY_WEBHOOK_H
#define GATEWAY_NOTIFY_WEBHOOK_H

#include "gateway/notify/outbox.h"

#include <stdbool.h>

struct webhook;

struct webhook_options {
    const char *url;    /* https, or http on loopback */
    const char *secret; /* as signature_key_new takes it */
    struct stats *stats;
    void (*ended)(void *arg); /* by its thread, as it ends */
    void *arg;
};

/* Joins the outbox, which outlives it. Options are copied. Returns NULL without memory, or where
 * libcurl does not take the URL. */
struct webhook *webhook_new(struct outbox *outbox, const struct webhook_options *options);
/* Starts the thread, with all signals blocked. Returns 0 or an errno value. */
int webhook_start(struct webhook *w);
/* Tells what is left, but not for longer than `within_ms`, and not if that fails; then `ended`. */
void webhook_stop(struct webhook *w, int64_t within_ms);
/* Ends the thread at once, where it has not ended; whoever appends may still wake it. */
void webhook_end(struct webhook *w);
/* The same, and frees it: nobody appends any more. NULL is fine. */
void webhook_free(struct webhook *w);

#endif
