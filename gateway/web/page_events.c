/* page_events: see page_events.h. */
#include "gateway/web/page_events.h"

#include "gateway/base/clock.h"
#include "gateway/base/http_listen.h"
#include "gateway/base/log.h"
#include "gateway/base/stats.h"
#include "gateway/queue/ask.h"
#include "gateway/queue/events.h"
#include "gateway/serve/relay.h"
#include "gateway/web/page_answer.h"
#include "gateway/web/page_messages.h"
#include "gateway/web/page_samples.h"
#include "proto/session/session.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

enum {
    LISTENER_SECONDS = 10,
    SEND_BUFFER = 16384 /* bytes that the kernel holds for one */
};

struct listener {
    LIST_ENTRY(listener) entry;
    struct page_events *events;
    struct evhttp_request *request;
    uint64_t next_sample;
    uint64_t shown_event; /* the number of the last event that its list includes */
};

struct page_events {
    const struct relay *relay;
    bool shows_all, is_sandbox;
    struct event *second;
    int64_t run; /* Unix time of the start */
    LIST_HEAD(listeners, listener) listeners;
    size_t listener_count;
    struct page_samples samples;
};

/* --- events ----------------------------------------------------------------------------------- */

/* Takes ownership of the value. Compact JSON has no line ends: it is one line of data. */
static void add_event(struct evbuffer *out, const char *name, json_t *value)
{
    char *data = value == NULL ? NULL : json_dumps(value, JSON_COMPACT);
    if (data != NULL) {
        evbuffer_add_printf(out, "event: %s\ndata: ", name);
        evbuffer_add(out, data, strlen(data));
        evbuffer_add(out, "\n\n", 2);
    }
    free(data);
    json_decref(value);
}

static void add_hello(const struct page_events *events, struct evbuffer *out)
{
    add_event(out, "hello",
              json_pack("{s:s, s:I, s:b, s:b}", "version", events->relay->rules->version, "run",
                        (json_int_t)events->run, "sandbox", (int)events->is_sandbox, "full",
                        (int)events->shows_all));
}

static json_t *count_unfinished(const struct queue_totals *totals)
{
    json_t *states = json_object();
    for (int i = 0; i < MESSAGE_STATES; i++) {
        if (!message_state_is_finished((enum message_state)i)) {
            json_object_set_new(states, message_state_name((enum message_state)i),
                                json_integer((json_int_t)totals->by_state[i]));
        }
    }
    return states;
}

/* Since the start: finished messages may have left memory. */
static json_t *count_all(const struct stats *stats)
{
    return json_pack("{s:I, s:I, s:I, s:I}", "accepted",
                     (json_int_t)stats_get(stats, STAT_MESSAGES_ACCEPTED), "relayed",
                     (json_int_t)stats_get(stats, STAT_MESSAGES_RELAYED), "rejected",
                     (json_int_t)stats_get(stats, STAT_MESSAGES_REJECTED), "expired",
                     (json_int_t)stats_get(stats, STAT_MESSAGES_EXPIRED));
}

static void add_now(const struct page_events *events, struct evbuffer *out)
{
    struct queue_relaying relaying;
    struct queue_totals totals;
    queue_relaying(events->relay->queue, &relaying);
    queue_totals(events->relay->queue, &totals);
    add_event(out, "now",
              json_pack("{s:b, s:b, s:o, s:I, s:o, s:o}", "relaying",
                        !relaying.is_held && !relaying.is_stopped, "held", (int)relaying.is_held,
                        "reason", page_words(relaying.is_stopped ? relaying.reason : ""), "until",
                        (json_int_t)(relaying.is_stopped ? relaying.until_ms : 0), "states",
                        count_unfinished(&totals), "totals", count_all(events->relay->stats)));
}

static void add_samples(struct listener *listener, struct evbuffer *out)
{
    const struct page_samples *samples = &listener->events->samples;
    evbuffer_add_printf(out, "event: samples\ndata: ");
    page_samples_write(samples, listener->next_sample, out);
    evbuffer_add_printf(out, "\n\n");
    listener->next_sample = samples->count;
}

static void add_messages(struct listener *listener, struct evbuffer *out)
{
    struct queue *queue = listener->events->relay->queue;
    uint64_t event = queue_last_event(queue);
    if (event != listener->shown_event) {
        add_event(out, "messages", page_messages(queue, listener->events->shows_all));
        listener->shown_event = event;
    }
}

/* --- listeners -------------------------------------------------------------------------------- */

/*
 * The connection is closed, by either side. If libevent has detached the request from it, we free the
 * request; otherwise it is freed with the connection.
 */
static void on_close(struct evhttp_connection *connection, void *arg)
{
    (void)connection;
    struct listener *listener = arg;
    if (evhttp_request_get_connection(listener->request) == NULL) {
        evhttp_request_free(listener->request);
    }
    LIST_REMOVE(listener, entry);
    listener->events->listener_count--;
    free(listener);
}

/*
 * Has it read everything? If not, nothing is sent. So libevent's timeout can end one that reads
 * nothing at all; each write would restart it.
 */
static bool has_read(const struct listener *listener)
{
    struct evhttp_connection *connection = evhttp_request_get_connection(listener->request);
    struct bufferevent *bev = evhttp_connection_get_bufferevent(connection);
    return evbuffer_get_length(bufferevent_get_output(bev)) == 0;
}

static void tell(struct listener *listener, bool is_first)
{
    struct evbuffer *out = evbuffer_new();
    if (out == NULL) {
        return;
    }
    if (is_first) {
        add_hello(listener->events, out);
    }
    add_now(listener->events, out);
    add_samples(listener, out);
    add_messages(listener, out);
    evhttp_send_reply_chunk(listener->request, out);
    evbuffer_free(out);
}

static void on_second(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct page_events *events = arg;
    struct listener *listener = LIST_FIRST(&events->listeners);
    page_samples_take(&events->samples);
    for (; listener != NULL; listener = LIST_NEXT(listener, entry)) {
        if (has_read(listener)) {
            tell(listener, false);
        }
    }
}

static void begin_reply(struct evhttp_request *request)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    evhttp_add_header(headers, "Content-Type", "text/event-stream; charset=utf-8");
    evhttp_add_header(headers, "Cache-Control", "no-store");
    evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
    evhttp_add_header(headers, "X-Accel-Buffering", "no"); /* for an nginx in front */
    evhttp_send_reply_start(request, HTTP_OK, NULL);
}

/* Bounds what it may leave unread, and for how long. */
static void bound(struct evhttp_connection *connection)
{
    int size = SEND_BUFFER;
    int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(connection));
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    evhttp_connection_set_timeout(connection, LISTENER_SECONDS);
}

/*
 * All places are taken. The EventSource of a browser cannot tell why it gets no stream, and every
 * answer but 200 is an error in its console: so it gets a stream that says so, and ends.
 */
static void turn_away(struct evhttp_request *request)
{
    struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
    const char *accept = evhttp_find_header(headers, "Accept");
    struct evbuffer *out = evbuffer_new();
    if (accept == NULL || strcmp(accept, "text/event-stream") != 0 || out == NULL) {
        http_answer_line(request, HTTP_SERVUNAVAIL, "too many pages are open");
    } else {
        add_event(out, "full", json_pack("{s:i}", "pages", PAGE_LISTENERS));
        http_answer(request, HTTP_OK, "text/event-stream; charset=utf-8", out);
    }
    if (out != NULL) {
        evbuffer_free(out);
    }
}

void page_events_open(struct page_events *events, struct evhttp_request *request)
{
    struct evhttp_connection *connection = evhttp_request_get_connection(request);
    struct listener *listener = NULL;
    if (events->listener_count < PAGE_LISTENERS) {
        listener = calloc(1, sizeof *listener);
    }
    if (listener == NULL) {
        turn_away(request);
        return;
    }
    *listener = (struct listener){.events = events, .request = request};
    LIST_INSERT_HEAD(&events->listeners, listener, entry);
    events->listener_count++;
    evhttp_connection_set_closecb(connection, on_close, listener);
    bound(connection);
    begin_reply(request);
    tell(listener, true);
}

/* --- life ------------------------------------------------------------------------------------- */

struct page_events *page_events_new(const struct relay *relay, bool shows_all, bool is_sandbox)
{
    static const struct timeval SECOND = {.tv_sec = PAGE_SAMPLE_MS / 1000};
    struct page_events *events = calloc(1, sizeof *events);
    if (events == NULL) {
        return NULL;
    }
    events->relay = relay;
    events->shows_all = shows_all;
    events->is_sandbox = is_sandbox;
    events->run = clock_unix_ms();
    events->samples.relay = relay;
    LIST_INIT(&events->listeners);
    events->second = event_new(relay->base, -1, EV_PERSIST, on_second, events);
    if (events->second == NULL || event_add(events->second, &SECOND) != 0) {
        page_events_free(events);
        return NULL;
    }
    page_samples_take(&events->samples);
    return events;
}

void page_events_free(struct page_events *events)
{
    struct listener *listener;
    if (events == NULL) {
        return;
    }
    while ((listener = LIST_FIRST(&events->listeners)) != NULL) {
        evhttp_connection_set_closecb(evhttp_request_get_connection(listener->request), NULL, NULL);
        LIST_REMOVE(listener, entry);
        free(listener);
    }
    if (events->second != NULL) {
        event_free(events->second);
    }
    free(events);
}
