/*
 * reporter: posts a delivery report for one in so many messages, as the API would, at a steady rate.
 *
 * Each of its kept connections has one report under way; one that is not answered 200 is posted
 * again, as the API does. What has to wait because all connections are busy is posted later, so the
 * rate that is asked for is the highest one. For null_api alone, so all of it is in this header.
 * Thread: the event base's.
 */
#ifndef BENCH_REPORTER_H
#define BENCH_REPORTER_H

#include "tests/bench/histogram.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    REPORTER_LANES = 64,
    REPORTER_ID_SIZE = 41,
    REPORTER_PATH_SIZE = 128,
    REPORTER_TICKS = 100 /* a second: as often it may post a share of its rate */
};

struct reporter_id {
    char text[REPORTER_ID_SIZE];
};

struct reporter_lane {
    struct reporter *reporter;
    struct bufferevent *connection;
    bool is_busy;
    struct reporter_id id; /* of the report that is under way */
    uint64_t posted_ns;
};

struct reporter {
    struct event_base *base;
    struct event *tick;
    struct sockaddr_in address;
    char path[REPORTER_PATH_SIZE];
    unsigned rate, every;    /* reports a second; of one in so many messages */
    size_t credit;           /* reports that may be posted now */
    uint64_t seen;           /* messages */
    struct reporter_id *ids; /* to be reported: those from `next` on */
    size_t next, count, size;
    uint64_t taken, refused;
    uint64_t first_ns, last_ns; /* the first was posted, the last one was taken */
    struct histogram answers;
    struct reporter_lane lanes[REPORTER_LANES];
};

static inline void reporter_give_up(const char *why)
{
    fprintf(stderr, "null_api: reports: %s\n", why);
    exit(1);
}

static inline void reporter_post(struct reporter_lane *lane, const struct reporter_id *id)
{
    struct evbuffer *out = bufferevent_get_output(lane->connection);
    char body[192];
    int len = snprintf(body, sizeof body,
                       "{\"id\":\"r\",\"clientId\":\"%s\",\"status\":\"delivered\",\"code\":0,"
                       "\"eventAt\":\"2026-04-21T10:15:00Z\"}",
                       id->text);
    lane->id = *id;
    lane->is_busy = true;
    lane->posted_ns = clock_ns();
    evbuffer_add_printf(out,
                        "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                        "Content-Length: %d\r\n\r\n%s",
                        lane->reporter->path, len, body);
}

/* Posts what may be posted now. */
static inline void reporter_pump(struct reporter *r)
{
    for (int i = 0; i < REPORTER_LANES && r->credit > 0 && r->next < r->count; i++) {
        if (!r->lanes[i].is_busy) {
            r->credit--;
            reporter_post(&r->lanes[i], &r->ids[r->next++]);
            r->first_ns = r->first_ns == 0 ? r->lanes[i].posted_ns : r->first_ns;
        }
    }
}

/* The length of the answer that is at the front of `in` as a whole, or 0. `*status` is its code. */
static inline size_t reporter_answer_len(struct evbuffer *in, int *status)
{
    static const char LENGTH[] = "\r\nContent-Length: ";
    struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
    char head[1024];
    if (end.pos < 0) {
        return 0;
    }
    ev_ssize_t copied = evbuffer_copyout(in, head, sizeof head - 1);
    head[copied] = '\0';
    const char *length = strstr(head, LENGTH);
    if (length == NULL || sscanf(head, "HTTP/1.1 %d", status) != 1) {
        reporter_give_up("an answer that is none");
    }
    size_t len = (size_t)end.pos + 4 + strtoul(length + sizeof LENGTH - 1, NULL, 10);
    return evbuffer_get_length(in) >= len ? len : 0;
}

static inline void reporter_on_read(struct bufferevent *connection, void *arg)
{
    struct reporter_lane *lane = arg;
    struct reporter *r = lane->reporter;
    struct evbuffer *in = bufferevent_get_input(connection);
    int status = 0;
    size_t len = reporter_answer_len(in, &status);
    if (len == 0) {
        return;
    }
    evbuffer_drain(in, len);
    lane->is_busy = false;
    if (status != 200) {
        r->refused++;
        reporter_post(lane, &lane->id);
        return;
    }
    r->last_ns = clock_ns();
    r->taken++;
    histogram_add(&r->answers, r->last_ns - lane->posted_ns);
    reporter_pump(r);
}

static inline void reporter_on_event(struct bufferevent *connection, short what, void *arg)
{
    (void)connection;
    (void)arg;
    if ((what & (BEV_EVENT_ERROR | BEV_EVENT_EOF)) != 0) {
        reporter_give_up("the connection has ended");
    }
}

static inline void reporter_on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct reporter *r = arg;
    (void)fd;
    (void)what;
    r->credit += r->rate / REPORTER_TICKS;
    r->credit = r->credit > r->rate ? r->rate : r->credit;
    reporter_pump(r);
}

/* From now on posts to 127.0.0.1:`port`. Not twice. */
static inline void reporter_start(struct reporter *r, struct event_base *base, unsigned port)
{
    static const struct timeval TICK = {.tv_usec = 1000000 / REPORTER_TICKS};
    r->base = base;
    r->address = (struct sockaddr_in){.sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)port),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (int i = 0; i < REPORTER_LANES; i++) {
        struct reporter_lane *lane = &r->lanes[i];
        lane->reporter = r;
        lane->connection = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
        bufferevent_setcb(lane->connection, reporter_on_read, NULL, reporter_on_event, lane);
        bufferevent_enable(lane->connection, EV_READ | EV_WRITE);
        if (bufferevent_socket_connect(lane->connection, (struct sockaddr *)&r->address,
                                       sizeof r->address) != 0) {
            reporter_give_up("cannot connect");
        }
    }
    r->tick = event_new(base, -1, EV_PERSIST, reporter_on_tick, r);
    event_add(r->tick, &TICK);
}

/* The API has taken a message. */
static inline void reporter_note(struct reporter *r, const char *id, size_t len)
{
    if (r->every == 0 || r->seen++ % r->every != 0) {
        return;
    }
    if (r->count == r->size) {
        r->size = r->size == 0 ? 4096 : 2 * r->size;
        r->ids = realloc(r->ids, r->size * sizeof *r->ids);
        if (r->ids == NULL) {
            reporter_give_up("out of memory");
        }
    }
    struct reporter_id *note = &r->ids[r->count++];
    snprintf(note->text, sizeof note->text, "%.*s", (int)len, id);
}

static inline void reporter_tell(const struct reporter *r, struct evbuffer *out)
{
    evbuffer_add_printf(out,
                        "{\"wanted\":%zu,\"posted\":%zu,\"taken\":%" PRIu64 ",\"refused\":%" PRIu64
                        ",\"first_ns\":%" PRIu64 ",\"last_ns\":%" PRIu64
                        ",\"p50_us\":%.0f,\"p99_us\":%.0f,\"max_us\":%.0f}\n",
                        r->count, r->next, r->taken, r->refused, r->first_ns, r->last_ns,
                        histogram_us(&r->answers, 0.5), histogram_us(&r->answers, 0.99),
                        (double)r->answers.max / 1000);
}

static inline void reporter_free(struct reporter *r)
{
    for (int i = 0; r->tick != NULL && i < REPORTER_LANES; i++) {
        bufferevent_free(r->lanes[i].connection);
    }
    if (r->tick != NULL) {
        event_free(r->tick);
    }
    free(r->ids);
}

#endif
