/* conn_turns: see conn_turns.h. */
#include "gateway/serve/conn_turns.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/stats.h"
#include "gateway/serve/conn_alarm.h"
#include "gateway/serve/conn_events.h"
#include "gateway/serve/conn_login.h"
#include "gateway/serve/conn_state.h"
#include "gateway/serve/conn_tls.h"
#include "gateway/serve/intake.h"
#include "gateway/serve/journal.h"
#include "gateway/serve/owner.h"
#include "gateway/serve/peers.h"
#include "gateway/serve/relay.h"
#include "gateway/serve/watch.h"
#include "proto/session/session.h"

#include <event2/event.h>

enum {
    CLOSE_WAIT_MS = 5000, /* for the client to read our last reply and close */
    SLICE_US = 300,       /* a client is served at a time */
    TURN_US = 500,        /* clients are served before the loop looks for new input, ... */
    COMPETING_US = 25,    /* ... and both, while several owners compete */
    STEP_MAX_US = 25,     /* that count of a step */
    /* A step is about what a command takes to be read, or its message to be made. */
    STEP_RECIPIENTS = 2, /* that count as one */
    STEP_BYTES = 256 /* of input, the same */,
    HANDSHAKE_STEPS = 80 /* as which a part of one counts at most */
};

static struct conn *conn_of(struct turn *turn)
{
    return (struct conn *)(void *)turn;
}

/* --- closing ---------------------------------------------------------------------------------- */

/*
 * The session has ended. Its replies are sent and the client's last bytes are read before the socket
 * is closed: closing it with unread input would reset the connection, and the replies would be lost.
 * Returns false if there is more to read. The client may be gone.
 */
static bool finish(struct conn *c)
{
    struct stream *stream = &c->stream;
    size_t len;
    bool is_ended = stream_read(stream, c->context->chunk, CONN_CHUNK, &len) == STREAM_END;
    bool is_sent = stream_unsent(stream) == 0;
    bool has_more = stream_has_input(stream);
    if (stream_is_broken(stream) || (is_sent && is_ended)) {
        conn_free(c);
        return true;
    }
    if (is_sent && !c->is_shut) {
        stream_shut(stream);
        c->is_shut = true;
    }
    conn_set_alarm(c);
    return !has_more;
}

static void begin_close(struct conn *c)
{
    c->is_closing = true;
    c->closes_ms = clock_monotonic_ms() + CLOSE_WAIT_MS;
}

/* --- reading ---------------------------------------------------------------------------------- */

static void feed_bytes(struct conn *c, size_t len)
{
    stats_add(conn_relay(c)->stats, STAT_BYTES_IN, (int64_t)len);
    c->context->steps += (unsigned)(len / STEP_BYTES);
    c->moved += len;
    if (!session_feed(c->session, c->context->chunk, len)) {
        session_close(c->session, REPLY_SHUTTING_DOWN);
    }
}

/* Gives the session more input. Returns false if there is none. */
static bool feed(struct conn *c)
{
    size_t len;
    enum stream_result result = stream_read(&c->stream, c->context->chunk, CONN_CHUNK, &len);
    if (c->handshake_ms != 0) {
        c->context->steps += HANDSHAKE_STEPS;
        conn_note_handshake(c);
    }
    switch (result) {
    case STREAM_BYTES:
        feed_bytes(c, len);
        return true;
    case STREAM_NOTHING:
        return false;
    case STREAM_END:
        break;
    }
    /* A reset, too, only ends its input: what it has sent is still carried out. */
    bool is_news = !c->has_read_all;
    c->has_read_all = true;
    if (is_news) {
        session_end(c->session);
    }
    return is_news;
}

/* Its owner has as many commands without a reply as it may have: the client's next one is read once it
 * has a reply to an earlier one. */
static bool must_wait(struct conn *c)
{
    conn_count_unanswered(c);
    return !c->is_leaving && owner_must_wait(c->context->owners, c->owner, c->unanswered);
}

/* A command was carried out, or will be: if it was one too many for the client's address, it is the
 * last. */
static void count_command(struct conn *c)
{
    if (c->from != NULL && !c->is_leaving &&
        !peers_may(c->context->peers, c->from, PEERS_COMMAND, clock_monotonic_us())) {
        stats_add(conn_relay(c)->stats, STAT_CONNECTIONS_LIMITED, 1);
        conn_close(c, REPLY_LIMITED);
    }
}

/* Carries out one event. Returns false if there is nothing to do but wait. */
static bool carry_on(struct conn *c, int64_t now_ms)
{
    struct session_event event;
    if (c->is_answering) {
        conn_go_on_answering(c);
        return true;
    }
    if (c->next_tls != NULL) { /* its 220 has to leave */
        return false;
    }
    if (must_wait(c) || (c->due_calls > 0 && intake_is_full(conn_relay(c)->intake))) {
        c->is_waiting = true;
        return false;
    }
    switch (session_step(c->session, now_ms, &event)) {
    case SESSION_WANTS_INPUT:
        if (feed(c)) {
            return true;
        }
        c->awaits_lf = session_awaits_lf(c->session);
        return false;
    case SESSION_WAITS:
        c->is_waiting = true;
        return false;
    case SESSION_PAUSES:
        count_command(c);
        return true;
    case SESSION_SUBMISSION:
        conn_submit(c, &event, now_ms);
        c->context->steps += (unsigned)(event.submission.count / STEP_RECIPIENTS);
        count_command(c);
        return true;
    case SESSION_REQUEST:
        conn_answer(c, &event);
        count_command(c);
        return true;
    case SESSION_STARTTLS:
        (void)feed(c); /* nothing may have come behind it */
        conn_starttls(c, event.slot);
        return true;
    case SESSION_LOGIN:
        conn_try_login(c, &event);
        return true;
    case SESSION_REFUSED:
        journal_refusal(conn_peer(c), &event.refusal);
        count_command(c);
        return true;
    case SESSION_CLOSES:
        begin_close(c);
        return false;
    }
    return false;
}

/* Are there missed events to tell, and room for them? Behind a held reply they would pile up. */
static bool may_catch_up(const struct conn *c)
{
    return c->client.watcher.is_catching_up && !c->is_closing && !c->is_doomed &&
           !conn_is_backlogged(c) && session_held(c->session) <= CONN_OUTPUT_HIGH;
}

/* Ends a watcher that does not read. */
static void cut_off(struct conn *c)
{
    if (stream_is_open(&c->stream)) {
        LOG(LOG_INFO, "watcher_cut_off");
        stats_add(conn_relay(c)->stats, STAT_WATCHERS_CUT_OFF, 1);
    }
    conn_free(c);
}

/* --- serving ---------------------------------------------------------------------------------- */

/* Looks at the clock. If so many steps seem to have taken very long, the system has stopped the relay
 * meanwhile, for which no client pays. */
static void look_at_clock(struct conn_context *context, unsigned steps)
{
    int64_t now_us = clock_monotonic_us();
    int64_t us = now_us - context->looked_us;
    int64_t most_us = (int64_t)steps * STEP_MAX_US;
    context->slice_us += us < most_us ? us : most_us;
    context->looked_us = now_us;
    context->all_steps += context->steps;
    context->steps = 0;
}

static int64_t slice_us(const struct conn_context *context)
{
    return context->is_competing ? COMPETING_US : SLICE_US;
}

/* Looks at the clock now and then. */
static bool is_turn_over(struct conn_context *context)
{
    if (++context->steps < CONN_CLOCK_EVERY && !context->is_competing) {
        return false;
    }
    look_at_clock(context, context->steps);
    return context->slice_us >= slice_us(context);
}

/*
 * Carries on until there is nothing to do but wait, or the client's turn is over. Returns false in the
 * second case. The client may have been closed afterwards.
 */
static bool advance(struct conn *c)
{
    int64_t now_ms = clock_unix_ms();
    bool is_over = false;
    bool is_whole;
    bool was_backlogged;
    c->is_waiting = false;
    do {
        while (!is_over && !c->is_closing && !conn_is_backlogged(c) && carry_on(c, now_ms)) {
            is_over = is_turn_over(c->context);
        }
        while (!is_over && may_catch_up(c)) {
            c->is_doomed =
                !watch_catch_up(conn_relay(c)->watch, &c->client.watcher) || c->is_doomed;
            is_over = is_turn_over(c->context);
        }
        was_backlogged = conn_is_backlogged(c);
        is_whole = conn_write_output(c);
        conn_go_on_with_tls(c);
        /* If the socket took everything at once, nothing else will have the client go on. */
    } while (!is_over && is_whole && was_backlogged && !c->is_closing && !conn_is_backlogged(c));
    if (c->is_doomed) {
        cut_off(c);
    } else if (!is_whole) {
        conn_free(c);
    } else if (c->is_closing) {
        return finish(c);
    } else {
        conn_set_alarm(c);
    }
    return !is_over || c->is_doomed || conn_is_backlogged(c);
}

/*
 * Has a slice of a client's paid for: its owner by the time it took, and one that was done in time no
 * more than others may use. Among the owner's connections its steps count instead: so those that ask alike
 * are served in the order in which they come, whatever else the machine does meanwhile. A handshake is paid for in full.
 */
static void charge(struct conn *c)
{
    const struct conn_context *context = c->context;
    int64_t us = context->slice_us;
    us = c->is_greedy || c->is_costly || us < SLICE_US ? us : SLICE_US;
    owner_charge(context->owners, c->owner, (uint64_t)us, context->looked_us);
    turn_line_charge(&c->owner->line, &c->turn, context->all_steps);
}

/* Serves a client for a slice of time, which its owner pays for. */
static void serve(struct conn *c)
{
    struct conn_context *context = c->context;
    context->slice_us = 0;
    context->steps = context->all_steps = 0;
    c->is_served = true;
    c->is_costly = c->handshake_ms != 0;
    c->is_greedy = !c->is_doomed && !advance(c);
    c->is_served = false;
    intake_hold(conn_relay(c)->intake, c, c->is_greedy);
    look_at_clock(context, context->steps + CONN_CLOCK_EVERY);
    charge(c);
    if (c->is_doomed) {
        conn_release(c);
    } else if (c->is_greedy) {
        conn_wait_for_turn(c);
    }
}

/* Has waiting clients served once the loop has looked for new input. */
static void call_next_turns(struct conn_context *context)
{
    static const struct timeval NEXT_TURN = {0};
    if (context->owners->line.count > 0 && !context->is_called) {
        context->is_called = true;
        event_add(context->turns, &NEXT_TURN);
    }
}

/*
 * Serves those that wait, until it is time to look for new input: a client that has just asked for
 * little goes before what others have left to do. While owners compete, a client that has much left to
 * do has a turn of its own, so that what others have submitted before it is not held up.
 */
static void on_turns(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct conn_context *context = arg;
    struct turn *turn;
    context->looked_us = clock_monotonic_us();
    context->is_called = false;
    context->is_competing = owners_compete(context->owners, context->looked_us);
    int64_t ends_us = context->looked_us + (context->is_competing ? COMPETING_US : TURN_US);
    bool is_first = true;
    while (context->looked_us < ends_us && (turn = owners_next(context->owners)) != NULL) {
        struct conn *c = conn_of(turn);
        if (context->is_competing && c->is_greedy && !is_first) {
            conn_wait_for_turn(c);
            break;
        }
        serve(c);
        is_first = false;
    }
    call_next_turns(context);
}

/* Sends what a verdict or an event has written. What the client may do now takes its turn. */
static void send_replies(struct conn *c)
{
    if (!conn_write_output(c)) {
        conn_free(c);
    } else if (c->is_waiting || c->is_answering || c->is_closing || may_catch_up(c)) {
        conn_wait_for_turn(c);
    } else if (stream_unsent(&c->stream) > 0) {
        conn_set_alarm(c);
    }
}

void conn_send_replies(struct conn_context *context)
{
    struct conn *c;
    while ((c = LIST_FIRST(&context->touched)) != NULL) {
        conn_untouch(c);
        if (!c->is_doomed) {
            send_replies(c);
        } else if (c->due_calls == 0) {
            cut_off(c);
        }
    }
    call_next_turns(context);
}

bool conn_context_open(struct conn_context *context)
{
    context->turns = event_new(context->relay->base, -1, 0, on_turns, context);
    return context->turns != NULL;
}

void conn_context_close(struct conn_context *context)
{
    struct turn *turn;
    while ((turn = owners_next(context->owners)) != NULL) {
        conn_release(conn_of(turn));
    }
    if (context->turns != NULL) {
        event_free(context->turns);
    }
}
