/*
 * clock_watch: notices that the wall clock was set, or that the machine was suspended.
 *
 * Where the kernel does not tell (some containers), it looks each second. Thread: the event base's.
 */
#ifndef GATEWAY_BASE_CLOCK_WATCH_H
#define GATEWAY_BASE_CLOCK_WATCH_H

#include <stdint.h>

struct event_base;
struct clock_watch;

/*
 * Calls `set` with the new clock_offset_ms, and by how much it has changed: about 0 after a
 * suspension. Returns NULL on allocation failure.
 */
struct clock_watch *clock_watch_new(struct event_base *base,
                                    void (*set)(void *arg, int64_t offset_ms, int64_t by_ms),
                                    void *arg);
/* NULL is fine. */
void clock_watch_free(struct clock_watch *watch);

#endif
