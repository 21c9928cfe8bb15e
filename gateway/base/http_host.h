/*
 * http_host: the names of this machine that requests may have in Host.
 *
 * A web page can have a name of its own lead to any address (DNS rebinding), and a browser then takes
 * what answers there for the page's own server. Its requests still have that name in Host, which gives
 * them away. Thread: any. Pure.
 */
#ifndef GATEWAY_BASE_HTTP_HOST_H
#define GATEWAY_BASE_HTTP_HOST_H

#include <event2/http.h>
#include <stdbool.h>
#include <stddef.h>

#define HTTP_HOST_ANY "*"

/* Borrowed: names, and addresses with or without brackets. HTTP_HOST_ANY among them names no host. */
struct http_hosts {
    const char *const *names;
    size_t count;
};

/* The length of the host in a Host header, without the port (RFC 9110, 7.2). */
size_t http_host_len(const char *host);

/* Is this host, of `len` bytes, loopback: localhost, 127.0.0.0/8 or [::1]? */
bool http_is_loopback(const char *host, size_t len);

/* Is this word, of `len` bytes, in the list? */
bool http_hosts_list(const struct http_hosts *hosts, const char *word, size_t len);

/* Does the list name this host, of `len` bytes? */
bool http_hosts_name(const struct http_hosts *hosts, const char *host, size_t len);

/*
 * Does the request name only hosts that are in the list or, if `is_local`, loopback? Another machine cannot
 * mean us by a name of loopback. For libevent, what follows "//" in the
 * path is a host, too, and evhttp_request_get_host then ignores Host; but a web page can choose the
 * path, not Host.
 */
bool http_hosts_match(const struct http_hosts *hosts, struct evhttp_request *request,
                      bool is_local);

#endif
