/*
 * relay: the parts of a running relay, for those that need several of them.
 *
 * Owns nothing: daemon makes the parts and frees them. Thread: the loop's.
 */
#ifndef GATEWAY_SERVE_RELAY_H
#define GATEWAY_SERVE_RELAY_H

struct event_base;
struct forwarder;
struct intake;
struct login;
struct optout;
struct owners;
struct queue;
struct session_rules;
struct stats;
struct store;
struct watch;

struct relay {
    struct event_base *base;
    const struct session_rules *rules;
    struct queue *queue;
    struct intake *intake;
    struct watch *watch;
    struct forwarder *forwarder;
    struct stats *stats;
    struct optout *optout;
    struct login *login;         /* NULL = there are no users */
    const struct owners *owners; /* the server's; NULL until there is one */
    struct store *store; /* written while the relay runs; NULL = messages are in memory only */
};

#endif
