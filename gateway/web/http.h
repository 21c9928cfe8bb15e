/*
 * http: what the relay tells over HTTP about itself: /metrics, /livez, /readyz, and the page at /.
 *
 * Owns its listener, the paths, and who may ask: only what names a host that is this machine's, so
 * that no page of a browser gets here under a name of its own (DNS rebinding); and the buttons of a
 * page only where that came from here. Counts nothing itself.
 * Probes come every second: they are not logged. Thread: the event base's.
 */
#ifndef GATEWAY_WEB_HTTP_H
#define GATEWAY_WEB_HTTP_H

#include "gateway/web/page.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http;
struct relay;

struct http_options {
    const char *host;         /* numeric, of a loopback address */
    uint16_t port;            /* 0 = any free one */
    const char *const *hosts; /* names for this machine besides loopback; borrowed */
    size_t host_count;
    size_t max_messages; /* of the queue: /readyz says when it is nearly full */
    size_t max_bytes;
    struct page_options page;
    int64_t max_wait_ms; /* a message that waits longer is too old for /readyz; 0 = none is */
};

/*
 * Listens. `relay` and what the options point to must outlive it. Returns NULL, with a sentence in
 * `error`, when it cannot.
 */
struct http *http_new(const struct relay *relay, const struct http_options *options, char *error,
                      size_t error_size);

/* The relay takes nothing new: from now on /readyz says so. NULL is fine. */
void http_stop(struct http *http);

/* Closes every connection. NULL is fine. */
void http_free(struct http *http);

#endif
