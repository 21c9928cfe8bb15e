/*
 * http_load: posts a body over kept connections as fast as it is answered, and measures how fast that is.
 *
 *     http_load -c CONNECTIONS -n COUNT HOST:PORT PATH TOKEN BODY
 *
 * Each connection has one request unanswered. Every answer must be 201. Prints one JSON object: requests,
 * seconds, rate, and how many answers were others; exits 1 if there were any. One thread.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_MAX = 256 * 1024, EVENTS = 64 };

struct client {
    int fd;
    char *answer;
    size_t len;
};

static char *request;
static size_t request_len;
static long to_send, unanswered, unexpected;

static void fail(const char *what)
{
    perror(what);
    exit(2);
}

static void post(struct client *c)
{
    size_t sent = 0;
    if (to_send == 0) {
        return;
    }
    to_send--;
    c->len = 0;
    while (sent < request_len) {
        ssize_t n = send(c->fd, request + sent, request_len - sent, MSG_NOSIGNAL);
        if (n < 0) {
            fail("send");
        }
        sent += (size_t)n;
    }
}

/* The length of the whole answer; 0 = its head is not whole. */
static size_t answer_len(struct client *c)
{
    c->answer[c->len] = '\0';
    const char *end = strstr(c->answer, "\r\n\r\n");
    const char *length = end == NULL ? NULL : strcasestr(c->answer, "\r\nContent-Length:");
    if (end == NULL || length == NULL) {
        return 0;
    }
    return (size_t)(end + 4 - c->answer) +
           strtoul(length + strlen("\r\nContent-Length:"), NULL, 10);
}

static void take(struct client *c)
{
    ssize_t n = recv(c->fd, c->answer + c->len, ANSWER_MAX - c->len - 1, 0);
    if (n <= 0) {
        fail("recv");
    }
    c->len += (size_t)n;
    size_t len = answer_len(c);
    if (len == 0 || c->len < len) {
        return;
    }
    if (strncmp(c->answer, "HTTP/1.1 201 ", strlen("HTTP/1.1 201 ")) != 0 && unexpected++ == 0) {
        fprintf(stderr, "http_load: %.200s\n", c->answer);
    }
    unanswered--;
    post(c);
}

static void connect_to(struct client *c, const char *address, int epoll)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    char host[64];
    int one = 1;
    snprintf(host, sizeof host, "%.*s", (int)strcspn(address, ":"), address);
    to.sin_port = htons((uint16_t)atoi(address + strlen(host) + 1));
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    c->answer = malloc(ANSWER_MAX);
    if (c->answer == NULL || inet_pton(AF_INET, host, &to.sin_addr) != 1 ||
        connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0) {
        fail(address);
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    long connections = 1, count = 1;
    int option;
    while ((option = getopt(argc, argv, "c:n:")) != -1) {
        *(option == 'c' ? &connections : &count) = atol(optarg);
    }
    if (argc - optind != 4) {
        fprintf(stderr, "usage: http_load -c CONNECTIONS -n COUNT HOST:PORT PATH TOKEN BODY\n");
        return 2;
    }
    const char *address = argv[optind], *body = argv[optind + 3];
    int len = asprintf(&request,
                       "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n"
                       "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                       argv[optind + 1], address, argv[optind + 2], strlen(body), body);
    request_len = (size_t)len;
    struct client *clients = calloc((size_t)connections, sizeof *clients);
    int epoll = epoll_create1(0);
    to_send = unanswered = count;
    for (long i = 0; i < connections; i++) {
        connect_to(&clients[i], address, epoll);
    }
    double began = now();
    for (long i = 0; i < connections; i++) {
        post(&clients[i]);
    }
    while (unanswered > 0) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(epoll, events, EVENTS, 10000);
        if (n <= 0) {
            fail("epoll_wait");
        }
        for (int i = 0; i < n; i++) {
            take(events[i].data.ptr);
        }
    }
    double seconds = now() - began;
    printf("{\"requests\": %ld, \"seconds\": %.3f, \"rate\": %.0f, \"unexpected\": %ld}\n", count,
           seconds, (double)count / seconds, unexpected);
    return unexpected > 0;
}
