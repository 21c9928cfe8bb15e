/*
 * requests: what clients ask of the relay and tell it: STATUS, QUEUE, STATS, WATCH, CANCEL, ...
 *
 * One function a verb, in a table. Owns what the replies say; leaves the protocol's form to reply
 * and the rights that the session has checked to the session. Thread: the loop's.
 */
#ifndef GATEWAY_SERVE_REQUESTS_H
#define GATEWAY_SERVE_REQUESTS_H

#include "gateway/serve/watch.h"
#include "proto/buffer.h"
#include "proto/session/session.h"

#include <stdbool.h>
#include <stdint.h>

struct relay;

/* Who asks. */
struct requests_client {
    struct watcher watcher; /* names the client */
    /* The reply to a request that had to wait for the store. */
    void (*answered)(void *client, uint32_t slot, const struct buffer *reply);
    int32_t owner;
    bool has_control;
};

/*
 * Carries a request out and appends the whole reply to `out`. Returns false when the reply has to wait
 * for the store, and `out` is untouched: it comes by `answered`, in a later turn of the loop, and
 * until then `client` must stay valid.
 */
bool requests_answer(const struct relay *relay, struct requests_client *client, uint32_t slot,
                     const struct request *request, struct buffer *out);

#endif
