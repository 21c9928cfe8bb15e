/*
 * retry: how long the webhook or the program waits after a failure. Thread: the owner's.
 */
#ifndef GATEWAY_NOTIFY_RETRY_H
#define GATEWAY_NOTIFY_RETRY_H

#include "gateway/base/backoff.h"
#include "gateway/base/rng.h"

#include <stdint.h>

enum { RETRY_MIN_MS = 1000, RETRY_MAX_MS = 60000 };

struct retry {
    unsigned failures; /* in a row */
    struct rng rng;
};

/* Counts a failure. Returns how long to wait before the next try. */
static inline int64_t retry_failed(struct retry *retry)
{
    retry->failures++;
    return backoff_ms(retry->failures, RETRY_MIN_MS, RETRY_MAX_MS, rng_next(&retry->rng));
}

#endif
