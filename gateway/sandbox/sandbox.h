/*
 * sandbox: the Transactional API, simulated.
 *
 * Owns a small HTTP server that answers as the API does, records what it is sent and fails on
 * demand: people try the relay without a token; the end-to-end tests queue faults and read the
 * record. It knows nothing of the relay. Thread: that of the event base it is given; thread.h
 * starts one of its own.
 *
 * SANDBOX.md is its manual: the calls of the API, the outcomes by number, the control calls, the
 * settings. tests/e2e/test_sandbox.py holds it to that, clause by clause.
 */
#ifndef GATEWAY_SANDBOX_SANDBOX_H
#define GATEWAY_SANDBOX_SANDBOX_H

#include "gateway/base/listen.h"

#include <stddef.h>
#include <stdint.h>

struct event_base;
struct sandbox;

enum { SANDBOX_URL_SIZE = 128 };

/* Where a sandbox listens and how it starts. Strings are copied. */
struct sandbox_options {
    struct listen_address address;
    const char *token;   /* the bearer token it wants; NULL or "" = any */
    int64_t latency_ms;  /* before every answer */
    int limit;           /* requests per window and endpoint; 0 = 1200 */
    int64_t window_ms;   /* 0 = 60,000 */
    const char *webhook; /* URL for delivery reports, or NULL */
};

/*
 * Binds, and serves while `base` runs. The base must outlive the sandbox. Thread: the base's.
 * Returns NULL, with a sentence in `error`, when it cannot bind, an option is out of range or on
 * allocation failure.
 */
struct sandbox *sandbox_new(struct event_base *base, const struct sandbox_options *options,
                            char *error, size_t error_size);

/* Where it listens. Borrowed. */
const struct listen_address *sandbox_address(const struct sandbox *sandbox);

/* What api.url must be for a sandbox at this address. */
void sandbox_url(const struct listen_address *address, char url[SANDBOX_URL_SIZE]);

/* Closes every connection, unanswered requests too. NULL is fine. */
void sandbox_free(struct sandbox *sandbox);

#endif
