/* tls_link: see tls_link.h. */
#include "gateway/base/tls_link.h"

#include "gateway/base/tls.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>

struct tls_link {
    SSL *ssl;
    bool has_begun;    /* what the peer has sent is TLS */
    bool is_up;        /* the handshake is over */
    const char *fault; /* a literal; NULL = it has not failed */
};

struct tls_link *tls_link_new(const struct tls *tls, int fd)
{
    struct tls_link *link = calloc(1, sizeof *link);
    SSL *ssl = link == NULL ? NULL : tls_accept(tls);
    if (ssl == NULL || SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        free(link);
        ERR_clear_error();
        return NULL;
    }
    link->ssl = ssl;
    return link;
}

void tls_link_free(struct tls_link *link)
{
    if (link != NULL) {
        SSL_free(link->ssl);
        free(link);
    }
}

bool tls_link_is_up(const struct tls_link *link)
{
    return link->fault == NULL && link->is_up;
}

static enum tls_result fail(struct tls_link *link, const char *fault)
{
    link->fault = fault;
    return TLS_FAILED;
}

/* What a call that has not succeeded means; SSL_get_error(3). */
static enum tls_result judge(struct tls_link *link, int result)
{
    switch (SSL_get_error(link->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return TLS_WANTS_INPUT;
    case SSL_ERROR_WANT_WRITE:
        return TLS_WANTS_ROOM;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_ENDED;
    default:
        return fail(link, tls_reason());
    }
}

/*
 * Has a TLS hello come? OpenSSL would find out, but not say it in words that help: most of who gets here
 * without one expects a greeting in plain text.
 */
static enum tls_result look_at_hello(struct tls_link *link)
{
    enum { HANDSHAKE = 22 }; /* RFC 8446, 5.1 */
    unsigned char first;
    ssize_t len = recv(SSL_get_fd(link->ssl), &first, 1, MSG_PEEK | MSG_DONTWAIT);
    if (len < 0 && (errno == EAGAIN || errno == EINTR)) {
        return TLS_WANTS_INPUT;
    }
    if (len > 0 && first != HANDSHAKE) {
        return fail(link, "what came is not TLS: this client speaks plain text");
    }
    link->has_begun = len > 0;
    return len > 0 ? TLS_DONE : fail(link, "the client has left before it began TLS");
}

enum tls_result tls_link_read(struct tls_link *link, char *bytes, size_t size, size_t *len)
{
    *len = 0;
    enum tls_result result = link->has_begun ? TLS_DONE : look_at_hello(link);
    if (result != TLS_DONE || link->fault != NULL) {
        return link->fault != NULL ? TLS_FAILED : result;
    }
    ERR_clear_error();
    int got = SSL_read(link->ssl, bytes, size > INT_MAX ? INT_MAX : (int)size);
    *len = got > 0 ? (size_t)got : 0;
    link->is_up = link->is_up || SSL_is_init_finished(link->ssl) == 1;
    result = got > 0 ? TLS_DONE : judge(link, got);
    if (result == TLS_ENDED && !link->is_up) {
        return fail(link, "the client has left during the handshake");
    }
    return result;
}

bool tls_link_has_pending(const struct tls_link *link)
{
    return SSL_has_pending(link->ssl) == 1;
}

enum tls_result tls_link_write(struct tls_link *link, const char *bytes, size_t size, size_t *len)
{
    *len = 0;
    if (!tls_link_is_up(link)) {
        return link->fault != NULL ? TLS_FAILED : TLS_WANTS_INPUT;
    }
    ERR_clear_error();
    int sent = SSL_write(link->ssl, bytes, size > INT_MAX ? INT_MAX : (int)size);
    *len = sent > 0 ? (size_t)sent : 0;
    return sent > 0 ? TLS_DONE : judge(link, sent);
}

void tls_link_end(struct tls_link *link)
{
    if (tls_link_is_up(link) && (SSL_get_shutdown(link->ssl) & SSL_SENT_SHUTDOWN) == 0) {
        (void)SSL_shutdown(link->ssl);
        ERR_clear_error();
    }
}

const char *tls_link_fault(const struct tls_link *link)
{
    if (link->fault != NULL) {
        return link->fault;
    }
    return link->has_begun ? "the handshake took too long"
                           : "no TLS hello came in time; does the client wait for plain text?";
}

const char *tls_link_version(const struct tls_link *link)
{
    return SSL_get_version(link->ssl);
}

const char *tls_link_cipher(const struct tls_link *link)
{
    return SSL_get_cipher_name(link->ssl);
}

bool tls_link_is_resumed(const struct tls_link *link)
{
    return SSL_session_reused(link->ssl) == 1;
}
