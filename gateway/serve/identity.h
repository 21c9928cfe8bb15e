/*
 * identity: which user a client is, as the system knows it, and what it may do.
 *
 * At the Unix socket SO_PEERCRED tells. A client that connects by TCP over loopback is the user who
 * opened its socket, which sock_diag(7) tells: one exchange for a connection, which the kernel answers
 * before it returns, so nothing waits. Of one from elsewhere there is its address, which is in a trusted
 * network or not. Leaves what an owner has to owner.
 * Thread: the loop's.
 */
#ifndef GATEWAY_SERVE_IDENTITY_H
#define GATEWAY_SERVE_IDENTITY_H

#include "gateway/base/network.h"
#include "proto/session/peer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

struct identity {
    int32_t owner; /* as in struct message */
    struct session_peer peer;
};

/* How clients are told apart. */
struct identity_rules {
    struct networks trusted;   /* borrowed */
    bool gives_control_to_all; /* of this machine */
    bool has_control_group;
    gid_t control_group; /* its members may control through the Unix socket */
    int diag_fd;         /* -1 = there is none: by TCP all of this machine are OWNER_LOCAL */
    uint32_t asked;      /* exchanges so far */
};

/*
 * Sets `rules` up, of which the first two fields are set. `control_group` is a name; "" = none. Logs if clients
 * by TCP cannot be told apart. Returns false with a sentence in `error` if there is no such group.
 */
bool identity_open(struct identity_rules *rules, const char *control_group, char *error,
                   size_t error_size);
void identity_close(struct identity_rules *rules);

/* Who is the client of a connected socket? `peer` is its address, as accept(2) gives it. */
struct identity identity_of(struct identity_rules *rules, int fd, const struct sockaddr *peer);

#endif
