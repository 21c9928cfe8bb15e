/*
 * network: the address that a client has, and the networks that hold it.
 *
 * An IPv4 address is the same however it arrives: as such, or mapped into IPv6 (RFC 4291, 2.5.5.2).
 * Leaves how networks are spelled to the settings. Thread: any. Pure, but for network_is_local.
 */
#ifndef GATEWAY_BASE_NETWORK_H
#define GATEWAY_BASE_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* In network order; IPv4 is mapped. */
struct network_address {
    uint8_t bytes[16];
};

/* The addresses that begin with the first `bits` bits. One of IPv4 has 96 bits or more; one of IPv6
 * holds no mapped address. */
struct network {
    struct network_address address;
    unsigned bits;
};

struct networks {
    const struct network *list;
    size_t count;
};

/* Reads the address of a socket. Returns false if it is neither IPv4 nor IPv6. */
bool network_address(const struct sockaddr *from, struct network_address *address);

bool network_is_v4(const struct network_address *address);

/* 127.0.0.0/8 or ::1. */
bool network_is_loopback(const struct network_address *address);

/*
 * Reads where the other end of a connected socket is. Returns true if that is this machine: by a Unix
 * socket, or with both ends on loopback. What comes over another interface is not, whatever it claims.
 */
bool network_is_local(int fd, const struct sockaddr *peer, struct network_address *address);

/* Is it in one of these networks? */
bool networks_contain(const struct networks *networks, const struct network_address *address);

#endif
