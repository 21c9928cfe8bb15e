/*
 * tls_link: one connection in TLS, over a socket that does not block.
 *
 * Owns the state of TLS. Leaves the socket and its events to the user, who calls again when the socket can
 * be read or written, as the result says. Reading makes the handshake, too, as far as what has come allows.
 * Thread: the loop's.
 */
#ifndef GATEWAY_BASE_TLS_LINK_H
#define GATEWAY_BASE_TLS_LINK_H

#include <stdbool.h>
#include <stddef.h>

struct tls;
struct tls_link;

enum tls_result {
    TLS_DONE,
    TLS_WANTS_INPUT, /* from the socket */
    TLS_WANTS_ROOM,  /* in the socket's buffer */
    TLS_ENDED,       /* the peer has ended its side */
    TLS_FAILED       /* for good */
};

/* Begins on the server's side. The socket stays the caller's. Returns NULL on allocation failure. */
struct tls_link *tls_link_new(const struct tls *tls, int fd);
/* NULL is fine. */
void tls_link_free(struct tls_link *link);

/* Is the handshake over, and has it been good? */
bool tls_link_is_up(const struct tls_link *link);

/* Reads up to `size` bytes. TLS_DONE sets `len`. */
enum tls_result tls_link_read(struct tls_link *link, char *bytes, size_t size, size_t *len);

/* May there be more to read that has left the socket already? */
bool tls_link_has_pending(const struct tls_link *link);

/* Writes some of the bytes, once the link is up. TLS_DONE sets `len` to how many. After TLS_WANTS_ROOM the
 * same bytes must be the first of the next call. */
enum tls_result tls_link_write(struct tls_link *link, const char *bytes, size_t size, size_t *len);

/* Tells the peer that nothing more comes (close_notify). */
void tls_link_end(struct tls_link *link);

/* Why it has failed, or not come up, for the log. A literal. */
const char *tls_link_fault(const struct tls_link *link);

/* "TLSv1.3", and the cipher's name; of one that is up. */
const char *tls_link_version(const struct tls_link *link);
const char *tls_link_cipher(const struct tls_link *link);
/* Did the handshake resume a session of before? */
bool tls_link_is_resumed(const struct tls_link *link);

#endif
