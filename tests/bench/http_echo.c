/*
 * http_echo: answers every request with its own body, on a bare evhttp: the limit that submit.address is
 * measured against.
 *
 *     http_echo
 *
 * Listens on a free port of 127.0.0.1, which it prints to stderr as the relay does. SIGTERM ends it. One
 * thread.
 */
#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static void on_request(struct evhttp_request *request, void *arg)
{
    (void)arg;
    evhttp_send_reply(request, 201, NULL, evhttp_request_get_input_buffer(request));
}

static void on_term(evutil_socket_t number, short what, void *base)
{
    (void)number;
    (void)what;
    event_base_loopbreak(base);
}

int main(void)
{
    struct event_base *base = event_base_new();
    struct evhttp *http = evhttp_new(base);
    struct evhttp_bound_socket *bound = evhttp_bind_socket_with_handle(http, "127.0.0.1", 0);
    struct sockaddr_in address;
    socklen_t len = sizeof address;
    if (bound == NULL ||
        getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&address, &len) != 0) {
        perror("http_echo");
        return EXIT_FAILURE;
    }
    struct event *term = evsignal_new(base, SIGTERM, on_term, base);
    event_add(term, NULL);
    evhttp_set_gencb(http, on_request, NULL);
    evhttp_set_max_body_size(http, 1 << 20);
    fprintf(stderr, "event=listening address=127.0.0.1:%u\n", ntohs(address.sin_port));
    event_base_dispatch(base);
    event_free(term);
    evhttp_free(http);
    event_base_free(base);
    return EXIT_SUCCESS;
}
