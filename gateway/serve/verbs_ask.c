/* verbs: STATUS, QUEUE, STATS. See verbs.h. */
#include "gateway/base/clock.h"
#include "gateway/base/stats.h"
#include "gateway/queue/admission.h"
#include "gateway/queue/ask.h"
#include "gateway/serve/late.h"
#include "gateway/serve/owner.h"
#include "gateway/serve/relay.h"
#include "gateway/serve/statuses.h"
#include "gateway/serve/verbs.h"
#include "gateway/serve/walk.h"

#include <inttypes.h>

static void end_status(struct call *call, struct walk *walk)
{
    if (statuses_end(&walk->statuses, "")) {
        return;
    }
    if (late_may_have_id(call)) {
        late_ask_id(call, late_say_message);
    } else {
        call_unknown(call->out);
    }
}

void answer_status(struct call *call)
{
    static const struct walk_kind STATUSES = {walk_visit_status, end_status, .tells = true};
    if (late_has_ref(call)) {
        late_ask_ref(call, late_say_ref);
    } else {
        walk_over_named(call, &STATUSES);
    }
}

/* How many messages QUEUE LIST could show. */
static size_t count_listed(struct queue *queue, int state)
{
    struct queue_totals totals;
    queue_totals(queue, &totals);
    return state < 0 ? totals.unfinished : totals.by_state[state];
}

static void end_list(struct call *call, struct walk *walk)
{
    if (!statuses_end(&walk->statuses, walk->more)) {
        reply_line(call->out, REPLY_OK, false, "none");
    }
}

static void list_from_memory(struct call *call)
{
    static const struct walk_kind LIST = {walk_visit_status, end_list, .tells = true};
    const struct request *request = call->request;
    size_t count;
    struct ulid *ids = queue_list(call->relay->queue, request->state, request->max, &count);
    struct walk *walk = walk_new(call, &LIST, ids, count);
    if (walk == NULL) {
        return;
    }
    size_t all = count_listed(call->relay->queue, request->state);
    if (count == request->max && all > count) {
        snprintf(walk->more, sizeof walk->more, "%zu", all - count);
    }
    walk_on(call, walk);
}

void answer_queue_list(struct call *call)
{
    const struct request *request = call->request;
    bool is_finished =
        request->state >= 0 && message_state_is_finished((enum message_state)request->state);
    if (is_finished && call->relay->store != NULL) {
        late_list(call);
    } else {
        list_from_memory(call);
    }
}

void answer_queue(struct call *call)
{
    static const enum message_state TOLD[] = {MESSAGE_QUEUED, MESSAGE_SENDING, MESSAGE_DEFERRED,
                                              MESSAGE_SCHEDULED, MESSAGE_UNRESOLVED};
    struct queue_totals totals;
    struct queue_relaying relaying;
    char trouble[QUEUE_REASON_SIZE];
    queue_totals(call->relay->queue, &totals);
    queue_relaying(call->relay->queue, &relaying);
    reply_begin(call->out, REPLY_OK, false);
    for (size_t i = 0; i < sizeof TOLD / sizeof TOLD[0]; i++) {
        buffer_printf(call->out, "%s=%zu ", message_state_name(TOLD[i]), totals.by_state[TOLD[i]]);
    }
    const char *stopped = statuses_stopped(&relaying);
    buffer_printf(call->out, "oldest=%" PRId64 " relaying=%s",
                  clock_age_ms(totals.oldest_ms, clock_steady_ms()) / 1000,
                  stopped == NULL ? "yes" : "no");
    /* While it is being found out whether the relay must stop, there is a reason, too. */
    reply_value_if_any(call->out, "reason", stopped != NULL ? stopped : relaying.reason);
    if (stopped != NULL && !relaying.is_held && relaying.until_ms > 0) {
        reply_time(call->out, "until", relaying.until_ms);
    }
    if (queue_is_in_trouble(call->relay->queue, trouble)) {
        buffer_printf(call->out, " accepting=no");
        reply_value(call->out, "why", trouble);
    }
    buffer_append(call->out, "\r\n", 2);
}

static void say_counter(const char *name, int64_t value, void *arg)
{
    reply_line(arg, REPLY_OK, true, "%s=%" PRId64, name, value);
}

/* What the client's owner has, of what one owner may have. */
static void say_holding(struct call *call)
{
    struct queue_holding holding;
    queue_holding(call->relay->queue, call->client->owner, &holding);
    say_counter("owner_messages", (int64_t)holding.messages, call->out);
    say_counter("owner_bytes", (int64_t)holding.bytes, call->out);
    say_counter("owner_disk_bytes", (int64_t)holding.disk, call->out);
    const struct owner *owner = owner_find(call->relay->owners, call->client->owner);
    say_counter("owner_connections", owner_value(owner, OWNER_CONNECTIONS), call->out);
    say_counter("owner_unanswered", owner_value(owner, OWNER_UNANSWERED), call->out);
    say_counter("owner_awaits", owner_value(owner, OWNER_AWAITS), call->out);
}

void answer_stats(struct call *call)
{
    stats_add_up(call->relay->stats, call->relay->rules->tally);
    stats_each(call->relay->stats, say_counter, call->out);
    say_holding(call);
    reply_line(call->out, REPLY_OK, false, "version=%s", call->relay->rules->version);
}
