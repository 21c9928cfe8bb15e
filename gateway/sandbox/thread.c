/* thread: see thread.h. */
#include "gateway/sandbox/thread.h"

#include "gateway/base/thread.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct sandbox_thread {
    struct event_base *base;
    struct sandbox *sandbox;
    struct event *stop; /* readable: end */
    int stop_fd;        /* an eventfd, so that the base needs no locks */
    pthread_t thread;
};

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
    struct sandbox_thread *thread = arg;

    (void)fd;
    (void)what;
    event_base_loopbreak(thread->base);
}

static void *run(void *arg)
{
    struct sandbox_thread *thread = arg;

    event_base_dispatch(thread->base);
    return NULL;
}

static void thread_free(struct sandbox_thread *thread)
{
    sandbox_free(thread->sandbox);
    if (thread->stop != NULL) {
        event_free(thread->stop);
    }
    if (thread->base != NULL) {
        event_base_free(thread->base);
    }
    if (thread->stop_fd >= 0) {
        close(thread->stop_fd);
    }
    free(thread);
}

struct sandbox_thread *sandbox_thread_start(const struct sandbox_options *options, char *error,
                                            size_t error_size)
{
    struct sandbox_thread *thread = calloc(1, sizeof *thread);
    int result;

    snprintf(error, error_size, "out of memory");
    if (thread == NULL) {
        return NULL;
    }
    thread->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    thread->base = event_base_new();
    if (thread->stop_fd < 0 || thread->base == NULL) {
        goto fail;
    }
    thread->stop = event_new(thread->base, thread->stop_fd, EV_READ, on_stop, thread);
    if (thread->stop == NULL || event_add(thread->stop, NULL) != 0) {
        goto fail;
    }
    thread->sandbox = sandbox_new(thread->base, options, error, error_size);
    if (thread->sandbox == NULL) {
        goto fail;
    }
    result = thread_start(&thread->thread, run, thread);
    if (result == 0) {
        return thread;
    }
    snprintf(error, error_size, "cannot start a thread: %s", strerror(result));
fail:
    thread_free(thread);
    return NULL;
}

const struct listen_address *sandbox_thread_address(const struct sandbox_thread *thread)
{
    return sandbox_address(thread->sandbox);
}

void sandbox_thread_stop(struct sandbox_thread *thread)
{
    if (thread == NULL) {
        return;
    }
    eventfd_write(thread->stop_fd, 1);
    pthread_join(thread->thread, NULL);
    thread_free(thread);
}
