/*
 * http_listen: HTTP listeners, and what their requests have in common.
 *
 * Owns evhttp with its bounds. Leaves what is served to its user. Thread: the event base's.
 */
#ifndef GATEWAY_BASE_HTTP_LISTEN_H
#define GATEWAY_BASE_HTTP_LISTEN_H

#include "gateway/base/http_limit.h"
#include "gateway/base/listen.h"
#include "gateway/base/network.h"

#include <event2/http.h>
#include <stdbool.h>
#include <stddef.h>

enum { HTTP_URL_SIZE = LISTEN_TEXT_SIZE + sizeof "http://" };

struct http_listener;

struct http_listener_options {
    struct listen_address address;
    struct http_limit_options limit; /* its `stats` count malformed requests, too */
    int max_body;                    /* bytes */
    int idle_seconds;                /* after which a connection is closed */
    unsigned methods;                /* allowed ones, of enum evhttp_cmd_type */
};

/*
 * Listens, and calls `serve` for each request, which it must answer; but not for one that a proxy
 * might take for another, or for two (RFC 9112, 11): that gets 400 or 505, and its connection is
 * closed. Returns NULL, with a sentence in
 * `error`, on failure.
 */
struct http_listener *http_listener_new(struct event_base *base,
                                        const struct http_listener_options *options,
                                        void (*serve)(struct evhttp_request *request, void *arg),
                                        void *arg, char *error, size_t error_size);

/* The URL by which this machine reaches it, without a path. */
void http_listener_url(const struct http_listener *listener, char url[HTTP_URL_SIZE]);

/* Writes to the log where it listens: `event` with its URL, and its address if that is every one. */
void http_listener_log(const struct http_listener *listener, const char *event);

/* Is a request being answered, or its answer still to be sent? */
bool http_listener_is_serving(const struct http_listener *listener);

/* Accepts no more connections. */
void http_listener_stop(struct http_listener *listener);

/* Closes every connection. NULL is fine. */
void http_listener_free(struct http_listener *listener);

/* Binds `evhttp` as listen_tcp does, for a listener of another kind. It is freed with `evhttp`. */
struct evhttp_bound_socket *http_bind(struct event_base *base, struct evhttp *evhttp,
                                      struct listen_address *address, char *error,
                                      size_t error_size);

/* Does a request come from this machine? `peer` gets from where, if it has an address. */
bool http_is_local(struct evhttp_request *request, struct network_address *peer);

/*
 * Closes the connection after the answer if the request's body was not read; a listener does this for
 * every request. Otherwise evhttp would take the body for the next request (RFC 9112, 6.3 and 11.2),
 * and a proxy may use the same connection for several clients. Requests that evhttp refuses itself,
 * such as those with a method that is not allowed, it answers with "Connection: close" (and reads on
 * after CONNECT, which does no harm behind proxies that go by the answer).
 */
void http_close_after_unread(struct evhttp_request *request);

/*
 * Answers with a body of this type (a literal), HEAD with the headers alone. Forbids to cache it, and
 * to guess another type.
 */
void http_answer(struct evhttp_request *request, int status, const char *type,
                 struct evbuffer *body);

/* Answers with one line of plain text. */
void http_answer_line(struct evhttp_request *request, int status, const char *line);

/* Is `given` (may be NULL) this secret? Compares in constant time. */
bool http_is_secret(const char *given, const char *secret);

#endif
