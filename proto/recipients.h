/*
 * recipients: the numbers a message goes to, each once, in the order they were named.
 * Thread: the session's. Pure.
 */
#ifndef PROTO_RECIPIENTS_H
#define PROTO_RECIPIENTS_H

#include "proto/number.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct recipients {
    char (*numbers)[NUMBER_SIZE]; /* E.164 */
    size_t count;
    size_t size;
    uint32_t *index; /* open addressing over `numbers`, 2 * size places, each 1 + position or 0 */
};

/* Tells whether a number is among them. */
bool recipients_has(const struct recipients *r, const char e164[NUMBER_SIZE]);

/* Where a number is in `numbers`; SIZE_MAX when it is not among them. */
size_t recipients_find(const struct recipients *r, const char e164[NUMBER_SIZE]);

/* Adds a number unless it is there already. Returns false without memory. */
bool recipients_add(struct recipients *r, const char e164[NUMBER_SIZE]);

/* Takes a number out; the last one takes its place. Returns false when it is not among them. */
bool recipients_remove(struct recipients *r, const char e164[NUMBER_SIZE]);

/* Makes room for `count` more numbers: adding them cannot fail. Returns false without memory. */
bool recipients_reserve(struct recipients *r, size_t count);

/* Forgets the numbers and keeps the memory of a small list. */
void recipients_clear(struct recipients *r);
void recipients_free(struct recipients *r);

#endif
