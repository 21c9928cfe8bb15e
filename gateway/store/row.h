/*
 * row: the number of a message's row in the store.
 *
 * It is the time in the message's id, then a counter: so rows rise in order of submission, and a
 * message is found by its id without an index. Thread: any. Pure.
 */
#ifndef GATEWAY_STORE_ROW_H
#define GATEWAY_STORE_ROW_H

#include <stdint.h>

enum { STORE_ROW_COUNTER_BITS = 15 };

/* The first and the last row of a millisecond (Unix), and the millisecond of a row. */
static inline int64_t store_row_first(int64_t unix_ms)
{
    return unix_ms * (1 << STORE_ROW_COUNTER_BITS);
}

static inline int64_t store_row_last(int64_t unix_ms)
{
    return store_row_first(unix_ms) + ((1 << STORE_ROW_COUNTER_BITS) - 1);
}

static inline int64_t store_row_ms(int64_t row)
{
    return row >> STORE_ROW_COUNTER_BITS;
}

#endif
