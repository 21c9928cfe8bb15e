/*
 * jumps: how often the wall clock was set, so that the age of a message is told right all the same.
 *
 * A message keeps the Unix time of its submission, in its id. After a jump, that is no measure of how
 * long ago it was. Thread: any, under the queue's mutex. Pure.
 */
#ifndef GATEWAY_QUEUE_JUMPS_H
#define GATEWAY_QUEUE_JUMPS_H

#include <stdint.h>

enum { QUEUE_JUMPS_MAX = 8 }; /* remembered; of older ones, the last of them counts */

/* All zero = the clock was never set. */
struct queue_jumps {
    struct {
        int64_t at_ms;        /* steady */
        int64_t offset_ms;    /* Unix ms minus steady ms, until then */
    } jumps[QUEUE_JUMPS_MAX]; /* the newest first */
    unsigned count;
};

/* The clock was set at `at_ms` (steady); until then it was `offset_ms` ahead of steady time. */
void queue_jumps_add(struct queue_jumps *jumps, int64_t at_ms, int64_t offset_ms);

/* The steady time of the Unix time `unix_ms`, which is not after `last_ms` (steady); the clock is
 * `offset_ms` ahead now. */
int64_t queue_jumps_steady_ms(const struct queue_jumps *jumps, int64_t unix_ms, int64_t offset_ms,
                              int64_t last_ms);

#endif
