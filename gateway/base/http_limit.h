/*
 * http_limit: bounds the connections of an HTTP listener, and what they may send.
 *
 * evhttp accepts every connection and reads whatever it sends: a flood of connections would leave no
 * descriptor for submitters, a flood of requests no memory. Owns the count of a listener's
 * connections: at the limit, or when there are no descriptors beyond the reserve, the listener accepts
 * none, and new ones wait in the kernel's queue; but HTTP_LIMIT_SURE of them are always accepted, which
 * the reserve must allow for. Of each connection at most 128 KiB are read ahead of the request that is
 * being answered, so no listener may allow a larger body. Thread: the event base's, the same for all
 * listeners.
 */
#ifndef GATEWAY_BASE_HTTP_LIMIT_H
#define GATEWAY_BASE_HTTP_LIMIT_H

#include <event2/event.h>
#include <event2/http.h>
#include <stddef.h>

struct http_limit;

enum { HTTP_LIMIT_SURE = 4 };

/* Limits `bound`, of `evhttp`, to `max` connections. Returns NULL on allocation failure. */
struct http_limit *http_limit_new(struct event_base *base, struct evhttp *evhttp,
                                  struct evhttp_bound_socket *bound, size_t max);
/* The listener is about to be closed: accepts no more. NULL is fine. */
void http_limit_stop(struct http_limit *limit);
/* After evhttp_free. NULL is fine. */
void http_limit_free(struct http_limit *limit);

#endif
