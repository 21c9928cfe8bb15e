/* listen: see listen.h. */
#include "gateway/base/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

void listen_format(const struct listen_address *address, char text[LISTEN_TEXT_SIZE])
{
    bool is_v6 = strchr(address->host, ':') != NULL;
    snprintf(text, LISTEN_TEXT_SIZE, is_v6 ? "[%s]:%u" : "%s:%u", address->host, address->port);
}

union socket_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* Returns its size, 0 if the host is not numeric. */
static socklen_t parse(const struct listen_address *address, union socket_address *out)
{
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, address->host, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(address->port);
        return sizeof out->v4;
    }
    if (inet_pton(AF_INET6, address->host, &out->v6.sin6_addr) == 1) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons(address->port);
        return sizeof out->v6;
    }
    return 0;
}

struct evconnlistener *listen_tcp(struct event_base *base, struct listen_address *address,
                                  evconnlistener_cb accepted, void *arg, char *error,
                                  size_t error_size)
{
    const unsigned flags = LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC;
    union socket_address bound;
    socklen_t size = parse(address, &bound);
    struct evconnlistener *listener = NULL;
    if (size > 0) {
        listener = evconnlistener_new_bind(base, accepted, arg, flags, LISTEN_BACKLOG, &bound.any,
                                           (int)size);
    }
    if (listener == NULL) {
        char text[LISTEN_TEXT_SIZE];
        listen_format(address, text);
        snprintf(error, error_size, "cannot listen on %s: %s", text,
                 size > 0 ? strerror(errno) : "not a numeric address");
        return NULL;
    }
    getsockname(evconnlistener_get_fd(listener), &bound.any, &size);
    address->port = ntohs(bound.any.sa_family == AF_INET ? bound.v4.sin_port : bound.v6.sin6_port);
    return listener;
}
