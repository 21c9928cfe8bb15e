/*
 * http: /metrics, /livez, /readyz, and the page at /.
 *
 * Owns the listener, the paths, and what each needs: all that the request comes from this machine or a
 * network that may ask; all but probes that it names a host of ours; buttons that our own page made it,
 * on this machine. Leaves how that is told to access. Counts nothing itself, and does not log requests:
 * probes come every second.
 * Thread: the event base's.
 */
#ifndef GATEWAY_WEB_HTTP_H
#define GATEWAY_WEB_HTTP_H

#include "gateway/base/listen.h"
#include "gateway/web/access.h"
#include "gateway/web/page.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http;
struct relay;

struct http_options {
    struct listen_address address;
    struct access access;
    size_t max_messages; /* of the queue: when it is nearly full, /readyz says so */
    size_t max_bytes;
    struct page_options page;
    int64_t max_wait_ms; /* if a message waits longer, /readyz says so; 0 = never */
};

/*
 * Listens. `relay` and what the options point to must outlive it. Returns NULL, with a sentence in
 * `error`, on failure.
 */
struct http *http_new(const struct relay *relay, const struct http_options *options, char *error,
                      size_t error_size);

/* The relay is stopping: /readyz says so from now on. NULL is fine. */
void http_stop(struct http *http);

/* Closes every connection. NULL is fine. */
void http_free(struct http *http);

#endif
