/*
 * requests: what clients ask for: STATUS, QUEUE, STATS, WATCH, CANCEL, ...
 *
 * One function per verb, in a table. Owns what the replies say. Leaves their form to reply, and
 * access rights to the session. Thread: the loop's.
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
    /* Takes a reply that had to wait for the store. */
    void (*answered)(void *client, uint32_t slot, const struct buffer *reply);
    int32_t owner;
    bool has_control;
};

/*
 * Carries out a request and appends the whole reply to `out`. Returns false, leaving `out` untouched,
 * if the reply has to wait for the store: it comes through `answered` in a later turn of the loop,
 * and `client` must stay valid until then.
 */
bool requests_answer(const struct relay *relay, struct requests_client *client, uint32_t slot,
                     const struct request *request, struct buffer *out);

#endif
