/* http: see http.h. */
#include "gateway/web/http.h"

#include "gateway/base/clock.h"
#include "gateway/base/http_listen.h"
#include "gateway/base/log.h"
#include "gateway/base/stats.h"
#include "gateway/queue/admission.h"
#include "gateway/queue/ask.h"
#include "gateway/serve/relay.h"
#include "gateway/web/metrics.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IDLE_SECONDS = 30, REQUEST_MS = 10000, MAX_BODY = 1024, CONNECTIONS_MAX = 64 };

struct http {
    const struct relay *relay;
    struct http_options options;
    struct http_listener *listener;
    struct page *page;
    bool is_stopping;
};

/* --- /livez and /readyz ----------------------------------------------------------------------- */

static void tell_alive(const struct http *http, struct evhttp_request *request)
{
    (void)http;
    http_answer_line(request, 200, "alive");
}

static bool is_nearly_full(size_t is, size_t max)
{
    return is >= max - max / 10;
}

/* Writes why the relay is not ready. Returns false if it is. */
static bool complain(const struct http *http, char words[QUEUE_REASON_SIZE])
{
    const struct http_options *options = &http->options;
    const size_t size = QUEUE_REASON_SIZE;
    struct queue_relaying relaying;
    struct queue_totals totals;
    queue_relaying(http->relay->queue, &relaying);
    queue_totals(http->relay->queue, &totals);
    int64_t waits_ms = clock_age_ms(totals.waits_since_ms, clock_steady_ms());
    if (http->is_stopping) {
        snprintf(words, size, "stopping");
    } else if (relaying.is_held) {
        snprintf(words, size, "held by the operator");
    } else if (relaying.is_stopped) {
        snprintf(words, size, "%s", relaying.reason);
    } else if (queue_is_in_trouble(http->relay->queue, words)) {
        return true;
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

/* A web page may ask under a name of its own, and learns no reason. */
static void tell_ready(const struct http *http, struct evhttp_request *request)
{
    const struct access *access = &http->options.access;
    char words[QUEUE_REASON_SIZE];
    char line[sizeof words + sizeof "not ready: "];
    if (complain(http, words)) {
        bool is_told = access_takes_any_host(access) || access_names_us(access, request);
        snprintf(line, sizeof line, "not ready%s%s", is_told ? ": " : "", is_told ? words : "");
        http_answer_line(request, 503, line);
    } else {
        http_answer_line(request, 200, "ready");
    }
}

/* --- /metrics --------------------------------------------------------------------------------- */

static void tell_metrics(const struct http *http, struct evhttp_request *request)
{
    struct buffer text = BUFFER_EMPTY;
    struct evbuffer *out = evbuffer_new();
    metrics_write(http->relay, clock_unix_ms(), &text);
    if (out == NULL || text.has_failed || evbuffer_add(out, text.data, text.len) != 0) {
        http_answer_line(request, 503, "out of memory");
    } else {
        http_answer(request, 200, METRICS_TYPE, out);
    }
    buffer_free(&text);
    if (out != NULL) {
        evbuffer_free(out);
    }
}

/* --- the page --------------------------------------------------------------------------------- */

static void tell_page(const struct http *http, struct evhttp_request *request)
{
    page_show(http->page, request);
}

static void tell_events(const struct http *http, struct evhttp_request *request)
{
    page_tell_events(http->page, request);
}

static void tell_inbox(const struct http *http, struct evhttp_request *request)
{
    page_tell_inbox(http->page, request);
}

static void tell_messages(const struct http *http, struct evhttp_request *request)
{
    page_tell_messages(http->page, request);
}

static void tell_message(const struct http *http, struct evhttp_request *request)
{
    page_tell_message(http->page, request);
}

static void take_report(const struct http *http, struct evhttp_request *request)
{
    page_take_report(http->page, request);
}

static const struct route {
    const char *path;
    bool is_button;   /* POST, and only from our page, on this machine; otherwise GET and HEAD */
    bool is_for_page; /* not for web pages of others */
    bool is_probe;    /* whatever host is named */
    bool has_query;   /* others take none */
    void (*tell)(const struct http *http, struct evhttp_request *request);
} routes[] = {
    {.path = "/", .tell = tell_page},
    {.path = "/events", .is_for_page = true, .tell = tell_events},
    {.path = "/inbox", .is_for_page = true, .tell = tell_inbox},
    {.path = "/inbox/report", .is_button = true, .is_for_page = true, .tell = take_report},
    {.path = "/livez", .is_probe = true, .tell = tell_alive},
    {.path = "/message", .is_for_page = true, .has_query = true, .tell = tell_message},
    {.path = "/messages", .is_for_page = true, .has_query = true, .tell = tell_messages},
    {.path = "/metrics", .tell = tell_metrics},
    {.path = "/readyz", .is_probe = true, .tell = tell_ready},
};

/* Returns NULL if there is nothing at this path. */
static const struct route *find_route(const char *path)
{
    for (size_t i = 0; path != NULL && i < sizeof routes / sizeof routes[0]; i++) {
        if (strcmp(path, routes[i].path) == 0) {
            return &routes[i];
        }
    }
    return NULL;
}

/* --- requests --------------------------------------------------------------------------------- */

static bool has_query(struct evhttp_request *request)
{
    return evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request)) != NULL;
}

static void follow(const struct http *http, const struct route *route,
                   struct evhttp_request *request)
{
    bool is_post = evhttp_request_get_command(request) == EVHTTP_REQ_POST;
    if (is_post != route->is_button) {
        evhttp_add_header(evhttp_request_get_output_headers(request), "Allow",
                          route->is_button ? "POST" : "GET, HEAD");
        http_answer_line(request, HTTP_BADMETHOD, "method not allowed");
    } else if ((route->is_button && !access_is_own_origin(&http->options.access, request)) ||
               (route->is_for_page && access_is_from_other_page(request))) {
        http_answer_line(request, 403, "not from this page");
    } else if (route->is_button && !access_is_local(request)) {
        http_answer_line(request, 403, "only from the relay's own machine");
    } else if (has_query(request) && !route->has_query) {
        http_answer_line(request, HTTP_BADREQUEST, "nothing can be asked for here with ?");
    } else {
        route->tell(http, request);
    }
}

/* It comes from where nobody may ask. */
static void refuse_stranger(const struct http *http, struct evhttp_request *request)
{
    char *address = NULL;
    uint16_t port;
    evhttp_connection_get_peer(evhttp_request_get_connection(request), &address, &port);
    stats_add(http->relay->stats, STAT_HTTP_REFUSED, 1);
    LOG(LOG_INFO, "http_refused",
        log_key(LOG_STR("peer", address == NULL ? "" : address), SIZE_MAX),
        LOG_STR("reason", "not in http.networks"));
    evhttp_add_header(evhttp_request_get_output_headers(request), "Connection", "close");
    http_answer_line(request, 403, "not from this address (http.networks)");
}

static void on_request(struct evhttp_request *request, void *arg)
{
    const struct http *http = arg;
    const struct route *route =
        find_route(evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request)));
    const struct access *access = &http->options.access;
    bool is_probe = route != NULL && route->is_probe;
    if (!access_is_inside(access, request)) {
        refuse_stranger(http, request);
    } else if (!is_probe && !access_names_us(access, request)) {
        http_answer_line(request, 403, "not a host of this relay (http.hosts)");
    } else if (route == NULL) {
        http_answer_line(request, 404, "not found; there are /, /livez, /metrics and /readyz");
    } else {
        follow(http, route, request);
    }
}

/* --- the listener ----------------------------------------------------------------------------- */

struct http *http_new(const struct relay *relay, const struct http_options *options, char *error,
                      size_t error_size)
{
    const struct http_listener_options listener = {
        .address = options->address,
        .limit = {.max = CONNECTIONS_MAX, .request_ms = REQUEST_MS, .stats = relay->stats},
        .max_body = MAX_BODY,
        .idle_seconds = IDLE_SECONDS,
        .methods = EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST,
    };
    struct http *http = calloc(1, sizeof *http);
    snprintf(error, error_size, "out of memory");
    if (http == NULL) {
        return NULL;
    }
    http->relay = relay;
    http->options = *options;
    http->page = page_new(relay, &options->page, error, error_size);
    if (http->page == NULL) {
        goto fail;
    }
    http->listener = http_listener_new(relay->base, &listener, on_request, http, error, error_size);
    if (http->listener == NULL) {
        goto fail;
    }
    http_listener_log(http->listener, "http_listening");
    return http;
fail:
    http_free(http);
    return NULL;
}

void http_stop(struct http *http)
{
    if (http != NULL) {
        http->is_stopping = true;
    }
}

void http_free(struct http *http)
{
    if (http == NULL) {
        return;
    }
    page_free(http->page);
    http_listener_free(http->listener);
    free(http);
}
