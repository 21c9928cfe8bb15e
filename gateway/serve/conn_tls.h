/*
 * conn_tls: how clients get into TLS: by STARTTLS, or at once.
 *
 * Owns how many handshakes are under way at a time, and how long one may take. A handshake costs the relay
 * much more than the client, so it is made in the client's turns, and charged. When all places are taken, a
 * newcomer gets that of the one that has been at it for longest, unless that has only just begun. Leaves TLS
 * to the stream. Thread: the loop's.
 */
#ifndef GATEWAY_SERVE_CONN_TLS_H
#define GATEWAY_SERVE_CONN_TLS_H

#include <stdbool.h>
#include <stdint.h>

struct conn;
struct conn_context;

enum {
    CONN_HANDSHAKES_MAX = 256,
    CONN_HANDSHAKE_YOUNG_MS = 1000, /* so long a handshake keeps its place */
    CONN_HANDSHAKE_MS = 10000
};

/* Is there room for one more handshake, or can it be made? Counts it if not. */
bool conn_has_room_for_tls(struct conn_context *context);

/* Has a new client begin with TLS, for which there is room. Returns false on allocation failure. */
bool conn_begin_tls(struct conn *c);

/* Carries out SESSION_STARTTLS, once all that has come is fed: replies, and begins TLS once the reply has
 * left. */
void conn_starttls(struct conn *c, uint32_t slot);

/* TLS begins if a client that is to go on with it (`next_tls`) has its 220. */
void conn_go_on_with_tls(struct conn *c);

/* A client whose handshake is under way has been read from: it may be over. */
void conn_note_handshake(struct conn *c);

/* Its time is up, or its place needed: logs that. The caller closes it. */
void conn_give_up_handshake(struct conn *c, const char *reason);

#endif
