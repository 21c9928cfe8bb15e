/*
 * http: see http.h. Thread: the event base's.
 *
 * Relies on libevent 2.1: it does not read from a connection until its request is answered, so that
 * only a write notices that the client has left, or the event that watches a hanging connection;
 * evhttp_send_reply frees a request whose connection has gone; a "Connection: close" that is added to
 * a request after its answer was written closes the connection without telling the client.
 */
#include "gateway/sandbox/http.h"

#include "gateway/base/clock.h"
#include "gateway/base/http_host.h"
#include "gateway/base/http_listen.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

enum {
    IDLE_SECONDS =
        24 * 60 * 60,    /* evhttp's default of 50 s would be a fault that nobody injected */
    MAX_BODY = 64 << 20, /* the most that the setting max_body may allow */
    MAX_HEADERS = 64 << 10
};

/* An answer that is still to be sent. */
struct pending {
    LIST_ENTRY(pending) entry;
    struct evhttp_request *request;
    struct event *event;
    int64_t due_us; /* monotonic */
    struct sandbox_answer answer;
};

struct sandbox_http {
    struct event_base *base;
    struct evhttp *evhttp;
    struct listen_address address;
    sandbox_http_serve *serve;
    void *arg;
    struct sandbox_peer **peers; /* by file descriptor */
    size_t peers_size;
    uint64_t connections;
    LIST_HEAD(pending_list, pending) pending;
};

bool sandbox_is_loopback(const char *host)
{
    return http_is_loopback(host, strlen(host)) || strcmp(host, "::1") == 0 ||
           strncmp(host, "::ffff:127.", 11) == 0;
}

/* --- peers ------------------------------------------------------------------------------------ */

static void on_close(struct evhttp_connection *connection, void *arg)
{
    struct sandbox_peer *peer = arg;

    (void)connection;
    peer->http->peers[peer->fd] = NULL;
    free(peer);
}

static bool make_room(struct sandbox_http *http, size_t fd)
{
    size_t size = http->peers_size;
    struct sandbox_peer **peers;

    if (fd < size) {
        return true;
    }
    while (size <= fd) {
        size = size == 0 ? 64 : size * 2;
    }
    peers = realloc(http->peers, size * sizeof(struct sandbox_peer *));
    if (peers == NULL) {
        return false;
    }
    memset(peers + http->peers_size, 0, (size - http->peers_size) * sizeof *peers);
    http->peers = peers;
    http->peers_size = size;
    return true;
}

static struct sandbox_peer *peer_new(struct sandbox_http *http,
                                     struct evhttp_connection *connection, int fd)
{
    struct sandbox_peer *peer = calloc(1, sizeof *peer);
    char *address = NULL;
    uint16_t port;
    int one = 1;

    if (peer == NULL || !make_room(http, (size_t)fd)) {
        free(peer);
        return NULL;
    }
    evhttp_connection_get_peer(connection, &address, &port);
    peer->id = ++http->connections;
    peer->connection = connection;
    peer->http = http;
    peer->fd = fd;
    peer->is_loopback = address != NULL && sandbox_is_loopback(address);
    http->peers[fd] = peer;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    evhttp_connection_set_closecb(connection, on_close, peer);
    return peer;
}

static struct sandbox_peer *peer_of(struct sandbox_http *http, struct evhttp_connection *connection)
{
    int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(connection));

    if (fd < 0) {
        return NULL;
    }
    if ((size_t)fd < http->peers_size && http->peers[fd] != NULL) {
        return http->peers[fd];
    }
    return peer_new(http, connection, fd);
}

static void on_request(struct evhttp_request *request, void *arg)
{
    struct sandbox_http *http = arg;
    struct sandbox_peer *peer = peer_of(http, evhttp_request_get_connection(request));

    http_close_after_unread(request);
    if (peer == NULL) {
        evhttp_send_error(request, HTTP_INTERNAL, NULL);
    } else {
        http->serve(request, peer, http->arg);
    }
}

/* --- answers ---------------------------------------------------------------------------------- */

/* Reasons that libevent does not know. */
static const char *reason_of(int status)
{
    switch (status) {
    case 422:
        return "Unprocessable Entity";
    case 429:
        return "Too Many Requests";
    default:
        return NULL;
    }
}

static void close_unannounced(struct evhttp_request *request, void *arg)
{
    (void)arg;
    evhttp_add_header(evhttp_request_get_output_headers(request), "Connection", "close");
}

static void truncate_body(struct evhttp_request *request, struct sandbox_answer *answer)
{
    size_t length = answer->body == NULL ? 0 : evbuffer_get_length(answer->body);
    struct evbuffer *part = evbuffer_new();
    char text[24];

    snprintf(text, sizeof text, "%zu", length);
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Length", text);
    if (part != NULL && answer->body != NULL) {
        evbuffer_remove_buffer(answer->body, part, answer->truncate);
    }
    if (answer->body != NULL) {
        evbuffer_free(answer->body);
    }
    answer->body = part;
    evhttp_request_set_on_complete_cb(request, close_unannounced, NULL);
}

static void drop(struct evhttp_request *request, bool is_reset)
{
    struct evhttp_connection *connection = evhttp_request_get_connection(request);
    struct sockaddr none = {.sa_family = AF_UNSPEC};

    if (connection == NULL) {
        evhttp_request_free(request);
        return;
    }
    /* Not SO_LINGER: libevent shuts down before it closes, and a FIN would leave before the RST. */
    if (is_reset) {
        connect(bufferevent_getfd(evhttp_connection_get_bufferevent(connection)), &none,
                sizeof none);
    }
    evhttp_connection_free(connection);
}

static void finish(struct evhttp_request *request, struct sandbox_answer *answer)
{
    switch (answer->ending) {
    case SANDBOX_TRUNCATE:
        truncate_body(request, answer);
        evhttp_send_reply(request, answer->status, reason_of(answer->status), answer->body);
        break;
    case SANDBOX_ANSWER:
        evhttp_send_reply(request, answer->status, reason_of(answer->status), answer->body);
        break;
    case SANDBOX_DROP:
    case SANDBOX_RESET:
    case SANDBOX_HANG:
        drop(request, answer->ending == SANDBOX_RESET);
        break;
    }
    if (answer->body != NULL) {
        evbuffer_free(answer->body);
    }
}

static void pending_free(struct pending *pending)
{
    LIST_REMOVE(pending, entry);
    event_free(pending->event);
    free(pending);
}

/* Waits until the answer is due; until the client leaves if it never is. */
static void wait_for(struct pending *pending)
{
    int64_t left_us = pending->due_us - clock_monotonic_us();
    struct timeval delay = {left_us / 1000000, left_us % 1000000};

    if (left_us <= 0) {
        delay = (struct timeval){0, 0};
    }
    event_add(pending->event, pending->answer.ending == SANDBOX_HANG ? NULL : &delay);
}

static void on_due(evutil_socket_t fd, short what, void *arg)
{
    struct pending *pending = arg;
    struct evhttp_request *request = pending->request;
    struct sandbox_answer answer = pending->answer;

    (void)fd;
    (void)what;
    /* libevent's clock is coarse: the timer may fire some milliseconds early. */
    if (answer.ending != SANDBOX_HANG && clock_monotonic_us() < pending->due_us) {
        wait_for(pending);
        return;
    }
    pending_free(pending);
    finish(request, &answer);
}

void sandbox_http_answer(struct sandbox_peer *peer, struct evhttp_request *request,
                         const struct sandbox_answer *answer)
{
    struct sandbox_http *http = peer->http;
    struct sandbox_answer now = *answer;
    struct pending *pending;

    if (answer->ending == SANDBOX_ANSWER && answer->delay_ms <= 0) {
        finish(request, &now);
        return;
    }
    /* Closing waits for the loop even without a delay: evhttp still uses the connection. */
    pending = calloc(1, sizeof *pending);
    if (pending == NULL) {
        abort();
    }
    pending->request = request;
    pending->answer = now;
    pending->due_us = clock_monotonic_us() + answer->delay_ms * 1000;
    LIST_INSERT_HEAD(&http->pending, pending, entry);
    if (answer->ending == SANDBOX_HANG) {
        pending->event = event_new(http->base, peer->fd, EV_CLOSED, on_due, pending);
    } else {
        pending->event = evtimer_new(http->base, on_due, pending);
    }
    if (pending->event == NULL) {
        abort();
    }
    wait_for(pending);
}

/* --- the server ------------------------------------------------------------------------------- */

struct sandbox_http *sandbox_http_new(struct event_base *base, const struct listen_address *address,
                                      sandbox_http_serve *serve, void *arg, char *error,
                                      size_t error_size)
{
    struct sandbox_http *http = calloc(1, sizeof *http);

    snprintf(error, error_size, "out of memory");
    if (http == NULL) {
        return NULL;
    }
    http->base = base;
    http->serve = serve;
    http->arg = arg;
    LIST_INIT(&http->pending);
    http->evhttp = evhttp_new(base);
    if (http->evhttp == NULL) {
        goto fail;
    }
    http->address = *address;
    if (http_bind(base, http->evhttp, &http->address, error, error_size) == NULL) {
        goto fail;
    }
    evhttp_set_timeout(http->evhttp, IDLE_SECONDS);
    evhttp_set_max_body_size(http->evhttp, MAX_BODY);
    evhttp_set_max_headers_size(http->evhttp, MAX_HEADERS);
    evhttp_set_default_content_type(http->evhttp, NULL);
    evhttp_set_allowed_methods(http->evhttp, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_PUT |
                                                 EVHTTP_REQ_DELETE | EVHTTP_REQ_HEAD |
                                                 EVHTTP_REQ_PATCH | EVHTTP_REQ_OPTIONS);
    evhttp_set_gencb(http->evhttp, on_request, http);
    return http;
fail:
    sandbox_http_free(http);
    return NULL;
}

const struct listen_address *sandbox_http_address(const struct sandbox_http *http)
{
    return &http->address;
}

void sandbox_http_free(struct sandbox_http *http)
{
    struct pending *pending;

    if (http == NULL) {
        return;
    }
    while ((pending = LIST_FIRST(&http->pending)) != NULL) {
        /* evhttp frees only requests that still have a connection. */
        if (evhttp_request_get_connection(pending->request) == NULL) {
            evhttp_request_free(pending->request);
        }
        if (pending->answer.body != NULL) {
            evbuffer_free(pending->answer.body);
        }
        pending_free(pending);
    }
    if (http->evhttp != NULL) {
        evhttp_free(http->evhttp);
    }
    free(http->peers);
    free(http);
}
