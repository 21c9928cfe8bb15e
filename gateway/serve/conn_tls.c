/* conn_tls: see conn_tls.h. */
#include "gateway/serve/conn_tls.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/stats.h"
#include "gateway/base/tls_link.h"
#include "gateway/serve/conn_state.h"
#include "gateway/serve/relay.h"
#include "proto/session/session.h"

/* --- places ----------------------------------------------------------------------------------- */

bool conn_has_room_for_tls(struct conn_context *context)
{
    struct conn *oldest = TAILQ_FIRST(&context->handshakes);
    if (context->handshake_count < CONN_HANDSHAKES_MAX) {
        return true;
    }
    if (clock_monotonic_ms() - oldest->handshake_ms < CONN_HANDSHAKE_YOUNG_MS) {
        stats_add(context->relay->stats, STAT_TLS_REFUSED, 1);
        return false;
    }
    conn_give_up_handshake(oldest, "its place was needed");
    conn_free(oldest);
    return true;
}

static struct tls_link *make_link(struct conn *c)
{
    return tls_link_new(c->context->tls, stream_socket(&c->stream));
}

static void start(struct conn *c, struct tls_link *link)
{
    stream_start_tls(&c->stream, link);
    conn_enter_handshake(c);
}

bool conn_begin_tls(struct conn *c)
{
    struct tls_link *link = make_link(c);
    if (link != NULL) {
        start(c, link);
    }
    return link != NULL;
}

/* --- STARTTLS --------------------------------------------------------------------------------- */

/* Replies, and tells the log. */
static void refuse(struct conn *c, uint32_t slot, enum reply reply, const char *words)
{
    journal_refusal(conn_peer(c),
                    &(struct session_refusal){.command = session_command(c->session, slot),
                                              .reply = reply,
                                              .words = words == NULL ? reply_text(reply) : words});
    session_refuse(c->session, slot, reply, words);
}

/* Plain text has come behind the command: the session replies and closes. */
static void end_injected(struct conn *c)
{
    journal_refusal(conn_peer(c), &(struct session_refusal){.command = "STARTTLS",
                                                            .reply = REPLY_GUARD,
                                                            .words = "plain text behind STARTTLS"});
}

void conn_starttls(struct conn *c, uint32_t slot)
{
    if (c->client.watcher.is_watching) {
        refuse(c, slot, REPLY_BAD_SEQUENCE, "WATCH is on, UNWATCH ends it");
        return;
    }
    bool is_possible = !stream_is_ended(&c->stream) && conn_has_room_for_tls(c->context);
    struct tls_link *link = is_possible ? make_link(c) : NULL;
    if (link == NULL) {
        refuse(c, slot, REPLY_NO_TLS_NOW, NULL);
    } else if (session_start_tls(c->session, slot)) {
        c->next_tls = link;
    } else {
        tls_link_free(link);
        end_injected(c);
    }
}

void conn_go_on_with_tls(struct conn *c)
{
    if (c->next_tls != NULL && stream_unsent(&c->stream) == 0) {
        struct tls_link *link = c->next_tls;
        c->next_tls = NULL;
        start(c, link);
    }
}

/* --- the end of a handshake ------------------------------------------------------------------- */

void conn_give_up_handshake(struct conn *c, const char *reason)
{
    conn_leave_handshake(c);
    stats_add(conn_relay(c)->stats, STAT_TLS_FAILED, 1);
    journal_tls_failure(conn_peer(c), reason);
}

static void count_success(struct conn *c, const struct tls_link *link)
{
    struct stats *stats = conn_relay(c)->stats;
    conn_leave_handshake(c);
    stats_add(stats, STAT_TLS_HANDSHAKES, 1);
    stats_add(stats, STAT_TLS_RESUMED, tls_link_is_resumed(link) ? 1 : 0);
    LOG(LOG_DEBUG, "tls_begun", LOG_STR("version", tls_link_version(link)),
        LOG_STR("cipher", tls_link_cipher(link)), LOG_BOOL("resumed", tls_link_is_resumed(link)));
}

void conn_note_handshake(struct conn *c)
{
    const struct tls_link *link = stream_tls(&c->stream);
    if (tls_link_is_up(link)) {
        count_success(c, link);
    } else if (stream_is_ended(&c->stream)) {
        conn_give_up_handshake(c, tls_link_fault(link));
    }
}
