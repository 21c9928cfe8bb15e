/*
 * http_listen: requests that might be read in two ways, and those that are not whole in time, over
 * sockets; and what http_head finds, in any split.
 */
#include "gateway/base/http_listen.h"

#include "gateway/base/clock.h"
#include "gateway/base/http_head.h"
#include "gateway/base/log.h"
#include "gateway/base/stats.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define S(literal)   literal, sizeof(literal) - 1

enum { REQUEST_MS = 400, PATIENCE_MS = 10000, ANSWER_SIZE = 4096, PLACES = 4 };

static struct event_base *base;
static struct http_listener *listener;
static struct listen_address address;
static struct stats *stats;
static int served;

static void serve(struct evhttp_request *request, void *arg)
{
    (void)arg;
    served++;
    http_answer_line(request, 200, "served");
}

static void setup(void)
{
    char error[256], url[HTTP_URL_SIZE];
    log_open(LOG_ERROR, LOG_LOGFMT, LOG_MASK);
    base = event_base_new();
    stats = calloc(1, sizeof *stats);
    const struct http_listener_options options = {
        .address = {.host = "127.0.0.1"},
        .limit = {.max = PLACES, .request_ms = REQUEST_MS, .stats = stats},
        .max_body = 1000,
        .idle_seconds = 60,
        .methods = EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD,
    };
    listener = http_listener_new(base, &options, serve, NULL, error, sizeof error);
    cr_assert_not_null(listener, "%s", error);
    http_listener_url(listener, url);
    address.port = (uint16_t)atoi(strrchr(url, ':') + 1);
}

static void teardown(void)
{
    http_listener_free(listener);
    event_base_free(base);
    free(stats);
}

TestSuite(http_listen, .init = setup, .fini = teardown);

static int open_client(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(address.port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* Runs the listener until the client's connection has ended; returns what came on it. */
static size_t read_all(int fd, char answer[ANSWER_SIZE])
{
    int64_t deadline_ms = clock_monotonic_ms() + PATIENCE_MS;
    size_t len = 0;
    for (;;) {
        event_base_loop(base, EVLOOP_NONBLOCK);
        ssize_t got = recv(fd, answer + len, ANSWER_SIZE - 1 - len, MSG_DONTWAIT);
        len += got > 0 ? (size_t)got : 0;
        if (got == 0 || (got < 0 && errno != EAGAIN)) {
            break;
        }
        cr_assert_lt(clock_monotonic_ms(), deadline_ms, "no end after \"%.*s\"", (int)len, answer);
    }
    answer[len] = '\0';
    close(fd);
    return len;
}

/* The status of the only answer to these bytes; 0 = none. Fails if there are more. */
static int ask(const char *request, size_t len)
{
    char answer[ANSWER_SIZE];
    int fd = open_client();
    cr_assert_eq(send(fd, request, len, MSG_NOSIGNAL), (ssize_t)len);
    shutdown(fd, SHUT_WR);
    read_all(fd, answer);
    int status = strncmp(answer, "HTTP/1.", 7) == 0 ? atoi(answer + 9) : 0;
    cr_expect_null(strstr(answer + 9 * (status != 0), "HTTP/1.1 "), "two answers: %s", answer);
    return status;
}

#define GET    "GET / HTTP/1.1\r\nHost: x\r\n"
#define POST   "POST / HTTP/1.1\r\nHost: x\r\n"
#define CLOSE  "Connection: close\r\n\r\n"
#define HIDDEN "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"

/* Nothing of these gets to whom the listener serves. */
Test(http_listen, malformed_requests_are_not_served)
{
    static const struct {
        const char *request;
        size_t len;
        int status;
    } rows[] = {
        {S(POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello" HIDDEN), 400},
        {S(POST "Content-Length: 5\r\ncontent-length: 40\r\n\r\nhello" HIDDEN), 400},
        {S(POST "Content-Length: 5, 5\r\n\r\nhello" HIDDEN), 400},
        {S(POST "Content-Length: +5\r\n\r\nhello" HIDDEN), 400},
        {S(POST "Content-Length: -5\r\n\r\nhello" HIDDEN), 400},
        {S(POST "Content-Length: 0x5\r\n\r\nhello" HIDDEN), 400},
        {S(POST "Content-Length: 5 5\r\n\r\nhello" HIDDEN), 400},
        {S(POST "Content-Length:\r\n\r\n" HIDDEN), 400},
        {S(POST "Content-Length : 5\r\n\r\nhello" HIDDEN), 400},
        {S(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN), 400},
        {S(POST "Transfer-Encoding: gzip\r\n\r\n" HIDDEN), 400},
        {S(POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" HIDDEN), 400},
        {S("GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" HIDDEN), 400},
        {S("GET / HTTP/1.1\r\nHost: x\r\nhost: x\r\n\r\n" HIDDEN), 400},
        {S("GET / HTTP/1.1\r\nHost: x\0.example\r\n\r\n" HIDDEN), 400},
        {S("GET / HTTP/1.1\r\nHost: x\n\r\n" HIDDEN), 400},
        {S("GET / HTTP/1.1\nHost: x\r\n\r\n" HIDDEN), 400},
        {S("GET / HTTP/1.1\nHost: x\n\n" HIDDEN), 400},
        {S("GET / HTTP/1.1\r\nHost: x\r\n\n" HIDDEN), 400},
        {S(GET "X: a\rb\r\n\r\n" HIDDEN), 400},
        {S(GET "X: a\x01\r\n\r\n" HIDDEN), 400},
        {S(GET "X: a\r\n b\r\n\r\n" HIDDEN), 400},
        {S(GET "X y: a\r\n\r\n" HIDDEN), 400},
        {S(GET ": a\r\n\r\n" HIDDEN), 400},
        {S("GET / HTTP/1.10\r\nHost: x\r\n\r\n" HIDDEN), 505},
        {S("GET / HTTP/1.2\r\nHost: x\r\n\r\n" HIDDEN), 505},
        {S("GET / HTTP/01.1\r\nHost: x\r\n\r\n" HIDDEN), 505},
        {S("GET / HTTP/1.1 \r\nHost: x\r\n\r\n" HIDDEN), 0},
        {S("GET / HTTP/0.9\r\nHost: x\r\n\r\n" HIDDEN), 505},
        {S("GET / HTTP/2.0\r\nHost: x\r\n\r\n" HIDDEN), 0},
        {S("GET / RTSP/1.0\r\nHost: x\r\n\r\n" HIDDEN), 0},
        {S("GET /\r\n\r\n" HIDDEN), 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        int status = ask(rows[i].request, rows[i].len);
        bool is_right = rows[i].status == 0 ? status == 0 || (status >= 400 && status < 600)
                                            : status == rows[i].status;
        cr_expect(is_right, "row %zu: %d instead of %d for\n%s", i, status, rows[i].status,
                  rows[i].request);
        cr_expect_eq(served, 0, "served: %s", rows[i].request);
    }
    cr_expect_gt(stats_get(stats, STAT_HTTP_MALFORMED), 20);
}

Test(http_listen, requests_that_are_served)
{
    static const struct {
        const char *request;
        size_t len;
    } rows[] = {
        {S(GET CLOSE)},
        {S("GET / HTTP/1.0\r\n\r\n")},
        {S("GET / HTTP/1.0\r\nHost: x\r\n\r\n")},
        {S(POST "Content-Length: 05\r\n" CLOSE "a\nb\0c")},
        {S(POST "Transfer-Encoding: chunked\r\n" CLOSE "2\r\na\n\r\n0\r\n\r\n")},
        {S(GET "X:\ta\tb \r\n" CLOSE)},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        cr_expect_eq(ask(rows[i].request, rows[i].len), 200, "%s", rows[i].request);
        cr_expect_eq(served, (int)i + 1, "%s", rows[i].request);
    }
}

/* The head of the next request on a connection is looked at, too, when it has come with this one. */
Test(http_listen, the_second_request_is_malformed)
{
    char answer[ANSWER_SIZE];
    int fd = open_client();
    send(fd, S(POST "Content-Length: 2\r\n\r\na\n" GET "X: a\n\r\n"), 0);
    read_all(fd, answer);
    cr_expect_eq(served, 1);
    cr_expect_not_null(strstr(answer, "HTTP/1.1 400"), "%s", answer);
}

/* However busily the rest of it trickles in. */
Test(http_listen, a_request_must_be_whole_in_time)
{
    static const char *const STARTS[] = {
        "", "G", "GET / HTTP/1.1\r\nX: ", POST "Content-Length: 900\r\n\r\n",
        GET "\r\nGET / HTTP/1.1\r\nX: "};
    for (size_t i = 0; i < COUNT(STARTS); i++) {
        char answer[ANSWER_SIZE];
        int fd = open_client();
        int64_t began_ms = clock_monotonic_ms();
        send(fd, STARTS[i], strlen(STARTS[i]), 0);
        for (int64_t next_ms = began_ms; clock_monotonic_ms() < began_ms + REQUEST_MS + 200;) {
            event_base_loop(base, EVLOOP_NONBLOCK);
            if (STARTS[i][0] != '\0' && clock_monotonic_ms() >= next_ms) {
                send(fd, "x", 1, MSG_NOSIGNAL);
                next_ms += 10;
            }
        }
        read_all(fd, answer);
        cr_expect(i == 0 || strstr(answer, " 408 ") != NULL, "%zu: %s", i, answer);
        cr_expect_eq(stats_get(stats, STAT_HTTP_CLOSED), (int64_t)i + 1);
    }
    cr_expect_eq(served, 1);
}

/* A connection between two requests may be idle for longer. */
Test(http_listen, idle_connections_stay)
{
    char answer[ANSWER_SIZE];
    int fd = open_client();
    int64_t until_ms = clock_monotonic_ms() + 2 * REQUEST_MS;
    send(fd, S(GET "\r\n"), 0);
    while (clock_monotonic_ms() < until_ms) {
        event_base_loop(base, EVLOOP_NONBLOCK);
    }
    send(fd, S(GET CLOSE), 0);
    read_all(fd, answer);
    cr_expect_eq(served, 2);
}

/* The oldest half request makes room; who has been answered, or has sent nothing, stays as long as there
 * is one. */
Test(http_listen, a_newcomer_gets_the_place_of_a_half_request)
{
    char answer[ANSWER_SIZE];
    int half = open_client(), silent = open_client();
    send(half, S("GET "), 0);
    while (recv(half, answer, 1, MSG_PEEK | MSG_DONTWAIT) < 0) {
        cr_expect_eq(ask(S(GET CLOSE)), 200);
        int other = open_client();
        send(other, S("GET "), 0);
        cr_expect_lt(other, 1000);
    }
    read_all(half, answer);
    cr_expect_not_null(strstr(answer, " 408 "));
    send(silent, S(GET CLOSE), 0);
    read_all(silent, answer);
    cr_expect_not_null(strstr(answer, " 200 "), "%s", answer);
}

Test(http_head, any_split)
{
    static const struct {
        const char *bytes;
        size_t len;
        bool is_over, is_malformed, is_other_version;
    } rows[] = {
        {S(GET "\r\n"), true, false, false},
        {S(GET "\r\nbody\n\0\x01"), true, false, false},
        {S(GET), false, false, false},
        {S(GET "\n"), true, true, false},
        {S("GET / HTTP/1.1\r\r\n\r\n"), true, true, true},
        {S("GET / HTTP/3\r\n\r\n"), true, false, true},
        {S("HTTP/1.1\r\n\r\n"), true, false, true},
        {S(GET "a: \x7f\r\n\r\n"), true, true, false},
        {S(GET "\tb\r\n\r\n"), true, true, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t split = 0; split <= rows[i].len; split++) {
            struct http_head head = {0};
            http_head_read(&head, rows[i].bytes, split);
            for (size_t n = split; n < rows[i].len; n++) {
                http_head_read(&head, rows[i].bytes + n, 1);
            }
            cr_expect(head.is_over == rows[i].is_over &&
                          head.is_malformed == rows[i].is_malformed &&
                          head.is_other_version == rows[i].is_other_version,
                      "row %zu split at %zu", i, split);
        }
    }
}
