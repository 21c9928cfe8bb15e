/* http_listen: see http_listen.h. */
#include "gateway/base/http_listen.h"

#include "gateway/base/log.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

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

/*
 * Has evhttp read the body, as far as there is one? It reads none after HEAD, none in a coding that it
 * does not know, and of two lengths it takes the first.
 */
static bool is_body_read(struct evhttp_request *request)
{
    const struct evkeyval *h = TAILQ_FIRST(evhttp_request_get_input_headers(request));
    bool is_head = evhttp_request_get_command(request) == EVHTTP_REQ_HEAD;
    size_t count = 0; /* of headers that say how long the body is */
    for (; h != NULL; h = TAILQ_NEXT(h, next)) {
        bool is_coding = strcasecmp(h->key, "Transfer-Encoding") == 0;
        count += is_coding || strcasecmp(h->key, "Content-Length") == 0;
        if (is_coding && strcasecmp(h->value, "chunked") != 0) {
            return false;
        }
    }
    return count == 0 || (count == 1 && !is_head);
}

void http_close_after_unread(struct evhttp_request *request)
{
    if (!is_body_read(request)) {
        evhttp_add_header(evhttp_request_get_output_headers(request), "Connection", "close");
    }
}

void http_answer(struct evhttp_request *request, int status, const char *type,
                 struct evbuffer *body)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    bool is_head = evhttp_request_get_command(request) == EVHTTP_REQ_HEAD;
    evhttp_add_header(headers, "Content-Type", type);
    evhttp_add_header(headers, "Cache-Control", "no-store");
    evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
    evhttp_send_reply(request, status, NULL, is_head ? NULL : body); /* libevent would send it */
}

void http_answer_line(struct evhttp_request *request, int status, const char *line)
{
    struct evbuffer *body = evbuffer_new();
    if (body != NULL) {
        evbuffer_add_printf(body, "%s\n", line);
    }
    http_answer(request, status, "text/plain; charset=utf-8", body);
    if (body != NULL) {
        evbuffer_free(body);
    }
}

bool http_is_secret(const char *given, const char *secret)
{
    size_t len = strlen(secret);
    size_t given_len = given == NULL ? 0 : strlen(given);
    unsigned difference = given == NULL || given_len != len;
    for (size_t i = 0; i < given_len; i++) {
        difference |= (unsigned)(given[i] ^ secret[len == 0 ? 0 : i % len]);
    }
    return difference == 0;
}
