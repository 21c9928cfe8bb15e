/*
 * http_listen: what the relay's own HTTP listeners have in common. Thread: the event base's.
 */
#ifndef GATEWAY_BASE_HTTP_LISTEN_H
#define GATEWAY_BASE_HTTP_LISTEN_H

#include <event2/http.h>
#include <stdbool.h>
#include <stddef.h>

enum { HTTP_URL_SIZE = 96 };

/* The URL of a listener, without a path. `host` is its numeric address. */
void http_url(struct evhttp_bound_socket *bound, const char *host, char url[HTTP_URL_SIZE]);

/* Logs `event` (a literal) with that URL. */
void http_log_listener(struct evhttp_bound_socket *bound, const char *host, const char *event);

/* How long the host in a Host header is, without the port (RFC 9110, 7.2). */
size_t http_host_len(const char *host);

/* Is this host, of `len` bytes, this machine, whoever asks: localhost, 127.0.0.0/8 or [::1]? */
bool http_is_loopback(const char *host, size_t len);

/*
 * To be called first for each request: where its body was not read, the connection is closed after the
 * answer. Otherwise evhttp would take the body for the next request (RFC 9112, 6.3 and 11.2), and a
 * proxy may send another's on the same connection. What evhttp refuses itself, such as a method that
 * is not allowed, it answers with "Connection: close" (and reads on after CONNECT, which proxies that
 * go by the answer do not notice).
 */
void http_close_after_unread(struct evhttp_request *request);

/* Answers with a body of this type (a literal), which nobody may keep or take for another; HEAD with
 * its headers alone. */
void http_answer(struct evhttp_request *request, int status, const char *type,
                 struct evbuffer *body);

/* Answers with one line of plain text. */
void http_answer_line(struct evhttp_request *request, int status, const char *line);

/* Is `given` this secret? In a time that does not tell how much of it was right. NULL is not. */
bool http_is_secret(const char *given, const char *secret);

#endif
