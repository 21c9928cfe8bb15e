/* http_host: see http_host.h. */
#include "gateway/base/http_host.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

size_t http_host_len(const char *host)
{
    const char *port = strrchr(host, ':');
    bool is_port = port != NULL && port[1 + strspn(port + 1, "0123456789")] == '\0';
    return is_port ? (size_t)(port - host) : strlen(host);
}

bool http_is_loopback(const char *host, size_t len)
{
    char name[INET_ADDRSTRLEN];
    struct in_addr address;
    if (len >= sizeof name) {
        return false;
    }
    memcpy(name, host, len);
    name[len] = '\0';
    return strcasecmp(name, "localhost") == 0 || strcmp(name, "[::1]") == 0 ||
           (inet_pton(AF_INET, name, &address) == 1 && (ntohl(address.s_addr) >> 24) == 127);
}

/* Drops the brackets around an IPv6 address of `*len` bytes. */
static const char *drop_brackets(const char *host, size_t *len)
{
    if (*len < 2 || host[0] != '[' || host[*len - 1] != ']') {
        return host;
    }
    *len -= 2;
    return host + 1;
}

bool http_hosts_list(const struct http_hosts *hosts, const char *word, size_t len)
{
    word = drop_brackets(word, &len);
    for (size_t i = 0; i < hosts->count; i++) {
        size_t name_len = strlen(hosts->names[i]);
        const char *name = drop_brackets(hosts->names[i], &name_len);
        if (name_len == len && strncasecmp(word, name, len) == 0) {
            return true;
        }
    }
    return false;
}

bool http_hosts_name(const struct http_hosts *hosts, const char *host, size_t len)
{
    bool is_any = len == strlen(HTTP_HOST_ANY) && memcmp(host, HTTP_HOST_ANY, len) == 0;
    return !is_any && http_hosts_list(hosts, host, len);
}

static bool is_ours(const struct http_hosts *hosts, const char *host, size_t len, bool is_local)
{
    return http_hosts_name(hosts, host, len) || (is_local && http_is_loopback(host, len));
}

bool http_hosts_match(const struct http_hosts *hosts, struct evhttp_request *request, bool is_local)
{
    const char *host = evhttp_find_header(evhttp_request_get_input_headers(request), "Host");
    const char *target = evhttp_uri_get_host(evhttp_request_get_evhttp_uri(request));
    return host != NULL && is_ours(hosts, host, http_host_len(host), is_local) &&
           (target == NULL || is_ours(hosts, target, strlen(target), is_local));
}
