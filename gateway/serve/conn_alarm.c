/* conn_alarm: see conn_alarm.h. */
#include "gateway/serve/conn_alarm.h"

#include "gateway/base/clock.h"
#include "gateway/base/stats.h"
#include "gateway/serve/conn_state.h"
#include "gateway/serve/relay.h"
#include "proto/session/session.h"

#include <event2/event.h>

enum { LF_WAIT_MS = 3000 }; /* for the LF of a CRLF that begins with the last byte received */

static const int64_t NEVER = INT64_MAX;

/* When the client has been silent for too long. */
static int64_t silence_ends_ms(const struct conn *c)
{
    int64_t limit_ms = c->awaits_lf ? LF_WAIT_MS : c->context->idle_timeout_ms;
    int64_t since_ms = c->silent_ms > c->links.active_ms ? c->silent_ms : c->links.active_ms;
    return limit_ms == 0 || c->is_leaving ? NEVER : since_ms + limit_ms;
}

/* When it has taken nothing of its replies for too long. */
static int64_t unsent_ends_ms(const struct conn *c)
{
    int64_t limit_ms = c->context->idle_timeout_ms;
    return limit_ms == 0 || stream_unsent(&c->stream) == 0 ? NEVER : c->taken_ms + limit_ms;
}

static int64_t next_ms(const struct conn *c)
{
    int64_t silence_ms = silence_ends_ms(c);
    int64_t unsent_ms = unsent_ends_ms(c);
    if (c->is_closing) {
        return c->closes_ms;
    }
    return silence_ms < unsent_ms ? silence_ms : unsent_ms;
}

/* One that waits for a reply, or watches, need not send anything; and one may have sent what is not read
 * yet. */
static bool is_silence_fine(const struct conn *c)
{
    return session_open_slots(c->session) > 0 || c->client.watcher.is_watching ||
           stream_has_input(&c->stream);
}

static void time_out(struct conn *c)
{
    stats_add(conn_relay(c)->stats, STAT_CONNECTIONS_TIMED_OUT, 1);
}

/* Ends a client whose time is up. Returns false if it is gone. */
static bool check(struct conn *c, int64_t now_ms)
{
    if (c->is_closing ? now_ms >= c->closes_ms : now_ms >= unsent_ends_ms(c)) {
        if (!c->is_closing) {
            time_out(c);
        }
        conn_free(c);
        return false;
    }
    if (!c->is_closing && now_ms >= silence_ends_ms(c)) {
        c->silent_ms = now_ms;
        if (!is_silence_fine(c)) {
            time_out(c);
            conn_close(c, REPLY_TIMED_OUT);
        }
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
