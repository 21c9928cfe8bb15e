/*
 * api_ids: finds a message by its API id.
 *
 * Remembers the last hundred thousand or so relayed messages in a table of fixed size, in which new
 * ones replace old ones. That is enough for reports that name no clientId, and costs the messages
 * themselves nothing. Thread: any, under the queue's mutex.
 */
#ifndef GATEWAY_QUEUE_API_IDS_H
#define GATEWAY_QUEUE_API_IDS_H

#include "proto/ulid.h"

#include <stdbool.h>

struct queue_api_ids;

/* Returns NULL on allocation failure. Takes 6 MB when it is full. */
struct queue_api_ids *queue_api_ids_new(void);
/* NULL is fine. */
void queue_api_ids_free(struct queue_api_ids *ids);

/* Remembers that `api_id` belongs to the message `id`. */
void queue_api_ids_add(struct queue_api_ids *ids, const char *api_id, const struct ulid *id);
/* Finds the message of an API id. Returns false if it is not remembered. */
bool queue_api_ids_find(const struct queue_api_ids *ids, const char *api_id, struct ulid *id);

#endif
