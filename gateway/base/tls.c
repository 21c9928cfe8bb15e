/* tls: see tls.h. */
#include "gateway/base/tls.h"

#include "gateway/base/chain.h"
#include "gateway/base/tls_tickets.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct tls {
    SSL_CTX *ctx; /* what connections share; each holds a reference */
    struct tls_tickets *tickets;
};

static const char CIPHERS_1_2[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
static const char CIPHERS_1_3[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

/* An end without close_notify is told as an end: each protocol here says itself where a command or a
 * message ends. */
static const uint64_t OPTIONS = SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                SSL_OP_IGNORE_UNEXPECTED_EOF;

/* An idle connection keeps no buffers; and what could not be written whole may be written again from
 * elsewhere. */
static const long MODES =
    SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER;

static bool set_up(SSL_CTX *ctx, const struct chain *chain, struct tls_tickets *tickets)
{
    static const unsigned char CONTEXT[] = "smsrelay";
    SSL_CTX_set_options(ctx, OPTIONS);
    SSL_CTX_set_mode(ctx, MODES);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(ctx, 1);
    return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(ctx, CIPHERS_1_2) == 1 &&
           SSL_CTX_set_ciphersuites(ctx, CIPHERS_1_3) == 1 &&
           SSL_CTX_set_session_id_context(ctx, CONTEXT, sizeof CONTEXT - 1) == 1 &&
           tls_tickets_use(tickets, ctx) && chain_use(chain, ctx);
}

/* Returns NULL, with a sentence in `error`, on failure. */
static SSL_CTX *make(const struct chain *chain, struct tls_tickets *tickets, char *error,
                     size_t error_size)
{
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (ctx == NULL || !set_up(ctx, chain, tickets)) {
        snprintf(error, error_size, "OpenSSL does not take the certificate: %s", tls_reason());
        SSL_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

struct tls *tls_new(const struct chain *chain, char *error, size_t error_size)
{
    struct tls *tls = calloc(1, sizeof *tls);
    snprintf(error, error_size, "out of memory");
    if (tls == NULL) {
        return NULL;
    }
    tls->tickets = tls_tickets_new();
    tls->ctx = tls->tickets == NULL ? NULL : make(chain, tls->tickets, error, error_size);
    if (tls->ctx == NULL) {
        tls_free(tls);
        return NULL;
    }
    return tls;
}

void tls_free(struct tls *tls)
{
    if (tls != NULL) {
        SSL_CTX_free(tls->ctx);
        tls_tickets_free(tls->tickets);
        free(tls);
    }
}

bool tls_change(struct tls *tls, const struct chain *chain, char *error, size_t error_size)
{
    SSL_CTX *fresh = make(chain, tls->tickets, error, error_size);
    if (fresh == NULL) {
        return false;
    }
    SSL_CTX_free(tls->ctx);
    tls->ctx = fresh;
    return true;
}

SSL *tls_accept(const struct tls *tls)
{
    SSL *ssl = SSL_new(tls->ctx);
    if (ssl != NULL) {
        SSL_set_accept_state(ssl);
    }
    return ssl;
}

const char *tls_reason(void)
{
    const char *reason = ERR_reason_error_string(ERR_get_error());
    ERR_clear_error();
    return reason == NULL ? "connection lost" : reason;
}
