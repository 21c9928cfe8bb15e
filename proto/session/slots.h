/*
 * slots: replies in the order of their commands, verdicts in any order.
 *
 * A ring of the replies that cannot leave yet. The oldest one is written straight to the output.
 * Thread: the session's. Pure.
 */
#ifndef PROTO_SESSION_SLOTS_H
#define PROTO_SESSION_SLOTS_H

#include "proto/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The reply to one command, until its turn comes. */
struct slot {
    struct buffer text; /* what could not leave yet */
    bool is_answered;
    bool is_mail;        /* the reply is one line, as RFC 5321 requires */
    bool is_cut;         /* ... and says that the text was cut */
    const char *command; /* a literal, for the log */
};

/* Slot n is at n modulo size. A zeroed struct has no open slot. */
struct slots {
    struct slot *ring;
    uint32_t size;  /* a power of two, or 0 */
    uint32_t first; /* number of the oldest open slot */
    uint32_t count;
    size_t held; /* bytes in answered slots that wait for earlier ones */
};

/* Opens the next slot, zeroed, and gives its number. Returns false on allocation failure. */
bool slots_open(struct slots *slots, uint32_t *number);

/* An open slot. */
struct slot *slots_at(const struct slots *slots, uint32_t number);

/* Where to write the reply of an open slot: `out` itself if it is the oldest. */
struct buffer *slots_buffer(struct slots *slots, uint32_t number, struct buffer *out);

/* Marks a slot's reply as complete. If it is the oldest, it and the complete ones after it move to
 * `out`. */
void slots_close(struct slots *slots, uint32_t number, struct buffer *out);

/* Appends text that needs no verdict after everything that is due. Sets out->has_failed on
 * allocation failure. */
void slots_say(struct slots *slots, const char *text, size_t len, struct buffer *out);

void slots_free(struct slots *slots);

#endif
