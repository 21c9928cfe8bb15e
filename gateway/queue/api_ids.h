/*
 * api_ids: which message an API id is of.
 *
 * Remembers the last hundred thousand or so that were relayed, in a table of fixed size where newer
 * ones take the place of older ones: enough for reports that name no clientId and come within the
 * time that reports take, at no cost for the messages. Thread: any, under the queue's mutex.
 */
#ifndef GATEWAY_QUEUE_API_IDS_H
#define GATEWAY_QUEUE_API_IDS_H

#include "proto/ulid.h"

#include <stdbool.h>

struct queue_api_ids;

/* Returns NULL without memory. Takes 6 MB when it is full. */
struct queue_api_ids *queue_api_ids_new(void);
/* NULL is fine. */
void queue_api_ids_free(struct queue_api_ids *ids);

/* From now on `api_id` is of the message `id`. */
void queue_api_ids_add(struct queue_api_ids *ids, const char *api_id, const struct ulid *id);
/* Returns false when it is not remembered. */
bool queue_api_ids_find(const struct queue_api_ids *ids, const char *api_id, struct ulid *id);

#endif
