/*
 * reports: what the API tells of messages that it has: delivery reports and inbound messages.
 *
 * They come in by a listener of its own for the API's calls, where there is one: since behind a proxy
 * every peer looks like loopback, only who knows the secret in the path gets past the 404. A call is
 * answered 200 when what it says is stored as safely as messages are; until then it waits, four
 * seconds at most, in a batch with all others that came meanwhile. What polling has found goes the
 * same way; nobody waits for an answer to that, and a final status that could not be stored is
 * found again. Whose a report is, and which of two counts, is the queue's and the store's to say.
 * Of a final status that is stored the forwarder is told, which then stops to ask. Thread: the
 * event base's.
 */
#ifndef GATEWAY_SERVE_REPORTS_H
#define GATEWAY_SERVE_REPORTS_H

#include "gateway/policy/poll.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct relay;
struct reports;

struct reports_options {
    const char *host;   /* numeric, of a loopback address */
    uint16_t port;      /* 0 = any free one */
    const char *secret; /* copied */
};

/* Takes reports, from nowhere yet. `relay` must outlive it. Returns NULL without memory. */
struct reports *reports_new(const struct relay *relay);

/* Listens for POST /dlr/<secret>. Returns false, with a sentence in `error`, when it cannot. */
bool reports_listen(struct reports *reports, const struct reports_options *options, char *error,
                    size_t error_size);

/* Where the API is to post to, on this machine: a secret. Lives as long as `reports`. NULL = it does
 * not listen. */
const char *reports_url(const struct reports *reports);

/* Takes over what polling has found. Any thread; none any more when `reports` is freed. */
void reports_found(void *reports, struct poll_news *news);

/* Takes no more connections. Calls that wait for the disk are still answered; one that waits for its API
 * id to become known is not if the relay ends before: it comes again. */
void reports_stop(struct reports *reports);

/* Closes every connection; the store has ended. NULL is fine. */
void reports_free(struct reports *reports);

#endif
