/*
 * http_limit: see http_limit.h.
 *
 * evhttp tells nobody that a connection has ended, but it takes its callbacks off the bufferevent
 * when it lets that go: one that is held here too, and has none, is an empty place.
 */
#include "gateway/base/http_limit.h"

#include "gateway/base/log.h"

#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <stdbool.h>
#include <stdlib.h>

enum {
    RESUME_MS = 100, /* how often it is looked for an empty place, or descriptor */
    READ_AHEAD = 128 * 1024
};

struct http_places {
    struct http_places *next;
    struct evconnlistener *listener; /* evhttp's; NULL = it has been stopped */
    struct event *resume;
    size_t max, count;
    struct bufferevent *taken[];
};

/* All that there are: of a listener that has run out of descriptors libevent tells no more than which
 * it is. */
static struct http_places *all;

static bool is_empty(struct bufferevent *bev)
{
    bufferevent_data_cb on_read;
    bufferevent_data_cb on_write;
    bufferevent_event_cb on_event;
    void *arg;
    bufferevent_getcb(bev, &on_read, &on_write, &on_event, &arg);
    return on_read == NULL && on_write == NULL && on_event == NULL;
}

static void sweep(struct http_places *places)
{
    size_t count = 0;
    for (size_t i = 0; i < places->count; i++) {
        if (is_empty(places->taken[i])) {
            bufferevent_decref(places->taken[i]);
        } else {
            places->taken[count++] = places->taken[i];
        }
    }
    places->count = count;
}

static void pause_accepting(struct http_places *places)
{
    static const struct timeval RESUME = {.tv_usec = RESUME_MS * 1000L};
    evconnlistener_disable(places->listener);
    event_add(places->resume, &RESUME);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct http_places *places = arg;
    sweep(places);
    if (places->count < places->max) {
        evconnlistener_enable(places->listener);
    } else {
        pause_accepting(places);
    }
}

/* Without a pause this would come again at once, for ever. */
static void on_error(struct evconnlistener *listener, void *arg)
{
    (void)arg; /* evhttp's */
    LOG(LOG_ERROR, "accept_failed", LOG_ERRNO(EVUTIL_SOCKET_ERROR()));
    for (struct http_places *places = all; places != NULL; places = places->next) {
        if (places->listener == listener) {
            pause_accepting(places);
        }
    }
}

/*
 * Gives a new connection its bufferevent; its socket is evhttp's to close. evhttp reads on while it
 * answers, and takes a body, or a chunk of one, only when it is there as a whole.
 */
static struct bufferevent *take(struct event_base *base, void *arg)
{
    struct http_places *places = arg;
    struct bufferevent *bev = bufferevent_socket_new(base, -1, 0);
    sweep(places);
    if (bev != NULL) {
        bufferevent_setwatermark(bev, EV_READ, 0, READ_AHEAD);
    }
    if (bev != NULL && places->count < places->max) {
        bufferevent_incref(bev);
        places->taken[places->count++] = bev;
    }
    if (places->count == places->max) {
        pause_accepting(places);
    }
    return bev;
}

struct http_places *http_places_new(struct event_base *base, struct evhttp *evhttp,
                                    struct evhttp_bound_socket *bound, size_t max)
{
    struct http_places *places = calloc(1, sizeof *places + max * sizeof places->taken[0]);
    if (places == NULL) {
        return NULL;
    }
    places->max = max;
    places->listener = evhttp_bound_socket_get_listener(bound);
    places->resume = evtimer_new(base, on_resume, places);
    if (places->resume == NULL) {
        free(places);
        return NULL;
    }
    evconnlistener_set_error_cb(places->listener, on_error);
    evhttp_set_bevcb(evhttp, take, places);
    places->next = all;
    all = places;
    return places;
}

void http_places_stop(struct http_places *places)
{
    if (places != NULL) {
        event_del(places->resume);
        places->listener = NULL;
    }
}

void http_places_free(struct http_places *places)
{
    if (places == NULL) {
        return;
    }
    struct http_places **link = &all;
    while (*link != places) {
        link = &(*link)->next;
    }
    *link = places->next;
    for (size_t i = 0; i < places->count; i++) {
        bufferevent_decref(places->taken[i]);
    }
    event_free(places->resume);
    free(places);
}
