/*
 * ulid: the relay's own message identifiers (github.com/ulid/spec): 48 bits of Unix time in
 * milliseconds, then 80 bits, random but for what whoever makes ids puts first in them so that they
 * rise within a millisecond; 26 characters of Crockford's base 32 on the wire.
 * The same text is the API's `clientId`. Thread: any. Pure: time and random bytes are arguments.
 */
#ifndef PROTO_ULID_H
#define PROTO_ULID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ULID_BYTES = 16, ULID_RANDOM_BYTES = 10, ULID_LENGTH = 26, ULID_SIZE = ULID_LENGTH + 1 };

struct ulid {
    unsigned char bytes[ULID_BYTES]; /* big-endian, so that memcmp orders by time */
};

/* Makes an id of a Unix time (ms, 0 .. 2^48-1) and ten random bytes. */
struct ulid ulid_make(int64_t unix_ms, const unsigned char random[ULID_RANDOM_BYTES]);

/* The time in an id, Unix ms. */
int64_t ulid_time_ms(const struct ulid *id);

/* Writes the 26 characters and a NUL. */
void ulid_format(const struct ulid *id, char text[ULID_SIZE]);

/*
 * Reads 26 characters in any case; I, L and O stand for 1, 1 and 0, as the specification says.
 * Returns false, with `id` untouched, for any other shape.
 */
bool ulid_parse(const char *text, size_t len, struct ulid *id);

#endif
