/* clock_watch: see clock_watch.h. */
#include "gateway/base/clock_watch.h"

#include "gateway/base/clock.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { UNNOTICED_MS = 50 }; /* a clock is not set for less */

struct clock_watch {
    int fd; /* a timer that never ends, but is canceled when the clock is set; -1 = none */
    struct event *event;
    int64_t offset_ms;
    void (*set)(void *arg, int64_t offset_ms, int64_t by_ms);
    void *arg;
};

static void arm(const struct clock_watch *watch)
{
    const struct itimerspec never = {.it_value = {.tv_sec = INT32_MAX}};
    timerfd_settime(watch->fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct clock_watch *watch = arg;
    int64_t offset_ms = clock_offset_ms();
    int64_t by_ms = offset_ms - watch->offset_ms;
    uint64_t ends;
    if ((what & EV_READ) != 0) {
        (void)!read(fd, &ends, sizeof ends); /* fails with ECANCELED */
        arm(watch);
    } else if (llabs(by_ms) < UNNOTICED_MS) {
        return;
    }
    watch->offset_ms = offset_ms;
    watch->set(watch->arg, offset_ms, by_ms);
}

struct clock_watch *clock_watch_new(struct event_base *base,
                                    void (*set)(void *arg, int64_t offset_ms, int64_t by_ms),
                                    void *arg)
{
    static const struct timeval SECOND = {.tv_sec = 1};
    struct clock_watch *watch = malloc(sizeof *watch);
    if (watch == NULL) {
        return NULL;
    }
    *watch = (struct clock_watch){.fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC),
                                  .offset_ms = clock_offset_ms(),
                                  .set = set,
                                  .arg = arg};
    arm(watch);
    watch->event = event_new(base, watch->fd, EV_READ | EV_PERSIST, on_event, watch);
    if (watch->event == NULL || event_add(watch->event, &SECOND) != 0) {
        clock_watch_free(watch);
        return NULL;
    }
    return watch;
}

void clock_watch_free(struct clock_watch *watch)
{
    if (watch == NULL) {
        return;
    }
    if (watch->event != NULL) {
        event_free(watch->event);
    }
    if (watch->fd >= 0) {
        close(watch->fd);
    }
    free(watch);
}
