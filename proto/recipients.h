/*
 * recipients: a list of numbers, each once, in the order they were added.
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
    uint32_t *index; /* hash table over `numbers`: 2 * size places, each 0 or 1 + position */
};

/* Is a number in the list? */
bool recipients_has(const struct recipients *r, const char e164[NUMBER_SIZE]);

/* The position of a number in `numbers`; SIZE_MAX if it is not there. */
size_t recipients_find(const struct recipients *r, const char e164[NUMBER_SIZE]);

/* Adds a number unless it is there. Returns false on allocation failure. */
bool recipients_add(struct recipients *r, const char e164[NUMBER_SIZE]);

/* Removes a number; the last one takes its place. Returns false if it was not there. */
bool recipients_remove(struct recipients *r, const char e164[NUMBER_SIZE]);

/* Makes room for `count` more numbers, so that adding them cannot fail. Returns false on allocation
 * failure. */
bool recipients_reserve(struct recipients *r, size_t count);

/* Removes all numbers; keeps the memory of a small list. */
void recipients_clear(struct recipients *r);
void recipients_free(struct recipients *r);

#endif
