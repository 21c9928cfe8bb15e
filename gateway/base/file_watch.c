/* file_watch: see file_watch.h. */
#include "gateway/base/file_watch.h"

#include <event2/event.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

struct file_watch {
    int fd;
    struct event *readable;
    void (*changed)(void *arg);
    void *arg;
};

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct file_watch *watch = arg;
    char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    /* Any file in the folder counts: reading ours once too often is cheap. */
    while (read(fd, events, sizeof events) > 0) {
    }
    watch->changed(watch->arg);
}

static int watch_folder(const char *path)
{
    char *copy = strdup(path);
    int fd = copy == NULL ? -1 : inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd >= 0 && inotify_add_watch(fd, dirname(copy), IN_CLOSE_WRITE | IN_MOVED_TO) < 0) {
        close(fd);
        fd = -1;
    }
    free(copy);
    return fd;
}

struct file_watch *file_watch_new(struct event_base *base, const char *path,
                                  void (*changed)(void *arg), void *arg)
{
    int fd = watch_folder(path);
    struct file_watch *watch = fd < 0 ? NULL : calloc(1, sizeof *watch);
    if (watch == NULL) {
        if (fd >= 0) {
            close(fd);
        }
        return NULL;
    }
    *watch = (struct file_watch){.fd = fd, .changed = changed, .arg = arg};
    watch->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, watch);
    if (watch->readable == NULL || event_add(watch->readable, NULL) != 0) {
        file_watch_free(watch);
        return NULL;
    }
    return watch;
}

void file_watch_free(struct file_watch *watch)
{
    if (watch == NULL) {
        return;
    }
    if (watch->readable != NULL) {
        event_free(watch->readable);
    }
    close(watch->fd);
    free(watch);
}
