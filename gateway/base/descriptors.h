/*
 * descriptors: keeps some of those that the process may open from its clients.
 *
 * A process that clients have filled up could not connect to the API, nor open its files again. The
 * kernel gives each file the lowest free number: so the number of a client's socket tells how many
 * are left. Leaves to others whom to refuse. Thread: the loop's; the reserve is set before there are
 * clients.
 */
#ifndef GATEWAY_BASE_DESCRIPTORS_H
#define GATEWAY_BASE_DESCRIPTORS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Reserves `count` descriptors of those that RLIMIT_NOFILE allows, but leaves a few to clients. Returns
 * how many are left to them. `*limit` is the limit.
 */
size_t descriptors_reserve(size_t count, size_t *limit);

/* The number that the next file would get; INT_MAX = it could not be opened. */
int descriptors_next(void);

/* Is `fd` in the reserve, or among the last before it, which only clients on this machine may have? */
bool descriptors_are_for_local(int fd);

/* Are `fd` and `more` others before it in the reserve? */
bool descriptors_are_reserved(int fd, int more);

#endif
