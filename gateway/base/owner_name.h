/*
 * owner_name: what owners are called, in the log and in the metrics.
 *
 * Owns the names of those that are neither a user of this machine nor OWNER_LOCAL: once it has a name, an
 * owner keeps it for as long as the process runs. Thread: any.
 */
#ifndef GATEWAY_BASE_OWNER_NAME_H
#define GATEWAY_BASE_OWNER_NAME_H

#include <stdbool.h>
#include <stdint.h>

enum { OWNER_NAME_SIZE = 65 };

/* "local", the uid in digits, or the name that was set. */
void owner_name(int32_t owner, char name[OWNER_NAME_SIZE]);

/* Names an owner from OWNER_RESERVED to OWNER_LOCAL - 1; the name is copied. Not by two threads at a time.
 * Returns false on allocation failure. */
bool owner_name_set(int32_t owner, const char *name);

#endif
