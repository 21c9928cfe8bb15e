/*
 * window: the rate window of an endpoint.
 *
 * Owns the counting; the caller passes the time. Thread: any. Pure.
 */
#ifndef GATEWAY_SANDBOX_WINDOW_H
#define GATEWAY_SANDBOX_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

/* All zero: no window is open. */
struct sandbox_window {
    int64_t ends_ms; /* Unix time */
    int64_t used;
};

/*
 * Counts a request at `now_ms` (Unix time). The first one after the end of a window opens the next,
 * of `window_ms`. Returns false, counting nothing, if the window has reached `limit`.
 */
bool sandbox_window_take(struct sandbox_window *window, int64_t now_ms, int64_t limit,
                         int64_t window_ms);

/* How many more requests it allows at `now_ms`. */
int64_t sandbox_window_remaining(const struct sandbox_window *window, int64_t now_ms,
                                 int64_t limit);

/*
 * When it ends, or would if opened now: Unix time in seconds. Its fraction is cut off, as the API's
 * limiter does, so that the window is open for up to a second after it.
 */
int64_t sandbox_window_reset_s(const struct sandbox_window *window, int64_t now_ms,
                               int64_t window_ms);

#endif
