/*
 * conn: one client, between a stream and a session.
 *
 * Makes a client of a socket, and has it served when its stream has something to say. Its parts:
 * conn_turns reads and serves, conn_tls leads into TLS, conn_events carries the session's wishes to intake and requests and their
 * verdicts back, conn_alarm ends those that are silent, conn_state is what they share. Leaves the protocol
 * to the session, and accepting and counting clients to the server. Thread: the loop's.
 */
#ifndef GATEWAY_SERVE_CONN_H
#define GATEWAY_SERVE_CONN_H

#include "gateway/serve/conn_state.h"

#include <event2/util.h>
#include <stdbool.h>
#include <stdint.h>

struct identity;
struct peers_address;

/*
 * Takes ownership of a socket and greets, within TLS if `who` is to be encrypted. The client may see the
 * messages of its owner, or all of them with control rights. `from` is what its address may do, and is left
 * by `ended`; NULL = it is local. Returns NULL on allocation failure, having closed the socket.
 */
struct conn *conn_new(struct conn_context *context, evutil_socket_t fd, const struct peer *peer,
                      const struct identity *who, struct peers_address *from);

/* Is there something to do for it, or something to send? */
bool conn_has_unsent(const struct conn *c);

/* The key of its owner. */
int32_t conn_owner(const struct conn *c);

#endif
