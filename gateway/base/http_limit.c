/*
 * http_limit: see http_limit.h.
 *
 * evhttp does not tell that a connection has ended, but it removes its callbacks from a bufferevent
 * that it releases. So one that we hold a reference to, and that has no callbacks, is released.
 */
#include "gateway/base/http_limit.h"

#include "gateway/base/descriptors.h"
#include "gateway/base/log.h"

#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <stdbool.h>
#include <stdlib.h>

enum {
    RESUME_MS = 100, /* how often to look for a free connection, or descriptor */
    READ_AHEAD = 128 * 1024
};

struct http_limit {
    struct http_limit *next;
    struct evconnlistener *listener; /* evhttp's; NULL = stopped */
    struct event *resume;
    size_t max, count;
    struct bufferevent *taken[];
};

/* All limits: on an error, libevent passes only the listener. */
static struct http_limit *all;

static bool is_released(struct bufferevent *bev)
{
    bufferevent_data_cb on_read;
    bufferevent_data_cb on_write;
    bufferevent_event_cb on_event;
    void *arg;
    bufferevent_getcb(bev, &on_read, &on_write, &on_event, &arg);
    return on_read == NULL && on_write == NULL && on_event == NULL;
}

static void sweep(struct http_limit *limit)
{
    size_t count = 0;
    for (size_t i = 0; i < limit->count; i++) {
        if (is_released(limit->taken[i])) {
            bufferevent_decref(limit->taken[i]);
        } else {
            limit->taken[count++] = limit->taken[i];
        }
    }
    limit->count = count;
}

static void pause_accepting(struct http_limit *limit)
{
    static const struct timeval RESUME = {.tv_usec = RESUME_MS * 1000L};
    evconnlistener_disable(limit->listener);
    event_add(limit->resume, &RESUME);
}

static bool is_full(const struct http_limit *limit)
{
    return limit->count >= limit->max ||
           (limit->count >= HTTP_LIMIT_SURE && descriptors_are_reserved(descriptors_next(), 0));
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct http_limit *limit = arg;
    sweep(limit);
    if (is_full(limit)) {
        pause_accepting(limit);
    } else {
        evconnlistener_enable(limit->listener);
    }
}

/* Probably out of descriptors: without a pause, the error would repeat at once. */
static void on_error(struct evconnlistener *listener, void *arg)
{
    (void)arg; /* evhttp's */
    LOG(LOG_ERROR, "accept_failed", LOG_ERRNO(EVUTIL_SOCKET_ERROR()));
    for (struct http_limit *limit = all; limit != NULL; limit = limit->next) {
        if (limit->listener == listener) {
            pause_accepting(limit);
        }
    }
}

/*
 * Makes the bufferevent of a new connection; evhttp closes its socket. evhttp reads on while it
 * answers, and takes a body, or a chunk of one, only when it is complete.
 */
static struct bufferevent *take(struct event_base *base, void *arg)
{
    struct http_limit *limit = arg;
    struct bufferevent *bev = bufferevent_socket_new(base, -1, 0);
    sweep(limit);
    if (bev != NULL) {
        bufferevent_setwatermark(bev, EV_READ, 0, READ_AHEAD);
    }
    if (bev != NULL && limit->count < limit->max) {
        bufferevent_incref(bev);
        limit->taken[limit->count++] = bev;
    }
    if (is_full(limit)) {
        pause_accepting(limit);
    }
    return bev;
}

struct http_limit *http_limit_new(struct event_base *base, struct evhttp *evhttp,
                                  struct evhttp_bound_socket *bound, size_t max)
{
    struct http_limit *limit = calloc(1, sizeof *limit + max * sizeof limit->taken[0]);
    if (limit == NULL) {
        return NULL;
    }
    limit->max = max;
    limit->listener = evhttp_bound_socket_get_listener(bound);
    limit->resume = evtimer_new(base, on_resume, limit);
    if (limit->resume == NULL) {
        free(limit);
        return NULL;
    }
    evconnlistener_set_error_cb(limit->listener, on_error);
    evhttp_set_bevcb(evhttp, take, limit);
    limit->next = all;
    all = limit;
    return limit;
}

void http_limit_stop(struct http_limit *limit)
{
    if (limit != NULL) {
        event_del(limit->resume);
        limit->listener = NULL;
    }
}

void http_limit_free(struct http_limit *limit)
{
    if (limit == NULL) {
        return;
    }
    struct http_limit **link = &all;
    while (*link != limit) {
        link = &(*link)->next;
    }
    *link = limit->next;
    for (size_t i = 0; i < limit->count; i++) {
        bufferevent_decref(limit->taken[i]);
    }
    event_free(limit->resume);
    free(limit);
}
