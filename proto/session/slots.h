/*
 * slots: replies in the order of their commands, verdicts in any order.
 *
 * A ring of the replies that cannot leave yet. What has its turn goes straight to the output.
 * Thread: the session's. Pure.
 */
#ifndef PROTO_SESSION_SLOTS_H
#define PROTO_SESSION_SLOTS_H

#include "proto/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The reply to one command, until it is its turn. */
struct slot {
    struct buffer text; /* what could not leave yet, without the verdict if it is not answered */
    bool is_answered;
    bool is_mail; /* the verdict is one line, as RFC 5321 wants it */
};

/* Slot n lives at n modulo size. All zero: no slot is open. */
struct slots {
    struct slot *ring;
    uint32_t size;  /* a power of two, or 0 */
    uint32_t first; /* number of the oldest open slot */
    uint32_t count;
    size_t held; /* bytes of answered slots that wait for the ones before them */
};

/* Opens the next slot and gives its number. Returns false without memory. */
bool slots_open(struct slots *slots, bool is_mail, uint32_t *number);

/* An open slot. */
struct slot *slots_at(const struct slots *slots, uint32_t number);

/* Where the reply of an open slot is written: `out` itself when it is its turn. */
struct buffer *slots_buffer(struct slots *slots, uint32_t number, struct buffer *out);

/* The reply of a slot is complete: it, and the complete ones behind it, leave for `out`. */
void slots_close(struct slots *slots, uint32_t number, struct buffer *out);

/* Appends text that needs no verdict behind everything that is due; without memory
 * `out->has_failed` is set. */
void slots_say(struct slots *slots, const char *text, size_t len, struct buffer *out);

void slots_free(struct slots *slots);

#endif
