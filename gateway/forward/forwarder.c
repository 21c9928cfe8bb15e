/* forwarder: see forwarder.h. */
#include "gateway/forward/forwarder.h"

#include "gateway/base/clock.h"
#include "gateway/base/foreign.h"
#include "gateway/base/int64.h"
#include "gateway/base/log.h"
#include "gateway/base/rng.h"
#include "gateway/base/thread.h"
#include "gateway/forward/anchor.h"
#include "gateway/forward/look.h"
#include "gateway/forward/ping.h"
#include "gateway/forward/post.h"
#include "gateway/forward/settle.h"
#include "gateway/policy/batch.h"
#include "gateway/policy/destination.h"
#include "gateway/policy/pace.h"
#include "gateway/queue/ask.h"
#include "gateway/queue/dispatch.h"
#include "gateway/queue/suspects.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* What other threads want of the loop: bits of `orders`. */
enum { ORDER_FLUSH = 1, ORDER_TOKEN = 2, ORDER_DRAIN = 4, ORDER_STOP = 8 };

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
    _Atomic(struct reported *) reported; /* a stack: other threads push, the loop takes all */

    /* From here on: the forwarding thread's own. */
    struct api *api;
    struct pace pace;
    struct destination destination;
    struct history *history;
    struct ping ping;
    struct look look;
    bool is_undecided;   /* messages wait that may show whose fault a refusal was */
    uint32_t scan_epoch; /* the destination's when the call of a scan began */
    struct posts posts;
    struct anchors anchors;
    uint32_t last_group;    /* of a half of a split batch */
    uint32_t doubted;       /* how many POSTs had begun when the last one in doubt ended */
    size_t doubtful;        /* messages with a doubt, when the queue was looked at last */
    bool is_deep;           /* the doubts of all of them lie above anchors.doubt */
    int64_t drain_until_ms; /* INT64_MAX = no stop has been asked for */
    bool is_stopping;
    struct rng rng;
};

/* --- showing ---------------------------------------------------------------------------------- */

/* Publishes what QUEUE shows of the destination; logs it when it changes. */
static void publish(struct forwarder *f, int64_t now_ms)
{
    struct queue_relaying was;
    struct queue_relaying is = {0};
    int64_t until_ms = INT64_MAX;
    const char *reason = destination_reason(&f->destination, now_ms, &until_ms);
    if (f->destination.state == DESTINATION_PROBING && !f->is_undecided) {
        reason = NULL; /* what was refused is settled otherwise */
    }
    if (reason == NULL && now_ms >= posts_late_ms(&f->posts)) {
        reason = "the queue's disk does not respond";
    }
    if (reason != NULL) {
        is.is_stopped = f->destination.state != DESTINATION_PROBING;
        strncpy(is.reason, reason, sizeof is.reason - 1);
        foreign_hide_numbers(is.reason); /* every client may ask for it */
        is.until_ms = until_ms == INT64_MAX ? 0 : clock_unix_ms() + (until_ms - now_ms);
    }
    stats_set_destination(f->stats, (int)f->destination.state);
    queue_relaying_set(f->queue, &is, &was);
    bool is_news = is.is_stopped != was.is_stopped || strcmp(is.reason, was.reason) != 0;
    if (is.is_stopped && is_news) {
        LOG(LOG_WARN, "relaying_stopped", LOG_STR("reason", is.reason),
            LOG_STR("state", destination_state_name(f->destination.state)));
    } else if (!is.is_stopped && was.is_stopped) {
        LOG(LOG_INFO, "relaying_resumed", LOG_STR("was", was.reason));
    }
}

/* --- sending ---------------------------------------------------------------------------------- */

/* Is there a doubt for which the history is to be read down to anchors.doubt? */
static bool keeps_doubt(const struct forwarder *f)
{
    return history_is_in_doubt(f->history) || (f->is_deep && f->doubtful > 0);
}

/*
 * Tells the store how far down a scan after a crash must read: to the oldest anchor of the requests
 * in flight or in doubt, and how many messages may stand above it.
 */
static void keep_anchor(struct forwarder *f)
{
    const struct anchor *oldest = posts_oldest_anchor(&f->posts, &f->anchors.newest);
    if (keeps_doubt(f)) {
        oldest = anchor_older(oldest, &f->anchors.doubt);
    }
    uint64_t to_come = (f->posts.in_flight + 1) * f->options.bulk_max;
    store_set_anchor(f->options.store, oldest->api_id, anchors_above(&f->anchors, oldest) + to_come,
                     f->is_deep);
}

/* Takes a batch as planned and sends it. Returns false when there was nothing to take. */
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
    post->count = is_probe ? queue_take_probe(f->queue, destination_probe(&f->destination),
                                              clock_steady_ms(), post->messages)
                           : queue_take(f->queue, plan->count, clock_steady_ms(), post->messages);
    if (post->count == 0) {
        free(post);
        return false;
    }
    post->endpoint = batch_endpoint(plan, post->count, &f->pace, now_ms);
    post->is_probe = is_probe;
    post->epoch = f->destination.epoch;
    post->began_ms = now_ms;
    post->anchor = f->anchors.newest;
    post->is_anchored = post->anchor.number > f->doubted;
    pace_began(&f->pace, post->endpoint, plan->is_partial, now_ms);
    posts_begin(&f->posts, post);
    return true;
}

/* How many messages a scan can pass. */
static uint64_t reach(const struct forwarder *f)
{
    return (uint64_t)f->options.history.reconcile.history_pages *
           f->options.history.reconcile.per_page;
}

/*
 * What has been looked for and could not be proven untaken is sent again, and keeps its doubt. Should
 * it become ambiguous once more, the scan must read down to the first one. But it may wait long, so
 * that is given up when a quarter of the reach lies above, until no message has a doubt.
 */
static void note_doubtful(struct forwarder *f, size_t doubtful)
{
    f->doubtful = doubtful;
    if (history_is_in_doubt(f->history)) {
        return;
    }
    bool is_near = anchors_above(&f->anchors, &f->anchors.doubt) <= reach(f) / 4;
    f->is_deep = doubtful == 0 || (f->is_deep && is_near);
}

/*
 * Would another batch put the oldest doubt out of reach of a scan? A scan reads down to its anchor,
 * and every message relayed meanwhile pushes the anchor further down. So relaying pauses when half
 * of the pages that a scan may read are filled, until the doubt is resolved. It does not pause
 * while the history fails or the token is refused, since then no scan can end, and the probe that
 * would show that all is well again must go.
 */
static bool would_bury_doubt(const struct forwarder *f)
{
    uint64_t above =
        anchors_above(&f->anchors, &f->anchors.doubt) + f->posts.in_flight * f->options.bulk_max;
    bool can_scan = !history_has_failed(f->history) && !f->destination.is_token_refused;
    return history_is_in_doubt(f->history) && can_scan && above > reach(f) / 2;
}

/* False once the time that a stop grants is over: nothing new begins. */
static bool has_time(const struct forwarder *f, int64_t now_ms)
{
    return !f->is_stopping && now_ms < f->drain_until_ms;
}

static struct batch_plan plan_batch(const struct forwarder *f, const struct queue_depth *depth,
                                    bool is_probe, int64_t now_ms)
{
    struct batch_view view = {
        .is_group_next = depth->is_group_next,
        .is_probe = is_probe,
        .in_flight = f->posts.in_flight,
        .connections = f->options.api.connections,
        .bulk_max = f->options.bulk_max,
    };
    memcpy(view.ready, depth->ready, sizeof view.ready);
    return batch_next(&view, &f->pace, now_ms);
}

static size_t count_ready(const struct queue_depth *depth)
{
    size_t ready = 0;
    for (size_t i = 0; i < MESSAGE_PRIORITIES; i++) {
        ready += depth->ready[i];
    }
    return ready;
}

/* Looks at the queue, and whether what it has changes when the next probe is due. */
static void look(struct forwarder *f, int64_t now_ms, int64_t steady_ms, struct queue_depth *depth)
{
    queue_advance(f->queue, steady_ms, depth);
    if (depth->is_refused_gone) {
        destination_hurry(&f->destination, now_ms); /* what the next probe waited for is gone */
    }
    note_doubtful(f, depth->doubted);
    size_t waiting = count_ready(depth) + depth->suspects;
    f->is_undecided = waiting > 0 || history_is_in_doubt(f->history);
    destination_note_waiting(&f->destination, waiting, now_ms);
}

/*
 * Asks the API whether it works again, if no message can be the probe. Returns when to do so again.
 * A scan that is to come will show it as well, unless the token is refused, when there is none.
 */
static int64_t ask_when_idle(struct forwarder *f, const struct queue_depth *depth, int64_t now_ms)
{
    bool has_message = !depth->is_held && count_ready(depth) + depth->suspects > 0;
    bool is_scan_due = history_is_in_doubt(f->history) && !f->destination.is_token_refused;
    if (!destination_has_failed(&f->destination) || has_message || f->posts.in_flight > 0 ||
        is_scan_due || !has_time(f, now_ms)) {
        return INT64_MAX;
    }
    return ping_ask(&f->ping, f->api, &f->pace, f->stats, &f->destination, now_ms);
}

static struct history_means history_means(struct forwarder *f)
{
    return (struct history_means){f->api, &f->pace, f->queue, f->stats};
}

/*
 * Sends one request, if one may go, and returns true. Otherwise `*wake_ms` is until when to sleep
 * (monotonic), 0 = not at all: something has changed meanwhile.
 */
static bool send_next(struct forwarder *f, int64_t *wake_ms)
{
    int64_t now_ms = clock_monotonic_ms();
    int64_t steady_ms = clock_steady_ms();
    struct queue_depth depth;
    look(f, now_ms, steady_ms, &depth);
    enum destination_permission permission = destination_may_send(&f->destination, now_ms);
    *wake_ms = destination_next_ms(&f->destination, now_ms);
    if (depth.next_due_ms != INT64_MAX) {
        *wake_ms = int64_min(*wake_ms, now_ms + depth.next_due_ms - steady_ms);
    }
    bool may_send = permission != DESTINATION_NO && !depth.is_held && has_time(f, now_ms) &&
                    !would_bury_doubt(f);
    bool is_probe = permission == DESTINATION_PROBE;
    /* If not, no message can change it: an answer, RELEASE or an order wakes the loop. */
    struct batch_plan plan = may_send ? plan_batch(f, &depth, is_probe, now_ms)
                                      : (struct batch_plan){.wait_until_ms = INT64_MAX};
    if (plan.count > 0) {
        struct history_means with = history_means(f);
        int64_t look_ms = look_ask(&f->look, &with, now_ms);
        if (look_ms > now_ms) {
            plan = (struct batch_plan){.wait_until_ms = look_ms};
        }
    }
    if (plan.count == 0) {
        if (is_probe) {
            *wake_ms = int64_min(*wake_ms, ask_when_idle(f, &depth, now_ms));
        }
        bool is_late = queue_sleep(f->queue, plan.wake_ready, plan.wake_on_high);
        *wake_ms = is_late ? 0 : int64_min(*wake_ms, plan.wait_until_ms);
        return false;
    }
    if (!send_batch(f, &plan, is_probe, now_ms)) {
        /* All of it has expired, or an allocation failed: try again, but not in a tight loop. */
        *wake_ms = now_ms + 1;
        return false;
    }
    return true;
}

/* Sends everything that may go now. Returns until when to sleep, as send_next. */
static int64_t send_all(struct forwarder *f)
{
    int64_t wake_ms;
    while (send_next(f, &wake_ms)) {
    }
    return wake_ms;
}

/* --- settling --------------------------------------------------------------------------------- */

/* Publishes an endpoint's window, also while pace learns it again after a 429. */
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
 * Notes what an answer says of its endpoint, of whatever kind it is. Returns until when a 429 holds
 * the endpoint back.
 */
static int64_t note_answer(struct forwarder *f, const struct api_answer *answer, int64_t now_ms,
                           int64_t unix_ms)
{
    static const enum stats_histogram latencies[API_ENDPOINTS] = {
        [API_SINGLE] = HISTOGRAM_API_SMS,
        [API_BULK] = HISTOGRAM_API_SMS_BULK,
        [API_HISTORY] = HISTOGRAM_API_HISTORY,
        [API_MESSAGE] = HISTOGRAM_API_HISTORY,
    };
    double random = rng_next(&f->rng);
    int64_t held_until_ms =
        pace_ended(&f->pace, answer->endpoint, answer, now_ms, unix_ms,
                   destination_backoff_ms(&f->destination, &f->options.destination, random));
    publish_window(f, answer->endpoint, now_ms, unix_ms);
    stats_observe(f->stats, latencies[answer->endpoint], &answer->latency_us, 1);
    stats_count_request(f->stats, answer->endpoint, answer->transport, answer->status);
    return held_until_ms;
}

/* The token was refused, or its file has changed: if there is a new one now, uses that. */
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
        ping_hurry(&f->ping);
        queue_suspects_recall(f->queue, clock_steady_ms());
    }
    explicit_bzero(token, strlen(token));
    free(token);
}

/*
 * Messages of this request are in doubt and wait for a scan. The scan comes due by the monotonic
 * clock, but picks its messages by the steady clock. It must not leave these out, which would make
 * them wait for another. So the steady clock is read first, and here a millisecond is added, because
 * the monotonic time has lost its fraction.
 */
static void doubt(struct forwarder *f, const struct post *post, int64_t now_ms)
{
    anchors_note_doubt(&f->anchors, &post->anchor, !keeps_doubt(f));
    history_doubt(f->history, &(struct reconcile_attempt){.began_ms = post->began_ms,
                                                          .ended_ms = now_ms + 1,
                                                          .floor = anchor_id(&f->anchors.doubt),
                                                          .is_deep = f->is_deep,
                                                          .anchor = anchor_id(&post->anchor),
                                                          .anchor_number = post->anchor.number,
                                                          .begun = f->posts.begun});
    f->doubted = f->posts.begun;
}

/* Draws the conclusion for the messages that stand aside. */
static void conclude(struct forwarder *f, enum destination_finding finding, int64_t steady_ms)
{
    int64_t latest_ms = steady_ms + f->options.destination.retry_max_ms;
    if (finding == FINDING_INNOCENT) {
        queue_suspects_recall(f->queue, steady_ms);
    }
    while (
        finding == FINDING_GUILTY &&
        queue_suspects_convict(f->queue, retry_new_group(&f->last_group), latest_ms, steady_ms)) {
    }
}

/* Has the API taken a message? */
static bool note_relayed(struct forwarder *f, const struct settling *s, int64_t now_ms)
{
    bool has_relayed = false;
    for (size_t i = 0; i < s->post->count; i++) {
        const struct queue_settlement *settlement = &s->settlements[i];
        if (settlement->fate == FATE_RELAYED) {
            const char *api_id = message_answer_api_id(settlement->answer);
            anchors_note_relayed(&f->anchors, api_id, s->post->number);
            history_mark(f->history, s->post->number, api_id);
            history_relayed(f->history, &settlement->message->id, api_id, now_ms, now_ms);
            has_relayed = true;
        }
    }
    return has_relayed;
}

/* How long a suspect stands aside. */
static void set_aside(struct forwarder *f, const struct settling *s, int64_t steady_ms)
{
    struct queue_settlement *settlement = &s->settlements[0];
    if (settlement->fate == FATE_SUSPECT) {
        settlement->due_ms =
            steady_ms + destination_aside_ms(settlement->message->refusals + 1U, &s->verdict,
                                             &f->options.destination, rng_next(&f->rng));
    }
}

/* Settles a POST that has been answered, and draws the conclusions. */
static void settle(struct forwarder *f, const struct api_answer *answer, struct post *post)
{
    struct queue_settlement settlements[post->count];
    struct settling s = {.answer = answer,
                         .post = post,
                         .destination = &f->destination,
                         .last_group = &f->last_group,
                         .stats = f->stats,
                         .settlements = settlements};
    int64_t steady_ms = clock_steady_ms(); /* first: see doubt */
    int64_t now_ms = clock_monotonic_ms();
    posts_land(&f->posts, post);
    int64_t held_until_ms = note_answer(f, answer, now_ms, clock_unix_ms());
    settle_messages(&s);
    /* What was to blame before, or is what is left of a batch whose others passed, says nothing of
     * the API when it is refused. */
    const struct message *only = post->count == 1 ? post->messages[0] : NULL;
    bool was_to_blame =
        only != NULL && (only->proofs > 0 || (only->was_refused && f->destination.has_passed));
    struct destination_event event = {
        .epoch = post->epoch,
        .status = answer->status,
        .words = s.words != NULL ? s.words : answer->error,
        .proxy = api_proxy(f->api),
        .held_until_ms = held_until_ms,
        .message = only == NULL || was_to_blame ? NULL : &only->id,
        .has_passed = note_relayed(f, &s, now_ms),
    };
    enum destination_finding finding = destination_apply(
        &f->destination, &s.verdict, &event, &f->options.destination, now_ms, rng_next(&f->rng));
    if (s.ambiguous > 0) {
        doubt(f, post, now_ms);
    }
    if (s.verdict.may_be_taken) {
        uint64_t after =
            anchors_above(&f->anchors, &post->anchor) + f->posts.in_flight * f->options.bulk_max;
        look_want(&f->look, post, post->count + after);
    }
    set_aside(f, &s, steady_ms);
    queue_settle(f->queue, settlements, post->count, steady_ms);
    conclude(f, finding, steady_ms);
    if (s.verdict.is_token_refused) {
        renew_token(f, now_ms);
    }
    free(s.words);
    free(post);
}

/* --- history ---------------------------------------------------------------------------------- */

/* Asks the API's history for what is due. Returns when to do so again (monotonic). */
static int64_t ask_history(struct forwarder *f)
{
    /* With a refused token the history would refuse, too, and that would end a scan. */
    if (f->destination.is_token_refused || !has_time(f, clock_monotonic_ms())) {
        return INT64_MAX;
    }
    if (clock_monotonic_ms() < f->destination.quiet_until_ms) {
        return f->destination.quiet_until_ms;
    }
    bool was_scanning = history_is_scanning(f->history);
    int64_t next_ms = history_ask(f->history, posts_landed(&f->posts));
    if (!was_scanning) {
        f->scan_epoch = f->destination.epoch;
    }
    return next_ms;
}

/* Does the API not work, while messages wait that it has not seen? */
static bool others_wait(const struct forwarder *f)
{
    struct queue_totals totals;
    queue_totals(f->queue, &totals);
    return f->destination.state != DESTINATION_FINE && totals.by_state[MESSAGE_QUEUED] > 0;
}

static void take_history(struct forwarder *f, const struct api_answer *answer)
{
    int64_t now_ms = clock_monotonic_ms();
    note_answer(f, answer, now_ms, clock_unix_ms());
    if (answer->tag == &f->ping) {
        ping_read(&f->ping, answer, &f->destination, &f->options.destination, now_ms,
                  rng_next(&f->rng));
        return;
    }
    if (answer->tag == &f->look) {
        struct history_means with = history_means(f);
        look_read(&f->look, answer, &with, f->history, &f->destination);
        return;
    }
    bool is_scan = history_is_scanning(f->history);
    history_read(f->history, answer, f->posts.sent, others_wait(f), rng_next(&f->rng));
    if (is_scan && !history_has_failed(f->history)) {
        ping_prove(&f->ping, f->scan_epoch);
    }
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
        ping_hurry(&f->ping);
        history_resume(f->history);
    }
    if ((orders & ORDER_TOKEN) != 0) {
        renew_token(f, now_ms);
    }
    if ((orders & ORDER_DRAIN) != 0) { /* a second one does not put the end off */
        f->drain_until_ms = int64_min(f->drain_until_ms, now_ms + f->options.drain_timeout_ms);
    }
    if ((orders & ORDER_STOP) != 0) {
        f->is_stopping = true;
    }
}

/* Is a stop complete? Not while requests are under way, or messages can be relayed in time. */
static bool is_finished(const struct forwarder *f)
{
    if (f->is_stopping) {
        return true;
    }
    if (f->drain_until_ms == INT64_MAX) {
        return false;
    }
    if (!has_time(f, clock_monotonic_ms())) {
        return true; /* what is in flight is cut off */
    }
    if (f->posts.in_flight > 0 || history_is_scanning(f->history)) {
        return false;
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
        if (answer->endpoint == API_HISTORY || answer->endpoint == API_MESSAGE) {
            take_history(f, answer);
        } else {
            settle(f, answer, answer->tag);
        }
        api_answer_free(answer);
    }
}

/*
 * What an earlier run left unfinished may have been sent, whatever the store says, so one scan
 * looks before any of it goes. It reads down to the anchor that the run kept. What may have been
 * relayed since counts as relayed by this run: otherwise a row of runs that all end before their
 * scan could bury the doubt.
 */
static void doubt_restored(struct forwarder *f)
{
    struct queue_totals totals;
    queue_totals(f->queue, &totals);
    store_anchor(f->options.store, f->anchors.newest.api_id, &f->anchors.relayed, &f->is_deep);
    if (totals.ambiguous > 0) {
        int64_t now_ms = clock_monotonic_ms();
        anchors_note_doubt(&f->anchors, &f->anchors.newest, true);
        history_doubt(f->history,
                      &(struct reconcile_attempt){.began_ms = now_ms,
                                                  .ended_ms = now_ms + 1, /* see doubt */
                                                  .floor = anchor_id(&f->anchors.newest),
                                                  .is_deep = f->is_deep});
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
        posts_send_saved(&f->posts);
        int64_t wake_ms = send_all(f);
        wake_ms = int64_min(wake_ms, ask_history(f));
        int64_t now_ms = clock_monotonic_ms();
        if (!has_time(f, now_ms)) {
            posts_drop_unsent(&f->posts);
        }
        if (now_ms < posts_late_ms(&f->posts)) {
            wake_ms = int64_min(wake_ms, posts_late_ms(&f->posts));
        }
        publish(f, now_ms);
        if (is_finished(f)) {
            break;
        }
        if (now_ms < f->drain_until_ms) {
            wake_ms = int64_min(wake_ms, f->drain_until_ms);
        }
        api_wait(f->api, wake_ms == INT64_MAX ? -1 : wake_ms > now_ms ? wake_ms - now_ms : 0);
        take_answers(f);
    }
    posts_drop_unsent(&f->posts);
    /* What a look is due for lies above the anchor that is kept, which may be too high from now on. */
    if (f->options.store != NULL && !look_is_due(&f->look)) {
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
    f->pace.others = (size_t)(options->peers - 1) * options->api.connections;
    f->drain_until_ms = INT64_MAX;
    rng_seed(&f->rng);
    f->api = api_new(&options->api);
    posts_init(&f->posts, &(struct posts_means){
                              .api = f->api,
                              .queue = queue,
                              .stats = stats,
                              .destination = &f->destination,
                              .store = options->store,
                              .bulk_max = options->bulk_max,
                          });
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
    look_clear(&f->look);
    api_free(f->api);
    posts_clear(&f->posts);
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
        return; /* not wanted, or no memory: then they are asked about once more */
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
