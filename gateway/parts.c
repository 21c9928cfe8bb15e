/* parts: see parts.h. */
#include "gateway/parts.h"

#include "gateway/base/clock.h"
#include "gateway/base/descriptors.h"
#include "gateway/base/log.h"
#include "gateway/certificate.h"
#include "gateway/judge.h"
#include "gateway/queue/control.h"
#include "gateway/queue/queue.h"
#include "gateway/serve/conn_events.h"
#include "gateway/serve/intake.h"
#include "gateway/serve/server.h"
#include "gateway/serve/watch.h"
#include "gateway/settings.h"
#include "gateway/store/row.h"
#include "gateway/user_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define MINUTE_MS INT64_C(60000)
#define YEAR_MS   (365 * 24 * 60 * MINUTE_MS)

enum {
    /* More than there can be, so that every run's events have higher numbers than the last one's. */
    EVENTS_PER_MS = 1000,
    REPORTS_SECRET_SIZE = 33, /* 16 bytes in hexadecimal */
    RECENT_EVENTS = 1 << 16   /* kept for WATCH since=; a power of two */
};

/* --- what the parts call each other for ------------------------------------------------------- */

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

static void notify_ended(void *arg)
{
    struct daemon *d = arg;
    event_active(d->on_told, EV_TIMEOUT, 0);
}

static char *read_token(void *arg)
{
    const struct daemon *d = arg;
    return settings_read_token(d->conf);
}

static void change_token(void *arg)
{
    struct daemon *d = arg;
    forwarder_token_changed(d->relay.forwarder);
}

/* --- making them ------------------------------------------------------------------------------ */

bool parts_read_certificate(struct daemon *d)
{
    if (d->conf->tls.certificate[0] == '\0') {
        return true;
    }
    d->certificate = certificate_new(d->base, d->conf, &d->stats, d->error, sizeof d->error);
    return d->certificate != NULL;
}

bool parts_make_notify(struct daemon *d)
{
    struct notify_options options;
    if (!settings_notify(d->conf, &options)) {
        return true;
    }
    options.stats = &d->stats;
    options.ended = notify_ended;
    options.arg = d;
    d->notify = notify_new(d->base, &options, d->error, sizeof d->error);
    return d->notify != NULL;
}

/* A start has failed. If that is about this path, the error says what the unit has to do with it. */
static void hint_at_unit(struct daemon *d, const char *variable, const char *path)
{
    size_t len = strlen(d->error);
    if (path[0] != '\0' && strstr(d->error, path) != NULL) {
        snprintf(d->error + len, sizeof d->error - len, "%s", judge_unit_hint(variable, path));
    }
}

bool parts_open_store(struct daemon *d)
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
    d->relay.store = store_open(&options, d->error, sizeof d->error);
    if (d->relay.store == NULL) {
        hint_at_unit(d, "STATE_DIRECTORY", options.path);
    }
    return d->relay.store != NULL;
}

bool parts_make_rules(struct daemon *d)
{
    gethostname(d->hostname, sizeof d->hostname - 1);
    bool is_made = settings_session(d->conf, d->hostname, d->aliases, &d->rules);
    d->rules.tally = &d->tally;
    d->rules.offers_tls = d->certificate != NULL;
    return is_made;
}

/* Without a store, watch tells notify what happens. */
static bool watch_tells_notify(const struct daemon *d)
{
    return d->notify != NULL && d->relay.store == NULL;
}

/* A setting that lets others in is worth a line at each start. */
static void log_networks(const char *setting, const struct conf_list *networks, const char *meaning)
{
    struct buffer list = BUFFER_EMPTY;
    for (size_t i = 0; i < networks->count; i++) {
        buffer_printf(&list, "%s%s", i == 0 ? "" : " ", networks->items[i]);
    }
    if (list.len > 0) {
        LOG(LOG_INFO, "networks_trusted", LOG_STR("setting", setting),
            LOG_BYTES("networks", list.data, list.len), LOG_STR("meaning", meaning));
    }
    buffer_free(&list);
}

bool parts_read_networks(struct daemon *d)
{
    const struct {
        const char *setting;
        const struct conf_list *texts;
        struct networks *networks;
        const char *meaning;
    } rows[] = {
        {"listen.networks", &d->conf->listen.networks, &d->trusted,
         "whoever connects from there may send, in plain text and without a login"},
        {"http.networks", &d->conf->http.networks, &d->askers,
         "whoever connects from there sees the page and the metrics, without a login"},
        {"reports.networks", &d->conf->reports.networks, &d->reporters,
         "whoever connects from there may post reports, with the secret, in plain text"},
        {"submit.networks", &d->conf->submit.networks, &d->submitters,
         "whoever connects from there may submit, with a token, in plain text"},
    };
    bool is_read = true;
    for (size_t i = 0; is_read && i < sizeof rows / sizeof rows[0]; i++) {
        is_read = settings_networks(rows[i].texts, rows[i].networks);
        log_networks(rows[i].setting, rows[i].texts, rows[i].meaning);
    }
    return is_read;
}

bool parts_make_queue(struct daemon *d)
{
    struct queue_options options;
    settings_queue(d->conf, &options);
    options.stats = &d->stats;
    options.clock_offset_ms = clock_offset_ms();
    options.tells_settled = watch_tells_notify(d);
    options.recent_events = RECENT_EVENTS;
    options.first_event = (uint64_t)clock_unix_ms() * EVENTS_PER_MS;
    options.wake_forwarder = wake_forwarder;
    options.wake_arg = d;
    options.notify_events = notify_events;
    options.notify_arg = d;
    options.wake_store = d->relay.store == NULL ? NULL : store_wake;
    options.store_arg = d->relay.store;
    d->relay.queue = queue_new(&options);
    return d->relay.queue != NULL;
}

bool parts_make_watch(struct daemon *d)
{
    const struct watch_options options = {.ack_timeout_ms = d->conf->listen.ack_timeout_ms,
                                          .stats = &d->stats,
                                          .tell = conn_tell,
                                          .acknowledge = conn_acknowledge,
                                          .taken = watch_tells_notify(d) ? notify_tell : NULL,
                                          .taken_arg = d->notify,
                                          .dispatched = flush,
                                          .arg = d};
    d->relay.watch = watch_new(d->base, d->relay.queue, &options);
    return d->relay.watch != NULL;
}

bool parts_make_intake(struct daemon *d)
{
    const struct intake_options options = {.max_age_ms = d->conf->queue.max_age_ms,
                                           .max_bytes = (size_t)d->conf->queue.max_bytes,
                                           .store = d->relay.store,
                                           .settled = flush,
                                           .arg = d};
    d->relay.intake = intake_new(d->base, d->relay.queue, &d->stats, &options);
    return d->relay.intake != NULL;
}

/* From one run to the next, only the wall clock tells which messages have expired meanwhile. */
static void log_odd_clock(int64_t newest_ms, int64_t now_ms)
{
    if (newest_ms - now_ms > MINUTE_MS) {
        LOG(LOG_WARN, "clock_set_back", LOG_INT("by_ms", newest_ms - now_ms),
            LOG_STR("reason",
                    "messages in the queue are from the future: they get their whole time "
                    "again"));
    } else if (now_ms - newest_ms > YEAR_MS) {
        LOG(LOG_WARN, "clock_far_ahead", LOG_INT("by_ms", now_ms - newest_ms),
            LOG_STR("reason",
                    "the newest message in the queue is years old: if the clock is wrong, "
                    "messages have expired for nothing"));
    }
}

/* Puts what an earlier run has left into the queue. */
bool parts_restore_queue(struct daemon *d)
{
    struct store *store = d->relay.store;
    size_t count;
    int64_t began_ms = clock_monotonic_ms();
    d->has_restored =
        store == NULL || store_restore(store, d->relay.queue, &count, d->error, sizeof d->error);
    if (store == NULL || !d->has_restored) {
        return d->has_restored;
    }
    if (store_is_held(store)) {
        queue_hold(d->relay.queue, true);
    }
    if (count > 0) {
        log_odd_clock(store_row_ms(store_last_row(store)), clock_unix_ms());
    }
    LOG(LOG_INFO, "queue_restored", LOG_STR("path", d->conf->queue.path),
        LOG_INT("messages", count), LOG_INT("ms", clock_monotonic_ms() - began_ms),
        LOG_BOOL("held", store_is_held(store)));
    return true;
}

bool parts_make_optout(struct daemon *d)
{
    struct optout_options options;
    struct buffer errors = BUFFER_EMPTY;
    settings_optout(d->conf, &options);
    options.queue = d->relay.queue;
    options.store = d->relay.store;
    options.stats = &d->stats;
    d->relay.optout = optout_new(&options, &errors);
    if (d->relay.optout == NULL) {
        snprintf(d->error, sizeof d->error, "%.*s", (int)strcspn(errors.data, "\n"), errors.data);
    }
    buffer_free(&errors);
    d->rules.has_opted_out = optout_has;
    d->rules.opted_out_arg = d->relay.optout;
    return d->relay.optout != NULL;
}

static void wake_login(void *arg)
{
    struct daemon *d = arg;
    event_active(d->on_login, EV_TIMEOUT, 0);
}

static void restore_owner(void *arg, const char *name, int32_t owner)
{
    user_owners_restore(arg, name, owner);
}

static bool keep_owner(void *arg, const char *name, int32_t owner)
{
    struct daemon *d = arg;
    return d->relay.store == NULL || store_note_user(d->relay.store, name, owner);
}

struct user_table *parts_read_users(struct daemon *d, struct buffer *errors)
{
    struct user_table *users = user_file_read(d->conf, errors);
    if (users != NULL && !user_owners_give(d->owners, users, keep_owner, d, errors)) {
        user_table_free(users);
        return NULL;
    }
    return users;
}

bool parts_make_users(struct daemon *d)
{
    const struct login_options options = {.stats = &d->stats, .notify = wake_login, .arg = d};
    struct buffer errors = BUFFER_EMPTY;
    d->owners = user_owners_new();
    if (d->owners == NULL) {
        return false;
    }
    if (d->relay.store != NULL) { /* for the log, even if there are none now */
        store_each_user(d->relay.store, restore_owner, d->owners);
    }
    if (d->conf->auth.users[0] == '\0') {
        return true;
    }
    struct user_table *users = parts_read_users(d, &errors);
    d->relay.login = users == NULL ? NULL : login_new(users, &options);
    if (errors.len > 0) {
        buffer_append(&errors, "", 1);
        snprintf(d->error, sizeof d->error, "%.*s", (int)strcspn(errors.data, "\n"), errors.data);
    }
    buffer_free(&errors);
    return d->relay.login != NULL;
}

bool parts_start_login(struct daemon *d)
{
    snprintf(d->error, sizeof d->error, "cannot start the thread that compares passwords");
    return d->relay.login == NULL || login_start(d->relay.login) == 0;
}

/* For the simulated API, which is told: no setting needs to name it. */
static bool make_secret(char secret[REPORTS_SECRET_SIZE])
{
    unsigned char bytes[(REPORTS_SECRET_SIZE - 1) / 2];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        return false;
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        snprintf(secret + 2 * i, 3, "%02x", bytes[i]);
    }
    return true;
}

/* Reports are posted to it or polled. */
bool parts_start_reports(struct daemon *d)
{
    struct reports_options options;
    char secret[REPORTS_SECRET_SIZE];
    bool listens = settings_reports(d->conf, &options);
    options.networks = d->reporters;
    if (listens && options.secret[0] == '\0') {
        options.secret = secret;
        if (!make_secret(secret)) {
            return false;
        }
    }
    if (!listens && d->conf->reports.poll_ms == 0) {
        return true;
    }
    d->reports = reports_new(&d->relay);
    return d->reports != NULL &&
           (!listens || reports_listen(d->reports, &options, d->error, sizeof d->error));
}

/* It posts its reports to start_reports' listener. */
bool parts_start_sandbox(struct daemon *d)
{
    struct sandbox_options options;
    if (!settings_is_sandbox(d->conf)) {
        return true;
    }
    settings_sandbox(d->conf, &options);
    if (options.webhook == NULL && d->reports != NULL) {
        options.webhook = reports_url(d->reports);
    }
    d->sandbox = sandbox_thread_start(&options, d->error, sizeof d->error);
    if (d->sandbox == NULL) {
        return false;
    }
    sandbox_url(sandbox_thread_address(d->sandbox), d->sandbox_url);
    LOG(LOG_INFO, "sandbox_listening", LOG_STR("url", d->sandbox_url));
    return true;
}

/* Resumes polling for the reports of messages that an earlier run has relayed. */
static void restore_polls(struct daemon *d)
{
    struct poll_options poll;
    settings_poll(d->conf, &poll);
    if (d->relay.store != NULL && poll.interval_ms > 0) {
        store_each_unreported(d->relay.store, clock_unix_ms() - poll.give_up_ms, poll.max_messages,
                              relayed_before, d);
    }
}

bool parts_make_forwarder(struct daemon *d)
{
    struct forwarder_options options;
    bool has_file = settings_has_token_file(d->conf);
    char *token = settings_read_token(d->conf);
    settings_forwarder(d->conf, d->sandbox != NULL ? d->sandbox_url : d->conf->api.url,
                       token == NULL ? "" : token, &options);
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
    if (d->relay.forwarder == NULL) {
        snprintf(d->error, sizeof d->error,
                 "cannot set up requests to the API (token file, api.ca_file?)");
        return false;
    }
    if (has_file) {
        d->token_watch = file_watch_new(d->base, d->conf->api.token_file, change_token, d);
    }
    restore_polls(d);
    return true;
}

bool parts_start_store(struct daemon *d)
{
    snprintf(d->error, sizeof d->error, "cannot start the store's thread");
    return d->relay.store == NULL || store_start(d->relay.store) == 0;
}

bool parts_start_notify(struct daemon *d)
{
    snprintf(d->error, sizeof d->error, "cannot start the thread of reports.webhook");
    return d->notify == NULL || notify_start(d->notify) == 0;
}

bool parts_start_forwarder(struct daemon *d)
{
    snprintf(d->error, sizeof d->error, "cannot start the forwarding thread");
    d->is_forwarding = forwarder_start(d->relay.forwarder) == 0;
    return d->is_forwarding;
}

bool parts_start_http(struct daemon *d)
{
    struct http_options options;
    if (!settings_http(d->conf, &options)) {
        return true;
    }
    if (d->sandbox != NULL) {
        options.page.sandbox = *sandbox_thread_address(d->sandbox);
    }
    options.access.networks = d->askers;
    d->http = http_new(&d->relay, &options, d->error, sizeof d->error);
    return d->http != NULL;
}

bool parts_start_submit(struct daemon *d)
{
    struct submit_options options;
    if (!settings_submit(d->conf, &options)) {
        return true;
    }
    options.networks = d->submitters;
    d->submit = submit_new(&d->relay, &options, d->error, sizeof d->error);
    return d->submit != NULL;
}

/* After everything that stays open. Too few for all the clients that may come is no error: then less
 * of them may. */
static void reserve_descriptors(const struct daemon *d)
{
    size_t limit, reserve = settings_descriptors(d->conf);
    size_t room = descriptors_reserve(reserve, &limit);
    size_t wanted = (size_t)d->conf->listen.max_connections;
    if (room < wanted) {
        LOG(LOG_WARN, "descriptors_few",
            LOG_STR("reason", "RLIMIT_NOFILE is too low for listen.max_connections"),
            LOG_INT("limit", limit), LOG_INT("connections", room),
            LOG_INT("needed", limit + (wanted - room)));
    }
}

bool parts_start_server(struct daemon *d)
{
    struct server_options options;
    if (!settings_server(d->conf, &options)) {
        return false;
    }
    options.trusted = d->trusted;
    options.tls = certificate_tls(d->certificate);
    d->server = server_new(&d->relay, &options, d->error, sizeof d->error);
    if (d->server == NULL) {
        hint_at_unit(d, "RUNTIME_DIRECTORY", options.unix_path);
    } else {
        d->relay.owners = server_owners(d->server);
    }
    free((void *)options.addresses);
    reserve_descriptors(d);
    return d->server != NULL;
}
