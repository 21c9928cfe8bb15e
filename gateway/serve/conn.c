/* conn: see conn.h. */
#include "gateway/serve/conn.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/stats.h"
#include "gateway/queue/events.h"
#include "gateway/serve/identity.h"
#include "gateway/serve/intake.h"
#include "gateway/serve/journal.h"
#include "gateway/serve/owner.h"
#include "gateway/serve/relay.h"
#include "gateway/serve/requests.h"
#include "gateway/serve/watch.h"
#include "proto/session/session.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
    LIBEVENT_READ_MAX = 4096,  /* EVBUFFER_MAX_READ of libevent 2.1 */
    INPUT_HIGH = 8 * 1024,     /* bytes read before its turn of a client that waits for it */
    OUTPUT_HIGH = 64 * 1024,   /* bytes of unread replies at which commands are no longer read */
    OUTPUT_LOW = 16 * 1024,    /* ... until so few are left */
    WATCHER_HIGH = 256 * 1024, /* unread bytes at which a watcher is cut off */
    LF_WAIT_MS = 3000,         /* for the LF of a CRLF that begins with the last byte received */
    CLOSE_WAIT_MS = 5000,      /* for the client to read our last reply and close */
    SLICE_US = 200,            /* a client is served at a time */
    TURN_US = 500,             /* clients are served before the loop looks for new input, ... */
    COMPETING_US = 25,         /* ... and both, while several owners compete */
    CHARGE_MAX_US = 2000,      /* of a slice, for the system may have stopped the relay meanwhile */
    MODEST_DIVISOR = 8,        /* one that is done in time pays for an eighth */
    CLOCK_EVERY = 8            /* commands between two looks at the clock */
};

struct conn {
    struct turn turn; /* the first member: see conn_of */
    struct conn_links links;
    LIST_ENTRY(conn) entry; /* of those that were touched */
    struct conn_context *context;
    struct bufferevent *bev;
    struct session *session;
    struct requests_client client;
    struct owner *owner;
    size_t unanswered; /* commands that its owner has counted */
    struct peer peer;
    int64_t closes_ms; /* monotonic: when a client that keeps sending is closed anyway */
    uint32_t answer_slot;
    size_t due_calls;  /* calls to come, with verdicts and replies, that point here */
    bool awaits_lf;    /* the timeout is LF_WAIT_MS */
    bool is_readable;  /* its socket may hold more than libevent has read this turn */
    bool is_reading;   /* libevent reads from it */
    bool is_eof;       /* the client sends nothing more */
    bool has_read_all; /* ... and the session knows it */
    bool is_mute;      /* the client cannot be written to: replies are dropped */
    bool is_leaving;   /* it was asked to close: the session reads no further */
    bool is_closing;   /* the session has ended; its last replies are being sent */
    bool is_shut;      /* ... and are sent; only the client has still to close */
    bool is_touched;   /* in the context's list */
    bool is_answering; /* a request goes on, which has `answer_slot` */
    bool is_waiting;   /* its session reads on only once it has a verdict */
    bool is_served;    /* it has its turn now */
    bool is_greedy;    /* its last turn was over before it was done */
    bool is_doomed;    /* to be freed once nothing points here any more */
};

static const struct relay *relay_of(const struct conn *c)
{
    return c->context->relay;
}

int32_t conn_owner(const struct conn *c)
{
    return c->owner->key;
}

struct conn_links *conn_links(struct conn *c)
{
    return &c->links;
}

bool conn_has_unsent(const struct conn *c)
{
    return c->turn.place != 0 ||
           (!c->is_mute && evbuffer_get_length(bufferevent_get_output(c->bev)) > 0);
}

/* --- waiting for a turn ----------------------------------------------------------------------- */

static struct conn *conn_of(struct turn *turn)
{
    return (struct conn *)(void *)turn;
}

static void wait_for_turn(struct conn *c)
{
    owner_wait(c->context->owners, c->owner, &c->turn);
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

/* Has waiting clients served later in this turn of the loop, once all that have input are known. */
static void call_turns(struct conn_context *context)
{
    if (!context->is_called) {
        context->is_called = true;
        event_active(context->turns, EV_TIMEOUT, 0);
    }
}

/* There is something to do for a client. */
static void wake(struct conn *c)
{
    wait_for_turn(c);
    call_turns(c->context);
}

static void start_reading(struct conn *c)
{
    c->is_reading = true;
    bufferevent_enable(c->bev, EV_READ);
}

static void stop_reading(struct conn *c)
{
    c->is_reading = false;
    bufferevent_disable(c->bev, EV_READ);
}

/* --- closing ---------------------------------------------------------------------------------- */

/* It has something to send. */
static void touch(struct conn *c)
{
    if (!c->is_touched) {
        c->is_touched = true;
        LIST_INSERT_HEAD(&c->context->touched, c, entry);
    }
}

static void untouch(struct conn *c)
{
    if (c->is_touched) {
        c->is_touched = false;
        LIST_REMOVE(c, entry);
    }
}

/* Frees a doomed client unless something still points to it; what is left to do takes more turns. */
static void release(struct conn *c)
{
    if (c->bev != NULL || c->due_calls > 0 || c->is_served) {
        return;
    }
    if (!watch_forget(relay_of(c)->watch, &c->client.watcher)) {
        wake(c);
        return;
    }
    untouch(c);
    owner_forgo(c->context->owners, c->owner, &c->turn);
    owner_count_unanswered(c->owner, &c->unanswered, 0);
    owner_leave(c->context->owners, c->owner);
    requests_forget(&c->client);
    session_free(c->session);
    free(c);
}

void conn_free(struct conn *c)
{
    if (c->bev != NULL) {
        bufferevent_free(c->bev);
        c->bev = NULL;
        c->context->ended(c->context->server, c);
    }
    c->is_doomed = true;
    release(c);
}

/*
 * The session has ended. Its replies are sent and the client's last bytes are read before the socket
 * is closed: closing it with unread input would reset the connection, and the replies would be lost.
 */
static void finish(struct conn *c)
{
    bool is_sent = evbuffer_get_length(bufferevent_get_output(c->bev)) == 0;
    if (c->is_mute || (is_sent && c->is_eof)) {
        conn_free(c);
    } else if (is_sent && !c->is_shut) {
        shutdown(bufferevent_getfd(c->bev), SHUT_WR);
        c->is_shut = true;
    }
}

static void begin_close(struct conn *c)
{
    static const struct timeval PATIENCE = {.tv_sec = CLOSE_WAIT_MS / 1000};
    c->is_closing = true;
    c->closes_ms = clock_monotonic_ms() + CLOSE_WAIT_MS;
    evbuffer_drain(bufferevent_get_input(c->bev),
                   evbuffer_get_length(bufferevent_get_input(c->bev)));
    bufferevent_set_timeouts(c->bev, &PATIENCE, &PATIENCE);
    /* A timeout has disabled reading, but we must see the client close, or not close. */
    start_reading(c);
}

/* Reads what comes after the end, so that closing does not reset the connection; but not for ever. */
static void swallow(struct conn *c)
{
    struct evbuffer *input = bufferevent_get_input(c->bev);
    evbuffer_drain(input, evbuffer_get_length(input));
    if (clock_monotonic_ms() >= c->closes_ms) {
        conn_free(c);
    }
}

/* --- from the session to the world ------------------------------------------------------------ */

/* Who the client is, for the journal. */
static const struct peer *peer_of(struct conn *c)
{
    c->peer.name = session_name(c->session);
    return &c->peer;
}

/* Refuses a submission to `to` (NULL = not known); `words` NULL = the usual ones. */
static void refuse(struct conn *c, uint32_t slot, enum reply reply, const char *words,
                   const char *to)
{
    const struct session_refusal refusal = {
        .command = session_command(c->session, slot),
        .reply = reply,
        .words = words == NULL ? reply_text(reply) : words,
        .to = to,
        .to_len = to == NULL ? 0 : strlen(to),
    };
    journal_refusal(peer_of(c), &refusal);
    session_refuse(c->session, slot, reply, words);
}

static void submit(struct conn *c, const struct session_event *event, int64_t now_ms)
{
    const struct relay *relay = relay_of(c);
    const struct submission *submission = &event->submission;
    if (submission->options->ack == ACK_RELAYED &&
        !watch_has_room(&c->client.watcher, submission->count)) {
        refuse(c, event->slot, REPLY_AWAITS_FULL, NULL, submission->to[0]);
    } else if (intake_submit(relay->intake, c, event->slot, c->client.owner, submission, now_ms)) {
        c->due_calls++;
        journal_losses(peer_of(c), session_command(c->session, event->slot), submission,
                       relay->stats);
    } else {
        refuse(c, event->slot, REPLY_CANNOT_STORE, "out of memory", submission->to[0]);
    }
}

static void note_progress(struct conn *c, enum requests_progress progress)
{
    c->is_answering = progress == REQUESTS_GOES_ON;
    c->due_calls += progress == REQUESTS_WAITS ? 1 : 0;
    if (progress == REQUESTS_DONE) {
        session_answer_end(c->session, c->answer_slot);
    }
    c->context->steps += CLOCK_EVERY;
}

static void answer(struct conn *c, const struct session_event *event)
{
    struct buffer *out = session_answer_begin(c->session, event->slot);
    c->answer_slot = event->slot;
    note_progress(c, requests_answer(relay_of(c), &c->client, event->slot, &event->request, out));
}

static void go_on_answering(struct conn *c)
{
    struct buffer *out = session_answer_begin(c->session, c->answer_slot);
    note_progress(c, requests_go_on(relay_of(c), &c->client, c->is_leaving, out));
}

/*
 * Sends bytes, at once if none are queued: through libevent that takes two more system calls and a
 * turn of the loop. What the socket does not accept goes through libevent, and so do errors.
 * Returns false on allocation failure.
 */
static bool write_bytes(struct conn *c, const char *bytes, size_t len)
{
    if (evbuffer_get_length(bufferevent_get_output(c->bev)) == 0) {
        ssize_t sent = send(bufferevent_getfd(c->bev), bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        size_t done = sent > 0 ? (size_t)sent : 0;
        bytes += done;
        len -= done;
    }
    return len == 0 || bufferevent_write(c->bev, bytes, len) == 0;
}

static void count_unanswered(struct conn *c)
{
    owner_count_unanswered(c->owner, &c->unanswered, session_open_slots(c->session));
}

/* Sends the session's output. Returns false if some was lost to an allocation failure. */
static bool write_output(struct conn *c)
{
    count_unanswered(c);
    struct buffer *out = session_output(c->session);
    bool is_whole = !out->has_failed;
    if (out->len > 0 && !c->is_mute) {
        stats_add(relay_of(c)->stats, STAT_BYTES_OUT, (int64_t)out->len);
        is_whole = write_bytes(c, out->data, out->len) && is_whole;
    }
    /* Most clients are idle now, and idle ones keep no buffer. */
    buffer_free(out);
    return is_whole;
}

static void feed_bytes(struct conn *c, const char *bytes, size_t len)
{
    stats_add(relay_of(c)->stats, STAT_BYTES_IN, (int64_t)len);
    if (!session_feed(c->session, bytes, len)) {
        session_close(c->session, REPLY_SHUTTING_DOWN);
    }
}

/*
 * Reads what libevent has left in the socket: it reads at most 4 KB per turn, which is six system
 * calls for 27 messages. Once per turn, so that one client does not hold up the others. Leaves the
 * end of input and errors to libevent.
 */
static bool read_ahead(struct conn *c)
{
    if (!c->is_readable) {
        return false;
    }
    c->is_readable = false;
    char *chunk = c->context->chunk;
    ssize_t len = recv(bufferevent_getfd(c->bev), chunk, CONN_CHUNK, MSG_DONTWAIT);
    if (len > 0) {
        feed_bytes(c, chunk, (size_t)len);
    }
    return len > 0;
}

/* Gives the session more input. Returns false if there is none. */
static bool feed(struct conn *c)
{
    struct evbuffer *input = bufferevent_get_input(c->bev);
    struct evbuffer_iovec chunk;
    if (evbuffer_peek(input, -1, NULL, &chunk, 1) > 0 && chunk.iov_len > 0) {
        feed_bytes(c, chunk.iov_base, chunk.iov_len);
        evbuffer_drain(input, chunk.iov_len);
        return true;
    }
    if (read_ahead(c)) {
        return true;
    }
    if (c->is_eof && !c->has_read_all) {
        c->has_read_all = true;
        session_end(c->session);
        return true;
    }
    return false;
}

/*
 * Reads on once the session has all that was read. A watermark would not do: as long as the input is
 * above it, libevent calls on_read again and again.
 */
static void keep_reading(struct conn *c)
{
    bool has_all = evbuffer_get_length(bufferevent_get_input(c->bev)) == 0;
    if (has_all && !c->is_reading && !c->is_eof) {
        start_reading(c);
    } else if (!has_all && c->is_reading) {
        stop_reading(c);
    }
}

static void set_idle_timeout(struct conn *c, int64_t read_ms)
{
    int64_t write_ms = c->context->idle_timeout_ms;
    struct timeval reading = {.tv_sec = read_ms / 1000, .tv_usec = read_ms % 1000 * 1000};
    struct timeval writing = {.tv_sec = write_ms / 1000, .tv_usec = write_ms % 1000 * 1000};
    bufferevent_set_timeouts(c->bev, read_ms > 0 ? &reading : NULL, write_ms > 0 ? &writing : NULL);
}

/* A client whose lines end in CR alone waits for a reply: the silence shows that no LF follows. */
static void await_lf(struct conn *c)
{
    bool awaits_lf = session_awaits_lf(c->session);
    if (awaits_lf != c->awaits_lf) {
        c->awaits_lf = awaits_lf;
        set_idle_timeout(c, awaits_lf ? LF_WAIT_MS : c->context->idle_timeout_ms);
    }
}

/* The client reads its replies too slowly: no command is read until it catches up. */
static bool is_backlogged(const struct conn *c)
{
    size_t unread =
        evbuffer_get_length(bufferevent_get_output(c->bev)) + session_output(c->session)->len;
    return !c->is_mute && !c->is_leaving && unread > OUTPUT_HIGH;
}

/* Its owner has as many commands without a reply as it may have: the client's next one is read once it
 * has a reply to an earlier one. */
static bool must_wait(struct conn *c)
{
    count_unanswered(c);
    return !c->is_leaving && owner_must_wait(c->context->owners, c->owner, c->unanswered);
}

/* Carries out one event. Returns false if there is nothing to do but wait. */
static bool carry_on(struct conn *c, int64_t now_ms)
{
    struct session_event event;
    if (c->is_answering) {
        go_on_answering(c);
        return true;
    }
    if (must_wait(c) || (c->due_calls > 0 && intake_is_full(relay_of(c)->intake))) {
        c->is_waiting = true;
        return false;
    }
    switch (session_step(c->session, now_ms, &event)) {
    case SESSION_WANTS_INPUT:
        if (feed(c)) {
            return true;
        }
        await_lf(c);
        return false;
    case SESSION_WAITS:
        c->is_waiting = true;
        return false;
    case SESSION_PAUSES:
        return true;
    case SESSION_SUBMISSION:
        submit(c, &event, now_ms);
        c->context->steps += (unsigned)(event.submission.count / CLOCK_EVERY);
        return true;
    case SESSION_REQUEST:
        answer(c, &event);
        return true;
    case SESSION_REFUSED:
        journal_refusal(peer_of(c), &event.refusal);
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
           !is_backlogged(c) && session_held(c->session) <= OUTPUT_HIGH;
}

/* Ends a watcher that does not read. */
static void cut_off(struct conn *c)
{
    if (c->bev != NULL) {
        LOG(LOG_INFO, "watcher_cut_off");
        stats_add(relay_of(c)->stats, STAT_WATCHERS_CUT_OFF, 1);
    }
    conn_free(c);
}

/* Looks at the clock now and then. */
static bool is_turn_over(struct conn_context *context)
{
    if (++context->steps < CLOCK_EVERY && !context->is_competing) {
        return false;
    }
    context->steps = 0;
    return clock_monotonic_us() >= context->slice_ends_us;
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
        while (!is_over && !c->is_closing && !is_backlogged(c) && carry_on(c, now_ms)) {
            is_over = is_turn_over(c->context);
        }
        while (!is_over && may_catch_up(c)) {
            c->is_doomed = !watch_catch_up(relay_of(c)->watch, &c->client.watcher) || c->is_doomed;
            is_over = is_turn_over(c->context);
        }
        was_backlogged = is_backlogged(c);
        is_whole = write_output(c);
        /* If the socket took everything at once, there will be no on_write to continue. */
    } while (!is_over && is_whole && was_backlogged && !c->is_closing && !is_backlogged(c));
    if (c->is_doomed) {
        cut_off(c);
    } else if (!is_whole) {
        conn_free(c);
    } else if (c->is_closing) {
        finish(c);
    } else {
        keep_reading(c);
    }
    return !is_over || c->is_doomed || is_backlogged(c);
}

void conn_close(struct conn *c, enum reply reply)
{
    /* No command is carried out any more: unread replies, which may stay unread, hold up nothing. */
    c->is_leaving = true;
    session_close(c->session, reply);
    wake(c);
}

/* --- from the socket -------------------------------------------------------------------------- */

static void on_read(struct bufferevent *bev, void *arg)
{
    struct conn *c = arg;
    if (c->is_closing) {
        swallow(c);
        return;
    }
    c->context->active(c->context->server, c);
    /* If libevent has read less than it can at a time, that was all. */
    size_t len = evbuffer_get_length(bufferevent_get_input(bev));
    c->is_readable = len >= LIBEVENT_READ_MAX;
    if (len >= INPUT_HIGH) {
        stop_reading(c);
    }
    wake(c);
}

/* The client has read most of its replies. */
static void on_write(struct bufferevent *bev, void *arg)
{
    (void)bev;
    wake(arg);
}

/* A client that waits for a reply, or watches, need not send anything. */
static bool is_silence_fine(const struct conn *c)
{
    return session_open_slots(c->session) > 0 || c->client.watcher.is_watching;
}

/* The client has been idle for too long, or has not read its replies. */
static void on_timeout(struct conn *c, bool is_reading)
{
    if (is_reading && !c->is_closing && is_silence_fine(c)) {
        start_reading(c);
        return;
    }
    if (!c->is_closing) {
        stats_add(relay_of(c)->stats, STAT_CONNECTIONS_TIMED_OUT, 1);
    }
    if (is_reading && !c->is_closing) {
        conn_close(c, REPLY_TIMED_OUT);
    } else {
        conn_free(c);
    }
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    (void)bev;
    struct conn *c = arg;
    if ((what & BEV_EVENT_TIMEOUT) != 0) {
        on_timeout(c, (what & BEV_EVENT_READING) != 0);
        return;
    }
    /* A reset, too, only ends its input: what it has sent is still carried out. */
    if ((what & (BEV_EVENT_EOF | BEV_EVENT_READING)) != 0) {
        c->is_eof = true;
    }
    if ((what & BEV_EVENT_ERROR) != 0) {
        c->is_mute = true;
    }
    wake(c);
}

/* --- verdicts and events ---------------------------------------------------------------------- */

/* A part of the reply to a request that had to wait. */
static void answer_in_part(void *client, uint32_t slot, const struct buffer *reply)
{
    struct conn *c = client;
    c->due_calls--;
    c->is_answering = true;
    touch(c);
    if (!c->is_doomed) {
        struct buffer *out = session_answer_begin(c->session, slot);
        buffer_append(out, reply->data, reply->len);
        out->has_failed = out->has_failed || reply->has_failed;
    }
}

/* The last part of it, or all. */
static void answer_late(void *client, uint32_t slot, const struct buffer *reply)
{
    struct conn *c = client;
    answer_in_part(client, slot, reply);
    c->is_answering = false;
    if (!c->is_doomed) {
        session_answer_end(c->session, slot);
    }
}

void conn_settle(const struct intake_verdict *verdict)
{
    struct conn *c = verdict->client;
    const char *command = session_command(c->session, verdict->slot);
    c->due_calls--;
    touch(c);
    if (!verdict->is_accepted) {
        refuse(c, verdict->slot, verdict->refusal, NULL,
               verdict->count > 0 ? verdict->receipts[0].to : NULL);
        return;
    }
    journal_duplicates(peer_of(c), command, verdict->receipts, verdict->count);
    if (c->is_doomed) {
        return;
    }
    if (verdict->ack != ACK_RELAYED ||
        !watch_await(relay_of(c)->watch, &c->client.watcher, verdict->slot, verdict->receipts,
                     verdict->count)) {
        session_accept(c->session, verdict->slot, verdict->receipts, verdict->count);
    }
}

void conn_acknowledge(void *client, uint32_t slot, const struct session_receipt *receipts,
                      size_t count)
{
    struct conn *c = client;
    touch(c);
    session_accept(c->session, slot, receipts, count);
}

/* A watcher that does not read is cut off. */
void conn_tell(void *client, const struct buffer *line)
{
    struct conn *c = client;
    session_notify(c->session, line->data, line->len);
    touch(c);
    size_t unread = session_output(c->session)->len + session_held(c->session) +
                    (c->bev == NULL ? 0 : evbuffer_get_length(bufferevent_get_output(c->bev)));
    c->is_doomed = c->is_doomed || line->has_failed || unread > WATCHER_HIGH;
}

/* --- taking turns ----------------------------------------------------------------------------- */

/*
 * Has a slice of a client's paid for. Its owner pays for it all, and one that was done in time no more
 * than others may use; among the owner's connections such a one pays less: of 400, a client that asks
 * little 200 times a second uses more than its share.
 */
static void charge(struct conn *c, int64_t us, int64_t now_us)
{
    int64_t most_us = c->is_greedy ? CHARGE_MAX_US : SLICE_US;
    int64_t owner_us = us < most_us ? us : most_us;
    int64_t own_us = c->is_greedy ? owner_us : owner_us / MODEST_DIVISOR;
    owner_charge(c->context->owners, c->owner, (uint64_t)owner_us, now_us);
    turn_line_charge(&c->owner->line, &c->turn, (uint64_t)own_us);
}

/* Serves a client for a slice of time, which its owner pays for. */
static void serve(struct conn *c, int64_t *now_us)
{
    struct conn_context *context = c->context;
    int64_t began_us = *now_us;
    context->slice_ends_us = began_us + (context->is_competing ? COMPETING_US : SLICE_US);
    c->is_served = true;
    c->is_greedy = !c->is_doomed && !advance(c);
    c->is_served = false;
    *now_us = clock_monotonic_us();
    charge(c, *now_us - began_us, *now_us);
    if (c->is_doomed) {
        release(c);
    } else if (c->is_greedy) {
        wait_for_turn(c);
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
    int64_t now_us = clock_monotonic_us();
    context->is_called = false;
    context->is_competing = owners_compete(context->owners, now_us);
    int64_t ends_us = now_us + (context->is_competing ? COMPETING_US : TURN_US);
    bool is_first = true;
    while (now_us < ends_us && (turn = owners_next(context->owners)) != NULL) {
        struct conn *c = conn_of(turn);
        if (context->is_competing && c->is_greedy && !is_first) {
            wait_for_turn(c);
            break;
        }
        serve(c, &now_us);
        is_first = false;
    }
    call_next_turns(context);
}

/* Sends what a verdict or an event has written. What the client may do now takes its turn. */
static void send_replies(struct conn *c)
{
    if (!write_output(c)) {
        conn_free(c);
    } else if (c->is_waiting || c->is_answering || c->is_closing || may_catch_up(c)) {
        wait_for_turn(c);
    }
}

void conn_send_replies(struct conn_context *context)
{
    struct conn *c;
    while ((c = LIST_FIRST(&context->touched)) != NULL) {
        untouch(c);
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
        release(conn_of(turn));
    }
    if (context->turns != NULL) {
        event_free(context->turns);
    }
}

/* --- life ------------------------------------------------------------------------------------- */

struct conn *conn_new(struct conn_context *context, evutil_socket_t fd, const struct peer *peer,
                      const struct identity *who)
{
    struct conn *c = calloc(1, sizeof *c);
    struct bufferevent *bev =
        c == NULL ? NULL : bufferevent_socket_new(context->relay->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (bev == NULL) {
        evutil_closesocket(fd);
        free(c);
        return NULL;
    }
    c->session = session_new(context->relay->rules, &who->peer);
    c->owner = c->session == NULL ? NULL : owner_enter(context->owners, who->owner);
    if (c->owner == NULL) {
        bufferevent_free(bev);
        session_free(c->session);
        free(c);
        return NULL;
    }
    int on = 1;
    /* Replies are written whole, so they need not wait for the acknowledgement of the last one (RFC
     * 896 with delayed ACKs: 40 ms). Fails on a Unix socket, which does not need it. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    turn_line_enter(&c->owner->line, &c->turn);
    c->bev = bev;
    c->peer = *peer;
    c->context = context;
    c->client = (struct requests_client){.watcher = {.client = c, .budget = &c->owner->awaits},
                                         .answered = answer_late,
                                         .paused = answer_in_part,
                                         .owner = who->owner,
                                         .has_control = who->peer.has_control};
    bufferevent_setcb(bev, on_read, on_write, on_event, c);
    bufferevent_setwatermark(bev, EV_WRITE, OUTPUT_LOW, 0);
    set_idle_timeout(c, context->idle_timeout_ms);
    bufferevent_enable(bev, EV_WRITE);
    start_reading(c);
    write_output(c);
    return c;
}
