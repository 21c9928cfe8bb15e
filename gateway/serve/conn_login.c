/* conn_login: see conn_login.h. */
#include "gateway/serve/conn_login.h"

#include "gateway/base/clock.h"
#include "gateway/base/stats.h"
#include "gateway/serve/conn_state.h"
#include "gateway/serve/owner.h"
#include "gateway/serve/peers.h"
#include "gateway/serve/relay.h"
#include "gateway/users/login.h"
#include "proto/session/session.h"

#include <stdio.h>
#include <string.h>

/* --- verdicts --------------------------------------------------------------------------------- */

static void refuse(struct conn *c, uint32_t slot, const struct user *user, enum reply reply,
                   const char *words)
{
    words = words == NULL ? reply_text(reply) : words;
    journal_login_refusal(conn_peer(c), user == NULL ? NULL : user->name, reply, words);
    session_refuse_login(c->session, slot, reply, words);
}

/* What the client has submitted before stays with its former owner. Nothing of that is unanswered: the
 * session has waited. Returns false on allocation failure. */
static bool change_owner(struct conn *c, int32_t key)
{
    struct owners *owners = c->context->owners;
    struct owner *owner = owner_enter(owners, key);
    if (owner == NULL) {
        return false;
    }
    owner_forgo(owners, c->owner, &c->turn);
    owner_count_unanswered(c->owner, &c->unanswered, 0);
    owner_leave(owners, c->owner);
    turn_line_enter(&owner->line, &c->turn);
    c->owner = owner;
    c->peer.owner = key;
    c->client.owner = key;
    c->client.watcher.budget = &owner->awaits;
    return true;
}

static void take_rights(struct conn *c, const struct user *user)
{
    c->user = user;
    c->client.has_control = (user->session.rights & USER_CONTROLS) != 0;
}

static void log_in(struct conn *c, uint32_t slot, const struct user *user)
{
    if (!change_owner(c, user->owner)) {
        refuse(c, slot, user, REPLY_LOGIN_LATER, "out of memory, try again later");
        return;
    }
    take_rights(c, user);
    journal_login(conn_peer(c));
    session_log_in(c->session, slot, &user->session);
}

static void settle(struct conn *c, uint32_t slot, const struct login_result *result)
{
    char words[96];
    switch (result->verdict) {
    case LOGIN_RIGHT:
        log_in(c, slot, result->user);
        break;
    case LOGIN_WRONG:
        refuse(c, slot, result->user, REPLY_LOGIN_WRONG, NULL);
        break;
    case LOGIN_TOO_SOON:
        snprintf(words, sizeof words, "too many wrong logins, try again in %lld s",
                 (long long)(result->wait_ms + 999) / 1000);
        refuse(c, slot, result->user, REPLY_LOGIN_LATER, words);
        break;
    case LOGIN_BUSY:
        refuse(c, slot, result->user, REPLY_LOGIN_LATER, NULL);
        break;
    case LOGIN_PENDING:
        c->due_calls++;
        break;
    }
}

static void on_answered(void *client, uint32_t slot, enum login_verdict verdict,
                        const struct user *user)
{
    struct conn *c = client;
    const struct login_result result = {.verdict = verdict, .user = user};
    c->due_calls--;
    conn_touch(c);
    if (!c->is_doomed) {
        settle(c, slot, &result);
    }
}

/* --- trying ----------------------------------------------------------------------------------- */

/* Was it one too many for the client's address? Then it is the last. */
static bool is_limited(struct conn *c)
{
    return c->from != NULL &&
           !peers_may(c->context->peers, c->from, PEERS_LOGIN, clock_monotonic_us());
}

void conn_try_login(struct conn *c, const struct session_event *event)
{
    /* Clients of this machine are told apart by their users, others by where they are. */
    const struct network_address *address = c->from == NULL ? NULL : peers_key(c->from);
    const struct login_attempt attempt = {
        .source = address == NULL ? (void *)&c->owner->key : (const void *)address,
        .source_len = address == NULL ? sizeof c->owner->key : sizeof *address,
        .name = event->login->name,
        .secret = event->login->secret,
        .answered = on_answered,
        .client = c,
        .slot = event->slot};
    explicit_bzero(c->context->chunk, sizeof c->context->chunk); /* what was read last */
    if (c->client.watcher.is_watching) {
        refuse(c, event->slot, NULL, REPLY_BAD_SEQUENCE, "a WATCH is on, UNWATCH ends it");
        return;
    }
    if (is_limited(c)) {
        stats_add(conn_relay(c)->stats, STAT_CONNECTIONS_LIMITED, 1);
        refuse(c, event->slot, NULL, REPLY_LOGIN_LATER, NULL);
        conn_close(c, REPLY_LIMITED);
        return;
    }
    const struct login_result result = login_try(conn_relay(c)->login, &attempt);
    settle(c, event->slot, &result);
}

/* --- other users ------------------------------------------------------------------------------ */

void conn_renew_user(struct conn *c, const struct user_table *users)
{
    const struct user *former = c->user;
    if (former == NULL) {
        return;
    }
    const struct user *user = user_table_find(users, former->name);
    bool is_same = user != NULL && strcmp(user->hash, former->hash) == 0;
    /* A WATCH that has begun shows what the user could see then. */
    if (is_same &&
        !(c->client.watcher.is_watching && (former->session.rights & ~user->session.rights) != 0)) {
        take_rights(c, user);
        session_set_user(c->session, &user->session);
    } else {
        c->user = NULL;
        session_set_user(c->session, NULL);
        conn_close(c, REPLY_LOGGED_OUT);
    }
}
