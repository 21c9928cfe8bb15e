/*
 * http: /metrics, /livez, /readyz, and the page at /.
 *
 * Owns the listener, the paths, and who may use them: requests must name a host of this machine, so
 * that no web page gets here through a name of its own (DNS rebinding), unless the settings let probes
 * name any; and only our own page may use its buttons. Counts nothing itself, and does not log
 * requests: probes come every second.
 * Thread: the event base's.
 */
#ifndef GATEWAY_WEB_HTTP_H
#define GATEWAY_WEB_HTTP_H

#include "gateway/base/listen.h"
#include "gateway/web/page.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http;
struct relay;

struct http_options {
    struct listen_address address;
    const char *const *hosts; /* besides loopback; "*" = any, for probes alone; borrowed */
    size_t host_count;
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
