/*
 * holders: was a message submitted before? By its REF, as queue/refs answers it for the messages in
 * memory.
 *
 * Leaves to refs where to look; reads the messages there. For store.c only. Thread: that of the store_db.
 */
#ifndef GATEWAY_STORE_HOLDERS_H
#define GATEWAY_STORE_HOLDERS_H

#include "gateway/store/refs.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Reads the finished messages that hold the REF of one of `messages` for its recipient, and changed
 * after `since_ms` (Unix). `*holders` is malloc'ed, with `*holder_count` messages; NULL if there are
 * none. Returns false on failure, allocation failure included; then there are none.
 */
bool store_holders_find(const struct store_refs *refs, struct store_db *db,
                        struct message *const *messages, size_t count, int64_t since_ms,
                        struct message ***holders, size_t *holder_count);

#endif
