/*
 * json: the argument of the JSON verb, a message object or an array of them: reads it, and writes a
 * message as such an object.
 *
 * Owns the members' names and types; leaves their meaning to option and number. Uses jansson,
 * which does no I/O here. Thread: the session's. Pure.
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

/* Parses the argument. On error returns NULL and appends the refusal to `error`. */
struct json_batch *json_batch_new(const char *s, size_t len, struct buffer *error);
void json_batch_free(struct json_batch *batch);
size_t json_batch_count(const struct json_batch *batch);

/*
 * Reads one of its messages: the address and text into `item`, the rest into `options`, which
 * options_init has filled. On error returns false and appends the refusal to `error`.
 */
bool json_batch_read(const struct json_batch *batch, size_t position, int64_t now_ms,
                     struct json_item *item, struct options *options, struct buffer *error);

/*
 * Appends a message as an argument of JSON that submits it again, and LF. A scheduled message has
 * `at`, rounded up to a second, if that is still to come; `ttl` is what is left of its life (TTL=,
 * or queue.max_age) from then on, in whole seconds.
 *
 * Returns false, with nothing appended, if less than a second of it is left at `now_ms` (Unix
 * time). Sets out->has_failed on allocation failure, or if the text is not UTF-8.
 */
bool json_write_message(struct buffer *out, const struct message *m, int64_t now_ms);

#endif
