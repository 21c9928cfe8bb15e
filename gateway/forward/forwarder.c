/* forwarder: see forwarder.h. */
#include "gateway/forward/forwarder.h"

#include "gateway/api/json.h"
#include "gateway/base/clock.h"
#include "gateway/base/int64.h"
#include "gateway/base/log.h"
#include "gateway/base/rng.h"
#include "gateway/base/thread.h"
#include "gateway/policy/batch.h"
#include "gateway/policy/destination.h"
#include "gateway/policy/pace.h"
#include "gateway/policy/retry.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { ANCHOR_SIZE = STORE_ANCHOR_SIZE, MARK_LATE_MS = 5000 };

/* What other threads ask of the loop, as bits of `orders`. */
enum { ORDER_FLUSH = 1, ORDER_TOKEN = 2, ORDER_DRAIN = 4, ORDER_STOP = 8 };

/* A POST under way, or one that waits for its mark; the tag of its answer. */
struct post {
    struct post *next; /* in forwarder.under_way, or .marking */
    uint64_t mark;     /* of the queue, when its messages were taken */
    size_t count;
    enum api_endpoint endpoint;
    bool is_probe;
    uint32_t epoch;           /* of the destination when it began */
    int64_t began_ms;         /* monotonic */
    int64_t posted_ms;        /* Unix time */
    char anchor[ANCHOR_SIZE]; /* an API id known relayed before it began, "" = none */
    uint64_t anchored_at;     /* forwarder.relayed when that was */
    struct message *messages[];
};

/* Messages whose final status is stored. */
struct reported {
    struct reported *next;
    size_t count;
    struct ulid ids[];
};

struct forwarder {
    struct queue *queue;
    struct stats *stats;
    struct forwarder_options options;
    pthread_t thread;
    atomic_uint orders;
    _Atomic(struct reported *) reported; /* pushed by other threads, taken all at once */

    /* All below: the forwarding thread's own. */
    struct api *api;
    struct pace pace;
    struct destination destination;
    struct history *history;
    struct post *under_way;
    struct post *marking, **marking_end; /* not yet posted: the store is not that far */
    size_t in_flight;                    /* POSTs: how many both are */
    uint64_t relayed;                    /* messages, in all */
    uint64_t posted;                     /* messages, in all, each as often as it was */
    uint64_t doubt_from;            /* `relayed` when the oldest request that is in doubt began */
    char doubt_anchor[ANCHOR_SIZE]; /* and its anchor */
    uint32_t last_group;
    char newest_api_id[ANCHOR_SIZE]; /* of the message that was relayed last */
    uint64_t newest_at;              /* `relayed`, that one included */
    bool is_draining, is_stopping;
    int64_t drain_until_ms;
    struct rng rng;
};

/* --- telling the world ------------------------------------------------------------------------ */

/* When the first request that waits for its mark has waited too long; INT64_MAX = none does. */
static int64_t marks_late_ms(const struct forwarder *f)
{
    return f->marking == NULL ? INT64_MAX : f->marking->began_ms + MARK_LATE_MS;
}

/* What QUEUE shows of the destination; logged when it changes. */
static void publish(struct forwarder *f, int64_t now_ms)
{
    struct queue_relaying was;
    struct queue_relaying is = {0};
    int64_t until_ms = INT64_MAX;
    const char *reason = destination_reason(&f->destination, now_ms, &until_ms);
    if (reason == NULL && now_ms >= marks_late_ms(f)) {
        reason = "the disk of the queue does not answer";
    }
    if (reason != NULL) {
        is.is_stopped = true;
        strncpy(is.reason, reason, sizeof is.reason - 1);
        is.until_ms = until_ms == INT64_MAX ? 0 : clock_unix_ms() + (until_ms - now_ms);
    }
    stats_set_destination(f->stats, (int)f->destination.state);
    queue_relaying_set(f->queue, &is, &was);
    bool is_news = is.is_stopped != was.is_stopped || strcmp(is.reason, was.reason) != 0;
    log_hide_numbers(is.reason);
    log_hide_numbers(was.reason);
    if (is.is_stopped && is_news) {
        LOG(LOG_WARN, "relaying_stopped", LOG_STR("reason", is.reason),
            LOG_STR("state", destination_state_name(f->destination.state)));
    } else if (!is.is_stopped && was.is_stopped) {
        LOG(LOG_INFO, "relaying_resumed", LOG_STR("was", was.reason));
    }
}

/* --- sending ---------------------------------------------------------------------------------- */

static enum stats_name requests_stat(enum api_endpoint endpoint)
{
    switch (endpoint) {
    case API_SINGLE:
        return STAT_REQUESTS_SMS;
    case API_BULK:
        return STAT_REQUESTS_SMS_BULK;
    case API_HISTORY:
        break;
    }
    return STAT_REQUESTS_HISTORY;
}

/* Gives messages back that were taken and could not be sent. */
static void give_back(struct forwarder *f, struct post *post)
{
    struct queue_settlement settlements[post->count];
    for (size_t i = 0; i < post->count; i++) {
        settlements[i] = (struct queue_settlement){
            .message = post->messages[i], .fate = FATE_RETURNED, .group = post->messages[i]->group};
    }
    queue_settle(f->queue, settlements, post->count, clock_unix_ms());
    free(post);
}

static bool transmit(struct forwarder *f, struct post *post)
{
    size_t len;
    char *body = post->endpoint == API_SINGLE ? api_json_single(post->messages[0], &len)
                                              : api_json_bulk(post->messages, post->count, &len);
    return body != NULL && api_post(f->api, post->endpoint, body, len, post);
}

/* A request is not in flight any more. */
static void account_end(struct forwarder *f, const struct post *post)
{
    f->in_flight--;
    stats_add(f->stats, STAT_REQUESTS_IN_FLIGHT, -1);
    if (post->is_probe) {
        destination_probe_ended(&f->destination);
    }
}

/* Sends a request whose mark is saved. */
static void launch(struct forwarder *f, struct post *post)
{
    if (!transmit(f, post)) {
        LOG(LOG_ERROR, "request_failed", LOG_STR("reason", "out of memory"));
        account_end(f, post);
        give_back(f, post);
        return;
    }
    post->next = f->under_way;
    f->under_way = post;
    f->posted += post->count;
    post->posted_ms = clock_unix_ms();
    stats_add(f->stats, requests_stat(post->endpoint), 1);
    if (post->endpoint == API_BULK) {
        int64_t count = (int64_t)post->count;
        stats_observe(f->stats, HISTOGRAM_BULK, &count, 1);
        stats_add(f->stats, STAT_BULK_MESSAGES, count);
        stats_add(f->stats, STAT_BULK_FULL, post->count == f->options.bulk_max ? 1 : 0);
    }
    LOG(LOG_DEBUG, "request_began", LOG_STR("endpoint", api_endpoint_name(post->endpoint)),
        LOG_INT("messages", post->count), LOG_BOOL("probe", post->is_probe));
}

/*
 * Has the store keep where a scan after a crash must reach back to: the anchor of the request that
 * began first of those in flight or in doubt, and how much may have been relayed since.
 */
static void keep_anchor(struct forwarder *f)
{
    const struct post *const lists[] = {f->under_way, f->marking};
    const char *anchor = f->newest_api_id;
    uint64_t anchored_at = f->newest_at;
    if (history_is_in_doubt(f->history) && f->doubt_from < anchored_at) {
        anchor = f->doubt_anchor;
        anchored_at = f->doubt_from;
    }
    for (size_t i = 0; i < 2; i++) {
        for (const struct post *r = lists[i]; r != NULL; r = r->next) {
            if (r->anchored_at < anchored_at) {
                anchor = r->anchor;
                anchored_at = r->anchored_at;
            }
        }
    }
    uint64_t since = f->relayed - anchored_at + (f->in_flight + 1) * f->options.bulk_max;
    store_set_anchor(f->options.store, anchor, since);
}

/* Sends what waited for its mark, in the order in which it was taken. */
static void launch_marked(struct forwarder *f)
{
    while (f->marking != NULL && store_has_saved(f->options.store, f->marking->mark)) {
        struct post *post = f->marking;
        f->marking = post->next;
        if (f->marking == NULL) {
            f->marking_end = &f->marking;
        }
        launch(f, post);
    }
}

/*
 * The store learns that these messages are being sent, before they are: else a crash would leave
 * them queued, and where the history cannot tell, they would be sent twice.
 */
static void mark(struct forwarder *f, struct post *post)
{
    post->mark = queue_unsaved_mark(f->queue);
    post->next = NULL;
    *f->marking_end = post;
    f->marking_end = &post->next;
    launch_marked(f);
}

/* Gives back what was not sent: a stop does not wait for the store. */
static void drop_marking(struct forwarder *f)
{
    while (f->marking != NULL) {
        struct post *post = f->marking;
        f->marking = post->next;
        account_end(f, post);
        give_back(f, post);
    }
    f->marking_end = &f->marking;
}

/* Takes a batch as planned and sends it. Returns false when nothing was there to take. */
static bool send_batch(struct forwarder *f, const struct batch_plan *plan, bool is_probe,
                       int64_t now_ms)
{
    struct post *post = malloc(sizeof *post + plan->count * sizeof post->messages[0]);
    if (post == NULL) {
        return false;
    }
    if (f->options.store != NULL) {
        keep_anchor(f);
    }
    post->count = queue_take(f->queue, plan->count, clock_unix_ms(), post->messages);
    if (post->count == 0) {
        free(post);
        return false;
    }
    post->endpoint = batch_endpoint(plan, post->count, &f->pace, now_ms);
    post->is_probe = is_probe;
    post->epoch = f->destination.epoch;
    post->began_ms = now_ms;
    post->anchored_at = f->newest_at;
    memcpy(post->anchor, f->newest_api_id, ANCHOR_SIZE);
    f->in_flight++;
    stats_add(f->stats, STAT_REQUESTS_IN_FLIGHT, 1);
    pace_began(&f->pace, post->endpoint, plan->is_partial, now_ms);
    if (is_probe) {
        destination_probe_began(&f->destination);
        stats_add(f->stats, STAT_PROBES, 1);
    }
    if (f->options.store != NULL) {
        mark(f, post);
    } else {
        launch(f, post);
    }
    return true;
}

/*
 * A scan reads back over everything that was relayed after what it looks for, and every page
 * that is filled meanwhile pushes that further away. So that it gets there, no more is sent than
 * half of its pages hold until it has; unless the history fails, or cannot be asked since the
 * token is refused: relaying does not wait for that, least of all the probe that ends it.
 */
static bool would_bury_doubt(const struct forwarder *f)
{
    uint64_t reach = (uint64_t)f->options.history.reconcile.history_pages *
                     f->options.history.reconcile.per_page;
    uint64_t above = f->relayed - f->doubt_from + f->in_flight * f->options.bulk_max;
    bool can_scan = !history_has_failed(f->history) && !f->destination.is_token_refused;
    return history_is_in_doubt(f->history) && can_scan && above > reach / 2;
}

/* Once a stop's time is up nothing is begun any more. */
static bool has_time(const struct forwarder *f, int64_t now_ms)
{
    return !f->is_stopping && (!f->is_draining || now_ms < f->drain_until_ms);
}

static bool may_take(const struct forwarder *f, int64_t now_ms)
{
    return has_time(f, now_ms) && !would_bury_doubt(f);
}

/*
 * Sends everything that may go now. Returns until when to sleep (monotonic ms), or 0 when something
 * has changed meanwhile: come again.
 */
static int64_t send_what_may_go(struct forwarder *f)
{
    for (;;) {
        int64_t now_ms = clock_monotonic_ms();
        int64_t unix_ms = clock_unix_ms();
        struct queue_depth depth;
        queue_advance(f->queue, unix_ms, &depth);
        enum destination_permission permission = destination_may_send(&f->destination, now_ms);
        int64_t wake_ms = destination_next_ms(&f->destination, now_ms);
        if (depth.next_due_ms != INT64_MAX) {
            wake_ms = int64_min(wake_ms, now_ms + depth.next_due_ms - unix_ms);
        }
        if (permission == DESTINATION_NO || depth.is_held || !may_take(f, now_ms)) {
            /* RELEASE wakes by itself, and so does an answer. */
            return queue_sleep(f->queue, 0, false) ? 0 : wake_ms;
        }
        struct batch_view view = {
            .is_group_next = depth.is_group_next,
            .is_probe = permission == DESTINATION_PROBE,
            .in_flight = f->in_flight,
            .connections = f->options.api.connections,
            .bulk_max = f->options.bulk_max,
        };
        memcpy(view.ready, depth.ready, sizeof view.ready);
        struct batch_plan plan = batch_next(&view, &f->pace, now_ms);
        if (plan.count > 0 && send_batch(f, &plan, view.is_probe, now_ms)) {
            continue;
        }
        if (plan.count == 0) {
            bool is_late = queue_sleep(f->queue, plan.wake_ready, plan.wake_on_high);
            return is_late ? 0 : int64_min(wake_ms, plan.wait_until_ms);
        }
        /* Nothing was there after all (expired on the way), or no memory: not in a tight loop. */
        return now_ms + 1;
    }
}

/* --- settling --------------------------------------------------------------------------------- */

/* What everybody may know of an endpoint's window. That a 429 had it learnt anew changes nothing. */
static void publish_window(struct forwarder *f, enum api_endpoint endpoint, int64_t now_ms,
                           int64_t unix_ms)
{
    const struct pace_window *w = &f->pace.windows[endpoint];
    struct stats_window window = {.is_known = w->limit > 0,
                                  .limit = w->limit,
                                  .remaining = w->remaining,
                                  .reset_ms = unix_ms + (w->reset_ms - now_ms)};
    stats_set_window(f->stats, endpoint, &window);
}

/*
 * What an answer says of its endpoint, whatever it says of messages. Returns until when a 429 holds
 * the endpoint back.
 */
static int64_t note_answer(struct forwarder *f, const struct api_answer *answer, int64_t now_ms,
                           int64_t unix_ms)
{
    static const enum stats_histogram latencies[API_ENDPOINTS] = {
        [API_SINGLE] = HISTOGRAM_API_SMS,
        [API_BULK] = HISTOGRAM_API_SMS_BULK,
        [API_HISTORY] = HISTOGRAM_API_HISTORY,
    };
    struct destination_options limits = {f->options.retry_min_ms, f->options.retry_max_ms};
    int64_t held_until_ms =
        pace_ended(&f->pace, answer->endpoint, answer, now_ms, unix_ms,
                   destination_backoff_ms(&f->destination, &limits, rng_next(&f->rng)));
    publish_window(f, answer->endpoint, now_ms, unix_ms);
    stats_observe(f->stats, latencies[answer->endpoint], &answer->latency_us, 1);
    stats_count_request(f->stats, answer->endpoint, answer->transport, answer->status);
    return held_until_ms;
}

/* The youngest API id that is known to be taken: what began later is younger in the history. */
static void note_relayed(struct forwarder *f, const struct queue_settlement *settlement,
                         int64_t now_ms)
{
    const char *api_id = message_answer_api_id(settlement->answer);
    size_t len = strlen(api_id);
    if (settlement->fate != FATE_RELAYED) {
        return;
    }
    f->relayed++;
    history_relayed(f->history, &settlement->message->id, api_id, now_ms, now_ms);
    if (len > 0 && len < ANCHOR_SIZE) {
        memcpy(f->newest_api_id, api_id, len + 1);
        f->newest_at = f->relayed;
    }
}

/* One fate for all messages of a request. */
static void settle_alike(const struct post *post, enum queue_fate fate,
                         struct queue_settlement *settlements)
{
    for (size_t i = 0; i < post->count; i++) {
        settlements[i].fate = fate;
    }
}

/* Assigns halves to messages that are not to be sent together again as they were. */
static void split(struct forwarder *f, struct queue_settlement *const *settlements, size_t count)
{
    uint32_t groups[count];
    retry_split(count, &f->last_group, groups);
    for (size_t i = 0; i < count; i++) {
        settlements[i]->group = groups[i];
    }
    stats_add(f->stats, STAT_SPLITS, 1);
    LOG(LOG_INFO, "batch_split", LOG_INT("messages", count));
}

static void split_returned(struct forwarder *f, const struct post *post,
                           struct queue_settlement *settlements)
{
    struct queue_settlement *all[post->count];
    for (size_t i = 0; i < post->count; i++) {
        all[i] = &settlements[i];
    }
    split(f, all, post->count);
}

/* What has ended ambiguous together too often is split: one of them may be the cause. */
static void split_ambiguous(struct forwarder *f, const struct post *post,
                            struct queue_settlement *settlements)
{
    struct queue_settlement *ambiguous[post->count];
    size_t count = 0;
    unsigned ends = 0;
    for (size_t i = 0; i < post->count; i++) {
        if (settlements[i].fate == FATE_AMBIGUOUS) {
            unsigned of_message = post->messages[i]->ambiguous_ends;
            ends = of_message > ends ? of_message : ends;
            ambiguous[count++] = &settlements[i];
        }
    }
    if (retry_splits_ambiguous(count, ends)) {
        split(f, ambiguous, count);
    }
}

/* Reads what a 2xx says of each message. */
static struct retry_verdict settle_items(const struct api_answer *answer, const struct post *post,
                                         struct queue_settlement *settlements)
{
    struct api_item items[post->count];
    memset(items, 0, sizeof items);
    if (answer->endpoint == API_SINGLE) {
        api_json_read_single(answer->body, answer->body_len, &items[0]);
    } else {
        api_json_read_bulk(answer->body, answer->body_len, post->messages, post->count, items);
    }
    for (size_t i = 0; i < post->count; i++) {
        settlements[i].fate = retry_item_fate(&items[i], post->messages[i]->attempts);
        settlements[i].answer = items[i].answer;
    }
    return retry_judge_items(items, post->count);
}

static bool has_ambiguous(const struct queue_settlement *settlements, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (settlements[i].fate == FATE_AMBIGUOUS) {
            return true;
        }
    }
    return false;
}

static struct retry_verdict judge(struct forwarder *f, const struct api_answer *answer,
                                  const struct post *post, struct queue_settlement *settlements,
                                  char **words)
{
    struct api_refusal refusal = {0};
    struct retry_request asked = {.count = post->count,
                                  .attempts = post->messages[0]->attempts,
                                  .nameless = f->destination.nameless};
    bool is_refusal = answer->transport == API_ANSWERED && answer->status >= 400;
    if (is_refusal) {
        api_json_read_refusal(answer->body, answer->body_len, &refusal);
    }
    struct retry_verdict verdict = retry_judge(answer, is_refusal ? &refusal : NULL, &asked);
    switch (verdict.outcome) {
    case RETRY_READ_ITEMS:
        verdict = settle_items(answer, post, settlements);
        break;
    case RETRY_SPLIT:
        settle_alike(post, FATE_RETURNED, settlements);
        split_returned(f, post, settlements);
        break;
    case RETRY_REJECT:
        settle_alike(post, FATE_REJECTED, settlements);
        settlements[0].answer = message_answer_new(NULL, refusal.reason);
        break;
    case RETRY_RETURN:
        settle_alike(post, FATE_RETURNED, settlements);
        break;
    case RETRY_AMBIGUOUS:
        settle_alike(post, FATE_AMBIGUOUS, settlements);
        break;
    case RETRY_RELAYED:
        settle_alike(post, FATE_RELAYED, settlements);
        break;
    }
    *words = refusal.reason;
    return verdict;
}

/* The token was refused, or its file has changed: if there is another one now, try with that. */
static void renew_token(struct forwarder *f, int64_t now_ms)
{
    char *token =
        f->options.read_token == NULL ? NULL : f->options.read_token(f->options.token_arg);
    if (token == NULL) {
        return;
    }
    if (api_set_token(f->api, token)) {
        LOG(LOG_INFO, "token_changed");
        history_resume(f->history);
        destination_token_changed(&f->destination, now_ms);
    }
    explicit_bzero(token, strlen(token));
    free(token);
}

static void log_answer(const struct api_answer *answer, const struct post *post,
                       const struct retry_verdict *verdict)
{
    bool is_fine = verdict->effect == RETRY_FINE && verdict->outcome != RETRY_AMBIGUOUS;
    LOG(is_fine ? LOG_DEBUG : LOG_WARN, is_fine ? "request_ended" : "request_failed",
        LOG_STR("endpoint", api_endpoint_name(answer->endpoint)), LOG_INT("status", answer->status),
        LOG_INT("messages", post->count), LOG_STR("outcome", retry_outcome_name(verdict->outcome)),
        LOG_INT("latency_us", answer->latency_us), LOG_STR("error", answer->error));
}

/* How long the messages that a request has relayed had waited for it. */
static void observe_waits(struct forwarder *f, const struct post *post,
                          const struct queue_settlement *settlements)
{
    int64_t waits_ms[post->count];
    size_t count = 0;
    for (size_t i = 0; i < post->count; i++) {
        const struct message *m = post->messages[i];
        if (settlements[i].fate == FATE_RELAYED && !m->has_at) {
            waits_ms[count++] = int64_max(0, post->posted_ms - ulid_time_ms(&m->id));
        }
    }
    stats_observe(f->stats, HISTOGRAM_QUEUE, waits_ms, count);
}

/* What the fates of a request's messages say of them all. */
static void account(struct forwarder *f, const struct api_answer *answer,
                    const struct queue_settlement *settlements, size_t count, int64_t now_ms)
{
    bool is_failure = answer->transport != API_ANSWERED || answer->status >= 300;
    stats_add(f->stats, STAT_REQUESTS_FAILED, is_failure ? 1 : 0);
    stats_add(f->stats, STAT_REQUESTS_RATE_LIMITED, answer->status == 429 ? 1 : 0);
    for (size_t i = 0; i < count; i++) {
        if (settlements[i].fate == FATE_AMBIGUOUS) {
            stats_add(f->stats, STAT_MESSAGES_AMBIGUOUS, 1);
        }
        note_relayed(f, &settlements[i], now_ms);
    }
}

/*
 * Some messages of a request are in doubt: their scan will come. By then the wall clock, which
 * dates the messages, must have advanced as far as the monotonic one, which makes the scan due:
 * it was read first, and here a millisecond makes up for the fraction that was cut off. Else the
 * scan would leave them out and they would wait for another.
 */
static void doubt(struct forwarder *f, const struct post *post, int64_t now_ms)
{
    if (!history_is_in_doubt(f->history) || post->anchored_at < f->doubt_from) {
        f->doubt_from = post->anchored_at;
        memcpy(f->doubt_anchor, post->anchor, ANCHOR_SIZE);
    }
    history_doubt(f->history, post->began_ms, now_ms + 1,
                  post->anchor[0] == '\0' ? NULL : post->anchor);
    stats_add(f->stats, STAT_REQUESTS_AMBIGUOUS, 1);
}

static void land(struct forwarder *f, const struct post *post)
{
    struct post **p = &f->under_way;
    while (*p != post) {
        p = &(*p)->next;
    }
    *p = post->next;
    account_end(f, post);
}

/* Settles the messages of a POST that has ended, and draws the conclusion for the destination. */
static void settle(struct forwarder *f, const struct api_answer *answer, struct post *post)
{
    struct queue_settlement settlements[post->count];
    struct destination_options limits = {f->options.retry_min_ms, f->options.retry_max_ms};
    int64_t unix_ms = clock_unix_ms(); /* first: see doubt */
    int64_t now_ms = clock_monotonic_ms();
    char *words = NULL;
    for (size_t i = 0; i < post->count; i++) {
        settlements[i] = (struct queue_settlement){.message = post->messages[i],
                                                   .group = post->messages[i]->group};
    }
    land(f, post);
    int64_t held_until_ms = note_answer(f, answer, now_ms, unix_ms);
    struct retry_verdict verdict = judge(f, answer, post, settlements, &words);
    split_ambiguous(f, post, settlements);
    log_answer(answer, post, &verdict);
    struct destination_event event = {
        .epoch = post->epoch,
        .status = answer->status,
        .words = words != NULL              ? words
                 : answer->error[0] != '\0' ? answer->error
                                            : NULL,
        .held_until_ms = held_until_ms,
    };
    destination_apply(&f->destination, &verdict, &event, &limits, now_ms, rng_next(&f->rng));
    account(f, answer, settlements, post->count, now_ms);
    observe_waits(f, post, settlements);
    if (has_ambiguous(settlements, post->count)) {
        doubt(f, post, now_ms);
    }
    queue_settle(f->queue, settlements, post->count, unix_ms);
    if (verdict.is_token_refused) {
        renew_token(f, now_ms);
    }
    free(words);
    free(post);
}

/* --- history ---------------------------------------------------------------------------------- */

/* Asks the API's history for what is due. Returns when to come again. */
static int64_t ask_history(struct forwarder *f)
{
    /* With a token that is refused, history would only refuse too, and that means "cannot tell". */
    if (f->destination.is_token_refused || !has_time(f, clock_monotonic_ms())) {
        return INT64_MAX;
    }
    uint64_t landed = f->posted;
    for (const struct post *r = f->under_way; r != NULL; r = r->next) {
        landed -= r->count;
    }
    return history_ask(f->history, landed);
}

static void take_history(struct forwarder *f, const struct api_answer *answer)
{
    note_answer(f, answer, clock_monotonic_ms(), clock_unix_ms());
    history_read(f->history, answer, f->posted, rng_next(&f->rng));
}

/* --- the loop --------------------------------------------------------------------------------- */

static void take_reported(struct forwarder *f)
{
    struct reported *r = atomic_exchange_explicit(&f->reported, NULL, memory_order_acquire);
    while (r != NULL) {
        struct reported *next = r->next;
        history_ended(f->history, r->ids, r->count);
        free(r);
        r = next;
    }
}

static void take_orders(struct forwarder *f)
{
    take_reported(f);
    unsigned orders = atomic_exchange_explicit(&f->orders, 0, memory_order_acquire);
    int64_t now_ms = orders == 0 ? 0 : clock_monotonic_ms();
    if ((orders & ORDER_FLUSH) != 0) {
        destination_flush(&f->destination, now_ms);
        history_resume(f->history);
    }
    if ((orders & ORDER_TOKEN) != 0) {
        renew_token(f, now_ms);
    }
    if ((orders & ORDER_DRAIN) != 0 && !f->is_draining) {
        f->is_draining = true;
        f->drain_until_ms = now_ms + f->options.drain_timeout_ms;
    }
    if ((orders & ORDER_STOP) != 0) {
        f->is_stopping = true;
    }
}

/* May a stop end the loop? Not while something is under way, or could still be relayed in time. */
static bool is_finished(const struct forwarder *f)
{
    if (!f->is_draining && !f->is_stopping) {
        return false;
    }
    if (f->is_stopping) {
        return true;
    }
    if (f->in_flight > 0 || history_is_scanning(f->history)) {
        return false;
    }
    if (!has_time(f, clock_monotonic_ms())) {
        return true;
    }
    struct queue_totals totals;
    struct queue_relaying relaying;
    queue_totals(f->queue, &totals);
    queue_relaying(f->queue, &relaying);
    bool is_hopeless =
        relaying.is_held || f->destination.state == DESTINATION_STOPPED || would_bury_doubt(f);
    bool has_ready = totals.by_state[MESSAGE_QUEUED] > 0 && !is_hopeless;
    return !has_ready && !history_scans_before(f->history, f->drain_until_ms);
}

static void take_answers(struct forwarder *f)
{
    struct api_answer *answer;
    while ((answer = api_next_answer(f->api)) != NULL) {
        if (answer->endpoint == API_HISTORY) {
            take_history(f, answer);
        } else {
            settle(f, answer, answer->tag);
        }
        api_answer_free(answer);
    }
}

/*
 * What an earlier run left unfinished may have been sent, whatever the store says of it: one scan
 * tells, before any of it goes. It reaches back to the anchor of that run's oldest doubt; what may
 * have been relayed since then counts as if this run had relayed it, so that runs that end before
 * their scan cannot bury the doubt together.
 */
static void doubt_restored(struct forwarder *f)
{
    struct queue_totals totals;
    queue_totals(f->queue, &totals);
    store_anchor(f->options.store, f->newest_api_id, &f->relayed);
    if (totals.ambiguous > 0) {
        int64_t now_ms = clock_monotonic_ms();
        memcpy(f->doubt_anchor, f->newest_api_id, ANCHOR_SIZE);
        history_doubt(f->history, now_ms, now_ms + 1, /* see doubt */
                      f->newest_api_id[0] == '\0' ? NULL : f->newest_api_id);
    }
}

static void *run(void *arg)
{
    struct forwarder *f = arg;
    pthread_setname_np(pthread_self(), "forwarder");
    if (f->options.store != NULL) {
        doubt_restored(f);
    }
    for (;;) {
        take_orders(f);
        launch_marked(f);
        int64_t wake_ms = send_what_may_go(f);
        wake_ms = int64_min(wake_ms, ask_history(f));
        int64_t now_ms = clock_monotonic_ms();
        if (!has_time(f, now_ms)) {
            drop_marking(f);
        }
        if (now_ms < marks_late_ms(f)) {
            wake_ms = int64_min(wake_ms, marks_late_ms(f));
        }
        publish(f, now_ms);
        if (is_finished(f)) {
            break;
        }
        if (f->is_draining && now_ms < f->drain_until_ms) {
            wake_ms = int64_min(wake_ms, f->drain_until_ms);
        }
        api_wait(f->api, wake_ms == INT64_MAX ? -1 : wake_ms > now_ms ? wake_ms - now_ms : 0);
        take_answers(f);
    }
    drop_marking(f);
    if (f->options.store != NULL) {
        keep_anchor(f);
    }
    if (f->options.ended != NULL) {
        f->options.ended(f->options.ended_arg);
    }
    return NULL;
}

/* --- life and orders -------------------------------------------------------------------------- */

struct forwarder *forwarder_new(struct queue *queue, struct stats *stats,
                                const struct forwarder_options *options)
{
    struct forwarder *f = calloc(1, sizeof *f);
    if (f == NULL) {
        return NULL;
    }
    f->queue = queue;
    f->stats = stats;
    f->options = *options;
    f->marking_end = &f->marking;
    rng_seed(&f->rng);
    f->api = api_new(&options->api);
    f->history = f->api == NULL
                     ? NULL
                     : history_new(&(struct history_means){f->api, &f->pace, queue, stats},
                                   &options->history);
    if (f->history == NULL) {
        forwarder_free(f);
        return NULL;
    }
    return f;
}

int forwarder_start(struct forwarder *f)
{
    return thread_start(&f->thread, run, f);
}

void forwarder_join(struct forwarder *f)
{
    pthread_join(f->thread, NULL);
}

void forwarder_free(struct forwarder *f)
{
    if (f == NULL) {
        return;
    }
    if (f->history != NULL) {
        take_reported(f);
    }
    history_free(f->history);
    api_free(f->api);
    while (f->under_way != NULL) { /* their messages stay SENDING: the API may have them */
        struct post *next = f->under_way->next;
        free(f->under_way);
        f->under_way = next;
    }
    free(f);
}

static void order(struct forwarder *f, unsigned orders)
{
    atomic_fetch_or_explicit(&f->orders, orders, memory_order_release);
    api_wakeup(f->api);
}

void forwarder_wake(void *arg)
{
    struct forwarder *f = arg;
    api_wakeup(f->api);
}

void forwarder_relayed_before(struct forwarder *f, const struct ulid *id, const char *api_id,
                              int64_t age_ms)
{
    int64_t now_ms = clock_monotonic_ms();
    history_relayed(f->history, id, api_id, now_ms - age_ms, now_ms);
}

void forwarder_reported(struct forwarder *f, const struct ulid *ids, size_t count)
{
    bool is_wanted = f->options.history.poll.interval_ms > 0 && count > 0;
    struct reported *r = is_wanted ? malloc(sizeof *r + count * sizeof *ids) : NULL;
    if (r == NULL) {
        return; /* without memory: they are asked about once more */
    }
    r->count = count;
    memcpy(r->ids, ids, count * sizeof *ids);
    r->next = atomic_load_explicit(&f->reported, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&f->reported, &r->next, r, memory_order_release,
                                                  memory_order_relaxed)) {
    }
    api_wakeup(f->api);
}

void forwarder_flush(struct forwarder *f)
{
    order(f, ORDER_FLUSH);
}

void forwarder_token_changed(struct forwarder *f)
{
    order(f, ORDER_TOKEN);
}

void forwarder_stop(struct forwarder *f, bool drains)
{
    order(f, drains ? ORDER_DRAIN : ORDER_STOP);
}
