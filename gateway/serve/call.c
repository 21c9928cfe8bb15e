/* call: see call.h. */
#include "gateway/serve/call.h"

#include "gateway/queue/ask.h"
#include "gateway/serve/relay.h"

#include <stdlib.h>

struct ulid *call_ids(const struct call *call, size_t *count)
{
    const struct request *request = call->request;
    if (!request->has_id) {
        return queue_find_ref(call->relay->queue, request->ref, call->client->owner, count);
    }
    struct ulid *ids = malloc(sizeof *ids);
    *count = ids == NULL ? 0 : 1;
    if (ids != NULL) {
        ids[0] = request->id;
    }
    return ids;
}

bool call_status(const struct call *call, const struct ulid *id, struct message_status *status)
{
    return queue_status(call->relay->queue, id, call->client->owner, call->client->has_control,
                        status);
}

void call_unknown(struct buffer *out)
{
    reply_line(out, REPLY_UNKNOWN_MESSAGE, false, "%s", reply_text(REPLY_UNKNOWN_MESSAGE));
}
