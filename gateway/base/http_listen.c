/* http_listen: see http_listen.h. */
#include "gateway/base/http_listen.h"

#include "gateway/base/log.h"
#include "gateway/base/stats.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

enum { MAX_HEADERS = 16384 };

struct http_listener {
    struct listen_address address;
    struct evhttp *evhttp;
    struct evhttp_bound_socket *bound; /* NULL = stopped */
    struct http_limit *limit;
    struct stats *stats;
    void (*serve)(struct evhttp_request *request, void *arg);
    void *arg;
};

/* --- the listener ----------------------------------------------------------------------------- */

struct evhttp_bound_socket *http_bind(struct event_base *base, struct evhttp *evhttp,
                                      struct listen_address *address, char *error,
                                      size_t error_size)
{
    struct evconnlistener *listener = listen_tcp(base, address, NULL, NULL, error, error_size);
    struct evhttp_bound_socket *bound =
        listener == NULL ? NULL : evhttp_bind_listener(evhttp, listener);
    if (listener != NULL && bound == NULL) {
        evconnlistener_free(listener);
    }
    return bound;
}

/* RFC 9110, 5.6.2. */
static bool is_token(const char *word)
{
    size_t len = strspn(word, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    return len > 0 && word[len] == '\0';
}

static bool is_length(const char *value)
{
    size_t len = strspn(value, "0123456789");
    return len > 0 && len < sizeof "1234567890123456789" && value[len] == '\0';
}

/* Does everybody see the same request here, and its body end at the same place? */
static bool is_unambiguous(struct evhttp_request *request)
{
    const struct evkeyval *h = TAILQ_FIRST(evhttp_request_get_input_headers(request));
    size_t hosts = 0, lengths = 0, codings = 0;
    for (; h != NULL; h = TAILQ_NEXT(h, next)) {
        bool is_of_length = strcasecmp(h->key, "Content-Length") == 0;
        bool is_coding = strcasecmp(h->key, "Transfer-Encoding") == 0;
        hosts += strcasecmp(h->key, "Host") == 0;
        lengths += is_of_length;
        codings += is_coding;
        if (!is_token(h->key) || (is_of_length && !is_length(h->value)) ||
            (is_coding && strcasecmp(h->value, "chunked") != 0)) {
            return false;
        }
    }
    return hosts <= 1 && lengths + codings <= 1;
}

static void refuse(struct http_listener *listener, struct evhttp_request *request, int status,
                   const char *words)
{
    stats_add(listener->stats, STAT_HTTP_MALFORMED, 1);
    evhttp_add_header(evhttp_request_get_output_headers(request), "Connection", "close");
    http_answer_line(request, status, words);
}

static void on_request(struct evhttp_request *request, void *arg)
{
    enum { VERSION_NOT_SUPPORTED = 505 };
    struct http_listener *listener = arg;
    const struct http_head *head = http_limit_serve(listener->limit, request);
    if (head == NULL || head->is_malformed || !is_unambiguous(request)) {
        refuse(listener, request, HTTP_BADREQUEST, "malformed request");
    } else if (head->is_other_version) {
        request->major = request->minor = 1; /* of the answer */
        refuse(listener, request, VERSION_NOT_SUPPORTED, "only HTTP/1.0 and 1.1 are spoken here");
    } else {
        http_close_after_unread(request);
        listener->serve(request, listener->arg);
    }
}

static void set_up(struct http_listener *listener, const struct http_listener_options *options)
{
    evhttp_set_timeout(listener->evhttp, options->idle_seconds);
    evhttp_set_max_headers_size(listener->evhttp, MAX_HEADERS);
    evhttp_set_max_body_size(listener->evhttp, options->max_body);
    evhttp_set_default_content_type(listener->evhttp, NULL);
    evhttp_set_allowed_methods(listener->evhttp, (uint16_t)options->methods);
    evhttp_set_gencb(listener->evhttp, on_request, listener);
}

struct http_listener *http_listener_new(struct event_base *base,
                                        const struct http_listener_options *options,
                                        void (*serve)(struct evhttp_request *request, void *arg),
                                        void *arg, char *error, size_t error_size)
{
    struct http_listener *listener = calloc(1, sizeof *listener);
    snprintf(error, error_size, "out of memory");
    if (listener == NULL) {
        return NULL;
    }
    listener->address = options->address;
    listener->stats = options->limit.stats;
    listener->serve = serve;
    listener->arg = arg;
    listener->evhttp = evhttp_new(base);
    if (listener->evhttp == NULL) {
        goto fail;
    }
    set_up(listener, options);
    listener->bound = http_bind(base, listener->evhttp, &listener->address, error, error_size);
    if (listener->bound == NULL) {
        goto fail;
    }
    struct http_limit_options limit = options->limit;
    limit.max_request = (size_t)options->max_body + MAX_HEADERS;
    listener->limit = http_limit_new(base, listener->evhttp, listener->bound, &limit);
    if (listener->limit == NULL) {
        goto fail;
    }
    return listener;
fail:
    http_listener_free(listener);
    return NULL;
}

void http_listener_url(const struct http_listener *listener, char url[HTTP_URL_SIZE])
{
    char text[LISTEN_TEXT_SIZE];
    const struct listen_address address = listen_reachable(&listener->address);
    listen_format(&address, text);
    snprintf(url, HTTP_URL_SIZE, "http://%s", text);
}

void http_listener_log(const struct http_listener *listener, const char *event)
{
    char url[HTTP_URL_SIZE];
    char address[LISTEN_TEXT_SIZE];
    http_listener_url(listener, url);
    listen_format(&listener->address, address);
    bool is_any = strcmp(url + strlen("http://"), address) != 0;
    LOG(LOG_INFO, event, LOG_STR("url", url), is_any ? LOG_STR("address", address) : LOG_NONE);
}

bool http_listener_is_serving(const struct http_listener *listener)
{
    return http_limit_is_serving(listener->limit);
}

void http_listener_stop(struct http_listener *listener)
{
    if (listener->bound != NULL) {
        http_limit_stop(listener->limit);
        evhttp_del_accept_socket(listener->evhttp, listener->bound);
        listener->bound = NULL;
    }
}

void http_listener_free(struct http_listener *listener)
{
    if (listener == NULL) {
        return;
    }
    if (listener->evhttp != NULL) {
        http_listener_stop(listener);
        evhttp_free(listener->evhttp);
    }
    http_limit_free(listener->limit);
    free(listener);
}

/* --- requests --------------------------------------------------------------------------------- */

bool http_is_local(struct evhttp_request *request, struct network_address *peer)
{
    struct evhttp_connection *connection = evhttp_request_get_connection(request);
    int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(connection));
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof address;
    *peer = (struct network_address){{0}};
    return getpeername(fd, (struct sockaddr *)&address, &len) == 0 &&
           network_is_local(fd, (struct sockaddr *)&address, peer);
}

/*
 * Has evhttp read the body, if there is one? It does not after HEAD, nor in a coding that it does not
 * know, and of two lengths it takes the first.
 */
static bool is_body_read(struct evhttp_request *request)
{
    const struct evkeyval *h = TAILQ_FIRST(evhttp_request_get_input_headers(request));
    bool is_head = evhttp_request_get_command(request) == EVHTTP_REQ_HEAD;
    size_t count = 0; /* of headers that give the length of the body */
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
    evhttp_send_reply(request, status, NULL,
                      is_head ? NULL : body); /* libevent would send it after HEAD, too */
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
