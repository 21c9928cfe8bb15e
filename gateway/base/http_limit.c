/*
 * http_limit: see http_limit.h.
 *
 * evhttp does not tell that a connection has ended, but it removes its callbacks from a bufferevent
 * that it releases. So one that we hold a reference to, and that has no callbacks, is released. We end
 * a connection by shutting its socket down: evhttp then finds that its peer has left.
 */
#include "gateway/base/http_limit.h"

#include "gateway/base/clock.h"
#include "gateway/base/descriptors.h"
#include "gateway/base/log.h"
#include "gateway/base/stats.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    RESUME_MS = 10, /* how often to look for a free place, a descriptor, and what has been closed */
    YOUNG_US = 400, /* for each place: so 2,500 newcomers a second can take the places of others */
    DEAF_MS = 2000, /* how long an answer may wait to be read when others need the place */
    READ_AHEAD = 128 * 1024
};

/* What a connection does. */
enum place_state {
    PLACE_WAITS,  /* nothing of its next request has come */
    PLACE_READS,  /* its request is not whole; a new connection is in this state, too */
    PLACE_SERVED, /* its request is being answered, or the answer read */
    PLACE_CLOSES
};

struct place {
    struct http_limit *limit;
    struct bufferevent *bev; /* NULL = the place is free */
    enum place_state state;
    int64_t since_ms; /* monotonic: it is in this state */
    struct http_head head;
};

struct http_limit {
    struct http_limit *next;
    struct evconnlistener *listener; /* evhttp's; NULL = stopped */
    struct http_limit_options options;
    struct event *resume, *look;
    struct place places[]; /* twice `max`: closing takes a turn of the loop */
};

/* All limits: on an error, libevent passes only the listener. */
static struct http_limit *all;

/* --- one place -------------------------------------------------------------------------------- */

static void enter(struct place *place, enum place_state state)
{
    place->state = state;
    place->since_ms = clock_monotonic_ms();
}

/* Looks at bytes of the input from `at` on. */
static void look_at(struct place *place, struct evbuffer *input, size_t at)
{
    enum { PIECES = 8 };
    struct evbuffer_iovec pieces[PIECES];
    struct evbuffer_ptr from;
    size_t len = evbuffer_get_length(input);
    while (at < len && !place->head.is_over &&
           evbuffer_ptr_set(input, &from, at, EVBUFFER_PTR_SET) == 0) {
        int count = evbuffer_peek(input, -1, &from, pieces, PIECES);
        for (int i = 0; i < count && i < PIECES; i++) {
            http_head_read(&place->head, pieces[i].iov_base, pieces[i].iov_len);
            at += pieces[i].iov_len;
        }
    }
}

static void on_input(struct evbuffer *input, const struct evbuffer_cb_info *info, void *arg)
{
    struct place *place = arg;
    if (info->n_added == 0 || place->state == PLACE_SERVED || place->state == PLACE_CLOSES) {
        return;
    }
    if (place->state == PLACE_WAITS) {
        enter(place, PLACE_READS);
    }
    look_at(place, input, evbuffer_get_length(input) - info->n_added);
}

/* The answer is on its way: what comes now, or has come already, is the next request. */
static void on_answered(struct evhttp_request *request, void *arg)
{
    (void)request;
    struct place *place = arg;
    struct evbuffer *input = bufferevent_get_input(place->bev);
    place->head = (struct http_head){.has_begun = false};
    enter(place, evbuffer_get_length(input) > 0 ? PLACE_READS : PLACE_WAITS);
    look_at(place, input, 0);
}

static bool is_released(struct bufferevent *bev)
{
    bufferevent_data_cb on_read;
    bufferevent_data_cb on_write;
    bufferevent_event_cb on_event;
    void *arg;
    bufferevent_getcb(bev, &on_read, &on_write, &on_event, &arg);
    return on_read == NULL && on_write == NULL && on_event == NULL;
}

static void leave(struct place *place)
{
    evbuffer_remove_cb(bufferevent_get_input(place->bev), on_input, place);
    bufferevent_decref(place->bev);
    place->bev = NULL;
}

/* Ends its connection; tells a client whose request is not whole why (RFC 9110, 15.5.9). */
static void end(struct place *place, const char *reason)
{
    static const char TIMED_OUT[] = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n"
                                    "Content-Length: 0\r\n\r\n";
    int fd = bufferevent_getfd(place->bev);
    if (place->state == PLACE_READS && place->head.has_begun) {
        (void)send(fd, TIMED_OUT, sizeof TIMED_OUT - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    enter(place, PLACE_CLOSES);
    shutdown(fd, SHUT_RDWR);
    stats_add(place->limit->options.stats, STAT_HTTP_CLOSED, 1);
    LOG(LOG_WARN, "http_closed", LOG_STR("reason", reason));
}

/* --- all of them ------------------------------------------------------------------------------ */

/* Frees the places of connections that have ended. */
static void sweep(struct http_limit *limit)
{
    for (size_t i = 0; i < 2 * limit->options.max; i++) {
        struct place *place = &limit->places[i];
        if (place->bev != NULL && is_released(place->bev)) {
            leave(place);
        }
    }
}

/* How many places are taken; `*closing` gets how many of these are about to be free. */
static size_t count_taken(const struct http_limit *limit, size_t *closing)
{
    size_t count = 0;
    *closing = 0;
    for (size_t i = 0; i < 2 * limit->options.max; i++) {
        const struct place *place = &limit->places[i];
        count += place->bev != NULL;
        *closing += place->bev != NULL && place->state == PLACE_CLOSES;
    }
    return count;
}

/* Who goes first when a place is needed; 0 = nobody may be sent away. */
static int rank(const struct place *place, int64_t now_ms)
{
    int64_t age_ms = now_ms - place->since_ms;
    int64_t young_ms = (int64_t)place->limit->options.max * YOUNG_US / 1000;
    switch (place->state) {
    case PLACE_READS:
        return age_ms < young_ms ? 0 : place->head.has_begun ? 3 : 2;
    case PLACE_WAITS:
        return age_ms < young_ms ? 0 : 2;
    case PLACE_SERVED: {
        size_t unread = evbuffer_get_length(bufferevent_get_output(place->bev));
        return unread > 0 && age_ms >= DEAF_MS ? 1 : 0;
    }
    case PLACE_CLOSES:
        break;
    }
    return 0;
}

/* Ends the connection that can best be spared. Returns false if none can. */
static bool make_room(struct http_limit *limit)
{
    int64_t now_ms = clock_monotonic_ms();
    struct place *first = NULL;
    int highest = 0;
    for (size_t i = 0; i < 2 * limit->options.max; i++) {
        struct place *place = &limit->places[i];
        int mine = place->bev == NULL ? 0 : rank(place, now_ms);
        if (mine > highest || (mine > 0 && mine == highest && place->since_ms < first->since_ms)) {
            first = place;
            highest = mine;
        }
    }
    if (first != NULL) {
        end(first, "its place was needed");
    }
    return first != NULL;
}

/* Is there a place for another connection, or can one be made? */
static bool has_room(struct http_limit *limit)
{
    size_t closing;
    size_t count = count_taken(limit, &closing);
    bool has_descriptors =
        count < HTTP_LIMIT_SURE || !descriptors_are_reserved(descriptors_next(), 0);
    bool has_place = count - closing < limit->options.max || (has_descriptors && make_room(limit));
    return count < 2 * limit->options.max && has_descriptors && has_place;
}

/* Looks again soon, for a place or to let go of what evhttp is closing. */
static void look_soon(struct http_limit *limit)
{
    static const struct timeval RESUME = {.tv_usec = RESUME_MS * 1000L};
    bool is_stopped = limit->listener == NULL;
    if (!is_stopped && !event_pending(limit->resume, EV_TIMEOUT, NULL)) {
        event_add(limit->resume, &RESUME);
    }
}

static void accept_or_pause(struct http_limit *limit)
{
    size_t closing;
    bool may_accept = has_room(limit);
    if (may_accept) {
        evconnlistener_enable(limit->listener);
    } else {
        evconnlistener_disable(limit->listener);
    }
    (void)count_taken(limit, &closing);
    if (!may_accept || closing > 0) {
        look_soon(limit);
    }
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct http_limit *limit = arg;
    sweep(limit);
    accept_or_pause(limit);
}

/* Ends connections whose request takes too long. */
static void on_look(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct http_limit *limit = arg;
    const int64_t look_us = limit->options.request_ms * 1000 / 10;
    const struct timeval later = {look_us / 1000000, look_us % 1000000};
    size_t closing;
    sweep(limit);
    int64_t now_ms = clock_monotonic_ms();
    for (size_t i = 0; i < 2 * limit->options.max; i++) {
        struct place *place = &limit->places[i];
        if (place->bev != NULL && place->state == PLACE_READS &&
            now_ms - place->since_ms >= limit->options.request_ms) {
            end(place, "its request was not whole in time");
            look_soon(limit);
        }
    }
    if (count_taken(limit, &closing) > 0) {
        event_add(limit->look, &later);
    }
}

/* Probably out of descriptors: without a pause, the error would repeat at once. */
static void on_error(struct evconnlistener *listener, void *arg)
{
    static const struct timeval RESUME = {.tv_usec = 100 * 1000L};
    (void)arg; /* evhttp's */
    LOG(LOG_ERROR, "accept_failed", LOG_ERRNO(EVUTIL_SOCKET_ERROR()));
    for (struct http_limit *limit = all; limit != NULL; limit = limit->next) {
        if (limit->listener == listener) {
            evconnlistener_disable(listener);
            event_add(limit->resume, &RESUME);
        }
    }
}

/* Gives a new connection a place. */
static void seat(struct http_limit *limit, struct bufferevent *bev)
{
    size_t i = 0;
    while (i < 2 * limit->options.max && limit->places[i].bev != NULL) {
        i++;
    }
    if (i < 2 * limit->options.max &&
        evbuffer_add_cb(bufferevent_get_input(bev), on_input, &limit->places[i]) != NULL) {
        bufferevent_incref(bev);
        limit->places[i] = (struct place){.limit = limit, .bev = bev};
        enter(&limit->places[i], PLACE_READS);
    }
}

/*
 * Makes the bufferevent of a new connection. Its socket must stay open as long as it has a place: if
 * evhttp closed it, the next connection would get its number, and what that one sends would be read
 * here. evhttp reads on while it answers, and takes a body, or a chunk of one, only when it is complete.
 */
static struct bufferevent *take(struct event_base *base, void *arg)
{
    struct http_limit *limit = arg;
    struct bufferevent *bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
    sweep(limit); /* the new one has no callbacks yet */
    if (bev != NULL) {
        size_t max = limit->options.max_request;
        bufferevent_setwatermark(bev, EV_READ, 0, max > READ_AHEAD ? max : READ_AHEAD);
        seat(limit, bev);
    }
    if (!event_pending(limit->look, EV_TIMEOUT, NULL)) {
        event_active(limit->look, EV_TIMEOUT, 0);
    }
    accept_or_pause(limit);
    return bev;
}

const struct http_head *http_limit_serve(struct http_limit *limit, struct evhttp_request *request)
{
    struct bufferevent *bev =
        evhttp_connection_get_bufferevent(evhttp_request_get_connection(request));
    for (size_t i = 0; i < 2 * limit->options.max; i++) {
        struct place *place = &limit->places[i];
        if (place->bev == bev) {
            enter(place, PLACE_SERVED);
            evhttp_request_set_on_complete_cb(request, on_answered, place);
            return &place->head;
        }
    }
    return NULL;
}

bool http_limit_is_serving(const struct http_limit *limit)
{
    for (size_t i = 0; limit != NULL && i < 2 * limit->options.max; i++) {
        const struct place *place = &limit->places[i];
        if (place->bev != NULL && place->state == PLACE_SERVED && !is_released(place->bev)) {
            return true;
        }
    }
    return false;
}

/* --- life ------------------------------------------------------------------------------------- */

struct http_limit *http_limit_new(struct event_base *base, struct evhttp *evhttp,
                                  struct evhttp_bound_socket *bound,
                                  const struct http_limit_options *options)
{
    struct http_limit *limit =
        calloc(1, sizeof *limit + 2 * options->max * sizeof limit->places[0]);
    if (limit == NULL) {
        return NULL;
    }
    limit->options = *options;
    limit->listener = evhttp_bound_socket_get_listener(bound);
    limit->resume = evtimer_new(base, on_resume, limit);
    limit->look = evtimer_new(base, on_look, limit);
    limit->next = all;
    all = limit;
    if (limit->resume == NULL || limit->look == NULL) {
        http_limit_free(limit);
        return NULL;
    }
    evconnlistener_set_error_cb(limit->listener, on_error);
    evhttp_set_bevcb(evhttp, take, limit);
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
    for (size_t i = 0; i < 2 * limit->options.max; i++) {
        if (limit->places[i].bev != NULL) {
            leave(&limit->places[i]);
        }
    }
    struct event *const timers[] = {limit->resume, limit->look};
    for (size_t i = 0; i < sizeof timers / sizeof timers[0]; i++) {
        if (timers[i] != NULL) {
            event_free(timers[i]);
        }
    }
    free(limit);
}
