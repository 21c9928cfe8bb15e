/*
 * backoff: how long to wait before the next try of what has failed. Thread: any. Pure.
 */
#ifndef GATEWAY_BASE_BACKOFF_H
#define GATEWAY_BASE_BACKOFF_H

#include <stdint.h>

/*
 * Full jitter, as "Exponential Backoff and Jitter" (AWS) defines it: evenly distributed between 0
 * and min(max, min * 2^(failures - 1)); 0 without a failure. `failures` counts those in a row,
 * `random` is in [0, 1). There is no floor: a caller that makes one try at a time loads a dead peer
 * with one request per max/2 on average.
 */
int64_t backoff_ms(unsigned failures, int64_t min_ms, int64_t max_ms, double random);

#endif
