/*
 * requests: what clients ask for: STATUS, QUEUE, STATS, WATCH, CANCEL, ...
 *
 * One function per verb (verbs*.c), in a table. Owns what the replies say. Leaves their form to reply, and
 * access rights to the session; what concerns many messages to walk, what the store knows to late.
 * Thread: the loop's.
 */
#ifndef GATEWAY_SERVE_REQUESTS_H
#define GATEWAY_SERVE_REQUESTS_H

#include "gateway/serve/requests_client.h"
#include "proto/buffer.h"
#include "proto/session/session.h"

#include <stdbool.h>
#include <stdint.h>

struct relay;

enum requests_progress {
    REQUESTS_DONE,
    REQUESTS_WAITS, /* for the store: the reply, or its next part, comes through `answered` or
                      * `paused` in a later turn of the loop; the client must stay valid until then */
    REQUESTS_GOES_ON /* the request is about many: call requests_go_on when others were served and the
                      * client has read what it was told */
};

/* Carries out a request and appends the reply to `out`, as far as there is one yet. */
enum requests_progress requests_answer(const struct relay *relay, struct requests_client *client,
                                       uint32_t slot, const struct request *request,
                                       struct buffer *out);

/* Carries out some more of it. `is_last`: the client is leaving, so a reply may end early. */
enum requests_progress requests_go_on(const struct relay *relay, struct requests_client *client,
                                      bool is_last, struct buffer *out);

/* The client is gone: forgets a request that goes on. */
void requests_forget(struct requests_client *client);

#endif
