/*
 * network: how networks are spelled: 192.168.7.0/24, fd00::/8, or one address alone.
 *
 * Strict: what could mean another network than its author thinks is refused, with the spelling that is
 * right. Thread: any. Pure.
 */
#ifndef CONF_NETWORK_H
#define CONF_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Its addresses are those that begin with the first `bits` bits of `address`; IPv4 is mapped into IPv6
 * (RFC 4291, 2.5.5.2), so a network of IPv4 has 96 bits or more. */
struct conf_network {
    uint8_t address[16]; /* in network order */
    unsigned bits;
};

enum { CONF_NETWORK_WHY_SIZE = 192 };

/* Reads ADDRESS/PREFIX or an address. Returns false, with what it must be, to be read after the value. */
bool conf_network_parse(const char *text, struct conf_network *network,
                        char why[CONF_NETWORK_WHY_SIZE]);

#endif
