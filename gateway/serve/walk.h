/*
 * walk: a request about many messages, carried out a portion at a time. For the files of requests.
 *
 * Between two portions others are served, and the client reads what it was told. Thread: the loop's.
 */
#ifndef GATEWAY_SERVE_WALK_H
#define GATEWAY_SERVE_WALK_H

#include "gateway/serve/call.h"
#include "gateway/serve/statuses.h"

struct walk {
    const struct walk_kind *kind;
    struct request request;
    uint32_t slot;
    struct ulid *ids;
    size_t count, next;
    struct queue_relaying relaying;
    struct statuses statuses;
    char more[sizeof "18446744073709551615"]; /* QUEUE LIST: how many are left out; "" = none */
    uint64_t last;                            /* WATCH: the last event before it */
    size_t watched;
    bool is_known, is_canceled; /* CANCEL: one of them */
};

struct walk_kind {
    void (*visit)(struct call *call, struct walk *walk, const struct ulid *id);
    void (*end)(struct call *call, struct walk *walk);
    bool tells; /* each portion is a part of the reply, which may end after any */
};

/* A walk over `ids`, which it takes over. Returns NULL, with a reply, on allocation failure. */
struct walk *walk_new(struct call *call, const struct walk_kind *kind, struct ulid *ids,
                      size_t count);
void walk_free(struct walk *walk);

/* Visits a portion, and ends and frees the walk with the last one. */
void walk_on(struct call *call, struct walk *walk);

/* Begins a walk over the messages that the request names. */
void walk_over_named(struct call *call, const struct walk_kind *kind);

/* A visit that adds the message's line to the reply. */
void walk_visit_status(struct call *call, struct walk *walk, const struct ulid *id);

#endif
