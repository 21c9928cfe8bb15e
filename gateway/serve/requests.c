/* requests: see requests.h. */
#include "gateway/serve/requests.h"

#include "gateway/serve/late.h"
#include "gateway/serve/verbs.h"
#include "gateway/serve/walk.h"

static verb *const VERBS[] = {
    [REQUEST_STATUS] = answer_status,
    [REQUEST_QUEUE] = answer_queue,
    [REQUEST_QUEUE_LIST] = answer_queue_list,
    [REQUEST_STATS] = answer_stats,
    [REQUEST_WATCH] = answer_watch,
    [REQUEST_UNWATCH] = answer_unwatch,
    [REQUEST_CANCEL] = answer_cancel,
    [REQUEST_FLUSH] = answer_flush,
    [REQUEST_HOLD] = answer_hold,
    [REQUEST_RELEASE] = answer_hold,
    [REQUEST_RETRY] = answer_retry,
    [REQUEST_OPTOUT_ADD] = answer_optout,
    [REQUEST_OPTOUT_REMOVE] = answer_optout,
    [REQUEST_OPTOUT_LIST] = answer_optout_list,
};

/* Moves the reply so far to `out`. */
static enum requests_progress end_call(const struct call *call, struct buffer *out)
{
    buffer_append(out, call->out->data, call->out->len);
    out->has_failed = out->has_failed || call->out->has_failed;
    buffer_free(call->out);
    return call->waits ? REQUESTS_WAITS : call->goes_on ? REQUESTS_GOES_ON : REQUESTS_DONE;
}

enum requests_progress requests_answer(const struct relay *relay, struct requests_client *client,
                                       uint32_t slot, const struct request *request,
                                       struct buffer *out)
{
    struct buffer reply = BUFFER_EMPTY;
    struct call call = {
        .relay = relay, .client = client, .slot = slot, .request = request, .out = &reply};
    VERBS[request->verb](&call);
    return end_call(&call, out);
}

enum requests_progress requests_go_on(const struct relay *relay, struct requests_client *client,
                                      bool is_last, struct buffer *out)
{
    struct buffer reply = BUFFER_EMPTY;
    struct walk *walk = client->walk;
    struct call call = {.relay = relay, .client = client, .out = &reply};
    if (client->late != NULL) {
        late_go_on(&call, client->late, is_last);
    } else if (client->unwatches) {
        answer_unwatch(&call);
    } else {
        /* The call outlives the walk that has its request. */
        struct request request = walk->request;
        call.slot = walk->slot;
        call.request = &request;
        walk->count = is_last && walk->kind->tells ? walk->next : walk->count;
        walk_on(&call, walk);
    }
    return end_call(&call, out);
}

void requests_forget(struct requests_client *client)
{
    if (client->walk != NULL) {
        walk_free(client->walk);
        client->walk = NULL;
    }
    if (client->late != NULL) {
        late_free(client->late);
        client->late = NULL;
    }
}
