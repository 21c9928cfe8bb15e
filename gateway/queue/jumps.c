/* jumps: see jumps.h. */
#include "gateway/queue/jumps.h"

#include "gateway/base/int64.h"

#include <string.h>

void queue_jumps_add(struct queue_jumps *jumps, int64_t at_ms, int64_t offset_ms)
{
    jumps->count += jumps->count < QUEUE_JUMPS_MAX ? 1 : 0;
    memmove(&jumps->jumps[1], &jumps->jumps[0], (jumps->count - 1) * sizeof jumps->jumps[0]);
    jumps->jumps[0].at_ms = at_ms;
    jumps->jumps[0].offset_ms = offset_ms;
}

/* It belongs to the newest span between two jumps in which it lies. Ids run ahead of a clock that was set
 * back, and then lie in none. */
int64_t queue_jumps_steady_ms(const struct queue_jumps *jumps, int64_t unix_ms, int64_t offset_ms,
                              int64_t last_ms)
{
    int64_t steady_ms = unix_ms - offset_ms;
    int64_t end_ms = last_ms;
    for (unsigned i = 0; i < jumps->count; i++) {
        if (steady_ms >= jumps->jumps[i].at_ms && steady_ms <= end_ms) {
            return steady_ms;
        }
        steady_ms = unix_ms - jumps->jumps[i].offset_ms;
        end_ms = int64_min(end_ms, jumps->jumps[i].at_ms);
    }
    return steady_ms <= end_ms ? steady_ms : last_ms;
}
