/* conn_alarm: see conn_alarm.h. */
#include "gateway/serve/conn_alarm.h"

#include "gateway/base/clock.h"
#include "gateway/base/stats.h"
#include "gateway/base/tls_link.h"
#include "gateway/serve/conn_state.h"
#include "gateway/serve/conn_tls.h"
#include "gateway/serve/relay.h"
#include "proto/session/session.h"

#include <event2/event.h>

enum {
    LF_WAIT_MS = 3000, /* for the LF of a CRLF that begins with the last byte received */
    /* Of clients that are not local: */
    SILENCE_MS = 300000, /* as long as RFC 5321, 4.5.3.2.7, has a server wait */
    PACE_MS = 300000,    /* in which one that is within something must move ... */
    PACE_BYTES = 1024    /* ... so many bytes */
};

static const int64_t NEVER = INT64_MAX;

static bool is_local(const struct conn *c)
{
    return c->from == NULL;
}

/* How long the client may do nothing; 0 = for ever. */
static int64_t patience_ms(const struct conn *c)
{
    int64_t limit_ms = c->context->idle_timeout_ms;
    return limit_ms == 0 && !is_local(c) ? SILENCE_MS : limit_ms;
}

/* When its handshake takes too long. */
static int64_t handshake_ends_ms(const struct conn *c)
{
    return c->handshake_ms == 0 ? NEVER : c->handshake_ms + CONN_HANDSHAKE_MS;
}

/* When the client has been silent for too long. */
static int64_t silence_ends_ms(const struct conn *c)
{
    int64_t limit_ms = c->awaits_lf ? LF_WAIT_MS : patience_ms(c);
    int64_t since_ms = c->silent_ms > c->links.active_ms ? c->silent_ms : c->links.active_ms;
    return limit_ms == 0 || c->is_leaving ? NEVER : since_ms + limit_ms;
}

/* When it has taken nothing of its replies for too long. */
static int64_t unsent_ends_ms(const struct conn *c)
{
    int64_t limit_ms = patience_ms(c);
    return limit_ms == 0 || stream_unsent(&c->stream) == 0 ? NEVER : c->taken_ms + limit_ms;
}

/* When a stranger has not logged in in time. */
static int64_t login_ends_ms(const struct conn *c)
{
    return is_local(c) || c->is_leaving || !session_awaits_login(c->session)
               ? NEVER
               : c->came_ms + c->context->login_ms;
}

/* When to look at its pace. */
static int64_t pace_ends_ms(const struct conn *c)
{
    return is_local(c) || c->is_leaving ? NEVER : c->pace_ms + PACE_MS;
}

static int64_t next_ms(const struct conn *c)
{
    const int64_t ends_ms[] = {silence_ends_ms(c), unsent_ends_ms(c), login_ends_ms(c),
                               pace_ends_ms(c)};
    int64_t next = NEVER;
    if (c->is_closing || c->handshake_ms != 0) {
        return c->is_closing ? c->closes_ms : handshake_ends_ms(c);
    }
    for (size_t i = 0; i < sizeof ends_ms / sizeof ends_ms[0]; i++) {
        next = ends_ms[i] < next ? ends_ms[i] : next;
    }
    return next;
}

/* Has it moved next to nothing since its pace was last looked at, though it had to? */
static bool is_too_slow(struct conn *c, int64_t now_ms)
{
    bool is_busy = session_is_within(c->session) || stream_unsent(&c->stream) > 0;
    bool is_slow = c->was_busy && is_busy && c->moved < PACE_BYTES;
    c->was_busy = is_busy;
    c->moved = 0;
    c->pace_ms = now_ms;
    return is_slow;
}

/* One that waits for a reply, or watches, need not send anything; and one may have sent what is not read
 * yet. */
static bool is_silence_fine(const struct conn *c)
{
    return session_open_slots(c->session) > 0 || c->client.watcher.is_watching ||
           stream_has_input(&c->stream);
}

static void time_out(struct conn *c, enum reply reply)
{
    stats_add(conn_relay(c)->stats, STAT_CONNECTIONS_TIMED_OUT, 1);
    conn_close(c, reply);
}

/* Says farewell to a client that has done too little. */
static void check_progress(struct conn *c, int64_t now_ms)
{
    if (now_ms >= login_ends_ms(c)) {
        time_out(c, REPLY_LOGIN_LATE);
    } else if (now_ms >= pace_ends_ms(c) && is_too_slow(c, now_ms)) {
        time_out(c, REPLY_TOO_SLOW);
    } else if (now_ms >= silence_ends_ms(c)) {
        c->silent_ms = now_ms;
        if (!is_silence_fine(c)) {
            time_out(c, REPLY_TIMED_OUT);
        }
    }
}

static bool check_handshake(struct conn *c, int64_t now_ms)
{
    bool is_late = now_ms >= handshake_ends_ms(c);
    if (is_late) {
        conn_give_up_handshake(c, tls_link_fault(stream_tls(&c->stream)));
        conn_free(c);
    }
    return !is_late;
}

/* Ends a client whose time is up. Returns false if it is gone. */
static bool check(struct conn *c, int64_t now_ms)
{
    if (!c->is_closing && c->handshake_ms != 0) {
        return check_handshake(c, now_ms);
    }
    if (c->is_closing ? now_ms >= c->closes_ms : now_ms >= unsent_ends_ms(c)) {
        stats_add(conn_relay(c)->stats, STAT_CONNECTIONS_TIMED_OUT, !c->is_closing);
        conn_free(c);
        return false;
    }
    if (!c->is_closing) {
        check_progress(c, now_ms);
    }
    return true;
}

static void on_alarm(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct conn *c = arg;
    c->alarm_ms = 0;
    if (check(c, clock_monotonic_ms())) {
        conn_set_alarm(c);
    }
}

void conn_set_alarm(struct conn *c)
{
    int64_t at_ms = next_ms(c);
    if (at_ms == NEVER || (c->alarm_ms != 0 && c->alarm_ms <= at_ms)) {
        return;
    }
    if (c->alarm == NULL) {
        c->alarm = event_new(conn_relay(c)->base, -1, 0, on_alarm, c);
    }
    int64_t wait_ms = at_ms - clock_monotonic_ms();
    wait_ms = wait_ms > 0 ? wait_ms : 0;
    const struct timeval wait = {.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000 + 999};
    if (c->alarm == NULL || event_add(c->alarm, &wait) != 0) {
        conn_free(c);
        return;
    }
    c->alarm_ms = at_ms;
}
