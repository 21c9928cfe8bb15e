/* daemon: see daemon.h. */
#include "gateway/daemon.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/process.h"
#include "gateway/base/service.h"
#include "gateway/certificate.h"
#include "gateway/parts.h"
#include "gateway/queue/ask.h"
#include "gateway/queue/control.h"
#include "gateway/queue/queue.h"
#include "gateway/reload.h"
#include "gateway/serve/intake.h"
#include "gateway/serve/optout.h"
#include "gateway/serve/server.h"
#include "gateway/serve/watch.h"
#include "proto/mail/mail.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <event2/thread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum {
    FAREWELL_MS = 1000, /* the longest wait for the last replies to leave */
    CLOCK_SET_MS = 1000 /* worth a line in the log */
};

static void on_hangup(evutil_socket_t signal_number, short what, void *arg)
{
    (void)signal_number;
    (void)what;
    reload(arg);
}

/* --- stopping --------------------------------------------------------------------------------- */

/*
 * A stop, in this order:
 *   on_stop      no new clients, reports and HTTP requests
 *   on_drain     the forwarder relays what is queued for up to queue.drain_timeout, and then cuts off
 *                requests that are in flight
 *   on_ended     it has ended: notify tells what has happened until then
 *   end_if_done  every reply that was due is written: the loop ends
 *   finish       the last replies leave; notify, then the store, end; what is left is logged
 * A second signal skips the waits.
 */

/* Says how many messages are waited for, and until when. */
static void log_stopping(const struct daemon *d, const char *signal_name)
{
    struct queue_totals totals;
    queue_totals(d->relay.queue, &totals);
    size_t scheduled = totals.by_state[MESSAGE_SCHEDULED];
    LOG(LOG_INFO, "stopping", LOG_STR("signal", signal_name), LOG_INT("times", d->stops),
        LOG_INT("messages", totals.unfinished - scheduled),
        LOG_INT("sending", totals.by_state[MESSAGE_SENDING]), LOG_INT("scheduled", scheduled),
        LOG_TIME("until", clock_unix_ms() + (d->stops > 1 ? 0 : d->conf->queue.drain_timeout_ms)));
}

static void on_stop(evutil_socket_t signal_number, short what, void *arg)
{
    (void)what;
    struct daemon *d = arg;
    d->stops++;
    service_notify("STOPPING=1");
    log_stopping(d, signal_number == SIGINT ? "INT" : "TERM");
    if (d->stops == 1) {
        server_stop(d->server);
        reports_stop(d->reports);
        http_stop(d->http);
        submit_stop(d->submit);
        /* Not at once: what was accepted in this turn of the loop is not in the queue yet. */
        event_active(d->on_drain, EV_TIMEOUT, 0);
    } else {
        forwarder_stop(d->relay.forwarder, false);
        event_base_loopexit(d->base, NULL); /* whether or not the store has replies to give */
    }
}

static void on_drain(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct daemon *d = arg;
    forwarder_stop(d->relay.forwarder, true);
}

/* Ends the loop once nothing is relayed any more and everyone has the replies that are due. */
static void end_if_done(struct daemon *d)
{
    bool is_idle = d->relay.store == NULL || store_is_idle(d->relay.store);
    bool is_told = d->notify == NULL || notify_has_ended(d->notify);
    bool is_compared = d->relay.login == NULL || login_is_idle(d->relay.login);
    if (d->has_forwarder_ended && is_idle && is_told && is_compared) {
        event_base_loopexit(d->base, NULL);
    }
}

/* The store has everything, or cannot have it. */
static void on_saved(void *arg, const struct store_question *question)
{
    (void)question;
    struct daemon *d = arg;
    notify_stop(d->notify);
}

/* Nothing happens any more: notify can finish. */
static void stop_notify(struct daemon *d)
{
    const struct store_question question = {
        .kind = STORE_ASK_NOTHING, .answered = on_saved, .arg = d};
    if (d->relay.store == NULL) {
        watch_take(d->relay.watch);
    }
    if (d->relay.store == NULL || !store_ask(d->relay.store, &question)) {
        notify_stop(d->notify);
    }
}

static void on_ended(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct daemon *d = arg;
    d->has_forwarder_ended = true;
    if (d->notify != NULL) {
        stop_notify(d);
    }
    end_if_done(d);
}

/* notify has told everything. */
static void on_told(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    end_if_done(arg);
}

static void on_store(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct daemon *d = arg;
    store_deliver(d->relay.store);
    server_flush(d->server);
    end_if_done(d);
}

static void on_login(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct daemon *d = arg;
    login_deliver(d->relay.login);
    server_flush(d->server);
    end_if_done(d);
}

static void on_second(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    log_flush_repeats(clock_monotonic_ms());
}

/* The wall clock was set: messages with an AT fall due at another time. */
static void on_clock_set(void *arg, int64_t offset_ms, int64_t by_ms)
{
    struct daemon *d = arg;
    if (llabs(by_ms) >= CLOCK_SET_MS) {
        LOG(LOG_INFO, "clock_set", LOG_INT("by_ms", by_ms));
    }
    queue_clock_set(d->relay.queue, offset_ms, clock_steady_ms());
    forwarder_wake(d->relay.forwarder); /* it may have slept longer than it meant to */
}

/* --- starting --------------------------------------------------------------------------------- */

static struct event *add_signal(struct daemon *d, int signal_number, event_callback_fn callback)
{
    struct event *event = evsignal_new(d->base, signal_number, callback, d);
    if (event != NULL) {
        event_add(event, NULL);
    }
    return event;
}

static bool add_events(struct daemon *d)
{
    static const struct timeval SECOND = {.tv_sec = 1};
    d->on_term = add_signal(d, SIGTERM, on_stop);
    d->on_int = add_signal(d, SIGINT, on_stop);
    d->on_hup = add_signal(d, SIGHUP, on_hangup);
    d->on_drain = event_new(d->base, -1, 0, on_drain, d);
    d->on_ended = event_new(d->base, -1, 0, on_ended, d);
    d->on_second = event_new(d->base, -1, EV_PERSIST, on_second, d);
    d->on_told = event_new(d->base, -1, 0, on_told, d);
    d->on_store = event_new(d->base, -1, 0, on_store, d);
    d->on_login = event_new(d->base, -1, 0, on_login, d);
    event_add(d->on_second, &SECOND);
    d->clock_watch = clock_watch_new(d->base, on_clock_set, d);
    return d->clock_watch != NULL;
}

/* Each part after those that it needs; last the clients, who find everything there. */
/* clang-format off */
static const struct step {
    bool (*take)(struct daemon *d);
    int exit_code; /* where it fails */
} STEPS[] = {
    {parts_read_certificate, EX_CONFIG},
    {parts_make_notify, EX_UNAVAILABLE},
    {parts_open_store, EX_CANTCREAT},
    {parts_make_rules, EX_UNAVAILABLE},
    {parts_read_networks, EX_UNAVAILABLE},
    {parts_make_queue, EX_UNAVAILABLE},
    {parts_make_watch, EX_UNAVAILABLE},
    {parts_make_intake, EX_UNAVAILABLE},
    {parts_restore_queue, EX_UNAVAILABLE},
    {parts_make_users, EX_CONFIG},
    {parts_make_optout, EX_UNAVAILABLE},
    {parts_start_reports, EX_UNAVAILABLE},
    {parts_start_sandbox, EX_UNAVAILABLE},
    {parts_make_forwarder, EX_UNAVAILABLE},
    {add_events, EX_OSERR},
    {parts_start_store, EX_OSERR},
    {parts_start_notify, EX_OSERR},
    {parts_start_login, EX_OSERR},
    {parts_start_forwarder, EX_OSERR},
    {parts_start_http, EX_UNAVAILABLE},
    {parts_start_submit, EX_UNAVAILABLE},
    {parts_start_server, EX_UNAVAILABLE},
};
/* clang-format on */

/* What a 250 means. */
static const char *queue_promise(const struct daemon *d)
{
    return d->relay.store == NULL
               ? "in memory only: a crash or a power failure loses what is queued"
               : "durable: what was answered 250 is on the disk";
}

/* Returns an exit code. */
static int start(struct daemon *d)
{
    for (size_t i = 0; i < sizeof STEPS / sizeof STEPS[0]; i++) {
        snprintf(d->error, sizeof d->error, "out of memory");
        if (!STEPS[i].take(d)) {
            LOG(LOG_ERROR, "start_failed", LOG_STR("reason", d->error));
            return STEPS[i].exit_code;
        }
    }
    LOG(LOG_INFO, "started", LOG_STR("version", SMSRELAY_VERSION),
        LOG_STR("api", d->sandbox != NULL ? "sandbox" : d->conf->api.url),
        LOG_STR("queue", queue_promise(d)));
    service_notify("READY=1");
    return EX_OK;
}

/* --- the end ---------------------------------------------------------------------------------- */

static bool has_unsent(const struct daemon *d)
{
    return intake_has_open(d->relay.intake) || server_has_unsent(d->server) ||
           submit_has_unsent(d->submit);
}

/* The last verdicts are on their way, or the last replies, and 421, were written as the loop ended: they
 * still have to leave. */
static void send_last_replies(struct daemon *d)
{
    int64_t deadline_ms = clock_monotonic_ms() + FAREWELL_MS;
    while (d->stops < 2 && has_unsent(d) && clock_monotonic_ms() < deadline_ms) {
        event_base_loop(d->base, EVLOOP_ONCE);
    }
}

static void end_notify(struct daemon *d)
{
    if (d->notify != NULL) {
        watch_take(d->relay.watch); /* what has happened since the loop ended */
        notify_end(d->notify);
    }
}

static void stop_store(struct daemon *d)
{
    if (d->relay.store != NULL && !store_stop(d->relay.store)) {
        LOG(LOG_ERROR, "store_incomplete",
            LOG_STR("reason", "what became of some messages could not be saved: "
                              "the next start will ask the API for them"));
    }
}

/* Says what is left: in the store, or lost. */
static void log_left(struct daemon *d)
{
    struct queue_totals totals;
    bool is_durable = d->relay.store != NULL;
    size_t left = 0;
    if (d->notify != NULL) {
        notify_log_left(d->notify, is_durable ? d->conf->queue.path : NULL);
    }
    queue_totals(d->relay.queue, &totals);
    for (int state = 0; state < MESSAGE_STATES; state++) {
        left += message_state_is_finished((enum message_state)state) ? 0 : totals.by_state[state];
    }
    if (left > 0 && is_durable) {
        LOG(LOG_INFO, "messages_kept", LOG_STR("path", d->conf->queue.path),
            LOG_INT("messages", left), LOG_INT("scheduled", totals.by_state[MESSAGE_SCHEDULED]),
            LOG_INT("maybe_sent", totals.by_state[MESSAGE_SENDING]));
    } else if (left > 0) {
        LOG(LOG_ERROR, "messages_lost", LOG_STR("reason", "the queue is in memory only"),
            LOG_INT("messages", left), LOG_INT("scheduled", totals.by_state[MESSAGE_SCHEDULED]),
            LOG_INT("maybe_sent", totals.by_state[MESSAGE_SENDING]));
    }
}

/* From here on the end is near: another signal would only change the exit code. */
static void block_stop_signals(void)
{
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stops, NULL);
}

/* In the opposite order; what was not made is NULL. */
static void free_daemon(struct daemon *d)
{
    struct event *const events[] = {d->on_term,   d->on_int,  d->on_hup,   d->on_drain, d->on_ended,
                                    d->on_second, d->on_told, d->on_store, d->on_login};
    if (d->relay.login != NULL) {
        login_stop(d->relay.login);
    }
    http_free(d->http);
    submit_free(d->submit);
    reports_free(d->reports);
    server_free(d->server);
    file_watch_free(d->token_watch);
    clock_watch_free(d->clock_watch);
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        if (events[i] != NULL) {
            event_free(events[i]);
        }
    }
    login_free(d->relay.login);
    user_owners_free(d->owners);
    forwarder_free(d->relay.forwarder);
    store_free(d->relay.store);
    notify_free(d->notify);
    intake_free(d->relay.intake);
    watch_free(d->relay.watch);
    optout_free(d->relay.optout);
    queue_free(d->relay.queue);
    sandbox_thread_stop(d->sandbox);
    certificate_free(d->certificate);
    event_base_free(d->base);
    free((void *)d->trusted.list);
    free((void *)d->askers.list);
    free((void *)d->reporters.list);
    free((void *)d->submitters.list);
    free((void *)d->rules.senders);
    alias_table_free(d->aliases);
    libevent_global_shutdown();
    curl_global_cleanup();
}

static void finish(struct daemon *d, int code)
{
    if (d->is_forwarding) {
        forwarder_join(d->relay.forwarder);
    }
    if (code == EX_OK) {
        send_last_replies(d);
    }
    if (d->has_restored) {
        end_notify(d);
        stop_store(d);
        log_left(d);
    }
    if (code == EX_OK) {
        LOG(LOG_INFO, "stopped", LOG_STR("version", SMSRELAY_VERSION),
            LOG_INT("relayed", stats_get(&d->stats, STAT_MESSAGES_RELAYED)));
    }
}

/* By itself, libevent would write to stderr, and wait for its reader. */
static void log_libevent(int severity, const char *words)
{
    LOG(severity == EVENT_LOG_ERR ? LOG_ERROR : LOG_WARN, "libevent", LOG_STR("reason", words));
}

static int fail_without_memory(void)
{
    LOG(LOG_ERROR, "start_failed", LOG_STR("reason", "out of memory"));
    return EX_OSERR;
}

static int run(struct daemon *d)
{
    int code = start(d);
    if (code == EX_OK) {
        event_base_dispatch(d->base);
    } else if (d->is_forwarding) {
        forwarder_stop(d->relay.forwarder, false);
    }
    finish(d, code);
    return code;
}

int daemon_run(const struct conf *conf, struct alias_table *aliases,
               struct conf *(*load)(void *arg, struct conf_errors *errors), void *arg)
{
    struct daemon *d = calloc(1, sizeof *d);
    if (d == NULL || log_start() != 0) {
        alias_table_free(aliases);
        free(d);
        return fail_without_memory();
    }
    process_prepare();
    event_set_log_callback(log_libevent);
    evthread_use_pthreads();
    curl_global_init(CURL_GLOBAL_DEFAULT);
    mail_init();
    d->conf = conf;
    d->load = load;
    d->load_arg = arg;
    d->aliases = aliases;
    d->base = event_base_new();
    d->relay = (struct relay){.base = d->base, .rules = &d->rules, .stats = &d->stats};
    int code = d->base == NULL ? fail_without_memory() : run(d);
    log_flush_repeats(INT64_MAX);
    block_stop_signals();
    free_daemon(d);
    free(d);
    log_stop();
    return code;
}
