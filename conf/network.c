/* network: see the header. */
#include "conf/network.h"

#include "conf/value.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum {
    V4_AT = 12, /* bytes of a mapped address before its IPv4 */
    V4_BITS = 32,
    V6_BITS = 128,
    /* Nobody has a wider one: 10.0.0.0/8 and fc00::/7 are the widest for private use. */
    V4_WIDEST = 8,
    V6_WIDEST = 7
};

static const uint8_t MAPPED[V4_AT] = {[10] = 0xFF, [11] = 0xFF};

static bool is_mapped(const uint8_t address[16])
{
    return memcmp(address, MAPPED, sizeof MAPPED) == 0;
}

/* Reads an address. `*max` gets how many bits its kind has. */
static bool read_address(const char *text, uint8_t address[16], unsigned *max)
{
    *max = V4_BITS;
    memcpy(address, MAPPED, sizeof MAPPED);
    if (inet_pton(AF_INET, text, address + V4_AT) == 1) {
        return true;
    }
    *max = V6_BITS;
    return inet_pton(AF_INET6, text, address) == 1;
}

/* Digits without a zero in front, which might be octal. */
static bool read_prefix(const char *text, unsigned *prefix)
{
    int64_t number;
    bool is_good = conf_number_parse(text, &number) && number <= V6_BITS &&
                   (text[0] != '0' || text[1] == '\0');
    *prefix = is_good ? (unsigned)number : 0;
    return is_good;
}

/* Clears the bits behind the first `bits`. Returns false if all were clear. */
static bool clear_rest(uint8_t address[16], unsigned bits)
{
    uint8_t before[16];
    memcpy(before, address, sizeof before);
    for (unsigned i = 0; i < sizeof before; i++) {
        unsigned of_byte = bits <= 8 * i ? 0 : bits - 8 * i;
        address[i] &= of_byte >= 8 ? 0xFF : (uint8_t)(0xFF00U >> of_byte);
    }
    return memcmp(before, address, sizeof before) != 0;
}

/* An address as it is usually written, IPv4 as such. */
static const char *print(const uint8_t address[16], char text[INET6_ADDRSTRLEN])
{
    bool is_v4 = is_mapped(address);
    return inet_ntop(is_v4 ? AF_INET : AF_INET6, is_v4 ? address + V4_AT : address, text,
                     INET6_ADDRSTRLEN);
}

static bool refuse(char why[CONF_NETWORK_WHY_SIZE], const char *words)
{
    snprintf(why, CONF_NETWORK_WHY_SIZE, "%s", words);
    return false;
}

/* Refuses what is written in another way, or is not what it seems. */
static bool judge(const struct conf_network *network, unsigned prefix, unsigned max,
                  char why[CONF_NETWORK_WHY_SIZE])
{
    char right[INET6_ADDRSTRLEN], one[INET6_ADDRSTRLEN];
    struct conf_network whole = *network;
    unsigned widest = max == V4_BITS ? V4_WIDEST : V6_WIDEST;
    bool has_host = clear_rest(whole.address, network->bits);
    if (prefix > max) {
        snprintf(why, CONF_NETWORK_WHY_SIZE, "must end in /%u or less", max);
    } else if (prefix < widest) {
        snprintf(why, CONF_NETWORK_WHY_SIZE,
                 "is wider than any network of one owner (/%u): name yours", widest);
    } else if (max == V6_BITS && is_mapped(network->address)) {
        bool is_v4 = prefix >= V6_BITS - V4_BITS;
        snprintf(why, CONF_NETWORK_WHY_SIZE, "is a network of IPv4: write %s/%u",
                 print(is_v4 ? whole.address : network->address, right),
                 is_v4 ? prefix - (V6_BITS - V4_BITS) : V4_BITS);
    } else if (has_host) {
        snprintf(why, CONF_NETWORK_WHY_SIZE,
                 "is not the address of a network: write %s/%u for it, or %s for the one address",
                 print(whole.address, right), prefix, print(network->address, one));
    } else {
        return true;
    }
    return false;
}

bool conf_network_parse(const char *text, struct conf_network *network,
                        char why[CONF_NETWORK_WHY_SIZE])
{
    static const char shape[] = "must be a network such as 192.168.7.0/24 or fd00::/8, or one "
                                "address";
    char address[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    size_t len = slash == NULL ? strlen(text) : (size_t)(slash - text);
    unsigned max, prefix;
    if (len >= sizeof address) {
        return refuse(why, shape);
    }
    memcpy(address, text, len);
    address[len] = '\0';
    if (!read_address(address, network->address, &max) ||
        (slash != NULL && !read_prefix(slash + 1, &prefix))) {
        return refuse(why, shape);
    }
    prefix = slash == NULL ? max : prefix;
    network->bits = prefix + (max == V4_BITS ? V6_BITS - V4_BITS : 0);
    return judge(network, prefix, max, why);
}
