/* late: see late.h. */
#include "gateway/serve/late.h"

#include "gateway/queue/ask.h"
#include "gateway/serve/relay.h"
#include "gateway/store/row.h"

#include <stdlib.h>

static bool is_visible(const struct late *late, const struct message *m)
{
    return late->client->has_control || m->owner == late->client->owner;
}

void late_finish(struct late *late)
{
    late->client->answered(late->client->watcher.client, late->slot, &late->reply);
    buffer_free(&late->reply);
    free(late);
}

void late_finish_unread(struct late *late)
{
    buffer_clear(&late->reply);
    reply_line(&late->reply, REPLY_CANNOT_STORE, false, "the store cannot be read now");
    late_finish(late);
}

void late_ask(struct call *call, struct store_question *question,
              void (*answered)(void *late, const struct store_question *question),
              struct buffer *reply)
{
    struct late *late = malloc(sizeof *late);
    if (late != NULL) {
        *late = (struct late){.relay = call->relay,
                              .client = call->client,
                              .slot = call->slot,
                              .cancels = call->request->verb == REQUEST_CANCEL,
                              .has_since = call->request->has_since,
                              .since = call->request->since,
                              .left = call->request->max,
                              .reply = BUFFER_EMPTY};
        question->answered = answered;
        question->arg = late;
        call->waits = store_ask(call->relay->store, question);
    }
    if (!call->waits) {
        free(late);
        buffer_clear(call->out);
        reply_line(call->out, REPLY_CANNOT_STORE, false, "out of memory");
    } else if (reply != NULL) {
        late->reply = *reply;
        *reply = (struct buffer)BUFFER_EMPTY;
    }
}

/* Adds the line of a message as the store has it. */
static void say_stored(struct late *late, const struct message *m)
{
    struct message_status status;
    message_status_copy(m, &status);
    statuses_add(&late->statuses, &status);
}

void late_say_message(void *arg, const struct store_question *question)
{
    struct late *late = arg;
    if (question->has_failed) {
        late_finish_unread(late);
        return;
    }
    if (late_is_known(late, question)) {
        late->statuses = statuses_begin(late->relay, &late->relaying, &late->reply);
        say_stored(late, question->messages[0]);
        statuses_end(&late->statuses, "");
    } else {
        call_unknown(&late->reply);
    }
    late_finish(late);
}

void late_say_synced(void *arg, const struct store_question *question)
{
    struct late *late = arg;
    if (question->has_failed) {
        buffer_clear(&late->reply);
        reply_line(&late->reply, REPLY_CANNOT_STORE, false,
                   "done, but the store cannot be written now: a restart would undo it");
    }
    late_finish(late);
}

void late_sync(struct call *call)
{
    if (call->relay->store != NULL) {
        struct store_question question = {.kind = STORE_ASK_NOTHING, .syncs = true};
        struct buffer reply = BUFFER_EMPTY;
        buffer_append(&reply, call->out->data, call->out->len);
        buffer_clear(call->out);
        late_ask(call, &question, late_say_synced, &reply);
        buffer_free(&reply);
    }
}

bool late_may_have_id(const struct call *call)
{
    return call->relay->store != NULL && call->request->has_id;
}

void late_ask_id(struct call *call,
                 void (*answered)(void *late, const struct store_question *question))
{
    struct store_question question = {.kind = STORE_ASK_ID, .id = call->request->id};
    late_ask(call, &question, answered, NULL);
}

bool late_is_known(const struct late *late, const struct store_question *question)
{
    return question->count > 0 && is_visible(late, question->messages[0]);
}

/* --- REFs -------------------------------------------------------------------------------------- */

/* A line for each of `ids` that is in memory and that the client may see. Returns false if none is. */
static bool say_statuses(const struct call *call, const struct ulid *ids, size_t count,
                         const char *more)
{
    struct queue_relaying relaying;
    struct statuses statuses = statuses_begin(call->relay, &relaying, call->out);
    for (size_t i = 0; i < count; i++) {
        struct message_status status;
        if (call_status(call, &ids[i], &status)) {
            statuses_add(&statuses, &status);
        }
    }
    return statuses_end(&statuses, more);
}

bool late_has_ref(const struct call *call)
{
    return call->relay->store != NULL && !call->request->has_id && call->request->ref[0] != '\0';
}

void late_ask_ref(struct call *call,
                  void (*answered)(void *late, const struct store_question *question))
{
    struct store_question question = {.kind = STORE_ASK_REF, .owner = call->client->owner};
    snprintf(question.ref, sizeof question.ref, "%s", call->request->ref);
    late_ask(call, &question, answered, NULL);
}

/* The question for the next portion; false if there is none. */
static bool next_question(const struct store_question *question, struct store_question *next)
{
    if (question->count < STORE_PORTION) {
        return false;
    }
    *next = *question;
    next->after = message_row_links(question->messages[question->count - 1])->row;
    return true;
}

bool late_asks_for_more(const struct late *late, const struct store_question *question)
{
    struct store_question next;
    return next_question(question, &next) && store_ask(late->relay->store, &next);
}

/* Tells the client what the reply has so far; the next portion comes when it has read that. */
static void pause_reply(struct late *late)
{
    late->client->late = late;
    late->client->paused(late->client->watcher.client, late->slot, &late->reply);
    buffer_clear(&late->reply);
}

/* Memory knows more of a message that it has. CANCEL tells nothing of what had ended otherwise. */
static void say_stored_status(struct late *late, const struct message *m)
{
    struct message_status status;
    if (queue_status(late->relay->queue, &m->id, late->client->owner, false, &status)) {
        statuses_add(&late->statuses, &status);
    } else if (!late->cancels || m->state == MESSAGE_CANCELED) {
        say_stored(late, m);
    }
}

/* The store cannot be read: what memory has must do. */
static void finish_from_memory(struct late *late, const char *ref)
{
    size_t count;
    struct ulid *ids = queue_find_ref(late->relay->queue, ref, late->client->owner, &count);
    struct call call = {.relay = late->relay, .client = late->client, .out = &late->reply};
    buffer_clear(&late->reply);
    if (say_statuses(&call, ids, count, "")) {
        late_finish(late);
    } else {
        late_finish_unread(late);
    }
    free(ids);
}

void late_say_none(struct late *late)
{
    if (late->cancels) {
        /* With queue.retention=0 there is nothing left to show. */
        reply_line(&late->reply, REPLY_OK, false, "canceled");
    } else {
        call_unknown(&late->reply);
    }
}

void late_say_ref(void *arg, const struct store_question *question)
{
    struct late *late = arg;
    if (question->has_failed && question->after == 0) {
        finish_from_memory(late, question->ref);
        return;
    }
    if (question->after == 0) {
        late->statuses = statuses_begin(late->relay, &late->relaying, &late->reply);
    }
    for (size_t i = 0; i < question->count; i++) {
        say_stored_status(late, question->messages[i]);
    }
    if (next_question(question, &late->next)) {
        pause_reply(late);
        return;
    }
    if (!statuses_end(&late->statuses, "")) {
        late_say_none(late);
    }
    late_finish(late);
}

/* --- lists ------------------------------------------------------------------------------------ */

/* How many to ask for when so many may still be shown: one more tells whether there are more. */
static size_t list_portion(size_t left)
{
    return left < STORE_PORTION ? left + 1 : STORE_PORTION;
}

static void on_list(void *arg, const struct store_question *question)
{
    struct late *late = arg;
    size_t shown = question->count < late->left ? question->count : late->left;
    bool has_more = question->has_failed || question->count > shown;
    if (question->has_failed && question->after == 0) {
        late_finish_unread(late);
        return;
    }
    if (question->after == 0) {
        late->statuses = statuses_begin(late->relay, &late->relaying, &late->reply);
    }
    for (size_t i = 0; i < shown; i++) {
        if (is_visible(late, question->messages[i])) {
            say_stored(late, question->messages[i]);
        }
    }
    late->left -= shown;
    if (!has_more && next_question(question, &late->next)) {
        late->next.max = list_portion(late->left);
        pause_reply(late);
        return;
    }
    if (!statuses_end(&late->statuses, has_more ? "yes" : "")) {
        reply_line(&late->reply, REPLY_OK, false, "none");
    }
    late_finish(late);
}

void late_list(struct call *call)
{
    const struct request *request = call->request;
    struct store_question question = {.kind = STORE_ASK_STATE,
                                      .state = (enum message_state)request->state,
                                      .max = list_portion(request->max)};
    late_ask(call, &question, on_list, NULL);
}

/* --- going on --------------------------------------------------------------------------------- */

void late_free(struct late *late)
{
    message_status_free(&late->statuses.held);
    buffer_free(&late->reply);
    free(late);
}

void late_go_on(struct call *call, struct late *late, bool is_last)
{
    call->client->late = NULL;
    call->waits = !is_last && store_ask(call->relay->store, &late->next);
    if (!call->waits) {
        late->statuses.out = call->out;
        statuses_end(&late->statuses, late->next.kind == STORE_ASK_STATE ? "yes" : "");
        late_free(late);
    }
}
