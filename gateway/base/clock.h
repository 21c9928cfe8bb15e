/*
 * clock: wall clock, monotonic and steady time. Thread: any.
 *
 * The wall clock can be set, so it only names moments: in records, and to clients and the API. How
 * long something may wait is measured by another: by monotonic time, which timers obey, or by steady
 * time, which goes on while the machine is suspended.
 */
#ifndef GATEWAY_BASE_CLOCK_H
#define GATEWAY_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_ms(clockid_t which)
{
    struct timespec t;
    clock_gettime(which, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Monotonic us: to measure what takes less than a ms. */
static inline int64_t clock_monotonic_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Unix ms: for records, and for times exchanged with clients and the API. */
static inline int64_t clock_unix_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}

/* How long ago that was, both by one clock; 0 for never (0), and for what a clock set back makes future. */
static inline int64_t clock_age_ms(int64_t since_ms, int64_t now_ms)
{
    return since_ms == 0 || since_ms > now_ms ? 0 : now_ms - since_ms;
}

/* Monotonic ms: for waiting. */
static inline int64_t clock_monotonic_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

/* The same, but up to some ms late, and cheap: for each time that a client sends something. */
static inline int64_t clock_coarse_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC_COARSE);
}

/* Steady ms: for how long a message is valid. */
static inline int64_t clock_steady_ms(void)
{
    return clock_ms(CLOCK_BOOTTIME);
}

/* Unix ms minus steady ms: it changes when the wall clock is set, and else by a ms at most. */
static inline int64_t clock_offset_ms(void)
{
    int64_t steady_ms = clock_steady_ms();
    return clock_unix_ms() - steady_ms;
}

#endif
