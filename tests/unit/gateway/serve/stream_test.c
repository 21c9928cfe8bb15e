/* Tests of stream: what is told of input, reads that grow, output that waits, ends and failures. */
#include "gateway/serve/stream.h"

#include <criterion/criterion.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHUNK = 64 * 1024, MUCH = 4 * 1024 * 1024 };

static struct event_base *base;
static struct stream stream;
static int peer;
static char chunk[CHUNK];
static int readable, sent;

static void on_readable(void *client)
{
    (void)client;
    readable++;
}

static void on_sent(void *client)
{
    (void)client;
    sent++;
}

static const struct stream_callbacks callbacks = {on_readable, on_sent};

static void open_stream(void)
{
    int ends[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    peer = ends[1];
    readable = sent = 0;
    base = event_base_new();
    cr_assert(stream_open(&stream, base, ends[0], &callbacks, NULL));
}

static void close_stream(void)
{
    stream_close(&stream);
    close(peer);
    event_base_free(base);
}

TestSuite(stream, .init = open_stream, .fini = close_stream);

static void turn(void)
{
    event_base_loop(base, EVLOOP_NONBLOCK);
}

/* Reads once; returns how much that was. */
static size_t read_once(enum stream_result expected)
{
    size_t len;
    cr_assert_eq(stream_read(&stream, chunk, CHUNK, &len), expected);
    return len;
}

static void say(size_t len)
{
    static const char bytes[CHUNK];
    cr_assert_eq(write(peer, bytes, len), (ssize_t)len);
}

Test(stream, says_once_that_there_is_input)
{
    say(10);
    for (int i = 0; i < 4; i++) {
        turn();
    }
    cr_assert_eq(readable, 1);
    cr_assert(stream_has_input(&stream));
    say(10);
    turn();
    cr_assert_eq(readable, 1);
    cr_assert_eq(read_once(STREAM_BYTES), 20);
    cr_assert_eq(read_once(STREAM_NOTHING), 0);
    say(5);
    turn();
    cr_assert_eq(readable, 2);
    cr_assert_eq(read_once(STREAM_BYTES), 5);
}

Test(stream, reads_more_from_a_client_that_sends_much)
{
    say(CHUNK);
    turn();
    cr_assert_eq(read_once(STREAM_BYTES), 4096);
    cr_assert_eq(read_once(STREAM_BYTES), 4 * 4096);
    cr_assert_eq(read_once(STREAM_BYTES), CHUNK - 5 * 4096);
    cr_assert_not(stream_has_input(&stream));
    say(CHUNK);
    turn();
    cr_assert_eq(read_once(STREAM_BYTES), CHUNK);
    cr_assert_eq(read_once(STREAM_NOTHING), 0);
    say(1);
    turn();
    read_once(STREAM_BYTES);
    say(CHUNK);
    turn();
    cr_assert_eq(read_once(STREAM_BYTES), 4096, "it has become quiet in between");
}

Test(stream, reads_what_was_sent_before_the_end)
{
    say(3);
    close(peer);
    peer = -1;
    turn();
    cr_assert_eq(read_once(STREAM_BYTES), 3);
    cr_assert_not(stream_is_ended(&stream));
    turn();
    cr_assert_eq(readable, 2);
    read_once(STREAM_END);
    read_once(STREAM_END);
    cr_assert(stream_is_ended(&stream));
    turn();
    cr_assert_eq(readable, 2);
}

/* All that the peer can read now. */
static size_t take_all(void)
{
    size_t total = 0;
    for (ssize_t got; (got = read(peer, chunk, CHUNK)) > 0;) {
        total += (size_t)got;
    }
    return total;
}

Test(stream, keeps_what_the_client_does_not_take)
{
    char *bytes = calloc(1, MUCH);
    cr_assert(stream_write(&stream, bytes, 100));
    cr_assert_eq(stream_unsent(&stream), 0);
    cr_assert(stream_write(&stream, bytes, MUCH));
    cr_assert(stream_write(&stream, bytes, 1));
    free(bytes);
    cr_assert_gt(stream_unsent(&stream), 0);
    turn();
    cr_assert_eq(sent, 0);
    size_t taken = 0;
    while (stream_unsent(&stream) > 0) {
        size_t unsent = stream_unsent(&stream);
        int before = sent;
        taken += take_all();
        turn();
        cr_assert_eq(sent, before + 1);
        cr_assert_lt(stream_unsent(&stream), unsent);
    }
    cr_assert_eq(taken + take_all(), 100 + MUCH + 1);
    turn();
    stream_shut(&stream);
    cr_assert_eq(read(peer, chunk, CHUNK), 0, "our side is at its end");
}

Test(stream, still_reads_from_a_client_that_takes_nothing)
{
    say(7);
    shutdown(peer, SHUT_RD);
    cr_assert(stream_write(&stream, chunk, 100));
    cr_assert(stream_is_broken(&stream));
    cr_assert_eq(stream_unsent(&stream), 0);
    turn();
    cr_assert_eq(read_once(STREAM_BYTES), 7);
    cr_assert(stream_write(&stream, chunk, 100));
}

Test(stream, says_that_unsent_bytes_were_in_vain)
{
    char *bytes = calloc(1, MUCH);
    cr_assert(stream_write(&stream, bytes, MUCH));
    free(bytes);
    close(peer);
    peer = -1;
    turn();
    cr_assert_eq(sent, 1);
    cr_assert(stream_is_broken(&stream));
    cr_assert_eq(stream_unsent(&stream), 0);
}
