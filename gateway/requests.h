/*
 * requests: what clients ask of the relay and tell it: STATUS, QUEUE, STATS, WATCH, CANCEL, ...
 *
 * One function a verb, in a table. Owns what the replies say; leaves the protocol's form to reply
 * and the rights that the session has checked to the session. Thread: the loop's.
 */
#ifndef GATEWAY_REQUESTS_H
#define GATEWAY_REQUESTS_H

#include "gateway/relay.h"
#include "proto/buffer.h"
#include "proto/session.h"

#include <stdbool.h>
#include <stdint.h>

/* Who asks. */
struct requests_client {
    void *client; /* as watch knows it */
    int32_t owner;
    bool has_control;
    bool is_watching; /* set while it is told of changes */
};

/* Carries a request out and appends the whole reply to `out`. */
void requests_answer(const struct relay *relay, struct requests_client *client,
                     const struct request *request, struct buffer *out);

/* The client is gone: ends what it watches. */
void requests_forget(const struct relay *relay, struct requests_client *client);

#endif
