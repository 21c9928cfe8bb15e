/* requests: see requests.h. */
#include "gateway/serve/requests.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/stats.h"
#include "gateway/forward/forwarder.h"
#include "gateway/queue/admission.h"
#include "gateway/queue/ask.h"
#include "gateway/queue/control.h"
#include "gateway/queue/events.h"
#include "gateway/serve/optout.h"
#include "gateway/serve/owner.h"
#include "gateway/serve/relay.h"
#include "gateway/store/store.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PORTION = 50 }; /* messages that a request deals with at a time */

/* One request being answered. */
struct call {
    const struct relay *relay;
    struct requests_client *client;
    uint32_t slot;
    const struct request *request;
    struct buffer *out; /* for the reply */
    bool waits;         /* the reply comes once the store has answered */
    bool goes_on;       /* the reply has only begun */
};

typedef void requests_verb(struct call *call);

/* --- named messages --------------------------------------------------------------------------- */

/* The ids that an argument names: one, or those of all messages with a reference. malloc'ed. */
static struct ulid *named_ids(const struct call *call, size_t *count)
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

/* The status of a message that is in memory and that the client may see. */
static bool find_status(const struct call *call, const struct ulid *id,
                        struct message_status *status)
{
    return queue_status(call->relay->queue, id, call->client->owner, call->client->has_control,
                        status);
}

static void say_unknown(struct buffer *out)
{
    reply_line(out, REPLY_UNKNOWN_MESSAGE, false, "%s", reply_text(REPLY_UNKNOWN_MESSAGE));
}

/* Why the relay does not send at all, or NULL. */
static const char *stopped_reason(const struct queue_relaying *relaying)
{
    if (relaying->is_held) {
        return "held by the operator";
    }
    return relaying->is_stopped ? relaying->reason : NULL;
}

/*
 * A reply with one line per message. The last line differs in form, so each is held until the next
 * one is certain.
 */
struct statuses {
    struct buffer *out;
    const struct optout *optout;
    const char *stopped; /* why nothing is relayed, or NULL */
    struct message_status held;
    bool has_held;
};

static struct statuses statuses_begin(const struct relay *relay, struct queue_relaying *relaying,
                                      struct buffer *out)
{
    queue_relaying(relay->queue, relaying);
    return (struct statuses){
        .out = out, .optout = relay->optout, .stopped = stopped_reason(relaying)};
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

/* Adds a line; takes ownership of what the status owns. */
static void statuses_add(struct statuses *s, const struct message_status *status)
{
    write_held(s, true);
    s->held = *status;
    s->has_held = true;
}

/* Ends the reply, with how many `more` there are ("" = none). Returns false if it has no line. */
static bool statuses_end(struct statuses *s, const char *more)
{
    bool has_more = more[0] != '\0' && s->has_held;
    write_held(s, has_more);
    if (has_more) {
        reply_line(s->out, REPLY_OK, false, "more=%s", more);
    }
    return s->has_held;
}

/* A line for each of `ids` that is in memory and that the client may see. Returns false if none is. */
static bool say_statuses(const struct call *call, const struct ulid *ids, size_t count,
                         const char *more)
{
    struct queue_relaying relaying;
    struct statuses statuses = statuses_begin(call->relay, &relaying, call->out);
    for (size_t i = 0; i < count; i++) {
        struct message_status status;
        if (find_status(call, &ids[i], &status)) {
            statuses_add(&statuses, &status);
        }
    }
    return statuses_end(&statuses, more);
}

/* --- walks ------------------------------------------------------------------------------------ */

/*
 * A request about many messages. It is carried out a portion at a time: between two portions others are
 * served, and the client reads what it was told.
 */
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

static void walk_free(struct walk *walk)
{
    message_status_free(&walk->statuses.held);
    free(walk->ids);
    free(walk);
}

/* Visits a portion, and ends the walk with the last one. */
static void walk_on(struct call *call, struct walk *walk)
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

/* A walk over `ids`, which it takes over. Returns NULL, with a reply, on allocation failure. */
static struct walk *walk_new(struct call *call, const struct walk_kind *kind, struct ulid *ids,
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

/* Walks over the messages that the request names. */
static void walk_over_named(struct call *call, const struct walk_kind *kind)
{
    size_t count;
    struct ulid *ids = named_ids(call, &count);
    struct walk *walk = walk_new(call, kind, ids, count);
    if (walk != NULL) {
        walk_on(call, walk);
    }
}

static void visit_status(struct call *call, struct walk *walk, const struct ulid *id)
{
    struct message_status status;
    if (find_status(call, id, &status)) {
        statuses_add(&walk->statuses, &status);
    }
}

/* --- asking the store ------------------------------------------------------------------------- */

/* A reply that waits for the store; `question.arg` points here. */
struct late {
    const struct relay *relay;
    struct requests_client *client;
    uint32_t slot;
    bool cancels;   /* it is CANCEL */
    bool has_since; /* of WATCH, as in struct request */
    uint64_t since;
    struct buffer reply; /* so far */
    /* Of a REF, whose messages come in portions. */
    struct queue_relaying relaying;
    struct statuses statuses;   /* writes to `reply` */
    struct store_question next; /* of a reply that the client reads first */
    size_t watched;
    uint64_t last; /* event before they were */
};

static bool is_visible(const struct late *late, const struct message *m)
{
    return late->client->has_control || m->owner == late->client->owner;
}

static void finish(struct late *late)
{
    late->client->answered(late->client->watcher.client, late->slot, &late->reply);
    buffer_free(&late->reply);
    free(late);
}

static void finish_unread(struct late *late)
{
    buffer_clear(&late->reply);
    reply_line(&late->reply, REPLY_CANNOT_STORE, false, "the store cannot be read now");
    finish(late);
}

/* Has the reply wait for the store. `reply` (NULL = none) is its beginning, which is moved. */
static void ask_store(struct call *call, struct store_question *question,
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

static void on_messages(void *arg, const struct store_question *question)
{
    struct late *late = arg;
    struct queue_relaying relaying;
    if (question->has_failed) {
        finish_unread(late);
        return;
    }
    struct statuses statuses = statuses_begin(late->relay, &relaying, &late->reply);
    /* Of a list, the store was asked for one more than is shown. */
    bool has_more = question->kind == STORE_ASK_STATE && question->count == question->max;
    for (size_t i = 0; i < question->count - (has_more ? 1 : 0); i++) {
        if (is_visible(late, question->messages[i])) {
            struct message_status status;
            message_status_copy(question->messages[i], &status);
            statuses_add(&statuses, &status);
        }
    }
    if (!statuses_end(&statuses, has_more ? "yes" : "") && question->kind == STORE_ASK_ID) {
        say_unknown(&late->reply);
    } else if (!statuses.has_held) {
        reply_line(&late->reply, REPLY_OK, false, "none");
    }
    finish(late);
}

/* The change is on disk, or could not be written. */
static void on_synced(void *arg, const struct store_question *question)
{
    struct late *late = arg;
    if (question->has_failed) {
        buffer_clear(&late->reply);
        reply_line(&late->reply, REPLY_CANNOT_STORE, false,
                   "done, but the store cannot be written now: a restart would undo it");
    }
    finish(late);
}

/* The reply is complete, but waits until the change is on disk. */
static void reply_when_synced(struct call *call)
{
    if (call->relay->store != NULL) {
        struct store_question question = {.kind = STORE_ASK_NOTHING, .syncs = true};
        struct buffer reply = BUFFER_EMPTY;
        buffer_append(&reply, call->out->data, call->out->len);
        buffer_clear(call->out);
        ask_store(call, &question, on_synced, &reply);
        buffer_free(&reply);
    }
}

/* The message is not in memory. May the store have it, as finished? */
static bool may_be_stored(const struct call *call)
{
    return call->relay->store != NULL && call->request->has_id;
}

static void ask_about_id(struct call *call,
                         void (*answered)(void *late, const struct store_question *question))
{
    struct store_question question = {.kind = STORE_ASK_ID, .id = call->request->id};
    ask_store(call, &question, answered, NULL);
}

/* Does the message exist, in the store? */
static bool is_known_to_store(const struct late *late, const struct store_question *question)
{
    return question->count > 0 && is_visible(late, question->messages[0]);
}

/* --- REFs in the store ------------------------------------------------------------------------ */

/* Is the answer to be had from the store? Only there are finished messages that memory has forgotten. */
static bool is_ref_stored(const struct call *call)
{
    return call->relay->store != NULL && !call->request->has_id && call->request->ref[0] != '\0';
}

static void ask_about_ref(struct call *call,
                          void (*answered)(void *late, const struct store_question *question))
{
    struct store_question question = {.kind = STORE_ASK_REF, .owner = call->client->owner};
    snprintf(question.ref, sizeof question.ref, "%s", call->request->ref);
    ask_store(call, &question, answered, NULL);
}

/* The question for the next portion; false if there is none. */
static bool next_question(const struct store_question *question, struct store_question *next)
{
    if (question->count < STORE_REF_PORTION) {
        return false;
    }
    *next = *question;
    next->after = message_row_links(question->messages[question->count - 1])->row;
    return true;
}

/* Asks for the next portion, if there may be one. */
static bool asks_for_more(const struct late *late, const struct store_question *question)
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
    if (!queue_status(late->relay->queue, &m->id, late->client->owner, false, &status)) {
        if (late->cancels && m->state != MESSAGE_CANCELED) {
            return;
        }
        message_status_copy(m, &status);
    }
    statuses_add(&late->statuses, &status);
}

/* The store cannot be read: what memory has must do. */
static void finish_from_memory(struct late *late, const char *ref)
{
    size_t count;
    struct ulid *ids = queue_find_ref(late->relay->queue, ref, late->client->owner, &count);
    struct call call = {.relay = late->relay, .client = late->client, .out = &late->reply};
    buffer_clear(&late->reply);
    if (say_statuses(&call, ids, count, "")) {
        finish(late);
    } else {
        finish_unread(late);
    }
    free(ids);
}

static void say_no_status(struct late *late)
{
    if (late->cancels) {
        /* With queue.retention=0 there is nothing left to show. */
        reply_line(&late->reply, REPLY_OK, false, "canceled");
    } else {
        say_unknown(&late->reply);
    }
}

static void on_ref_statuses(void *arg, const struct store_question *question)
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
        say_no_status(late);
    }
    finish(late);
}

/* --- asking ----------------------------------------------------------------------------------- */

static void end_status(struct call *call, struct walk *walk)
{
    if (statuses_end(&walk->statuses, "")) {
        return;
    }
    if (may_be_stored(call)) {
        ask_about_id(call, on_messages);
    } else {
        say_unknown(call->out);
    }
}

static void answer_status(struct call *call)
{
    static const struct walk_kind STATUSES = {visit_status, end_status, .tells = true};
    if (is_ref_stored(call)) {
        ask_about_ref(call, on_ref_statuses);
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
    static const struct walk_kind LIST = {visit_status, end_list, .tells = true};
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

static void answer_queue_list(struct call *call)
{
    const struct request *request = call->request;
    bool is_finished =
        request->state >= 0 && message_state_is_finished((enum message_state)request->state);
    if (is_finished && call->relay->store != NULL) {
        struct store_question question = {.kind = STORE_ASK_STATE,
                                          .state = (enum message_state)request->state,
                                          .max = request->max + 1};
        ask_store(call, &question, on_messages, NULL);
    } else {
        list_from_memory(call);
    }
}

static void answer_queue(struct call *call)
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
    const char *stopped = stopped_reason(&relaying);
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

static void answer_stats(struct call *call)
{
    stats_add_up(call->relay->stats, call->relay->rules->tally);
    stats_each(call->relay->stats, say_counter, call->out);
    say_holding(call);
    reply_line(call->out, REPLY_OK, false, "version=%s", call->relay->rules->version);
}

/* --- watching --------------------------------------------------------------------------------- */

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
        finish_unread(late);
    } else if (!is_known_to_store(late, question)) {
        say_unknown(&late->reply);
        finish(late);
    } else if (!watch_message(late->relay->watch, &late->client->watcher, &question->id)) {
        if (!refuse_excess(late->client, &late->reply)) {
            reply_line(&late->reply, REPLY_CANNOT_STORE, false, "cannot watch now");
        }
        finish(late);
    } else {
        struct request request = {
            .has_id = true, .has_since = late->has_since, .since = late->since};
        say_watching(late->relay, late->client, &request, last, &late->reply);
        finish(late);
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
        say_unknown(&late->reply);
    }
    finish(late);
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
        finish_unread(late);
    } else if (!asks_for_more(late, question)) {
        finish_watched(late);
    }
}

static void visit_watched(struct call *call, struct walk *walk, const struct ulid *id)
{
    struct message_status status;
    if (find_status(call, id, &status)) {
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
    } else if (may_be_stored(call)) {
        ask_about_id(call, on_watched);
    } else {
        say_unknown(call->out);
    }
}

static void answer_watch(struct call *call)
{
    static const struct walk_kind WATCHED = {visit_watched, end_watched, .tells = false};
    uint64_t last = queue_last_event(call->relay->queue); /* before: rather twice than not at all */
    size_t count;
    if (is_ref_stored(call)) {
        ask_about_ref(call, on_ref_watched);
    } else if (call->request->has_id || call->request->ref[0] != '\0') {
        struct ulid *ids = named_ids(call, &count);
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

static void answer_unwatch(struct call *call)
{
    call->goes_on = !watch_end(call->relay->watch, &call->client->watcher);
    call->client->unwatches = call->goes_on;
    if (!call->goes_on) {
        reply_line(call->out, REPLY_OK, false, "not watching");
    }
}

/* --- changing --------------------------------------------------------------------------------- */

/* The message exists, but is in a state in which this cannot be done to it. */
static void say_state(struct buffer *out, const char *words, enum message_state state)
{
    reply_line(out, REPLY_UNKNOWN_MESSAGE, false, "%s state=%s", words, message_state_name(state));
}

static void refuse_state(struct call *call, const struct ulid *id, const char *words)
{
    struct message_status status;
    if (find_status(call, id, &status)) {
        say_state(call->out, words, status.state);
        message_status_free(&status);
    } else {
        say_unknown(call->out);
    }
}

static const char has_ended[] = "it is being sent, or is finished";

/* The queue does not know the message: does the store? */
static void on_unknown(void *arg, const struct store_question *question)
{
    struct late *late = arg;
    if (question->has_failed) {
        finish_unread(late);
        return;
    }
    if (is_known_to_store(late, question)) {
        say_state(&late->reply, has_ended, question->messages[0]->state);
    } else {
        say_unknown(&late->reply);
    }
    finish(late);
}

static void refuse_unknown(struct call *call)
{
    if (may_be_stored(call)) {
        ask_about_id(call, on_unknown);
    } else if (is_ref_stored(call)) {
        ask_about_ref(call, on_unknown);
    } else {
        say_unknown(call->out);
    }
}

static void on_canceled(void *arg, const struct store_question *question)
{
    struct late *late = arg;
    if (question->has_failed && question->after == 0) {
        on_synced(late, question);
    } else if (question->kind == STORE_ASK_REF) {
        on_ref_statuses(late, question);
    } else if (question->count == 0) {
        say_no_status(late);
        finish(late);
    } else {
        on_messages(late, question);
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
    ask_store(call, &question, on_canceled, NULL);
}

static void end_canceled_statuses(struct call *call, struct walk *walk)
{
    if (!statuses_end(&walk->statuses, "")) {
        reply_line(call->out, REPLY_OK, false, "canceled");
    }
}

static void say_canceled(struct call *call, struct walk *walk)
{
    static const struct walk_kind STATUSES = {visit_status, end_canceled_statuses, .tells = true};
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

static void answer_cancel(struct call *call)
{
    static const struct walk_kind CANCELED = {visit_canceled, end_canceled, .tells = false};
    walk_over_named(call, &CANCELED);
}

static void answer_retry(struct call *call)
{
    switch (call->request->has_id
                ? queue_retry(call->relay->queue, &call->request->id, clock_steady_ms())
                : QUEUE_UNKNOWN) {
    case QUEUE_DONE:
        reply_line(call->out, REPLY_OK, false, "queued again");
        reply_when_synced(call);
        break;
    case QUEUE_UNKNOWN:
        refuse_unknown(call);
        break;
    case QUEUE_WRONG_STATE:
        refuse_state(call, &call->request->id, "it is not unresolved");
        break;
    }
}

static void answer_flush(struct call *call)
{
    queue_flush(call->relay->queue, clock_steady_ms());
    forwarder_flush(call->relay->forwarder);
    reply_line(call->out, REPLY_OK, false, "trying everything that waits");
}

static void answer_hold(struct call *call)
{
    bool holds = call->request->verb == REQUEST_HOLD;
    queue_hold(call->relay->queue, holds);
    LOG(LOG_WARN, holds ? "relaying_held" : "relaying_released");
    reply_line(call->out, REPLY_OK, false, "%s", holds ? "held" : "released");
    if (call->relay->store != NULL) {
        store_set_held(call->relay->store, holds);
        reply_when_synced(call);
    }
}

/* --- opt-outs --------------------------------------------------------------------------------- */

static void say_number(const char *number, bool is_given, void *arg)
{
    reply_line(arg, REPLY_OK, true, "number=%s given=%s", number, is_given ? "yes" : "no");
}

static void answer_optout_list(struct call *call)
{
    size_t count = optout_each(call->relay->optout, QUEUE_LIST_MAX, say_number, call->out);
    reply_line(call->out, REPLY_OK, false, "numbers=%zu", count);
}

static void answer_optout(struct call *call)
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
        reply_when_synced(call);
    }
}

static requests_verb *const VERBS[] = {
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

static void late_free(struct late *late)
{
    message_status_free(&late->statuses.held);
    buffer_free(&late->reply);
    free(late);
}

/* Asks the store for the next portion; if that cannot be, the reply ends here. */
static void go_on_late(struct call *call, struct late *late, bool is_last)
{
    call->client->late = NULL;
    call->waits = !is_last && store_ask(call->relay->store, &late->next);
    if (!call->waits) {
        late->statuses.out = call->out;
        statuses_end(&late->statuses, "");
        late_free(late);
    }
}

enum requests_progress requests_go_on(const struct relay *relay, struct requests_client *client,
                                      bool is_last, struct buffer *out)
{
    struct buffer reply = BUFFER_EMPTY;
    struct walk *walk = client->walk;
    struct call call = {.relay = relay, .client = client, .out = &reply};
    if (client->late != NULL) {
        go_on_late(&call, client->late, is_last);
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
