/* What one address may do, at a time and by the minute. */
#include "gateway/serve/peers.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define SECOND INT64_C(1000000)

static struct network_address v4(unsigned last)
{
    struct network_address a = {{[10] = 0xFF, [11] = 0xFF, [12] = 192, [14] = 2}};
    a.bytes[13] = (uint8_t)(last >> 8);
    a.bytes[15] = (uint8_t)last;
    return a;
}

/* Of network 2001:db8:0:`net`::/64. */
static struct network_address v6(uint8_t net, uint8_t last)
{
    return (struct network_address){{0x20, 1, 0xd, 0xb8, [7] = net, [15] = last}};
}

Test(peers, connections)
{
    struct peers *peers = peers_new(&(struct peers_limits){.connections = 2});
    struct network_address one = v4(1), other = v4(2);
    const char *reason = NULL;
    struct peers_address *a = peers_enter(peers, &one, 0, &reason);
    cr_assert_eq(peers_enter(peers, &one, 0, &reason), a);
    cr_expect_null(peers_enter(peers, &one, 0, &reason));
    cr_expect_not_null(strstr(reason, "limits.peer_connections"), "%s", reason);
    struct peers_address *b = peers_enter(peers, &other, 0, &reason);
    cr_expect_not_null(b);
    peers_leave(peers, a);
    cr_expect_eq(peers_enter(peers, &one, 0, &reason), a);
    peers_leave(peers, a);
    peers_leave(peers, a);
    peers_leave(peers, b);
    peers_free(peers);
}

Test(peers, a_whole_64_is_one_machine)
{
    struct peers *peers = peers_new(&(struct peers_limits){.connections = 1});
    struct network_address first = v6(1, 1), second = v6(1, 2), elsewhere = v6(2, 1);
    const char *reason = NULL;
    struct peers_address *a = peers_enter(peers, &first, 0, &reason);
    cr_expect_null(peers_enter(peers, &second, 0, &reason));
    struct peers_address *b = peers_enter(peers, &elsewhere, 0, &reason);
    cr_expect_not_null(b);
    peers_leave(peers, a);
    peers_leave(peers, b);
    peers_free(peers);
}

/* How many of `tries` at `now_us` may be. */
static int count_allowed(struct peers *peers, struct peers_address *a, int tries, int64_t now_us)
{
    int count = 0;
    for (int i = 0; i < tries; i++) {
        count += peers_may(peers, a, PEERS_COMMAND, now_us);
    }
    return count;
}

Test(peers, by_the_minute)
{
    struct peers *peers = peers_new(&(struct peers_limits){.per_minute = {[PEERS_COMMAND] = 60}});
    struct network_address one = v4(1);
    const char *reason = NULL;
    int64_t now_us = 1000 * SECOND;
    struct peers_address *a = peers_enter(peers, &one, now_us, &reason);
    cr_expect_eq(count_allowed(peers, a, 100, now_us), 60, "all at once, or ...");
    cr_expect_eq(count_allowed(peers, a, 100, now_us + SECOND), 1, "... evenly");
    cr_expect_eq(count_allowed(peers, a, 100, now_us + 11 * SECOND), 10);
    cr_expect_eq(count_allowed(peers, a, 100, now_us + 1000 * SECOND), 60);
    cr_expect(peers_may(peers, a, PEERS_LOGIN, now_us), "there is no limit");
    /* Leaving and coming back changes nothing. */
    peers_leave(peers, a);
    cr_assert_eq(peers_enter(peers, &one, now_us + 1000 * SECOND, &reason), a);
    cr_expect_eq(count_allowed(peers, a, 100, now_us + 1001 * SECOND), 1);
    peers_leave(peers, a);
    peers_free(peers);
}

Test(peers, new_connections)
{
    struct peers *peers = peers_new(&(struct peers_limits){.per_minute = {[PEERS_CONNECT] = 3}});
    struct network_address one = v4(1);
    const char *reason = NULL;
    for (int i = 0; i < 3; i++) {
        struct peers_address *a = peers_enter(peers, &one, 0, &reason);
        cr_assert_not_null(a);
        peers_leave(peers, a);
    }
    cr_expect_null(peers_enter(peers, &one, 0, &reason));
    cr_expect_not_null(strstr(reason, "limits.peer_connects)"), "%s", reason);
    peers_free(peers);
}

/* One that keeps coming is remembered, however many others come once. */
Test(peers, what_is_remembered_is_bounded)
{
    struct peers *peers = peers_new(&(struct peers_limits){.per_minute = {[PEERS_CONNECT] = 5}});
    struct network_address busy = v4(1);
    const char *reason = NULL;
    int refused = 0;
    for (unsigned i = 0; i < 3 * PEERS_KEPT; i++) {
        struct network_address once = v4(2 + i);
        struct peers_address *a = peers_enter(peers, &once, 0, &reason);
        cr_assert_not_null(a);
        peers_leave(peers, a);
        if (i % (PEERS_KEPT / 2) == 0) {
            a = peers_enter(peers, &busy, 0, &reason);
            refused += a == NULL;
            if (a != NULL) {
                peers_leave(peers, a);
            }
        }
    }
    cr_expect_eq(refused, 1, "%d of 6", refused);
    peers_free(peers);
}
