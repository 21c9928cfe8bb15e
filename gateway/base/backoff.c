/* backoff: see backoff.h. */
#include "gateway/base/backoff.h"

#include "gateway/base/int64.h"

int64_t backoff_ms(unsigned failures, int64_t min_ms, int64_t max_ms, double random)
{
    int64_t cap_ms = min_ms;

    if (failures == 0) {
        return 0;
    }
    for (unsigned i = 1; i < failures && cap_ms > 0 && cap_ms < max_ms; i++) {
        cap_ms *= 2;
    }
    return (int64_t)((double)int64_min(cap_ms, max_ms) * random);
}
