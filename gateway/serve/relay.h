/*
 * relay: what a connection works with; made by daemon, the same for all connections.
 * Thread: the loop's. Nothing here is owned by whoever holds a pointer to it.
 */
#ifndef GATEWAY_SERVE_RELAY_H
#define GATEWAY_SERVE_RELAY_H

#include "gateway/base/stats.h"
#include "gateway/forward/forwarder.h"
#include "gateway/queue/queue.h"
#include "gateway/serve/intake.h"
#include "gateway/serve/optout.h"
#include "gateway/serve/watch.h"
#include "gateway/store/store.h"
#include "proto/session/session.h"

#include <event2/event.h>

struct relay {
    struct event_base *base;
    const struct session_rules *rules;
    struct queue *queue;
    struct intake *intake;
    struct watch *watch;
    struct forwarder *forwarder;
    struct stats *stats;
    struct optout *optout;
    struct store *store; /* written while the relay runs; NULL = messages are kept in memory only */
};

#endif
