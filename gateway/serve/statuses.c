/* statuses: see statuses.h. */
#include "gateway/serve/statuses.h"

#include "gateway/queue/ask.h"
#include "gateway/serve/optout.h"
#include "gateway/serve/relay.h"
#include "proto/reply.h"

const char *statuses_stopped(const struct queue_relaying *relaying)
{
    if (relaying->is_held) {
        return "held by the operator";
    }
    return relaying->is_stopped ? relaying->reason : NULL;
}

struct statuses statuses_begin(const struct relay *relay, struct queue_relaying *relaying,
                               struct buffer *out)
{
    queue_relaying(relay->queue, relaying);
    return (struct statuses){
        .out = out, .optout = relay->optout, .stopped = statuses_stopped(relaying)};
}

static void write_held(struct statuses *s, bool is_followed)
{
    if (s->has_held) {
        reply_begin(s->out, REPLY_OK, is_followed);
        reply_status(s->out, &s->held, s->stopped);
        if (optout_has(s->optout, s->held.to)) {
            reply_value(s->out, "optout", "yes");
        }
        buffer_append(s->out, "\r\n", 2);
        message_status_free(&s->held);
    }
}

void statuses_add(struct statuses *s, const struct message_status *status)
{
    write_held(s, true);
    s->held = *status;
    s->has_held = true;
}

bool statuses_end(struct statuses *s, const char *more)
{
    bool has_more = more[0] != '\0' && s->has_held;
    write_held(s, has_more);
    if (has_more) {
        reply_line(s->out, REPLY_OK, false, "more=%s", more);
    }
    return s->has_held;
}
