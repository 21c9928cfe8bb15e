/* http_listen: see http_listen.h. */
#include "gateway/http_listen.h"

#include "gateway/log.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static uint16_t port_of(struct evhttp_bound_socket *bound)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    if (getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&address, &size) != 0) {
        return 0;
    }
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

void http_url(struct evhttp_bound_socket *bound, const char *host, char url[HTTP_URL_SIZE])
{
    snprintf(url, HTTP_URL_SIZE, strchr(host, ':') != NULL ? "http://[%s]:%u" : "http://%s:%u",
             host, port_of(bound));
}

void http_log_listener(struct evhttp_bound_socket *bound, const char *host, const char *event)
{
    char url[HTTP_URL_SIZE];
    http_url(bound, host, url);
    LOG(LOG_INFO, event, LOG_STR("url", url));
}
