/*
 * tls: the relay's side of TLS, as connections share it.
 *
 * Owns what is spoken: TLS 1.2 and 1.3, ciphers with forward secrecy and authentication (those that
 * Mozilla calls intermediate, without finite fields), the server's choice of them; no compression, no
 * renegotiation, no early data; sessions are resumed by tickets, also across a change of the certificate.
 * Leaves certificates to chain, and sockets to its users. Thread: the loop's.
 */
#ifndef GATEWAY_BASE_TLS_H
#define GATEWAY_BASE_TLS_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

struct chain;
struct tls;

/* Returns NULL, with a sentence in `error`, if OpenSSL does not want the chain. */
struct tls *tls_new(const struct chain *chain, char *error, size_t error_size);

/* Its connections must be gone. NULL is fine. */
void tls_free(struct tls *tls);

/*
 * From now on, connections that begin get this chain; the others go on with theirs. Returns false, with a
 * sentence in `error`, and changes nothing, if OpenSSL does not want it.
 */
bool tls_change(struct tls *tls, const struct chain *chain, char *error, size_t error_size);

/* A new connection's, which waits for the client's hello. Free it with SSL_free. NULL on allocation
 * failure. */
SSL *tls_accept(const struct tls *tls);

/*
 * Why the last call of OpenSSL in this thread has failed: "wrong version number", "no shared cipher". A
 * literal. Forgets it.
 */
const char *tls_reason(void);

#endif
