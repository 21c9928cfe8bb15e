/*
 * json: the argument of the JSON verb: one message object, or an array of them; and a message
 * written as such an object.
 *
 * Owns the members' names and types; their meaning is option's and number's. Uses jansson, which
 * does no I/O here. Thread: the session's. Pure.
 */
#ifndef PROTO_SESSION_JSON_H
#define PROTO_SESSION_JSON_H

#include "proto/buffer.h"
#include "proto/message.h"
#include "proto/session/option.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JSON_MAX_ITEMS = 1000 };

struct json_batch;

/* One message as it stands in the JSON; strings borrowed from the batch. */
struct json_item {
    const char *to, *text;
    size_t to_len, text_len;
};

/* Parses the argument. Returns NULL with the reply to give appended to `error`. */
struct json_batch *json_batch_new(const char *s, size_t len, struct buffer *error);
void json_batch_free(struct json_batch *batch);
size_t json_batch_count(const struct json_batch *batch);

/*
 * Reads one message of it: its addresses and text into `item`, the rest into `options` (which
 * options_init has filled). Returns false with the reply to give appended to `error`.
 */
bool json_batch_read(const struct json_batch *batch, size_t position, int64_t now_ms,
                     struct json_item *item, struct options *options, struct buffer *error);

/*
 * Appends a message as an argument of the JSON verb that submits it again, and LF. `at` is told only
 * of a scheduled message and if it lies ahead, up to the whole second; `ttl` is what is left of its
 * life (TTL=, or queue.max_age), counted from `at`, in whole seconds.
 *
 * Returns false, with nothing appended, when less than a second of it is left at `now_ms` (Unix
 * time). Without memory, or if its text is not UTF-8, out->has_failed is set.
 */
bool json_write_message(struct buffer *out, const struct message *m, int64_t now_ms);

#endif
