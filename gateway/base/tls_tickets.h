/*
 * tls_tickets: the keys of session tickets (RFC 5077; RFC 8446, 4.6.1), by which clients resume sessions
 * of which the relay keeps nothing.
 *
 * A key makes tickets for TLS_TICKETS_NEW_S, and takes them for as long again. All is in memory: after a
 * restart clients make a whole handshake. Thread: that of the connections.
 */
#ifndef GATEWAY_BASE_TLS_TICKETS_H
#define GATEWAY_BASE_TLS_TICKETS_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stdint.h>

enum { TLS_TICKETS_NEW_S = 4 * 3600 };

struct tls_tickets;

/* Returns NULL on allocation failure. */
struct tls_tickets *tls_tickets_new(void);
/* Wipes the keys. NULL is fine. The contexts that use them must be gone. */
void tls_tickets_free(struct tls_tickets *tickets);

/* Has a context of OpenSSL use them; several may. Returns false if it does not want to. */
bool tls_tickets_use(struct tls_tickets *tickets, SSL_CTX *ctx);

/* Changes keys that are due at this time (monotonic, s). A connection does this by itself. */
void tls_tickets_turn(struct tls_tickets *tickets, int64_t now_s);

#endif
