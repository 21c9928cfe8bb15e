/*
 * echo: a line-echo server on a bare libevent bufferevent, the limit that the intake is measured
 * against.
 *
 *     echo
 *
 * Owns nothing but the sockets: each line that comes goes back as it is. Listens on a free port of
 * 127.0.0.1, which it prints to stderr as the relay does. SIGTERM ends it. One thread.
 */
#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static void on_read(struct bufferevent *bev, void *arg)
{
    struct evbuffer *input = bufferevent_get_input(bev);
    struct evbuffer *output = bufferevent_get_output(bev);
    size_t len;
    char *line;
    (void)arg;
    while ((line = evbuffer_readln(input, &len, EVBUFFER_EOL_CRLF)) != NULL) {
        evbuffer_add(output, line, len);
        evbuffer_add(output, "\r\n", 2);
        free(line);
    }
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    (void)what;
    (void)arg;
    bufferevent_free(bev);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int len, void *arg)
{
    static const char GREETING[] = "220 echo\r\n";
    int one = 1;
    (void)address;
    (void)len;
    (void)arg;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct bufferevent *bev =
        bufferevent_socket_new(evconnlistener_get_base(listener), fd, BEV_OPT_CLOSE_ON_FREE);
    if (bev == NULL) {
        evutil_closesocket(fd);
        return;
    }
    bufferevent_setcb(bev, on_read, NULL, on_event, NULL);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
    bufferevent_write(bev, GREETING, sizeof GREETING - 1);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    (void)number;
    (void)what;
    event_base_loopbreak(arg);
}

int main(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    struct event_base *base = event_base_new();
    struct evconnlistener *listener =
        evconnlistener_new_bind(base, on_accept, NULL, LEV_OPT_CLOSE_ON_FREE, 1024,
                                (struct sockaddr *)&address, sizeof address);
    if (listener == NULL) {
        perror("echo: cannot listen");
        return 71;
    }
    getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&address, &len);
    fprintf(stderr, "listening address=127.0.0.1:%u\n", ntohs(address.sin_port));
    struct event *term = evsignal_new(base, SIGTERM, on_signal, base);
    event_add(term, NULL);
    event_base_dispatch(base);
    event_free(term);
    evconnlistener_free(listener);
    event_base_free(base);
    return 0;
}
