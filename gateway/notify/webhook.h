/*
 * webhook: posts notices to a URL of the user's (reports.webhook).
 *
 * One POST at a time, of up to a hundred notices: {"changes":[...]}, signed (signature.h). A 2xx
 * acknowledges them. After anything else the same bytes are sent again with the same webhook-id, with
 * a backoff or after what Retry-After says, for ever: the receiver recognises a repetition by that id,
 * or by the notices' numbers. After 410 nothing more is sent until webhook_resume().
 * Redirects are not followed. The log shows only the host of the URL, since the rest may be a secret.
 *
 * Owns its thread, libcurl's handles and the batch in flight. Leaves the notices to outbox.
 * Threads: the caller's.
 */
#ifndef GATEWAY_NOTIFY_WEBHOOK_H
#define GATEWAY_NOTIFY_WEBHOOK_H

#include "gateway/notify/outbox.h"

#include <stdbool.h>

struct webhook;

struct webhook_options {
    const char *url;     /* https, or http on loopback */
    const char *ca_file; /* PEM; NULL = the system's */
    const char *secret;  /* as signature_key_new takes it */
    struct stats *stats;
    void (*ended)(void *arg); /* called in its thread, which ends then */
    void *arg;
};

/* Joins the outbox, which outlives it. Options are copied. Returns NULL on allocation failure, or
 * when libcurl refuses the URL. */
struct webhook *webhook_new(struct outbox *outbox, const struct webhook_options *options);
/* Starts the thread, with all signals blocked. Returns 0 or an errno value. */
int webhook_start(struct webhook *w);
/* Tries again at once, whatever it waits for. */
void webhook_resume(struct webhook *w);
/* Delivers what is left, until that fails or `within_ms` have passed; then calls `ended`. */
void webhook_stop(struct webhook *w, int64_t within_ms);
/* Ends the thread at once, if it has not ended; other threads may still append to the outbox. */
void webhook_end(struct webhook *w);
/* The same, and frees it: nobody appends any more. NULL is fine. */
void webhook_free(struct webhook *w);

#endif
