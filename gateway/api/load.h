/*
 * load: a body as JSON, as it was meant.
 *
 * Bodies are read strictly. Only if that fails, they are read once more, in one pass: PHP writes its
 * notices in front of the JSON or behind it, a file saved by hand begins with a byte order mark, and
 * texts are cut inside a character. Leaves to its users what the JSON says. Thread: any. Pure.
 */
#ifndef GATEWAY_API_LOAD_H
#define GATEWAY_API_LOAD_H

#include <jansson.h>
#include <stddef.h>

/*
 * Reads an object or an array; of members with one name the last counts. What stands around it is
 * passed over, unless that is a page of HTML or more JSON. In a body that is no strict JSON
 * - bytes that are no UTF-8, half surrogate pairs and NULs become U+FFFD;
 * - control characters may stand in strings, and a backslash before any character;
 * - NaN and Infinity are null, and a number that jansson cannot hold is a string.
 * Returns the caller's reference; NULL if it cannot be read, and then errno is ENOMEM if that was
 * for want of memory, else 0.
 */
json_t *api_load(const char *body, size_t len);

#endif
