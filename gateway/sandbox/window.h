/*
 * window: a fixed window of requests, as the API counts them per endpoint.
 *
 * Owns the counting; time is passed in. Thread: any. Pure.
 */
#ifndef GATEWAY_SANDBOX_WINDOW_H
#define GATEWAY_SANDBOX_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

/* All zero: no window is open yet. */
struct sandbox_window {
    int64_t ends_ms; /* Unix time */
    int64_t used;
};

/*
 * Counts a request at `now_ms` (Unix time); the first one after the end of a window opens the next,
 * `window_ms` long. Returns false, and counts nothing, when `limit` were counted already.
 */
bool sandbox_window_take(struct sandbox_window *window, int64_t now_ms, int64_t limit,
                         int64_t window_ms);

/* How many more may come at `now_ms`. */
int64_t sandbox_window_remaining(const struct sandbox_window *window, int64_t now_ms,
                                 int64_t limit);

/* When it ends, in seconds of Unix time, rounded up; of a window opened now if none is open. */
int64_t sandbox_window_reset_s(const struct sandbox_window *window, int64_t now_ms,
                               int64_t window_ms);

#endif
