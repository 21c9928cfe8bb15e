/* Which addresses a network holds. */
#include "gateway/base/network.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

static struct network_address read_address(const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct network_address address;
    const struct sockaddr *from = (struct sockaddr *)&v4;
    if (inet_pton(AF_INET, text, &v4.sin_addr) != 1) {
        cr_assert_eq(inet_pton(AF_INET6, text, &v6.sin6_addr), 1, "%s", text);
        from = (struct sockaddr *)&v6;
    }
    cr_assert(network_address(from, &address));
    return address;
}

Test(network, contains)
{
    static const struct {
        const char *network;
        unsigned bits;
        const char *address;
        bool is_within;
    } rows[] = {
        {"192.168.7.0", 24, "192.168.7.0", true},
        {"192.168.7.0", 24, "192.168.7.255", true},
        {"192.168.7.0", 24, "192.168.8.0", false},
        {"192.168.7.0", 24, "192.168.6.255", false},
        {"192.168.7.0", 24, "::ffff:192.168.7.9", true},
        {"192.168.7.0", 24, "::192.168.7.9", false},
        {"192.168.7.0", 24, "64:ff9b::192.168.7.9", false},
        {"192.168.7.128", 25, "192.168.7.127", false},
        {"192.168.7.128", 25, "192.168.7.128", true},
        {"192.168.7.5", 32, "192.168.7.5", true},
        {"192.168.7.5", 32, "192.168.7.4", false},
        {"10.0.0.0", 8, "10.255.255.255", true},
        {"10.0.0.0", 8, "11.0.0.0", false},
        {"fd00::", 8, "fd12:3456::1", true},
        {"fd00::", 8, "fe80::1", false},
        {"2001:db8:0:8000::", 49, "2001:db8:0:8000::1", true},
        {"2001:db8:0:8000::", 49, "2001:db8:0:7fff::1", false},
        {"2001:db8::1", 128, "2001:db8::1", true},
        {"2001:db8::1", 128, "2001:db8::", false},
        {"fd00::", 8, "253.0.0.1", false},
        /* What is written as IPv6 holds no IPv4, however wide. */
        {"::", 7, "192.168.7.9", false},
        {"::", 7, "::ffff:192.168.7.9", false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct network one = {.address = read_address(rows[i].network)};
        one.bits = rows[i].bits + (network_is_v4(&one.address) ? 96 : 0);
        struct networks networks = {&one, 1};
        struct network_address address = read_address(rows[i].address);
        cr_expect_eq(networks_contain(&networks, &address), rows[i].is_within, "%s in %s/%u",
                     rows[i].address, rows[i].network, rows[i].bits);
    }
}

Test(network, one_of_several_is_enough)
{
    struct network two[] = {{read_address("192.168.7.0"), 96 + 24}, {read_address("fd00::"), 8}};
    struct network_address address = read_address("fd00::1");
    cr_expect(networks_contain(&(struct networks){two, 2}, &address));
    cr_expect_not(networks_contain(&(struct networks){two, 1}, &address));
    cr_expect_not(networks_contain(&(struct networks){two, 0}, &address));
}

Test(network, loopback)
{
    static const struct {
        const char *address;
        bool is_loopback;
    } rows[] = {
        {"127.0.0.1", true},    {"127.255.255.255", true},
        {"::1", true},          {"::ffff:127.0.0.1", true},
        {"128.0.0.1", false},   {"::", false},
        {"0.0.0.0", false},     {"::2", false},
        {"::127.0.0.1", false}, {"::ffff:10.0.0.1", false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct network_address address = read_address(rows[i].address);
        cr_expect_eq(network_is_loopback(&address), rows[i].is_loopback, "%s", rows[i].address);
    }
}

Test(network, a_unix_socket_has_no_address)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct network_address address;
    cr_expect_not(network_address((struct sockaddr *)&un, &address));
}
