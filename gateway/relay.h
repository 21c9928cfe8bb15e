/*
 * relay: what a connection works with; made by daemon, the same for all connections.
 * Thread: the loop's. Nothing here is owned by whoever holds a pointer to it.
 */
#ifndef GATEWAY_RELAY_H
#define GATEWAY_RELAY_H

#include "gateway/forwarder.h"
#include "gateway/intake.h"
#include "gateway/optout.h"
#include "gateway/queue.h"
#include "gateway/stats.h"
#include "gateway/store.h"
#include "gateway/watch.h"
#include "proto/session.h"

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
