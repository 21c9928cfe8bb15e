/* verbs: CANCEL, RETRY, FLUSH, HOLD, RELEASE, OPTOUT. See verbs.h. */
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/forward/forwarder.h"
#include "gateway/queue/ask.h"
#include "gateway/queue/control.h"
#include "gateway/serve/late.h"
#include "gateway/serve/optout.h"
#include "gateway/serve/relay.h"
#include "gateway/serve/verbs.h"
#include "gateway/serve/walk.h"
#include "gateway/store/store.h"

/* The message exists, but is in a state in which this cannot be done to it. */
static void say_state(struct buffer *out, const char *words, enum message_state state)
{
    reply_line(out, REPLY_UNKNOWN_MESSAGE, false, "%s state=%s", words, message_state_name(state));
}

static void refuse_state(struct call *call, const struct ulid *id, const char *words)
{
    struct message_status status;
    if (call_status(call, id, &status)) {
        say_state(call->out, words, status.state);
        message_status_free(&status);
    } else {
        call_unknown(call->out);
    }
}

static const char has_ended[] = "it is being sent, or is finished";

/* The queue does not know the message: does the store? */
static void on_unknown(void *arg, const struct store_question *question)
{
    struct late *late = arg;
    if (question->has_failed) {
        late_finish_unread(late);
        return;
    }
    if (late_is_known(late, question)) {
        say_state(&late->reply, has_ended, question->messages[0]->state);
    } else {
        call_unknown(&late->reply);
    }
    late_finish(late);
}

static void refuse_unknown(struct call *call)
{
    if (late_may_have_id(call)) {
        late_ask_id(call, on_unknown);
    } else if (late_has_ref(call)) {
        late_ask_ref(call, on_unknown);
    } else {
        call_unknown(call->out);
    }
}

static void on_canceled(void *arg, const struct store_question *question)
{
    struct late *late = arg;
    if (question->has_failed && question->after == 0) {
        late_say_synced(late, question);
    } else if (question->kind == STORE_ASK_REF) {
        late_say_ref(late, question);
    } else if (question->count == 0) {
        late_say_none(late);
        late_finish(late);
    } else {
        late_say_message(late, question);
    }
}

/* A finished message leaves memory as soon as the store has it. */
static void say_canceled_from_store(struct call *call)
{
    struct store_question question = {.kind = call->request->has_id ? STORE_ASK_ID : STORE_ASK_REF,
                                      .id = call->request->id,
                                      .owner = call->client->owner,
                                      .syncs = true};
    snprintf(question.ref, sizeof question.ref, "%s", call->request->ref);
    late_ask(call, &question, on_canceled, NULL);
}

static void end_canceled_statuses(struct call *call, struct walk *walk)
{
    if (!statuses_end(&walk->statuses, "")) {
        reply_line(call->out, REPLY_OK, false, "canceled");
    }
}

static void say_canceled(struct call *call, struct walk *walk)
{
    static const struct walk_kind STATUSES = {walk_visit_status, end_canceled_statuses,
                                              .tells = true};
    if (call->relay->store != NULL) {
        say_canceled_from_store(call);
        return;
    }
    struct walk *next = walk_new(call, &STATUSES, walk->ids, walk->count);
    walk->ids = NULL;
    if (next != NULL) {
        walk_on(call, next);
    }
}

static void visit_canceled(struct call *call, struct walk *walk, const struct ulid *id)
{
    enum queue_outcome outcome = queue_cancel(call->relay->queue, id, call->client->owner,
                                              call->client->has_control, clock_steady_ms());
    walk->is_known = walk->is_known || outcome != QUEUE_UNKNOWN;
    walk->is_canceled = walk->is_canceled || outcome == QUEUE_DONE;
}

static void end_canceled(struct call *call, struct walk *walk)
{
    if (walk->is_canceled) {
        say_canceled(call, walk);
    } else if (walk->is_known) {
        refuse_state(call, &walk->ids[walk->count - 1], has_ended);
    } else {
        refuse_unknown(call);
    }
}

void answer_cancel(struct call *call)
{
    static const struct walk_kind CANCELED = {visit_canceled, end_canceled, .tells = false};
    walk_over_named(call, &CANCELED);
}

void answer_retry(struct call *call)
{
    switch (call->request->has_id
                ? queue_retry(call->relay->queue, &call->request->id, clock_steady_ms())
                : QUEUE_UNKNOWN) {
    case QUEUE_DONE:
        reply_line(call->out, REPLY_OK, false, "queued again");
        late_sync(call);
        break;
    case QUEUE_UNKNOWN:
        refuse_unknown(call);
        break;
    case QUEUE_WRONG_STATE:
        refuse_state(call, &call->request->id, "it is not unresolved");
        break;
    }
}

void answer_flush(struct call *call)
{
    queue_flush(call->relay->queue, clock_steady_ms());
    forwarder_flush(call->relay->forwarder);
    reply_line(call->out, REPLY_OK, false, "trying everything that waits");
}

void answer_hold(struct call *call)
{
    bool holds = call->request->verb == REQUEST_HOLD;
    queue_hold(call->relay->queue, holds);
    LOG(LOG_WARN, holds ? "relaying_held" : "relaying_released");
    reply_line(call->out, REPLY_OK, false, "%s", holds ? "held" : "released");
    if (call->relay->store != NULL) {
        store_set_held(call->relay->store, holds);
        late_sync(call);
    }
}

/* --- opt-outs --------------------------------------------------------------------------------- */

static void say_number(const char *number, bool is_given, void *arg)
{
    reply_line(arg, REPLY_OK, true, "number=%s given=%s", number, is_given ? "yes" : "no");
}

void answer_optout_list(struct call *call)
{
    size_t count = optout_each(call->relay->optout, QUEUE_LIST_MAX, say_number, call->out);
    reply_line(call->out, REPLY_OK, false, "numbers=%zu", count);
}

void answer_optout(struct call *call)
{
    static const struct {
        enum reply reply;
        const char *words;
    } rows[] = {
        [OPTOUT_DONE] = {REPLY_OK, "done"},
        [OPTOUT_NO_CHANGE] = {REPLY_OK, "no change"},
        [OPTOUT_NEVER] = {REPLY_NOT_ALLOWED, "policy.never_optout names it"},
        [OPTOUT_GIVEN] = {REPLY_NOT_ALLOWED, "policy.optout_file names it"},
        [OPTOUT_NO_MEMORY] = {REPLY_CANNOT_STORE, "out of memory"},
    };
    bool is_listed = call->request->verb == REQUEST_OPTOUT_ADD;
    enum optout_outcome outcome = optout_set(call->relay->optout, call->request->number, is_listed);
    reply_line(call->out, rows[outcome].reply, false, "%s", rows[outcome].words);
    if (outcome == OPTOUT_DONE) {
        late_sync(call);
    }
}
