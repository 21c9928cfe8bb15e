/* listen: see listen.h. */
#include "gateway/base/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/util.h>
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

struct listen_address listen_reachable(const struct listen_address *address)
{
    struct listen_address reachable = *address;
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, address->host, &v4) == 1 && v4.s_addr == htonl(INADDR_ANY)) {
        strcpy(reachable.host, "127.0.0.1");
    } else if (inet_pton(AF_INET6, address->host, &v6) == 1 && IN6_IS_ADDR_UNSPECIFIED(&v6)) {
        strcpy(reachable.host, "::1");
    }
    return reachable;
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

/* Whatever the system's default (net.ipv6.bindv6only), [::] means the same. */
static bool set_options(evutil_socket_t fd, const struct listen_address *address, int family)
{
    int only = address->is_v6_only;
    return evutil_make_listen_socket_reuseable(fd) == 0 &&
           (family != AF_INET6 ||
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only) == 0);
}

/* Returns a socket that is bound, or -1 with errno. */
static evutil_socket_t bind_tcp(const struct listen_address *address,
                                const union socket_address *where, socklen_t size)
{
    int family = where->any.sa_family;
    evutil_socket_t fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && (!set_options(fd, address, family) || bind(fd, &where->any, size) != 0)) {
        int error = errno;
        evutil_closesocket(fd);
        errno = error;
        return -1;
    }
    return fd;
}

struct evconnlistener *listen_tcp(struct event_base *base, struct listen_address *address,
                                  evconnlistener_cb accepted, void *arg, char *error,
                                  size_t error_size)
{
    const unsigned flags = LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC;
    union socket_address bound;
    socklen_t size = parse(address, &bound);
    evutil_socket_t fd = size > 0 ? bind_tcp(address, &bound, size) : -1;
    struct evconnlistener *listener =
        fd >= 0 ? evconnlistener_new(base, accepted, arg, flags, LISTEN_BACKLOG, fd) : NULL;
    if (listener == NULL) {
        char text[LISTEN_TEXT_SIZE];
        listen_format(address, text);
        snprintf(error, error_size, "cannot listen on %s: %s", text,
                 size > 0 ? strerror(errno) : "not a numeric address");
        if (fd >= 0) {
            evutil_closesocket(fd);
        }
        return NULL;
    }
    getsockname(fd, &bound.any, &size);
    address->port = ntohs(bound.any.sa_family == AF_INET ? bound.v4.sin_port : bound.v6.sin6_port);
    return listener;
}
