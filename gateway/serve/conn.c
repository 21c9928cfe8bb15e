/* conn: see conn.h. */
#include "gateway/serve/conn.h"

#include "gateway/base/clock.h"
#include "gateway/serve/conn_events.h"
#include "gateway/serve/conn_tls.h"
#include "gateway/serve/identity.h"
#include "gateway/serve/owner.h"
#include "gateway/serve/relay.h"
#include "proto/session/session.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { OUTPUT_LOW = 16 * 1024 }; /* unsent bytes at which a backlogged client goes on */

int32_t conn_owner(const struct conn *c)
{
    return c->owner->key;
}

bool conn_has_unsent(const struct conn *c)
{
    return c->turn.place != 0 || stream_unsent(&c->stream) > 0;
}

/* --- from the stream -------------------------------------------------------------------------- */

static void on_readable(void *client)
{
    struct conn *c = client;
    if (!c->is_closing) {
        c->context->active(c->context->server, c);
    }
    conn_wake(c);
}

/* The client has read some of its replies. */
static void on_sent(void *client)
{
    struct conn *c = client;
    c->taken_ms = clock_monotonic_ms();
    c->moved += c->owed - stream_unsent(&c->stream);
    c->owed = stream_unsent(&c->stream);
    if (stream_unsent(&c->stream) <= OUTPUT_LOW) {
        conn_wake(c);
    }
}

static const struct stream_callbacks callbacks = {on_readable, on_sent};

/* --- life ------------------------------------------------------------------------------------- */

/* The parts that may fail. */
static bool open_parts(struct conn *c, evutil_socket_t fd, const struct identity *who)
{
    const struct relay *relay = conn_relay(c);
    if (!stream_open(&c->stream, relay->base, fd, &callbacks, c)) {
        return false;
    }
    c->session = session_new(relay->rules, &who->peer);
    if (c->session != NULL && (!who->peer.is_encrypted || conn_begin_tls(c))) {
        c->owner = owner_enter(c->context->owners, who->owner);
    }
    if (c->owner == NULL) {
        conn_leave_handshake(c);
        stream_close(&c->stream);
        session_free(c->session);
    }
    return c->owner != NULL;
}

/* Replies are written whole, so they need not wait for the acknowledgement of the last one (RFC 896 with
 * delayed ACKs: 40 ms). Fails on a Unix socket, which does not need it. */
static void send_without_delay(evutil_socket_t fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* Of a machine that is switched off nothing is heard. */
static void look_for_life(evutil_socket_t fd)
{
    const struct {
        int level, name, value;
    } options[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, 60},
        {IPPROTO_TCP, TCP_KEEPINTVL, 15},
        {IPPROTO_TCP, TCP_KEEPCNT, 4},
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                   sizeof options[i].value);
    }
}

struct conn *conn_new(struct conn_context *context, evutil_socket_t fd, const struct peer *peer,
                      const struct identity *who, struct peers_address *from)
{
    struct conn *c = calloc(1, sizeof *c);
    if (c == NULL) {
        evutil_closesocket(fd);
        return NULL;
    }
    c->context = context;
    c->peer = *peer;
    if (!open_parts(c, fd, who)) {
        free(c);
        return NULL;
    }
    send_without_delay(fd);
    turn_line_enter(&c->owner->line, &c->turn);
    c->from = from;
    c->links.active_ms = clock_monotonic_ms();
    c->came_ms = c->pace_ms = c->links.active_ms;
    c->client = (struct requests_client){.watcher = {.client = c, .budget = &c->owner->awaits},
                                         .answered = conn_answer_late,
                                         .paused = conn_answer_in_part,
                                         .owner = who->owner,
                                         .has_control = who->peer.has_control};
    conn_write_output(c);
    if (from != NULL) {
        look_for_life(fd);
    }
    if (from != NULL || context->idle_timeout_ms > 0 || c->handshake_ms != 0) {
        /* Its first turn sets the alarm. */
        conn_wake(c);
    }
    return c;
}
