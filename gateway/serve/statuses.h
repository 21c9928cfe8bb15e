/*
 * statuses: a reply with one line per message. For the files of requests.
 *
 * The last line differs in form, so each is held until the next one is certain. Thread: the loop's.
 */
#ifndef GATEWAY_SERVE_STATUSES_H
#define GATEWAY_SERVE_STATUSES_H

#include "gateway/queue/types.h"
#include "proto/buffer.h"
#include "proto/message.h"

#include <stdbool.h>

struct optout;
struct relay;

struct statuses {
    struct buffer *out;
    const struct optout *optout;
    const char *stopped; /* why nothing is relayed, or NULL */
    struct message_status held;
    bool has_held;
};

/* Why the relay does not send at all, or NULL. Valid as long as `relaying`. */
const char *statuses_stopped(const struct queue_relaying *relaying);

/* Begins a reply to `out`, with what it tells of the relay, which `relaying` keeps: it must live as long. */
struct statuses statuses_begin(const struct relay *relay, struct queue_relaying *relaying,
                               struct buffer *out);

/* Adds a line; takes ownership of what the status owns. */
void statuses_add(struct statuses *s, const struct message_status *status);

/* Ends the reply, with how many `more` there are ("" = none). Returns false if it has no line. */
bool statuses_end(struct statuses *s, const char *more);

#endif
