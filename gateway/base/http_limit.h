/*
 * http_limit: bounds the connections of an HTTP listener.
 *
 * evhttp accepts every connection and reads for as long as something comes. Owns the places of a
 * listener's connections, and these rules:
 *
 * - A request must be whole in time, counted from its first byte; the first one of a connection,
 *   from when that was accepted.
 * - When all places are taken, a newcomer gets that of the oldest half request; if there is none, of
 *   who has sent nothing; then of who does not read its answer. Nobody goes whose request is being
 *   answered: the listeners bound what takes long, so a probe always finds a place. Who has just
 *   come stays for a moment, and newcomers wait in the kernel's queue meanwhile.
 * - They wait there, too, while there are no descriptors beyond the reserve; but HTTP_LIMIT_SURE
 *   connections are always accepted, which the reserve must allow for.
 * - Of each connection at most so much is read ahead of the request that is being answered as the largest
 *   request needs.
 *
 * Thread: the event base's, the same for all listeners.
 */
#ifndef GATEWAY_BASE_HTTP_LIMIT_H
#define GATEWAY_BASE_HTTP_LIMIT_H

#include "gateway/base/http_head.h"

#include <event2/event.h>
#include <event2/http.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_limit;
struct stats;
enum { HTTP_LIMIT_SURE = 4 };

struct http_limit_options {
    size_t max;          /* connections at a time */
    size_t max_request;  /* bytes that must be read ahead: a head and a body; 128 KiB always are */
    int64_t request_ms;  /* from its first byte on, a request must be whole within this time */
    struct stats *stats; /* where closed connections are counted */
};

/* Limits `bound`, of `evhttp`. Returns NULL on allocation failure. */
struct http_limit *http_limit_new(struct event_base *base, struct evhttp *evhttp,
                                  struct evhttp_bound_socket *bound,
                                  const struct http_limit_options *options);

/*
 * A request of one of its connections is whole, and will be answered: until then it stays. Returns
 * what its head was like, or NULL if the connection is not known.
 */
const struct http_head *http_limit_serve(struct http_limit *limit, struct evhttp_request *request);

/* Is a request being answered, or its answer still to be sent? NULL is fine. */
bool http_limit_is_serving(const struct http_limit *limit);

/* The listener is about to be closed: accepts no more. NULL is fine. */
void http_limit_stop(struct http_limit *limit);
/* After evhttp_free. NULL is fine. */
void http_limit_free(struct http_limit *limit);

#endif
