/*
 * peer: what is known of a client before it says anything.
 * Thread: any.
 */
#ifndef PROTO_SESSION_PEER_H
#define PROTO_SESSION_PEER_H

#include <stdbool.h>

/* By where it connects from. */
enum peer_class {
    PEER_LOCAL,   /* this machine: a Unix socket, or both ends on loopback */
    PEER_TRUSTED, /* an address in listen.networks */
    PEER_STRANGER /* anybody else */
};

/* All zero: a local client that may do what every client may. */
struct session_peer {
    enum peer_class class;
    bool has_control;  /* it may use the operator's verbs and see other owners' messages */
    bool is_known;     /* the system says who it is: it needs no login, whatever the rules */
    bool is_encrypted; /* nobody else can read or change what it sends */
};

#endif
