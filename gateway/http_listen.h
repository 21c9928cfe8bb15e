/*
 * http_listen: what the relay's own HTTP listeners have in common. Thread: the event base's.
 */
#ifndef GATEWAY_HTTP_LISTEN_H
#define GATEWAY_HTTP_LISTEN_H

#include <event2/http.h>

enum { HTTP_URL_SIZE = 96 };

/* The URL of a listener, without a path. `host` is its numeric address. */
void http_url(struct evhttp_bound_socket *bound, const char *host, char url[HTTP_URL_SIZE]);

/* Logs `event` (a literal) with that URL. */
void http_log_listener(struct evhttp_bound_socket *bound, const char *host, const char *event);

#endif
