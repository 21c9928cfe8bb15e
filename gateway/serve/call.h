/*
 * call: one request being answered, and what most of them need. For the files of requests.
 *
 * Thread: the loop's.
 */
#ifndef GATEWAY_SERVE_CALL_H
#define GATEWAY_SERVE_CALL_H

#include "gateway/serve/requests_client.h"
#include "proto/message.h"
#include "proto/session/session.h"

#include <stddef.h>

struct relay;

struct call {
    const struct relay *relay;
    struct requests_client *client;
    uint32_t slot;
    const struct request *request;
    struct buffer *out; /* for the reply */
    bool waits;         /* the reply comes once the store has answered */
    bool goes_on;       /* the reply has only begun */
};

/* The ids that the request names: one, or those of all messages with a reference. malloc'ed; NULL, with
 * `*count` 0, if there are none or on allocation failure. */
struct ulid *call_ids(const struct call *call, size_t *count);

/* The status of a message that is in memory and that the client may see; free it with
 * message_status_free. Returns false if there is none. */
bool call_status(const struct call *call, const struct ulid *id, struct message_status *status);

/* Says that there is no such message. */
void call_unknown(struct buffer *out);

#endif
