/*
 * journal: the log lines by which an owner finds out why a message did not arrive, or not whole.
 *
 * Owns what they show: who the client is, its command, code and reason. Never a text, and numbers
 * are masked. How often they repeat is limited by peer, owner and code. Leaves the format to log.
 * Thread: the loop's.
 */
#ifndef GATEWAY_SERVE_JOURNAL_H
#define GATEWAY_SERVE_JOURNAL_H

#include "proto/session/event.h"
#include "proto/session/receipt.h"

#include <netinet/in.h>
#include <sys/socket.h>

struct stats;

/* Where a client connects from. */
struct peer {
    sa_family_t family;
    in_port_t port; /* in network order; 0 for AF_UNIX */
    union {
        struct in_addr v4;
        struct in6_addr v6;
    } host;
    int32_t owner;    /* as in struct message */
    int32_t uid;      /* of AF_UNIX, what there is to tell: the user of the process */
    const char *name; /* what it calls itself; "" = nothing */
};

/* Without a name yet. */
struct peer peer_make(const struct sockaddr *address, int32_t owner);

/* A client that has logged in, at the level debug. */
void journal_login(const struct peer *peer);

/* A login that was refused. `user` is the one whose name it gave; NULL = nobody's, which is not shown: it
 * may be a password. */
void journal_login_refusal(const struct peer *peer, const char *user, enum reply reply,
                           const char *words);

/* A client whose user the system did not tell. */
void journal_unknown_user(const struct peer *peer);

/* A client that did not get into TLS. */
void journal_tls_failure(const struct peer *peer, const char *reason);

/* A refused command, submission or client. */
void journal_refusal(const struct peer *peer, const struct session_refusal *refusal);

/* A request over HTTP that was refused before anything in it was looked at, or as a whole. `command` is its
 * method and path, as far as they are of ours. */
void journal_request_refused(const struct peer *peer, const char *command, int status,
                             const char *words);

/* What a submission has lost on its way in: a cut text, bytes and parts that could not be read,
 * attachments, options. Counts them. */
void journal_losses(const struct peer *peer, const char *command,
                    const struct submission *submission, struct stats *stats);

/* What came again, and is not sent again. Nothing if no receipt is of a duplicate. */
void journal_duplicates(const struct peer *peer, const char *command,
                        const struct session_receipt *receipts, size_t count);

#endif
