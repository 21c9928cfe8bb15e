/* daemon: see daemon.h. */
#include "gateway/daemon.h"

#include "conf/secret.h"
#include "gateway/base/clock.h"
#include "gateway/base/file_watch.h"
#include "gateway/base/log.h"
#include "gateway/base/process.h"
#include "gateway/notify/notify.h"
#include "gateway/queue/ask.h"
#include "gateway/queue/control.h"
#include "gateway/queue/queue.h"
#include "gateway/sandbox/sandbox.h"
#include "gateway/sandbox/thread.h"
#include "gateway/serve/aliases.h"
#include "gateway/serve/conn.h"
#include "gateway/serve/intake.h"
#include "gateway/serve/relay.h"
#include "gateway/serve/server.h"
#include "gateway/serve/watch.h"
#include "gateway/settings.h"
#include "proto/mail/mail.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <event2/thread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    ERROR_SIZE = 512,
    HOSTNAME_SIZE = 256,
    EVENTS_PER_MS =
        1000, /* more than there are: numbers of a run are above those of earlier ones */
    RECENT_EVENTS = 1 << 16, /* kept for WATCH since=; a power of two */
    FAREWELL_MS = 1000       /* at most so long for replies to leave when all else has ended */
};

/* Everything that runs, in the order in which it is made. */
struct daemon {
    const struct conf *conf;
    char hostname[HOSTNAME_SIZE];
    struct session_rules rules;
    struct session_tally tally;  /* rules.tally */
    struct alias_table *aliases; /* rules.aliases; replaced as a whole, between two events */
    struct stats stats;
    struct event_base *base;
    struct sandbox_thread *sandbox;
    struct notify *notify;
    struct relay relay;
    struct server *server;
    struct http *http;
    struct reports *reports;
    struct file_watch *token_watch;
    struct event *on_term, *on_int, *on_hup, *on_drain, *on_ended, *on_second, *on_store;
    unsigned stops;           /* how often it was told to stop */
    bool has_restored;        /* the queue has what an earlier run left */
    bool has_forwarder_ended; /* the loop goes on for what the store has still to answer */
};

static int fail(const char *what, int code)
{
    LOG(LOG_ERROR, "start_failed", LOG_STR("reason", what));
    return code;
}

/* --- callbacks between the parts -------------------------------------------------------------- */

static void wake_forwarder(void *arg)
{
    struct daemon *d = arg;
    if (d->relay.forwarder != NULL) {
        forwarder_wake(d->relay.forwarder);
    }
}

static void notify_events(void *arg)
{
    struct daemon *d = arg;
    watch_wake(d->relay.watch);
}

static void settle(void *arg, const struct intake_verdict *verdict)
{
    (void)arg;
    conn_settle(verdict);
}

static void flush(void *arg)
{
    struct daemon *d = arg;
    if (d->server != NULL) {
        server_flush(d->server);
    }
}

/* In the store's thread. */
static void notify_store(void *arg)
{
    struct daemon *d = arg;
    event_active(d->on_store, EV_TIMEOUT, 0);
}

static void wake_store(void *arg)
{
    struct daemon *d = arg;
    store_wake(d->relay.store);
}

/* In the forwarding thread. */
static void found(void *arg, struct poll_news *news)
{
    struct daemon *d = arg;
    reports_found(d->reports, news);
}

static void relayed_before(void *arg, const struct ulid *id, const char *api_id, int64_t relayed_ms)
{
    struct daemon *d = arg;
    forwarder_relayed_before(d->relay.forwarder, id, api_id, clock_unix_ms() - relayed_ms);
}

static void forwarder_ended(void *arg)
{
    struct daemon *d = arg;
    event_active(d->on_ended, EV_TIMEOUT, 0);
}

static char *read_token(void *arg)
{
    const struct daemon *d = arg;
    struct conf_secret *secret = NULL;
    enum conf_secret_fault fault = conf_secret_read(d->conf->api.token_file, &secret);
    if (fault != CONF_SECRET_GOOD) {
        LOG(LOG_ERROR, "token_unreadable", LOG_STR("file", d->conf->api.token_file),
            LOG_STR("reason", conf_secret_fault_name(fault)));
        return NULL;
    }
    char *token = strdup(conf_secret_text(secret));
    conf_secret_free(secret);
    return token;
}

static void token_changed(void *arg)
{
    struct daemon *d = arg;
    forwarder_token_changed(d->relay.forwarder);
}

/* --- stopping --------------------------------------------------------------------------------- */

/*
 * First: no new clients, the queue is relayed for up to queue.drain_timeout, then the forwarder
 * ends the loop. Second: at once.
 */
static void on_stop(evutil_socket_t signal_number, short what, void *arg)
{
    (void)what;
    struct daemon *d = arg;
    d->stops++;
    LOG(LOG_INFO, "stopping", LOG_STR("signal", signal_number == SIGINT ? "INT" : "TERM"),
        LOG_INT("times", d->stops));
    if (d->stops == 1) {
        server_stop(d->server);
        reports_stop(d->reports);
        http_stop(d->http);
        /* What was taken in this turn of the loop is in the queue when that is drained. */
        event_active(d->on_drain, EV_TIMEOUT, 0);
    } else {
        forwarder_stop(d->relay.forwarder, false);
        event_base_loopexit(d->base, NULL); /* whatever the store has still to answer */
    }
}

static void on_drain(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct daemon *d = arg;
    forwarder_stop(d->relay.forwarder, true);
}

/* What is wrong with a file that was to be read anew; the old one stays. */
static void log_kept(const char *event, struct buffer *errors)
{
    buffer_putc(errors, '\0');
    const char *reason = errors->has_failed ? "out of memory" : errors->data;
    LOG(LOG_ERROR, event, LOG_BYTES("reason", reason, strcspn(reason, "\n")));
}

static void reload_optout(struct daemon *d)
{
    struct buffer errors = BUFFER_EMPTY;
    if (!optout_reload(d->relay.optout, &errors)) {
        log_kept("optout_kept", &errors);
    } else if (d->conf->policy.optout_file[0] != '\0') {
        LOG(LOG_INFO, "optout_read", LOG_STR("file", d->conf->policy.optout_file),
            LOG_INT("numbers", stats_get(&d->stats, STAT_OPTOUTS)));
    }
    buffer_free(&errors);
}

/* Sessions copy the numbers of an alias: none holds on to the old table. */
static void reload_aliases(struct daemon *d)
{
    const char *path = d->conf->sms.aliases;
    struct buffer errors = BUFFER_EMPTY;
    if (path[0] == '\0') {
        return;
    }
    struct alias_table *fresh = aliases_read(path, d->conf->sms.default_country, &errors);
    if (fresh != NULL) {
        d->rules.aliases = fresh;
        alias_table_free(d->aliases);
        d->aliases = fresh;
        LOG(LOG_INFO, "aliases_read", LOG_STR("file", path),
            LOG_INT("aliases", alias_table_count(fresh)),
            LOG_INT("numbers", alias_table_numbers(fresh)));
    } else {
        log_kept("aliases_kept", &errors);
    }
    buffer_free(&errors);
}

static void on_hangup(evutil_socket_t signal_number, short what, void *arg)
{
    (void)signal_number;
    (void)what;
    token_changed(arg);
    reload_aliases(arg);
    reload_optout(arg);
}

/* Ends the loop when nothing is relayed any more and everybody has got the replies that are due. */
static void end_if_done(struct daemon *d)
{
    bool is_idle = d->relay.store == NULL || store_is_idle(d->relay.store);
    bool is_told = d->notify == NULL || notify_has_ended(d->notify);
    if (d->has_forwarder_ended && is_idle && is_told) {
        event_base_loopexit(d->base, NULL);
    }
}

static void notify_ended(void *arg)
{
    end_if_done(arg);
}

/* All that has changed is in the store, or cannot be. */
static void on_saved(void *arg, const struct store_question *question)
{
    (void)question;
    struct daemon *d = arg;
    notify_stop(d->notify);
}

/* Nothing changes any more: what there is is told. */
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

static void on_store(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct daemon *d = arg;
    store_deliver(d->relay.store);
    flush(d);
    end_if_done(d);
}

static void on_second(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    log_flush_repeats(clock_monotonic_ms());
}

/* The last replies, and 421, were written as the loop ended: they still have to leave. */
static void say_farewell(struct daemon *d)
{
    int64_t deadline_ms = clock_monotonic_ms() + FAREWELL_MS;
    while (d->stops < 2 && server_has_unsent(d->server) && clock_monotonic_ms() < deadline_ms) {
        event_base_loop(d->base, EVLOOP_ONCE);
    }
}

/* What is left stays in the store; where it has no place to stay, that is never silent. */
static void settle_rest(struct daemon *d)
{
    struct queue_totals totals;
    bool is_durable = d->relay.store != NULL;
    size_t left = 0;
    if (d->notify != NULL) {
        watch_take(d->relay.watch); /* what has changed since the loop ended */
        notify_end(d->notify);
    }
    if (is_durable && !store_stop(d->relay.store)) {
        LOG(LOG_ERROR, "store_incomplete",
            LOG_STR("reason", "what became of some messages could not be saved: "
                              "the next start will ask the API for them"));
    }
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

/* --- starting --------------------------------------------------------------------------------- */

/* Starts the simulator if it is what the API is to be. `url` gets the API's address. */
static bool start_sandbox(struct daemon *d, char url[SANDBOX_URL_SIZE], char *error)
{
    char host[SETTINGS_HOST_SIZE];
    struct sandbox_options options;
    settings_sandbox(d->conf, host, &options);
    if (options.webhook == NULL && d->reports != NULL) {
        options.webhook = reports_url(d->reports);
    }
    d->sandbox = sandbox_thread_start(&options, error, ERROR_SIZE);
    if (d->sandbox == NULL) {
        return false;
    }
    sandbox_url(url, host, sandbox_thread_port(d->sandbox));
    LOG(LOG_INFO, "sandbox_listening", LOG_STR("url", url));
    return true;
}

static bool start_forwarder(struct daemon *d, const char *url, char *error)
{
    const struct conf *conf = d->conf;
    bool has_file = conf->api.token_file[0] != '\0' && d->sandbox == NULL;
    char *token = has_file ? read_token(d)
                           : strdup(d->sandbox != NULL ? conf->sandbox.token : conf->api.token);
    struct forwarder_options options;
    settings_forwarder(conf, url, token == NULL ? "" : token, &options);
    options.read_token = has_file ? read_token : NULL;
    options.token_arg = d;
    options.history.found = found;
    options.history.found_arg = d;
    options.ended = forwarder_ended;
    options.ended_arg = d;
    options.store = d->relay.store;
    d->relay.forwarder = token == NULL ? NULL : forwarder_new(d->relay.queue, &d->stats, &options);
    if (token != NULL) {
        explicit_bzero(token, strlen(token));
    }
    free(token);
    snprintf(error, ERROR_SIZE, "cannot set up requests to the API (token file, api.ca_file?)");
    if (has_file && d->relay.forwarder != NULL) {
        d->token_watch = file_watch_new(d->base, conf->api.token_file, token_changed, d);
    }
    if (d->relay.forwarder != NULL && d->relay.store != NULL && conf->reports.poll_ms > 0) {
        const struct poll_options *poll = &options.history.poll;
        store_each_unreported(d->relay.store, clock_unix_ms() - poll->give_up_ms,
                              poll->max_messages, relayed_before, d);
    }
    return d->relay.forwarder != NULL;
}

/* Returns false only where there should be consumers and are none. */
static bool make_notify(struct daemon *d, char *error)
{
    struct notify_options options;
    if (!settings_notify(d->conf, &options)) {
        return true;
    }
    options.stats = &d->stats;
    options.ended = notify_ended;
    options.arg = d;
    d->notify = notify_new(d->base, &options, error, ERROR_SIZE);
    return d->notify != NULL;
}

/* Opens the store, where the settings name one. */
static bool open_store(struct daemon *d, char *error)
{
    struct store_options options;
    if (!settings_store(d->conf, &options)) {
        return true;
    }
    options.stats = &d->stats;
    options.notify = notify_store;
    options.notify_arg = d;
    options.saved = wake_forwarder;
    options.saved_arg = d;
    options.outbox = d->notify == NULL ? NULL : notify_outbox(d->notify);
    d->relay.store = store_open(&options, error, ERROR_SIZE);
    return d->relay.store != NULL;
}

/* What an earlier run has left is in the queue again. */
static bool restore_queue(struct daemon *d, char *error)
{
    size_t count;
    int64_t began_ms = clock_monotonic_ms();
    d->has_restored = d->relay.store == NULL ||
                      store_restore(d->relay.store, d->relay.queue, &count, error, ERROR_SIZE);
    if (d->relay.store == NULL || !d->has_restored) {
        return d->has_restored;
    }
    if (store_is_held(d->relay.store)) {
        queue_hold(d->relay.queue, true);
    }
    LOG(LOG_INFO, "queue_restored", LOG_STR("path", d->conf->queue.path),
        LOG_INT("messages", count), LOG_INT("ms", clock_monotonic_ms() - began_ms),
        LOG_BOOL("held", store_is_held(d->relay.store)));
    return true;
}

/* Makes all parts, each after those that it needs. */
static bool make_parts(struct daemon *d, char *error)
{
    struct queue_options queue;
    struct watch_options watch = {.ack_timeout_ms = d->conf->listen.ack_timeout_ms,
                                  .stats = &d->stats,
                                  .tell = conn_tell,
                                  .acknowledge = conn_acknowledge,
                                  .dispatched = flush,
                                  .arg = d};
    struct intake_options intake = {.max_age_ms = d->conf->queue.max_age_ms,
                                    .max_bytes = (size_t)d->conf->queue.max_bytes,
                                    .store = d->relay.store,
                                    .settle = settle,
                                    .settled = flush,
                                    .arg = d};
    struct relay *relay = &d->relay;
    snprintf(error, ERROR_SIZE, "out of memory");
    if (d->notify != NULL && relay->store == NULL) {
        watch.taken = notify_tell;
        watch.taken_arg = d->notify;
    }
    settings_queue(d->conf, &queue);
    queue.stats = &d->stats;
    queue.tells_settled = watch.taken != NULL;
    queue.recent_events = RECENT_EVENTS;
    queue.first_event = (uint64_t)clock_unix_ms() * EVENTS_PER_MS;
    queue.wake_forwarder = wake_forwarder;
    queue.wake_arg = d;
    queue.notify_events = notify_events;
    queue.notify_arg = d;
    queue.wake_store = d->relay.store == NULL ? NULL : wake_store;
    queue.store_arg = d;
    relay->base = d->base;
    d->rules.tally = &d->tally;
    relay->rules = &d->rules;
    relay->stats = &d->stats;
    relay->queue = queue_new(&queue);
    relay->watch = relay->queue == NULL ? NULL : watch_new(d->base, relay->queue, &watch);
    relay->intake =
        relay->watch == NULL ? NULL : intake_new(d->base, relay->queue, &d->stats, &intake);
    return relay->intake != NULL && restore_queue(d, error);
}

static bool start_server(struct daemon *d, char *error)
{
    struct server_options options;
    if (!settings_server(d->conf, &options)) {
        return false;
    }
    d->server = server_new(&d->relay, &options, error, ERROR_SIZE);
    free((void *)options.addresses);
    return d->server != NULL;
}

/* The list of opt-outs: what the file and an earlier run say. */
static bool make_optout(struct daemon *d, char *error)
{
    struct optout_options options;
    struct buffer errors = BUFFER_EMPTY;
    settings_optout(d->conf, &options);
    options.queue = d->relay.queue;
    options.store = d->relay.store;
    options.stats = &d->stats;
    d->relay.optout = optout_new(&options, &errors);
    if (d->relay.optout == NULL) {
        snprintf(error, ERROR_SIZE, "%.*s", (int)strcspn(errors.data, "\n"), errors.data);
    }
    buffer_free(&errors);
    d->rules.has_opted_out = optout_has;
    d->rules.opted_out_arg = d->relay.optout;
    return d->relay.optout != NULL;
}

/* Returns false only where there should be a listener and is none. */
static bool start_http(struct daemon *d, char *error)
{
    char host[SETTINGS_HOST_SIZE], sandbox_host[SETTINGS_HOST_SIZE];
    struct http_options options;
    struct sandbox_options sandbox;
    if (!settings_http(d->conf, host, &options)) {
        return true;
    }
    if (d->sandbox != NULL) {
        settings_sandbox(d->conf, sandbox_host, &sandbox);
        options.page.sandbox_host = sandbox.host;
        options.page.sandbox_port = sandbox_thread_port(d->sandbox);
    }
    d->http = http_new(&d->relay, &options, error, ERROR_SIZE);
    return d->http != NULL;
}

/* The same; polling needs somebody to tell, too. */
static bool start_reports(struct daemon *d, char *error)
{
    char host[SETTINGS_HOST_SIZE];
    struct reports_options options;
    bool listens = settings_reports(d->conf, host, &options);
    if (!listens && d->conf->reports.poll_ms == 0) {
        return true;
    }
    snprintf(error, ERROR_SIZE, "out of memory");
    d->reports = reports_new(&d->relay);
    return d->reports != NULL &&
           (!listens || reports_listen(d->reports, &options, error, ERROR_SIZE));
}

static struct event *add_signal(struct daemon *d, int signal_number, event_callback_fn callback)
{
    struct event *event = evsignal_new(d->base, signal_number, callback, d);
    if (event != NULL) {
        event_add(event, NULL);
    }
    return event;
}

static void add_events(struct daemon *d)
{
    static const struct timeval SECOND = {.tv_sec = 1};
    d->on_term = add_signal(d, SIGTERM, on_stop);
    d->on_int = add_signal(d, SIGINT, on_stop);
    d->on_hup = add_signal(d, SIGHUP, on_hangup);
    d->on_drain = event_new(d->base, -1, 0, on_drain, d);
    d->on_ended = event_new(d->base, -1, 0, on_ended, d);
    d->on_second = event_new(d->base, -1, EV_PERSIST, on_second, d);
    d->on_store = event_new(d->base, -1, 0, on_store, d);
    event_add(d->on_second, &SECOND);
}

/* From here on the end is near enough: another signal would only spoil the exit code. */
static void block_stop_signals(void)
{
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stops, NULL);
}

/* Frees in the opposite order; what was not made is NULL. */
static void free_daemon(struct daemon *d)
{
    struct event *const events[] = {d->on_term,  d->on_int,    d->on_hup,  d->on_drain,
                                    d->on_ended, d->on_second, d->on_store};
    http_free(d->http);
    reports_free(d->reports);
    server_free(d->server);
    file_watch_free(d->token_watch);
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        if (events[i] != NULL) {
            event_free(events[i]);
        }
    }
    forwarder_free(d->relay.forwarder);
    store_free(d->relay.store);
    notify_free(d->notify);
    intake_free(d->relay.intake);
    watch_free(d->relay.watch);
    optout_free(d->relay.optout);
    queue_free(d->relay.queue);
    sandbox_thread_stop(d->sandbox);
    event_base_free(d->base);
    free((void *)d->rules.senders);
    alias_table_free(d->aliases);
    libevent_global_shutdown();
    curl_global_cleanup();
}

/* What a 250 means. */
static const char *queue_promise(const struct daemon *d)
{
    return d->relay.store == NULL
               ? "in memory only: a crash or a power failure loses what is queued"
               : "durable: what was answered 250 is on the disk";
}

/* Makes and starts everything but the listeners. Returns an exit code, EX_OK if all went well. */
static int start(struct daemon *d, char *error)
{
    char url[SANDBOX_URL_SIZE];
    bool is_sandbox = settings_is_sandbox(d->conf);
    if (!make_notify(d, error)) {
        return fail(error, EX_UNAVAILABLE);
    }
    if (!open_store(d, error)) {
        return fail(error, EX_CANTCREAT);
    }
    if (!settings_session(d->conf, d->hostname, d->aliases, &d->rules) || !make_parts(d, error) ||
        !make_optout(d, error) || !start_reports(d, error) ||
        (is_sandbox && !start_sandbox(d, url, error)) ||
        !start_forwarder(d, is_sandbox ? url : d->conf->api.url, error)) {
        return fail(error, EX_UNAVAILABLE);
    }
    add_events(d);
    if (d->relay.store != NULL && store_start(d->relay.store) != 0) {
        return fail("cannot start the store's thread", EX_OSERR);
    }
    if (d->notify != NULL && notify_start(d->notify) != 0) {
        return fail("cannot start the thread of reports.webhook", EX_OSERR);
    }
    if (forwarder_start(d->relay.forwarder) != 0) {
        return fail("cannot start the forwarding thread", EX_OSERR);
    }
    return EX_OK;
}

static int run(struct daemon *d, char *error)
{
    int code = EX_OK;
    if (start_http(d, error) && start_server(d, error)) {
        LOG(LOG_INFO, "started", LOG_STR("version", SMSRELAY_VERSION),
            LOG_STR("api", d->sandbox != NULL ? "sandbox" : d->conf->api.url),
            LOG_STR("queue", queue_promise(d)));
        event_base_dispatch(d->base);
    } else {
        code = fail(error, EX_UNAVAILABLE);
        forwarder_stop(d->relay.forwarder, false);
    }
    forwarder_join(d->relay.forwarder);
    if (code == EX_OK) {
        say_farewell(d);
    }
    return code;
}

static int run_daemon(struct daemon *d)
{
    char error[ERROR_SIZE] = "";
    gethostname(d->hostname, sizeof d->hostname - 1);
    int code = start(d, error);
    if (code == EX_OK) {
        code = run(d, error);
    }
    if (d->has_restored) {
        settle_rest(d);
    }
    if (code == EX_OK) {
        LOG(LOG_INFO, "stopped", LOG_STR("version", SMSRELAY_VERSION),
            LOG_INT("relayed", stats_get(&d->stats, STAT_MESSAGES_RELAYED)));
    }
    return code;
}

int daemon_run(const struct conf *conf, struct alias_table *aliases)
{
    struct daemon *d = calloc(1, sizeof *d);
    if (d == NULL) {
        alias_table_free(aliases);
        return fail("out of memory", EX_OSERR);
    }
    d->conf = conf;
    d->aliases = aliases;
    process_prepare();
    evthread_use_pthreads();
    curl_global_init(CURL_GLOBAL_DEFAULT);
    mail_init();
    d->base = event_base_new();
    int code = d->base == NULL ? fail("no event base", EX_OSERR) : run_daemon(d);
    log_flush_repeats(INT64_MAX);
    block_stop_signals();
    free_daemon(d);
    free(d);
    return code;
}
