/* http: see http.h. */
#include "gateway/http.h"

#include "gateway/clock.h"
#include "gateway/http_listen.h"
#include "gateway/metrics.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { IDLE_SECONDS = 30, MAX_HEADERS = 16384, MAX_BODY = 1024 };

struct http {
    const struct relay *relay;
    struct http_options options;
    struct evhttp *evhttp;
};

/* --- answers ---------------------------------------------------------------------------------- */

static void answer(struct evhttp_request *request, int status, const char *type,
                   struct evbuffer *body)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    evhttp_add_header(headers, "Content-Type", type);
    evhttp_add_header(headers, "Cache-Control", "no-store");
    evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
    evhttp_send_reply(request, status, NULL, body);
}

static void answer_line(struct evhttp_request *request, int status, const char *line)
{
    struct evbuffer *body = evbuffer_new();
    if (body != NULL) {
        evbuffer_add_printf(body, "%s\n", line);
    }
    answer(request, status, "text/plain; charset=utf-8", body);
    if (body != NULL) {
        evbuffer_free(body);
    }
}

/* --- /livez and /readyz ----------------------------------------------------------------------- */

static void tell_alive(const struct http *http, struct evhttp_request *request)
{
    (void)http;
    answer_line(request, 200, "alive");
}

static bool is_nearly_full(size_t is, size_t max)
{
    return is >= max - max / 10;
}

/* Writes down why it is not ready. Returns false when it is. */
static bool complain(const struct http *http, char *words, size_t size)
{
    const struct http_options *options = &http->options;
    struct queue_relaying relaying;
    struct queue_totals totals;
    queue_relaying(http->relay->queue, &relaying);
    queue_totals(http->relay->queue, &totals);
    int64_t waits_ms = totals.waits_since_ms == 0 ? 0 : clock_unix_ms() - totals.waits_since_ms;
    if (relaying.is_held) {
        snprintf(words, size, "held by the operator");
    } else if (relaying.is_stopped) {
        snprintf(words, size, "%s", relaying.reason);
    } else if (is_nearly_full(totals.unfinished, options->max_messages) ||
               is_nearly_full(totals.unfinished_bytes, options->max_bytes)) {
        snprintf(words, size, "the queue is nearly full");
    } else if (options->max_wait_ms > 0 && waits_ms > options->max_wait_ms) {
        snprintf(words, size, "the oldest message has waited for %" PRId64 " s (http.max_wait)",
                 waits_ms / 1000);
    } else {
        return false;
    }
    return true;
}

static void tell_ready(const struct http *http, struct evhttp_request *request)
{
    char words[QUEUE_REASON_SIZE];
    char line[sizeof words + sizeof "not ready: "];
    if (complain(http, words, sizeof words)) {
        snprintf(line, sizeof line, "not ready: %s", words);
        answer_line(request, 503, line);
    } else {
        answer_line(request, 200, "ready");
    }
}

/* --- /metrics --------------------------------------------------------------------------------- */

static void tell_metrics(const struct http *http, struct evhttp_request *request)
{
    struct buffer text = BUFFER_EMPTY;
    struct evbuffer *out = evbuffer_new();
    metrics_write(http->relay, clock_unix_ms(), &text);
    if (out == NULL || text.has_failed || evbuffer_add(out, text.data, text.len) != 0) {
        answer_line(request, 503, "out of memory");
    } else {
        answer(request, 200, METRICS_TYPE, out);
    }
    buffer_free(&text);
    if (out != NULL) {
        evbuffer_free(out);
    }
}

/* --- requests --------------------------------------------------------------------------------- */

static const struct page {
    const char *path;
    void (*tell)(const struct http *http, struct evhttp_request *request);
} pages[] = {
    {"/livez", tell_alive},
    {"/metrics", tell_metrics},
    {"/readyz", tell_ready},
};

static bool is_loopback(const char *host)
{
    struct in_addr address;
    return strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
           (inet_pton(AF_INET, host, &address) == 1 && (ntohl(address.s_addr) >> 24) == 127);
}

static bool is_ours(const struct http *http, const char *host)
{
    for (size_t i = 0; host != NULL && i < http->options.host_count; i++) {
        if (strcasecmp(host, http->options.hosts[i]) == 0) {
            return true;
        }
    }
    return host != NULL && is_loopback(host);
}

static void on_request(struct evhttp_request *request, void *arg)
{
    const struct http *http = arg;
    const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));
    if (!is_ours(http, evhttp_request_get_host(request))) {
        answer_line(request, 403, "not a host of this relay (http.hosts)");
        return;
    }
    for (size_t i = 0; path != NULL && i < sizeof pages / sizeof pages[0]; i++) {
        if (strcmp(path, pages[i].path) == 0) {
            pages[i].tell(http, request);
            return;
        }
    }
    answer_line(request, 404, "not found; there are /livez, /metrics and /readyz");
}

/* --- the listener ----------------------------------------------------------------------------- */

struct http *http_new(const struct relay *relay, const struct http_options *options, char *error,
                      size_t error_size)
{
    struct http *http = calloc(1, sizeof *http);
    struct evhttp_bound_socket *bound = NULL;
    if (http != NULL) {
        *http = (struct http){relay, *options, evhttp_new(relay->base)};
    }
    if (http == NULL || http->evhttp == NULL) {
        snprintf(error, error_size, "out of memory");
        http_free(http);
        return NULL;
    }
    bound = evhttp_bind_socket_with_handle(http->evhttp, options->host, options->port);
    if (bound == NULL) {
        snprintf(error, error_size, "cannot listen on http.address %s:%u", options->host,
                 options->port);
        http_free(http);
        return NULL;
    }
    evhttp_set_timeout(http->evhttp, IDLE_SECONDS);
    evhttp_set_max_headers_size(http->evhttp, MAX_HEADERS);
    evhttp_set_max_body_size(http->evhttp, MAX_BODY);
    evhttp_set_default_content_type(http->evhttp, NULL);
    evhttp_set_allowed_methods(http->evhttp, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
    evhttp_set_gencb(http->evhttp, on_request, http);
    http_log_listener(bound, options->host, "http_listening");
    return http;
}

void http_free(struct http *http)
{
    if (http == NULL) {
        return;
    }
    if (http->evhttp != NULL) {
        evhttp_free(http->evhttp);
    }
    free(http);
}
