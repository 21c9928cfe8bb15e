/*
 * sandbox_main: the sandbox alone, for its own tests: no settings file, no relay.
 *
 *     sandbox_main [TOKEN [WEBHOOK]]
 *
 * Says on stderr where it listens, ends at SIGTERM or SIGINT. With `thread` as third argument it
 * runs in a thread of its own, as inside the relay.
 */
#include "gateway/sandbox/thread.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *argument(int argc, char **argv, int i)
{
    return i < argc && *argv[i] != '\0' ? argv[i] : NULL;
}

static void on_signal(evutil_socket_t number, short what, void *base)
{
    (void)number;
    (void)what;
    event_base_loopbreak(base);
}

int main(int argc, char **argv)
{
    struct sandbox_options options = {
        .address.host = "127.0.0.1",
        .token = argument(argc, argv, 1),
        .webhook = argument(argc, argv, 2),
    };
    const char *mode = argument(argc, argv, 3);
    struct event_base *base = event_base_new();
    struct event *term = evsignal_new(base, SIGTERM, on_signal, base);
    struct event *interrupt = evsignal_new(base, SIGINT, on_signal, base);
    struct sandbox *sandbox = NULL;
    struct sandbox_thread *thread = NULL;
    char error[256] = "", text[LISTEN_TEXT_SIZE];

    signal(SIGPIPE, SIG_IGN);
    event_add(term, NULL);
    event_add(interrupt, NULL);
    if (mode != NULL && strcmp(mode, "thread") == 0) {
        thread = sandbox_thread_start(&options, error, sizeof error);
    } else {
        sandbox = sandbox_new(base, &options, error, sizeof error);
    }
    if (thread == NULL && sandbox == NULL) {
        fprintf(stderr, "sandbox: %s\n", error);
        return EXIT_FAILURE;
    }
    listen_format(thread != NULL ? sandbox_thread_address(thread) : sandbox_address(sandbox), text);
    fprintf(stderr, "listening address=%s\n", text);
    event_base_dispatch(base);
    sandbox_thread_stop(thread);
    sandbox_free(sandbox);
    event_free(term);
    event_free(interrupt);
    event_base_free(base);
    libevent_global_shutdown();
    return EXIT_SUCCESS;
}
