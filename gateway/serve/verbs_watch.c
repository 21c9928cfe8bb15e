/* verbs: WATCH, UNWATCH. See verbs.h. */
#include "gateway/queue/ask.h"
#include "gateway/queue/events.h"
#include "gateway/serve/late.h"
#include "gateway/serve/relay.h"
#include "gateway/serve/verbs.h"
#include "gateway/serve/walk.h"

#include <inttypes.h>
#include <stdlib.h>

/* The reply to WATCH. `last` = the last event before it; what the client has missed since the event
 * that it names comes after it. */
static void say_watching(const struct relay *relay, struct requests_client *client,
                         const struct request *request, uint64_t last, struct buffer *out)
{
    bool is_named = request->has_id || request->ref[0] != '\0';
    const char *missed = "";
    if (request->has_since) {
        bool is_kept = watch_since(relay->watch, &client->watcher, request->since);
        missed = is_kept ? " missed=no" : " missed=yes";
    }
    reply_line(out, REPLY_OK, false, "watching%s%s last=%" PRIu64, is_named ? "" : " all", missed,
               last);
}

/* Refuses a WATCH of more than the client's owner may wait for. What it has begun to watch stays. */
static bool refuse_excess(struct requests_client *client, struct buffer *out)
{
    bool is_over = client->watcher.is_over;
    client->watcher.is_over = false;
    if (is_over) {
        reply_line(out, REPLY_AWAITS_FULL, false, "%s", reply_text(REPLY_AWAITS_FULL));
    }
    return is_over;
}

/* A finished message may still get reports. */
static void on_watched(void *arg, const struct store_question *question)
{
    struct late *late = arg;
    uint64_t last = queue_last_event(late->relay->queue);
    if (question->has_failed) {
        late_finish_unread(late);
    } else if (!late_is_known(late, question)) {
        call_unknown(&late->reply);
        late_finish(late);
    } else if (!watch_message(late->relay->watch, &late->client->watcher, &question->id)) {
        if (!refuse_excess(late->client, &late->reply)) {
            reply_line(&late->reply, REPLY_CANNOT_STORE, false, "cannot watch now");
        }
        late_finish(late);
    } else {
        struct request request = {
            .has_id = true, .has_since = late->has_since, .since = late->since};
        say_watching(late->relay, late->client, &request, last, &late->reply);
        late_finish(late);
    }
}

/* Ends the reply to a WATCH of a REF. */
static void finish_watched(struct late *late)
{
    struct request request = {.has_id = true, .has_since = late->has_since, .since = late->since};
    if (refuse_excess(late->client, &late->reply)) {
        /* It has its reply. */
    } else if (late->watched > 0) {
        say_watching(late->relay, late->client, &request, late->last, &late->reply);
    } else {
        call_unknown(&late->reply);
    }
    late_finish(late);
}

static void on_ref_watched(void *arg, const struct store_question *question)
{
    struct late *late = arg;
    struct watch *watch = late->relay->watch;
    size_t count = 0;
    late->last = question->after == 0 ? queue_last_event(late->relay->queue) : late->last;
    struct ulid *ids = !question->has_failed ? NULL
                                             : queue_find_ref(late->relay->queue, question->ref,
                                                              late->client->owner, &count);
    for (size_t i = 0; i < question->count; i++) {
        late->watched +=
            watch_message(watch, &late->client->watcher, &question->messages[i]->id) ? 1 : 0;
    }
    for (size_t i = 0; i < count; i++) {
        late->watched += watch_message(watch, &late->client->watcher, &ids[i]) ? 1 : 0;
    }
    free(ids);
    if (question->has_failed && late->watched == 0) {
        late_finish_unread(late);
    } else if (!late_asks_for_more(late, question)) {
        finish_watched(late);
    }
}

static void visit_watched(struct call *call, struct walk *walk, const struct ulid *id)
{
    struct message_status status;
    if (call_status(call, id, &status)) {
        message_status_free(&status);
        walk->watched += watch_message(call->relay->watch, &call->client->watcher, id) ? 1 : 0;
    }
}

static void end_watched(struct call *call, struct walk *walk)
{
    if (refuse_excess(call->client, call->out)) {
        return;
    }
    if (walk->watched > 0) {
        say_watching(call->relay, call->client, call->request, walk->last, call->out);
    } else if (late_may_have_id(call)) {
        late_ask_id(call, on_watched);
    } else {
        call_unknown(call->out);
    }
}

void answer_watch(struct call *call)
{
    static const struct walk_kind WATCHED = {visit_watched, end_watched, .tells = false};
    uint64_t last = queue_last_event(call->relay->queue); /* before: rather twice than not at all */
    size_t count;
    if (late_has_ref(call)) {
        late_ask_ref(call, on_ref_watched);
    } else if (call->request->has_id || call->request->ref[0] != '\0') {
        struct ulid *ids = call_ids(call, &count);
        struct walk *walk = walk_new(call, &WATCHED, ids, count);
        if (walk != NULL) {
            walk->last = last;
            walk_on(call, walk);
        }
    } else {
        watch_all(call->relay->watch, &call->client->watcher);
        say_watching(call->relay, call->client, call->request, last, call->out);
    }
}

void answer_unwatch(struct call *call)
{
    call->goes_on = !watch_end(call->relay->watch, &call->client->watcher);
    call->client->unwatches = call->goes_on;
    if (!call->goes_on) {
        reply_line(call->out, REPLY_OK, false, "not watching");
    }
}
