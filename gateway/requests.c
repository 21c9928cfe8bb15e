/* requests: see requests.h. */
#include "gateway/requests.h"

#include "gateway/clock.h"
#include "gateway/log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef void requests_verb(const struct relay *relay, struct requests_client *client,
                           const struct request *request, struct buffer *out);

/* --- what is asked about ---------------------------------------------------------------------- */

/* The ids that an argument names: the one, or all messages of a reference. malloc'ed. */
static struct ulid *named_ids(const struct relay *relay, const struct requests_client *client,
                              const struct request *request, size_t *count)
{
    if (!request->has_id) {
        return queue_find_ref(relay->queue, request->ref, client->owner, count);
    }
    struct ulid *ids = malloc(sizeof *ids);
    *count = ids == NULL ? 0 : 1;
    if (ids != NULL) {
        ids[0] = request->id;
    }
    return ids;
}

static void say_unknown(struct buffer *out)
{
    reply_line(out, REPLY_UNKNOWN_MESSAGE, false, "%s", reply_text(REPLY_UNKNOWN_MESSAGE));
}

/* Why the relay as a whole does not send, or NULL. */
static const char *stopped_reason(const struct queue_relaying *relaying)
{
    if (relaying->is_held) {
        return "held by the operator";
    }
    return relaying->is_stopped ? relaying->reason : NULL;
}

/*
 * A line for each of `ids` that is still known and the client's; false when there is none. The last
 * line of a reply has another form than those before it, so each is written when the next one is
 * certain.
 */
static bool say_statuses(const struct relay *relay, const struct requests_client *client,
                         const struct ulid *ids, size_t count, struct buffer *out)
{
    struct queue_relaying relaying;
    queue_relaying(relay->queue, &relaying);
    const char *stopped = stopped_reason(&relaying);
    struct message_status held;
    bool has_held = false;
    for (size_t i = 0; i < count; i++) {
        struct message_status status;
        if (!queue_status(relay->queue, &ids[i], client->owner, client->has_control, &status)) {
            continue;
        }
        if (has_held) {
            reply_begin(out, REPLY_OK, true);
            reply_status(out, &held, stopped);
            buffer_append(out, "\r\n", 2);
            message_status_free(&held);
        }
        held = status;
        has_held = true;
    }
    if (!has_held) {
        return false;
    }
    reply_begin(out, REPLY_OK, false);
    reply_status(out, &held, stopped);
    buffer_append(out, "\r\n", 2);
    message_status_free(&held);
    return true;
}

static void answer_status(const struct relay *relay, struct requests_client *client,
                          const struct request *request, struct buffer *out)
{
    size_t count;
    struct ulid *ids = named_ids(relay, client, request, &count);
    if (!say_statuses(relay, client, ids, count, out)) {
        say_unknown(out);
    }
    free(ids);
}

static void answer_queue_list(const struct relay *relay, struct requests_client *client,
                              const struct request *request, struct buffer *out)
{
    size_t count;
    struct ulid *ids = queue_list(relay->queue, request->state, request->max, &count);
    if (!say_statuses(relay, client, ids, count, out)) {
        reply_line(out, REPLY_OK, false, "none");
    }
    free(ids);
}

static void answer_queue(const struct relay *relay, struct requests_client *client,
                         const struct request *request, struct buffer *out)
{
    (void)client;
    (void)request;
    static const enum message_state TOLD[] = {MESSAGE_QUEUED, MESSAGE_SENDING, MESSAGE_DEFERRED,
                                              MESSAGE_SCHEDULED, MESSAGE_UNRESOLVED};
    struct queue_totals totals;
    struct queue_relaying relaying;
    queue_totals(relay->queue, &totals);
    queue_relaying(relay->queue, &relaying);
    reply_begin(out, REPLY_OK, false);
    for (size_t i = 0; i < sizeof TOLD / sizeof TOLD[0]; i++) {
        buffer_printf(out, "%s=%zu ", message_state_name(TOLD[i]), totals.by_state[TOLD[i]]);
    }
    int64_t age_ms = totals.oldest_ms == 0 ? 0 : clock_unix_ms() - totals.oldest_ms;
    const char *reason = stopped_reason(&relaying);
    buffer_printf(out, "oldest=%" PRId64 " relaying=%s", age_ms > 0 ? age_ms / 1000 : 0,
                  reason == NULL ? "yes" : "no");
    if (reason != NULL) {
        reply_value(out, "reason", reason);
    }
    if (reason != NULL && !relaying.is_held && relaying.until_ms > 0) {
        reply_time(out, "until", relaying.until_ms);
    }
    buffer_append(out, "\r\n", 2);
}

static void say_counter(const char *name, int64_t value, void *arg)
{
    reply_line(arg, REPLY_OK, true, "%s=%" PRId64, name, value);
}

static void answer_stats(const struct relay *relay, struct requests_client *client,
                         const struct request *request, struct buffer *out)
{
    (void)client;
    (void)request;
    stats_each(relay->stats, say_counter, out);
    reply_line(out, REPLY_OK, false, "version=%s", relay->rules->version);
}

/* --- watching --------------------------------------------------------------------------------- */

static void set_watching(const struct relay *relay, struct requests_client *client, bool watches)
{
    stats_add(relay->stats, STAT_WATCHERS, (watches ? 1 : 0) - (client->is_watching ? 1 : 0));
    client->is_watching = watches;
}

void requests_forget(const struct relay *relay, struct requests_client *client)
{
    set_watching(relay, client, false);
    watch_forget(relay->watch, client->client);
}

static void answer_watch(const struct relay *relay, struct requests_client *client,
                         const struct request *request, struct buffer *out)
{
    if (request->has_since) {
        reply_line(out, REPLY_BAD_ARGUMENT, false,
                   "since= is not offered: past events are not kept");
        return;
    }
    bool is_named = request->has_id || request->ref[0] != '\0';
    size_t count = 0;
    struct ulid *ids = is_named ? named_ids(relay, client, request, &count) : NULL;
    size_t watched = 0;
    for (size_t i = 0; i < count; i++) {
        struct message_status status;
        if (queue_status(relay->queue, &ids[i], client->owner, client->has_control, &status)) {
            message_status_free(&status);
            watched += watch_message(relay->watch, client->client, &ids[i]) ? 1 : 0;
        }
    }
    free(ids);
    if (is_named && watched == 0) {
        say_unknown(out);
    } else if (!is_named && !watch_all(relay->watch, client->client)) {
        reply_line(out, REPLY_CANNOT_STORE, false, "cannot watch now");
    } else {
        set_watching(relay, client, true);
        reply_line(out, REPLY_OK, false, "watching%s", is_named ? "" : " all");
    }
}

static void answer_unwatch(const struct relay *relay, struct requests_client *client,
                           const struct request *request, struct buffer *out)
{
    (void)request;
    watch_end(relay->watch, client->client);
    set_watching(relay, client, false);
    reply_line(out, REPLY_OK, false, "not watching");
}

/* --- changing --------------------------------------------------------------------------------- */

static void answer_cancel(const struct relay *relay, struct requests_client *client,
                          const struct request *request, struct buffer *out)
{
    size_t count;
    struct ulid *ids = named_ids(relay, client, request, &count);
    bool is_canceled = false;
    bool is_known = false;
    for (size_t i = 0; i < count; i++) {
        enum queue_change_verdict verdict = queue_cancel(relay->queue, &ids[i], client->owner,
                                                         client->has_control, clock_unix_ms());
        is_known = is_known || verdict != QUEUE_UNKNOWN;
        is_canceled = is_canceled || verdict == QUEUE_CHANGED;
    }
    if (is_canceled) {
        /* With queue.retention=0 there is nothing left to tell of. */
        if (!say_statuses(relay, client, ids, count, out)) {
            reply_line(out, REPLY_OK, false, "canceled");
        }
    } else if (is_known) {
        reply_line(out, REPLY_UNKNOWN_MESSAGE, false, "it is being sent, or has come to its end");
    } else {
        say_unknown(out);
    }
    free(ids);
}

static void answer_retry(const struct relay *relay, struct requests_client *client,
                         const struct request *request, struct buffer *out)
{
    (void)client;
    switch (request->has_id ? queue_retry(relay->queue, &request->id, clock_unix_ms())
                            : QUEUE_UNKNOWN) {
    case QUEUE_CHANGED:
        reply_line(out, REPLY_OK, false, "queued again");
        break;
    case QUEUE_UNKNOWN:
        say_unknown(out);
        break;
    case QUEUE_WRONG_STATE:
        reply_line(out, REPLY_UNKNOWN_MESSAGE, false, "it is not unresolved");
        break;
    }
}

static void answer_flush(const struct relay *relay, struct requests_client *client,
                         const struct request *request, struct buffer *out)
{
    (void)client;
    (void)request;
    queue_flush(relay->queue, clock_unix_ms());
    forwarder_flush(relay->forwarder);
    reply_line(out, REPLY_OK, false, "trying everything that waits");
}

static void answer_hold(const struct relay *relay, struct requests_client *client,
                        const struct request *request, struct buffer *out)
{
    (void)client;
    bool holds = request->verb == REQUEST_HOLD;
    queue_hold(relay->queue, holds);
    LOG(LOG_WARN, holds ? "relaying_held" : "relaying_released");
    reply_line(out, REPLY_OK, false, "%s", holds ? "held" : "released");
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
};

void requests_answer(const struct relay *relay, struct requests_client *client,
                     const struct request *request, struct buffer *out)
{
    VERBS[request->verb](relay, client, request, out);
}
