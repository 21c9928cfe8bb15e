/* conn_events: see conn_events.h. */
#include "gateway/serve/conn_events.h"

#include "gateway/serve/conn_state.h"
#include "gateway/serve/intake.h"
#include "gateway/serve/relay.h"
#include "gateway/serve/watch.h"
#include "proto/session/session.h"

#include <string.h>

enum { WATCHER_HIGH = 256 * 1024 }; /* unread bytes at which a watcher is cut off */

/* --- from the session to the world ------------------------------------------------------------ */

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
    journal_refusal(conn_peer(c), &refusal);
    session_refuse(c->session, slot, reply, words);
}

static void settle(const struct intake_verdict *verdict)
{
    struct conn *c = verdict->client;
    const char *command = session_command(c->session, verdict->slot);
    c->due_calls--;
    conn_touch(c);
    if (!verdict->is_accepted) {
        refuse(c, verdict->slot, verdict->refusal, NULL,
               verdict->count > 0 ? verdict->receipts[0].to : NULL);
        return;
    }
    journal_duplicates(conn_peer(c), command, verdict->receipts, verdict->count);
    if (c->is_doomed) {
        return;
    }
    if (verdict->ack != ACK_RELAYED ||
        !watch_await(conn_relay(c)->watch, &c->client.watcher, verdict->slot, verdict->receipts,
                     verdict->count)) {
        session_accept(c->session, verdict->slot, verdict->receipts, verdict->count);
    }
}

void conn_submit(struct conn *c, const struct session_event *event, int64_t now_ms)
{
    const struct relay *relay = conn_relay(c);
    const struct submission *submission = &event->submission;
    const struct intake_client client = {c, c->client.owner, settle};
    if (submission->options->ack == ACK_RELAYED &&
        !watch_has_room(&c->client.watcher, submission->count)) {
        refuse(c, event->slot, REPLY_AWAITS_FULL, NULL, submission->to[0]);
    } else if (intake_submit(relay->intake, &client, event->slot, submission, now_ms)) {
        c->due_calls++;
        journal_losses(conn_peer(c), session_command(c->session, event->slot), submission,
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
    c->context->steps += c->is_answering ? CONN_PORTION_STEPS : CONN_CLOCK_EVERY;
}

void conn_answer(struct conn *c, const struct session_event *event)
{
    struct buffer *out = session_answer_begin(c->session, event->slot);
    c->answer_slot = event->slot;
    note_progress(c, requests_answer(conn_relay(c), &c->client, event->slot, &event->request, out));
}

void conn_go_on_answering(struct conn *c)
{
    struct buffer *out = session_answer_begin(c->session, c->answer_slot);
    note_progress(c, requests_go_on(conn_relay(c), &c->client, c->is_leaving, out));
}

/* --- verdicts and events ---------------------------------------------------------------------- */

void conn_answer_in_part(void *client, uint32_t slot, const struct buffer *reply)
{
    struct conn *c = client;
    c->due_calls--;
    c->is_answering = true;
    conn_touch(c);
    if (!c->is_doomed) {
        struct buffer *out = session_answer_begin(c->session, slot);
        buffer_append(out, reply->data, reply->len);
        out->has_failed = out->has_failed || reply->has_failed;
    }
}

void conn_answer_late(void *client, uint32_t slot, const struct buffer *reply)
{
    struct conn *c = client;
    conn_answer_in_part(client, slot, reply);
    c->is_answering = false;
    if (!c->is_doomed) {
        session_answer_end(c->session, slot);
    }
}

void conn_acknowledge(void *client, uint32_t slot, const struct session_receipt *receipts,
                      size_t count)
{
    struct conn *c = client;
    conn_touch(c);
    session_accept(c->session, slot, receipts, count);
}

void conn_tell(void *client, const struct buffer *line)
{
    struct conn *c = client;
    session_notify(c->session, line->data, line->len);
    conn_touch(c);
    size_t unread = conn_unread(c) + session_held(c->session);
    c->is_doomed = c->is_doomed || line->has_failed || unread > WATCHER_HIGH;
}
