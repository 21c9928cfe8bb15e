/* window: see window.h. */
#include "gateway/sandbox/window.h"

#include "gateway/base/int64.h"

static bool is_open(const struct sandbox_window *window, int64_t now_ms)
{
    return now_ms < window->ends_ms;
}

bool sandbox_window_take(struct sandbox_window *window, int64_t now_ms, int64_t limit,
                         int64_t window_ms)
{
    if (!is_open(window, now_ms)) {
        *window = (struct sandbox_window){.ends_ms = now_ms + window_ms, .used = 0};
    }
    if (window->used >= limit) {
        return false;
    }
    window->used++;
    return true;
}

int64_t sandbox_window_remaining(const struct sandbox_window *window, int64_t now_ms, int64_t limit)
{
    int64_t used = is_open(window, now_ms) ? window->used : 0;

    return int64_max(limit - used, 0);
}

int64_t sandbox_window_reset_s(const struct sandbox_window *window, int64_t now_ms,
                               int64_t window_ms)
{
    int64_t ends_ms = is_open(window, now_ms) ? window->ends_ms : now_ms + window_ms;

    return ends_ms / 1000;
}
