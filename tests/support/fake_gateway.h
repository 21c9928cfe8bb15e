/*
 * fake_gateway: the other side of a session, without sockets and without a queue.
 *
 * Feeds a session, carries its events out and gives verdicts: at once, or late and in any order.
 * Message ids count from 1, so that a dialogue can be written down; what was submitted is kept in
 * words. For tests/unit and tests/fuzz; static functions, for those are one file each.
 */
#ifndef TESTS_SUPPORT_FAKE_GATEWAY_H
#define TESTS_SUPPORT_FAKE_GATEWAY_H

#include "proto/session/session.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* 2026-04-21T10:15:00Z */
#define FAKE_NOW_MS INT64_C(1776766500000)

enum { FAKE_MAX_PENDING = 2 * SESSION_MAX_OPEN };

/* A submission or a login without a verdict: what its receipts need. */
struct fake_pending {
    uint32_t slot;
    bool is_login;
    bool is_right;
    struct session_receipt *receipts; /* NULL: to be refused with `refusal` */
    size_t count;
    enum reply refusal;
};

struct fake_gateway {
    struct session *session;
    struct buffer submitted;  /* one line each: from, recipients, text, options that were given */
    struct buffer refused;    /* one line each: command, words, "to" and whom */
    struct session_user user; /* who logs in as "me" with "secret" */
    struct buffer out;        /* what the client has received */
    struct fake_pending pending[FAKE_MAX_PENDING];
    size_t pending_count;
    size_t pending_max; /* the most that were pending at a time */
    uint64_t submissions;
    uint64_t messages;
    uint32_t chance; /* 0: verdicts at once; else late, in an order that it decides */
    bool waits;      /* the session waits for verdicts */
    bool is_closed;
};

static inline uint32_t fake_chance(struct fake_gateway *g)
{
    g->chance ^= g->chance << 13;
    g->chance ^= g->chance >> 17;
    g->chance ^= g->chance << 5;
    return g->chance;
}

static inline struct session_rules fake_rules(void)
{
    return (struct session_rules){
        .hostname = "relay.test",
        .version = "1",
        .max_line = 200,
        .max_recipients = 3,
        .default_from = "Relay",
        .charset = "windows-1252",
        .max_parts = 3,
        .mail_max_parts = 2,
        .mail_max_size = 4096,
    };
}

static inline void fake_open_peer(struct fake_gateway *g, const struct session_rules *rules,
                                  const struct session_peer *peer, uint32_t chance)
{
    *g = (struct fake_gateway){.chance = chance, .user.rights = USER_SUBMITS | USER_ASKS};
    g->session = session_new(rules, peer);
    assert(g->session != NULL);
}

static inline void fake_open(struct fake_gateway *g, const struct session_rules *rules,
                             bool has_control, uint32_t chance)
{
    fake_open_peer(g, rules, &(struct session_peer){.has_control = has_control}, chance);
}

static inline void fake_free(struct fake_gateway *g)
{
    for (size_t i = 0; i < g->pending_count; i++) {
        free(g->pending[i].receipts);
    }
    session_free(g->session);
    buffer_free(&g->submitted);
    buffer_free(&g->refused);
    buffer_free(&g->out);
}

/* Takes what the session has said so far. */
static inline void fake_collect(struct fake_gateway *g)
{
    struct buffer *out = session_output(g->session);
    assert(!out->has_failed);
    buffer_append(&g->out, out->data, out->len);
    buffer_clear(out);
}

static inline void fake_note_options(struct fake_gateway *g, const struct submission *submission)
{
    const struct options *options = submission->options;
    if (options->ref[0] != '\0') {
        reply_value(&g->submitted, "ref", options->ref);
    }
    if (options->ttl_ms != 0) {
        buffer_printf(&g->submitted, " ttl=%lld", (long long)options->ttl_ms);
    }
    if (options->at_ms != 0) {
        buffer_printf(&g->submitted, " at=%+lld", (long long)(options->at_ms - FAKE_NOW_MS));
    }
    if (options->priority != PRIORITY_NORMAL) {
        reply_value(&g->submitted, "priority", message_priority_name(options->priority));
    }
    if (options->ack == ACK_RELAYED) {
        buffer_puts(&g->submitted, " ack=relayed");
    }
    if (submission->allow_unicode) {
        buffer_puts(&g->submitted, " unicode");
    }
}

/* Writes a submission down: `Acme +34600000000,+34600000001 "the text" ref=x`. */
static inline void fake_note(struct fake_gateway *g, const struct submission *submission)
{
    buffer_puts(&g->submitted, submission->from);
    for (size_t i = 0; i < submission->count; i++) {
        buffer_putc(&g->submitted, i == 0 ? ' ' : ',');
        buffer_puts(&g->submitted, submission->to[i]);
    }
    buffer_putc(&g->submitted, ' ');
    reply_quote(&g->submitted, submission->text, submission->text_len);
    fake_note_options(g, submission);
    buffer_putc(&g->submitted, '\n');
}

static inline void fake_note_refusal(struct fake_gateway *g, const struct session_refusal *refusal)
{
    buffer_printf(&g->refused, "%s %u %s%s", refusal->command, reply_code(refusal->reply),
                  reply_enhanced(refusal->reply), refusal->words);
    if (refusal->to != NULL) {
        buffer_printf(&g->refused, " to %.*s", (int)refusal->to_len, refusal->to);
    }
    buffer_putc(&g->refused, '\n');
}

/* A text "refuse 451" or "refuse 452" is refused so; every other one is taken. */
static inline bool fake_refusal(const struct submission *submission, enum reply *refusal)
{
    static const char REFUSE[] = "refuse 45";
    enum { REFUSE_LEN = sizeof REFUSE - 1 };
    if (submission->text_len != REFUSE_LEN + 1 ||
        memcmp(submission->text, REFUSE, REFUSE_LEN) != 0) {
        return false;
    }
    *refusal = submission->text[REFUSE_LEN] == '1' ? REPLY_CANNOT_STORE : REPLY_QUEUE_FULL;
    return true;
}

static inline void fake_take(struct fake_gateway *g, const struct session_event *event)
{
    const struct submission *submission = &event->submission;
    assert(submission->count > 0 && submission->text_len > 0);
    assert(g->pending_count < FAKE_MAX_PENDING);
    struct fake_pending *pending = &g->pending[g->pending_count++];
    g->pending_max = g->pending_count > g->pending_max ? g->pending_count : g->pending_max;
    *pending = (struct fake_pending){.slot = event->slot, .count = submission->count};
    g->submissions++;
    fake_note(g, submission);
    if (fake_refusal(submission, &pending->refusal)) {
        return;
    }
    pending->receipts = calloc(submission->count, sizeof *pending->receipts);
    assert(pending->receipts != NULL);
    for (size_t i = 0; i < submission->count; i++) {
        uint64_t n = ++g->messages;
        unsigned char random[ULID_RANDOM_BYTES] = {[6] = (unsigned char)(n >> 24),
                                                   [7] = (unsigned char)(n >> 16),
                                                   [8] = (unsigned char)(n >> 8),
                                                   [9] = (unsigned char)n};
        pending->receipts[i] = (struct session_receipt){
            .id = ulid_make(FAKE_NOW_MS, random),
            .parts = submission->size.parts,
            .encoding = submission->size.encoding,
            .tells_state = submission->options->ack == ACK_RELAYED,
            .state = MESSAGE_RELAYED,
            .answer = "api-1\0",
        };
        memcpy(pending->receipts[i].to, submission->to[i], NUMBER_SIZE);
    }
}

static inline void fake_take_login(struct fake_gateway *g, const struct session_event *event)
{
    const struct session_login *login = event->login;
    assert(g->pending_count == 0 && session_open_slots(g->session) == 1);
    g->pending[g->pending_count++] = (struct fake_pending){
        .slot = event->slot,
        .is_login = true,
        .is_right = strcmp(login->name, "me") == 0 && strcmp(login->secret, "secret") == 0};
}

static inline void fake_decide_login(struct fake_gateway *g, const struct fake_pending *pending)
{
    if (pending->is_right) {
        session_log_in(g->session, pending->slot, &g->user);
    } else {
        session_refuse_login(g->session, pending->slot, REPLY_LOGIN_WRONG, NULL);
    }
}

/* Gives the verdict on the n-th pending submission. */
static inline void fake_decide(struct fake_gateway *g, size_t n)
{
    struct fake_pending pending = g->pending[n];
    g->pending_count--;
    memmove(&g->pending[n], &g->pending[n + 1], (g->pending_count - n) * sizeof g->pending[0]);
    if (pending.is_login) {
        fake_decide_login(g, &pending);
    } else if (pending.receipts == NULL) {
        session_refuse(g->session, pending.slot, pending.refusal, NULL);
    } else {
        session_accept(g->session, pending.slot, pending.receipts, pending.count);
    }
    free(pending.receipts);
}

static inline void fake_decide_any(struct fake_gateway *g)
{
    fake_decide(g, g->chance == 0 ? 0 : fake_chance(g) % g->pending_count);
}

/* The answer to a request names the verb and what was understood of its argument. */
static inline void fake_answer(struct fake_gateway *g, const struct session_event *event)
{
    static const char *const VERBS[] = {[REQUEST_STATUS] = "status",
                                        [REQUEST_QUEUE] = "queue",
                                        [REQUEST_QUEUE_LIST] = "list",
                                        [REQUEST_STATS] = "stats",
                                        [REQUEST_WATCH] = "watch",
                                        [REQUEST_UNWATCH] = "unwatch",
                                        [REQUEST_CANCEL] = "cancel",
                                        [REQUEST_FLUSH] = "flush",
                                        [REQUEST_HOLD] = "hold",
                                        [REQUEST_RELEASE] = "release",
                                        [REQUEST_RETRY] = "retry",
                                        [REQUEST_OPTOUT_ADD] = "add",
                                        [REQUEST_OPTOUT_REMOVE] = "remove",
                                        [REQUEST_OPTOUT_LIST] = "numbers"};
    const struct request *request = &event->request;
    struct buffer *out = session_answer_begin(g->session, event->slot);
    bool has_lines = request->verb == REQUEST_STATS || request->verb == REQUEST_QUEUE_LIST;
    if (has_lines) {
        reply_line(out, REPLY_OK, true, "one");
    }
    reply_begin(out, REPLY_OK, false);
    buffer_puts(out, VERBS[request->verb]);
    if (request->has_id) {
        char id[ULID_SIZE];
        ulid_format(&request->id, id);
        reply_value(out, "id", id);
    }
    if (request->ref[0] != '\0') {
        reply_value(out, "ref", request->ref);
    }
    if (request->state >= 0) {
        reply_value(out, "state", message_state_name((enum message_state)request->state));
    }
    if (request->max > 0) {
        buffer_printf(out, " max=%zu", request->max);
    }
    if (request->has_since) {
        buffer_printf(out, " since=%llu", (unsigned long long)request->since);
    }
    buffer_puts(out, "\r\n");
    session_answer_end(g->session, event->slot);
}

/* One step of the session. Returns false when it wants input, waits or has closed. */
static inline bool fake_step(struct fake_gateway *g)
{
    struct session_event event;
    enum session_step step = session_step(g->session, FAKE_NOW_MS, &event);
    g->waits = step == SESSION_WAITS;
    g->is_closed = step == SESSION_CLOSES;
    switch (step) {
    case SESSION_WANTS_INPUT:
    case SESSION_WAITS:
    case SESSION_CLOSES:
        break;
    case SESSION_PAUSES:
        fake_collect(g);
        break;
    case SESSION_SUBMISSION:
        fake_take(g, &event);
        break;
    case SESSION_REQUEST:
        assert(g->pending_count == 0 && session_open_slots(g->session) == 1);
        fake_answer(g, &event);
        break;
    case SESSION_STARTTLS: /* what is fed from now on comes out of TLS */
        session_start_tls(g->session, event.slot);
        break;
    case SESSION_LOGIN:
        fake_take_login(g, &event);
        break;
    case SESSION_REFUSED:
        fake_note_refusal(g, &event.refusal);
        break;
    }
    return step == SESSION_SUBMISSION || step == SESSION_REQUEST || step == SESSION_LOGIN ||
           step == SESSION_STARTTLS || step == SESSION_REFUSED || step == SESSION_PAUSES;
}

/* Carries events out until the session wants input or has closed. */
static inline void fake_run(struct fake_gateway *g)
{
    do {
        while (fake_step(g)) {
            if (g->pending_count > 0 && (g->chance == 0 || fake_chance(g) % 4 == 0)) {
                fake_decide_any(g);
            }
        }
        if (g->waits) {
            assert(g->pending_count > 0); /* else it would wait for ever */
            fake_decide_any(g);
        }
    } while (g->waits);
    fake_collect(g);
}

/* Sends bytes and runs. */
static inline void fake_feed(struct fake_gateway *g, const char *bytes, size_t len)
{
    bool is_fed = session_feed(g->session, bytes, len);
    assert(is_fed);
    (void)is_fed;
    fake_run(g);
}

/* Gives all the verdicts that are due. */
static inline void fake_settle(struct fake_gateway *g)
{
    while (g->pending_count > 0) {
        fake_decide_any(g);
    }
    fake_run(g);
}

/* The client ends its side; everything is settled. */
static inline void fake_end(struct fake_gateway *g)
{
    session_end(g->session);
    fake_run(g);
    fake_settle(g);
}

#endif
