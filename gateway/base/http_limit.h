/*
 * http_limit: how many connections an HTTP listener has at a time, and how much they may send.
 *
 * evhttp takes whoever comes, and whatever is sent: a flood of connections would leave no descriptor
 * for submitters, a flood of requests no memory. Owns the count of a listener's connections; while all
 * places are taken, or there is no descriptor, the listener accepts nobody: who comes waits in the
 * kernel's queue. Of a connection at most 128 KiB are read ahead of what is being answered, so no
 * listener may allow a larger body. Thread: the event base's, which is the same for all listeners.
 */
#ifndef GATEWAY_BASE_HTTP_LIMIT_H
#define GATEWAY_BASE_HTTP_LIMIT_H

#include <event2/event.h>
#include <event2/http.h>
#include <stddef.h>

struct http_places;

/* From now on `bound`, of `evhttp`, has at most `max` connections. NULL without memory. */
struct http_places *http_places_new(struct event_base *base, struct evhttp *evhttp,
                                    struct evhttp_bound_socket *bound, size_t max);
/* The listener is about to go: nobody is accepted any more. NULL is fine. */
void http_places_stop(struct http_places *places);
/* After evhttp_free. NULL is fine. */
void http_places_free(struct http_places *places);

#endif
