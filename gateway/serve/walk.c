/* walk: see walk.h. */
#include "gateway/serve/walk.h"

#include "gateway/serve/relay.h"

#include <stdlib.h>

enum { PORTION = 50 }; /* messages that a request deals with at a time */

void walk_free(struct walk *walk)
{
    message_status_free(&walk->statuses.held);
    free(walk->ids);
    free(walk);
}

void walk_on(struct call *call, struct walk *walk)
{
    walk->statuses.out = call->out;
    for (size_t i = 0; i < PORTION && walk->next < walk->count; i++) {
        walk->kind->visit(call, walk, &walk->ids[walk->next++]);
    }
    call->goes_on = walk->next < walk->count;
    if (!call->goes_on) {
        call->client->walk = NULL;
        walk->kind->end(call, walk); /* which may begin another one */
        walk_free(walk);
    }
}

struct walk *walk_new(struct call *call, const struct walk_kind *kind, struct ulid *ids,
                      size_t count)
{
    struct walk *walk = calloc(1, sizeof *walk);
    if (walk == NULL) {
        free(ids);
        reply_line(call->out, REPLY_CANNOT_STORE, false, "out of memory");
        return NULL;
    }
    walk->kind = kind;
    walk->request = *call->request;
    walk->slot = call->slot;
    walk->ids = ids;
    walk->count = count;
    walk->statuses = statuses_begin(call->relay, &walk->relaying, NULL);
    call->client->walk = walk;
    return walk;
}

void walk_over_named(struct call *call, const struct walk_kind *kind)
{
    size_t count;
    struct ulid *ids = call_ids(call, &count);
    struct walk *walk = walk_new(call, kind, ids, count);
    if (walk != NULL) {
        walk_on(call, walk);
    }
}

void walk_visit_status(struct call *call, struct walk *walk, const struct ulid *id)
{
    struct message_status status;
    if (call_status(call, id, &status)) {
        statuses_add(&walk->statuses, &status);
    }
}
