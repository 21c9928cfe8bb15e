/* http: see http.h. */
#include "gateway/web/http.h"

#include "gateway/base/clock.h"
#include "gateway/base/http_listen.h"
#include "gateway/base/log.h"
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
#include <strings.h>

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

static void tell_ready(const struct http *http, struct evhttp_request *request)
{
    char words[QUEUE_REASON_SIZE];
    char line[sizeof words + sizeof "not ready: "];
    if (complain(http, words)) {
        snprintf(line, sizeof line, "not ready: %s", words);
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
    bool is_button;   /* POST, and only from our page; otherwise GET and HEAD */
    bool is_for_page; /* not for web pages of others */
    bool is_probe;    /* for every host, if http.hosts has "*" */
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

/* --- who may ask ------------------------------------------------------------------------------ */

#define ANY_HOST "*"

/* Drops the brackets around an IPv6 address of `*len` bytes. */
static const char *drop_brackets(const char *host, size_t *len)
{
    if (*len < 2 || host[0] != '[' || host[*len - 1] != ']') {
        return host;
    }
    *len -= 2;
    return host + 1;
}

/* Is it in http.hosts? `host` is `len` bytes. */
static bool is_listed(const struct http *http, const char *host, size_t len)
{
    host = drop_brackets(host, &len);
    for (size_t i = 0; i < http->options.host_count; i++) {
        size_t name_len = strlen(http->options.hosts[i]);
        const char *name = drop_brackets(http->options.hosts[i], &name_len);
        if (name_len == len && strncasecmp(host, name, len) == 0) {
            return true;
        }
    }
    return false;
}

static bool takes_any_host(const struct http *http, const struct route *route)
{
    return route != NULL && route->is_probe && is_listed(http, ANY_HOST, strlen(ANY_HOST));
}

static bool is_named(const struct http *http, const char *host, size_t len)
{
    bool is_any = len == strlen(ANY_HOST) && memcmp(host, ANY_HOST, len) == 0;
    return !is_any && is_listed(http, host, len);
}

static bool is_ours(const struct http *http, const char *host, size_t len)
{
    return is_named(http, host, len) || http_is_loopback(host, len);
}

/*
 * Does the request name only hosts of ours? For libevent, what follows "//" in the path is a host, too,
 * and evhttp_request_get_host then ignores Host; but a web page can choose the path, not Host.
 */
static bool is_for_us(const struct http *http, struct evhttp_request *request)
{
    const char *host = evhttp_find_header(evhttp_request_get_input_headers(request), "Host");
    const char *target = evhttp_uri_get_host(evhttp_request_get_evhttp_uri(request));
    return host != NULL && is_ours(http, host, http_host_len(host)) &&
           (target == NULL || is_ours(http, target, strlen(target)));
}

/*
 * Was the request made by our page (RFC 6454)? Its origin is http:// and the host in Host; behind a
 * proxy, https:// and one of http.hosts.
 */
static bool is_own_origin(const struct http *http, struct evhttp_request *request)
{
    struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
    const char *origin = evhttp_find_header(headers, "Origin");
    const char *host = evhttp_find_header(headers, "Host");
    if (origin == NULL || host == NULL) {
        return false;
    }
    if (strncmp(origin, "https://", strlen("https://")) == 0) {
        origin += strlen("https://");
        return is_named(http, origin, http_host_len(origin));
    }
    return strncmp(origin, "http://", strlen("http://")) == 0 &&
           strcasecmp(origin + strlen("http://"), host) == 0;
}

/*
 * Was the request made by a page of another site? Browsers tell (Fetch Metadata, W3C). Such a page
 * could not read the answer, but could occupy all places for listeners.
 */
static bool is_from_other_page(struct evhttp_request *request)
{
    const char *site =
        evhttp_find_header(evhttp_request_get_input_headers(request), "Sec-Fetch-Site");
    return site != NULL && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0;
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
    } else if ((route->is_button && !is_own_origin(http, request)) ||
               (route->is_for_page && is_from_other_page(request))) {
        http_answer_line(request, 403, "not from this page");
    } else if (has_query(request) && !route->has_query) {
        http_answer_line(request, HTTP_BADREQUEST, "nothing can be asked for here with ?");
    } else {
        route->tell(http, request);
    }
}

static void on_request(struct evhttp_request *request, void *arg)
{
    const struct http *http = arg;
    const struct route *route =
        find_route(evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request)));
    if (!takes_any_host(http, route) && !is_for_us(http, request)) {
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
    char url[HTTP_URL_SIZE];
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
    http_listener_url(http->listener, url);
    LOG(LOG_INFO, "http_listening", LOG_STR("url", url));
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
