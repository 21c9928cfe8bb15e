/*
 * plain: the answer that the API gives nearly always, read in one pass and without a copy.
 *
 * Knows to the letter what it reads: strict JSON, every message accepted, in the order of the
 * request, each entry flat and with a clientId. It takes nothing that json would read in another
 * way, and refuses all else, without a loss: json reads that. Thread: any. Pure.
 */
#ifndef GATEWAY_API_PLAIN_H
#define GATEWAY_API_PLAIN_H

#include "gateway/api/item.h"
#include "proto/message.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Reads {"id":"a", ...}, where the id is a string of ASCII without escapes, or a number above 0.
 * Returns false, with `item` untouched, for any other body. What is returned as read is as
 * api_json_read_single says it.
 */
bool api_plain_read_single(const char *body, size_t len, struct api_item *item);

/*
 * Reads {"entities":[{"id":"a","clientId":"...", ...}, ...],"errors":[]}, with an entry for each message,
 * in order. Returns as above.
 */
bool api_plain_read_bulk(const char *body, size_t len, struct message *const *messages,
                         size_t count, struct api_item *items);

#endif
