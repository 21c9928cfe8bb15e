/* conn_state: see conn_state.h. */
#include "gateway/serve/conn_state.h"

#include "gateway/base/clock.h"
#include "gateway/base/stats.h"
#include "gateway/base/tls_link.h"
#include "gateway/serve/owner.h"
#include "gateway/serve/relay.h"
#include "gateway/serve/watch.h"
#include "proto/session/session.h"

#include <event2/event.h>
#include <stdlib.h>

const struct relay *conn_relay(const struct conn *c)
{
    return c->context->relay;
}

const struct peer *conn_peer(struct conn *c)
{
    c->peer.name = session_name(c->session);
    return &c->peer;
}

/* --- waiting ---------------------------------------------------------------------------------- */

void conn_wait_for_turn(struct conn *c)
{
    owner_wait(c->context->owners, c->owner, &c->turn);
}

void conn_wake(struct conn *c)
{
    struct conn_context *context = c->context;
    conn_wait_for_turn(c);
    if (!context->is_called) {
        context->is_called = true;
        event_active(context->turns, EV_TIMEOUT, 0);
    }
}

void conn_touch(struct conn *c)
{
    if (!c->is_touched) {
        c->is_touched = true;
        LIST_INSERT_HEAD(&c->context->touched, c, entry);
    }
}

void conn_untouch(struct conn *c)
{
    if (c->is_touched) {
        c->is_touched = false;
        LIST_REMOVE(c, entry);
    }
}

/* --- handshakes ------------------------------------------------------------------------------- */

void conn_enter_handshake(struct conn *c)
{
    c->handshake_ms = clock_monotonic_ms();
    TAILQ_INSERT_TAIL(&c->context->handshakes, c, handshake);
    c->context->handshake_count++;
}

void conn_leave_handshake(struct conn *c)
{
    if (c->handshake_ms != 0) {
        c->handshake_ms = 0;
        TAILQ_REMOVE(&c->context->handshakes, c, handshake);
        c->context->handshake_count--;
    }
}

/* --- output ----------------------------------------------------------------------------------- */

void conn_count_unanswered(struct conn *c)
{
    owner_count_unanswered(c->owner, &c->unanswered, session_open_slots(c->session));
}

/* The client was owed nothing, and now has something to take. */
static bool send_output(struct conn *c, const struct buffer *out)
{
    bool was_owed = stream_unsent(&c->stream) > 0;
    stats_add(conn_relay(c)->stats, STAT_BYTES_OUT, (int64_t)out->len);
    bool is_whole = stream_write(&c->stream, out->data, out->len);
    c->owed = stream_unsent(&c->stream);
    if (!was_owed && c->owed > 0) {
        c->taken_ms = clock_monotonic_ms();
    }
    return is_whole;
}

bool conn_write_output(struct conn *c)
{
    conn_count_unanswered(c);
    struct buffer *out = session_output(c->session);
    bool is_whole = !out->has_failed;
    if (out->len > 0 && !stream_is_broken(&c->stream)) {
        is_whole = send_output(c, out) && is_whole;
    }
    /* Most clients are idle now, and idle ones keep no buffer. */
    buffer_free(out);
    return is_whole;
}

size_t conn_unread(const struct conn *c)
{
    return stream_unsent(&c->stream) + session_output(c->session)->len;
}

bool conn_is_backlogged(const struct conn *c)
{
    return !stream_is_broken(&c->stream) && !c->is_leaving && conn_unread(c) > CONN_OUTPUT_HIGH;
}

/* --- the end ---------------------------------------------------------------------------------- */

void conn_release(struct conn *c)
{
    if (stream_is_open(&c->stream) || c->due_calls > 0 || c->is_served) {
        return;
    }
    if (!watch_forget(conn_relay(c)->watch, &c->client.watcher)) {
        conn_wake(c);
        return;
    }
    conn_untouch(c);
    owner_forgo(c->context->owners, c->owner, &c->turn);
    owner_count_unanswered(c->owner, &c->unanswered, 0);
    owner_leave(c->context->owners, c->owner);
    requests_forget(&c->client);
    session_free(c->session);
    free(c);
}

void conn_free(struct conn *c)
{
    if (stream_is_open(&c->stream)) {
        conn_leave_handshake(c);
        tls_link_free(c->next_tls);
        c->next_tls = NULL;
        stream_close(&c->stream);
        if (c->alarm != NULL) {
            event_free(c->alarm);
            c->alarm = NULL;
        }
        c->context->ended(c->context->server, c);
    }
    c->is_doomed = true;
    conn_release(c);
}

void conn_close(struct conn *c, enum reply reply)
{
    if (c->handshake_ms != 0) { /* it can be told nothing */
        conn_free(c);
        return;
    }
    /* No command is carried out any more: unread replies, which may stay unread, hold up nothing. */
    c->is_leaving = true;
    session_close(c->session, reply);
    conn_wake(c);
}
