/* journal: see journal.h. */
#include "gateway/serve/journal.h"

#include "gateway/base/log.h"
#include "gateway/base/stats.h"
#include "proto/mail/types.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum { PEER_TEXT_SIZE = INET6_ADDRSTRLEN + sizeof "[]:65535", CODE_TEXT_SIZE = 16 };

struct peer peer_make(const struct sockaddr *address, int32_t owner)
{
    struct peer peer = {.family = address->sa_family, .owner = owner, .uid = owner, .name = ""};
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (address->sa_family == AF_INET) {
        memcpy(&v4, address, sizeof v4);
        peer.port = v4.sin_port;
        peer.host.v4 = v4.sin_addr;
    } else if (address->sa_family == AF_INET6) {
        memcpy(&v6, address, sizeof v6);
        peer.port = v6.sin6_port;
        peer.host.v6 = v6.sin6_addr;
    }
    return peer;
}

/* The first field of every line: the address, by which repeats are told apart, and the port. */
static struct log_field peer_field(const struct peer *peer, char text[PEER_TEXT_SIZE])
{
    char host[INET6_ADDRSTRLEN] = "";
    size_t len = 0;
    if (peer->family == AF_INET || peer->family == AF_INET6) {
        bool is_v6 = peer->family == AF_INET6;
        inet_ntop(peer->family, &peer->host, host, sizeof host);
        len = (size_t)snprintf(text, PEER_TEXT_SIZE, is_v6 ? "[%s]" : "%s", host);
        snprintf(text + len, PEER_TEXT_SIZE - len, ":%u", ntohs(peer->port));
    } else {
        len = (size_t)snprintf(text, PEER_TEXT_SIZE, "unix uid=%d", (int)peer->uid);
    }
    return log_key(LOG_STR("peer", text), len);
}

/* The second one. Users of one machine have one address: the lines of one hide none of another's. */
static struct log_field owner_field(const struct peer *peer)
{
    return log_key(LOG_OWNER(peer->owner), SIZE_MAX);
}

/* The third one. Behind a tunnel all devices have one address, and their names differ. */
static struct log_field name_field(const struct peer *peer)
{
    return peer->name[0] == '\0' ? LOG_NONE : LOG_STR("helo", peer->name);
}

/* "550 5.1.3" */
static const char *code_text(enum reply reply, char text[CODE_TEXT_SIZE])
{
    const char *enhanced = reply_enhanced(reply);
    snprintf(text, CODE_TEXT_SIZE, "%u %.*s", reply_code(reply), (int)strcspn(enhanced, " "),
             enhanced);
    return text;
}

void journal_unknown_user(const struct peer *peer)
{
    char from[PEER_TEXT_SIZE];
    LOG(LOG_INFO, "user_unknown", peer_field(peer, from));
}

void journal_login(const struct peer *peer)
{
    char from[PEER_TEXT_SIZE];
    LOG(LOG_DEBUG, "logged_in", peer_field(peer, from), owner_field(peer), name_field(peer));
}

void journal_login_refusal(const struct peer *peer, const char *user, enum reply reply,
                           const char *words)
{
    char from[PEER_TEXT_SIZE];
    char code[CODE_TEXT_SIZE];
    LOG(LOG_INFO, "login_refused", peer_field(peer, from), owner_field(peer), name_field(peer),
        user == NULL ? LOG_NONE : LOG_STR("user", user),
        log_key(LOG_STR("code", code_text(reply, code)), SIZE_MAX), LOG_STR("reason", words));
}

void journal_tls_failure(const struct peer *peer, const char *reason)
{
    char from[PEER_TEXT_SIZE];
    LOG(LOG_INFO, "tls_failed", peer_field(peer, from), owner_field(peer), name_field(peer),
        LOG_STR("reason", reason));
}

void journal_refusal(const struct peer *peer, const struct session_refusal *refusal)
{
    char from[PEER_TEXT_SIZE];
    char code[CODE_TEXT_SIZE];
    LOG(LOG_INFO, "refused", peer_field(peer, from), owner_field(peer), name_field(peer),
        LOG_STR("command", refusal->command[0] == '\0' ? "unknown" : refusal->command),
        log_key(LOG_STR("code", code_text(refusal->reply, code)), SIZE_MAX),
        LOG_STR("reason", refusal->words),
        refusal->to == NULL ? LOG_NONE : LOG_NUMBER_BYTES("to", refusal->to, refusal->to_len));
}

void journal_request_refused(const struct peer *peer, const char *command, int status,
                             const char *words)
{
    char from[PEER_TEXT_SIZE];
    char code[CODE_TEXT_SIZE];
    snprintf(code, sizeof code, "%d", status);
    LOG(LOG_INFO, "request_refused", peer_field(peer, from), owner_field(peer),
        LOG_STR("command", command), log_key(LOG_STR("status", code), SIZE_MAX),
        LOG_STR("reason", words));
}

/* --- losses ----------------------------------------------------------------------------------- */

static void journal_repairs(const struct peer *peer, const struct submission *submission,
                            struct stats *stats)
{
    const struct mail_repairs *repairs = submission->repairs;
    char from[PEER_TEXT_SIZE];
    if (repairs == NULL || (repairs->replaced == 0 && repairs->unreadable == 0)) {
        return;
    }
    stats_add(stats, STAT_MAILS_REPAIRED, 1);
    LOG(LOG_INFO, "mail_repaired", peer_field(peer, from), owner_field(peer), name_field(peer),
        LOG_INT("replaced", repairs->replaced), LOG_INT("unreadable", repairs->unreadable),
        LOG_STR("charset", repairs->charset), LOG_NUMBER("to", submission->to[0]));
}

void journal_losses(const struct peer *peer, const char *command,
                    const struct submission *submission, struct stats *stats)
{
    char from[PEER_TEXT_SIZE];
    journal_repairs(peer, submission, stats);
    if (submission->is_cut) {
        stats_add(stats, STAT_TEXTS_CUT, 1);
        LOG(LOG_INFO, "text_cut", peer_field(peer, from), owner_field(peer), name_field(peer),
            LOG_STR("command", command), LOG_INT("parts", submission->size.parts),
            LOG_NUMBER("to", submission->to[0]));
    }
    if (submission->ignored_options > 0) {
        stats_add(stats, STAT_MAIL_OPTIONS_IGNORED, 1);
        LOG(LOG_INFO, "options_ignored", peer_field(peer, from), owner_field(peer),
            name_field(peer), LOG_INT("headers", submission->ignored_options),
            LOG_NUMBER("to", submission->to[0]));
    }
    if (submission->ignored_len > 0) {
        LOG(LOG_INFO, "attachments_ignored", peer_field(peer, from), owner_field(peer),
            name_field(peer), LOG_BYTES("names", submission->ignored, submission->ignored_len));
    }
}

/* --- duplicates ------------------------------------------------------------------------------- */

void journal_duplicates(const struct peer *peer, const char *command,
                        const struct session_receipt *receipts, size_t count)
{
    char from[PEER_TEXT_SIZE];
    size_t duplicates = 0;
    const struct session_receipt *first = NULL;
    for (size_t i = 0; i < count; i++) {
        if (receipts[i].is_duplicate) {
            first = first == NULL ? &receipts[i] : first;
            duplicates++;
        }
    }
    if (first != NULL) {
        LOG(LOG_INFO, "duplicate", peer_field(peer, from), owner_field(peer), name_field(peer),
            LOG_STR("command", command), LOG_ID("id", &first->id),
            LOG_STR("state", message_state_name(first->state)), LOG_INT("messages", duplicates),
            LOG_NUMBER("to", first->to));
    }
}
