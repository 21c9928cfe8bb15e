/*
 * reports: delivery reports and inbound messages from the API.
 *
 * Owns the listener for the API's calls, if there is one: since behind a proxy every peer looks like
 * loopback, calls without the secret in the path get 404. A call is answered 200 when its reports are
 * stored as safely as messages are; until then it waits, four seconds at most, in a batch with all
 * others that have come in the meantime. GET, HEAD and OPTIONS are told what the URL is for. What polling has found goes the same way, but nobody waits
 * for an answer to it, and a final status that could not be stored is found again. Tells the
 * forwarder about a stored final status, so that it stops asking. Leaves to the queue and the store
 * which message a report belongs to, and which of two counts. Thread: the event base's.
 */
#ifndef GATEWAY_SERVE_REPORTS_H
#define GATEWAY_SERVE_REPORTS_H

#include "gateway/base/listen.h"
#include "gateway/base/network.h"
#include "gateway/policy/poll.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct relay;
struct reports;

struct reports_options {
    struct listen_address address;
    const char *secret;       /* copied */
    struct networks networks; /* from where reports may be posted, besides this machine; borrowed */
    bool takes_all;           /* from everywhere: nobody can read the secret on its way */
};

/* Does not listen yet. `relay` must outlive it. Returns NULL on allocation failure. */
struct reports *reports_new(const struct relay *relay);

/* Listens for POST /dlr/<secret>. Returns false, with a sentence in `error`, on failure. */
bool reports_listen(struct reports *reports, const struct reports_options *options, char *error,
                    size_t error_size);

/* The URL to post to, on this machine: a secret. Borrowed from `reports`. NULL = not listening. */
const char *reports_url(const struct reports *reports);

/* Takes what polling has found. Thread: any, but not while `reports` is being freed. */
void reports_found(void *reports, struct poll_news *news);

/*
 * Accepts no more connections. Calls that wait for the disk are still answered. One that waits for its
 * API id to become known may not be, if the relay ends first: the API makes it again.
 */
void reports_stop(struct reports *reports);

/* Closes every connection. The store must have ended. NULL is fine. */
void reports_free(struct reports *reports);

#endif
