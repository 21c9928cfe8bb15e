/* network: see network.h. */
#include "gateway/base/network.h"

#include <netinet/in.h>
#include <string.h>

enum { V4_AT = 12 }; /* bytes of a mapped address before its IPv4 */

static const uint8_t MAPPED[V4_AT] = {[10] = 0xFF, [11] = 0xFF};

bool network_address(const struct sockaddr *from, struct network_address *address)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (from->sa_family == AF_INET) {
        memcpy(&v4, from, sizeof v4);
        memcpy(address->bytes, MAPPED, sizeof MAPPED);
        memcpy(address->bytes + V4_AT, &v4.sin_addr, sizeof v4.sin_addr);
    } else if (from->sa_family == AF_INET6) {
        memcpy(&v6, from, sizeof v6);
        memcpy(address->bytes, &v6.sin6_addr, sizeof address->bytes);
    } else {
        return false;
    }
    return true;
}

bool network_is_v4(const struct network_address *address)
{
    return memcmp(address->bytes, MAPPED, sizeof MAPPED) == 0;
}

bool network_is_loopback(const struct network_address *address)
{
    static const uint8_t ONE[16] = {[15] = 1};
    return network_is_v4(address) ? address->bytes[V4_AT] == IN_LOOPBACKNET
                                  : memcmp(address->bytes, ONE, sizeof ONE) == 0;
}

bool network_is_local(int fd, const struct sockaddr *peer, struct network_address *address)
{
    struct sockaddr_storage ours = {0};
    struct network_address here;
    socklen_t len = sizeof ours;
    *address = (struct network_address){{0}};
    if (!network_address(peer, address)) {
        return peer->sa_family == AF_UNIX;
    }
    return network_is_loopback(address) && getsockname(fd, (struct sockaddr *)&ours, &len) == 0 &&
           network_address((struct sockaddr *)&ours, &here) && network_is_loopback(&here);
}

static bool contains(const struct network *network, const struct network_address *address)
{
    const uint8_t *a = network->address.bytes;
    const uint8_t *b = address->bytes;
    unsigned whole = network->bits / 8;
    unsigned rest = network->bits % 8;
    return network_is_v4(&network->address) == network_is_v4(address) && memcmp(a, b, whole) == 0 &&
           (rest == 0 || ((unsigned)(a[whole] ^ b[whole]) >> (8 - rest)) == 0);
}

bool networks_contain(const struct networks *networks, const struct network_address *address)
{
    for (size_t i = 0; i < networks->count; i++) {
        if (contains(&networks->list[i], address)) {
            return true;
        }
    }
    return false;
}
