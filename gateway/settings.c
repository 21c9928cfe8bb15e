/* settings: see settings.h. */
#include "gateway/settings.h"

#include "gateway/queue/options.h"

#include "conf/network.h"
#include "conf/secret.h"
#include "conf/value.h"
#include "gateway/base/http_limit.h"
#include "gateway/base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HISTORY_PER_PAGE = 100,
    FINISHED_BYTES_MAX = 64 << 20,          /* of memory */
    POLLED_MAX = 100000,                    /* messages whose reports are polled at a time */
    POLL_GIVE_UP_MS = 3 * 24 * 3600 * 1000, /* longer than networks try */
};

/* Where conf and a part each have an enum, their orders are the same. */
_Static_assert((int)CONF_UNICODE_NO == (int)TEXT_UNICODE_NO, "sms.unicode");
_Static_assert((int)CONF_TRANSLITERATE_ALL == (int)TEXT_TRANSLITERATE_ALL, "sms.transliterate");
_Static_assert((int)CONF_SUBJECT_ONLY == (int)SUBJECT_ONLY, "smtp.subject");
_Static_assert((int)CONF_OPTIONS_NO == (int)MAIL_OPTIONS_NO, "smtp.options");
_Static_assert((int)CONF_TOO_LONG_REFUSE == (int)TOO_LONG_REFUSE, "smtp.too_long");

bool settings_session(const struct conf *conf, const char *hostname,
                      const struct alias_table *aliases, struct session_rules *rules)
{
    const char **senders = calloc(conf->sms.senders.count + 1, sizeof *senders);
    if (senders == NULL) {
        return false;
    }
    for (size_t i = 0; i < conf->sms.senders.count; i++) {
        senders[i] = conf->sms.senders.items[i];
    }
    *rules = (struct session_rules){
        .hostname = hostname,
        .version = SMSRELAY_VERSION,
        .max_line = (size_t)conf->listen.max_line,
        .max_recipients = (size_t)conf->listen.max_recipients,
        .default_from = conf->sms.default_from,
        .senders = senders,
        .default_country = conf->sms.default_country,
        .aliases = aliases,
        .charset = strcmp(conf->sms.charset, "none") == 0 ? NULL : conf->sms.charset,
        .unicode = (enum text_unicode)conf->sms.unicode,
        .transliterate = (enum text_transliterate)conf->sms.transliterate,
        .max_parts = (unsigned)conf->sms.max_parts,
        .mail_subject = (enum session_subject)conf->smtp.subject,
        .mail_options = (enum session_mail_options)conf->smtp.options,
        .mail_max_parts = (unsigned)conf->smtp.max_parts,
        .mail_too_long = (enum session_too_long)conf->smtp.too_long,
        .mail_keeps_signature = conf->smtp.signature == CONF_SIGNATURE_KEEP,
        .takes_any_login = conf->smtp.auth == CONF_AUTH_ANY,
        .requires_login = conf->auth.require == CONF_REQUIRE_ALL,
        .has_users = conf->auth.users[0] != '\0',
        .mail_takes_automatic = conf->smtp.auto_submitted == CONF_AUTO_SUBMITTED_SEND,
        .mail_max_size = (size_t)conf->smtp.max_size,
    };
    return true;
}

bool settings_store(const struct conf *conf, struct store_options *options)
{
    *options = (struct store_options){
        .path = conf->queue.path,
        .retention_ms = conf->queue.retention_ms,
        .reserve = conf->queue.reserve,
        .max_disk = conf->queue.max_disk,
        .recalls_api_ids = conf->reports.address[0] != '\0',
    };
    return conf->queue.path[0] != '\0' && conf->queue.durability == CONF_DURABILITY_ALWAYS;
}

void settings_queue(const struct conf *conf, struct queue_options *options)
{
    *options = (struct queue_options){
        .max_messages = (size_t)conf->queue.max_messages,
        .max_bytes = (size_t)conf->queue.max_bytes,
        .max_disk = (size_t)conf->queue.max_disk,
        .others_percent = (unsigned)conf->limits.others,
        .max_finished_bytes = FINISHED_BYTES_MAX,
        .retention_ms = conf->queue.retention_ms,
        .expects_reports = conf->reports.address[0] != '\0',
    };
}

void settings_poll(const struct conf *conf, struct poll_options *options)
{
    *options = (struct poll_options){
        .interval_ms = conf->reports.poll_ms,
        .give_up_ms = POLL_GIVE_UP_MS,
        .max_messages = POLLED_MAX,
        .per_page = HISTORY_PER_PAGE,
        .retry_min_ms = conf->relay.retry_min_ms,
        .retry_max_ms = conf->relay.retry_max_ms,
    };
}

void settings_forwarder(const struct conf *conf, const char *url, const char *token,
                        struct forwarder_options *options)
{
    *options = (struct forwarder_options){
        .api = {.url = url,
                .token = token,
                .ca_file = conf->api.ca_file[0] == '\0' ? NULL : conf->api.ca_file,
                .timeout_ms = conf->api.timeout_ms,
                .connect_timeout_ms = conf->api.connect_timeout_ms,
                .connections = (unsigned)conf->relay.connections},
        .history = {.reconcile = {.settle_delay_ms = conf->relay.settle_delay_ms,
                                  .history_pages = (unsigned)conf->relay.history_pages,
                                  .per_page = HISTORY_PER_PAGE,
                                  .resends = (unsigned)conf->relay.ambiguous_resends,
                                  .patience_ms = RECONCILE_PATIENCE_MS,
                                  .retry_min_ms = conf->relay.retry_min_ms,
                                  .retry_max_ms = conf->relay.retry_max_ms}},
        .destination = {.retry_min_ms = conf->relay.retry_min_ms,
                        .retry_max_ms = conf->relay.retry_max_ms},
        .bulk_max = (size_t)conf->relay.bulk_max,
        .peers = (unsigned)conf->relay.peers,
        .drain_timeout_ms = conf->queue.drain_timeout_ms,
    };
    settings_poll(conf, &options->history.poll);
}

bool settings_has_token_file(const struct conf *conf)
{
    return conf->api.token_file[0] != '\0' && !settings_is_sandbox(conf);
}

char *settings_read_token(const struct conf *conf)
{
    struct conf_secret *secret = NULL;
    if (!settings_has_token_file(conf)) {
        return strdup(settings_is_sandbox(conf) ? conf->sandbox.token : conf->api.token);
    }
    enum conf_secret_fault fault = conf_secret_read(conf->api.token_file, &secret);
    if (fault == CONF_SECRET_MOUNTED) {
        LOG(LOG_WARN, "token_exposed", LOG_STR("file", conf->api.token_file),
            LOG_STR("reason", conf_secret_fault_name(fault)));
    } else if (fault != CONF_SECRET_GOOD) {
        LOG(LOG_ERROR, "token_unreadable", LOG_STR("file", conf->api.token_file),
            LOG_STR("reason", conf_secret_fault_name(fault)));
        return NULL;
    }
    char *token = strdup(conf_secret_text(secret));
    conf_secret_free(secret);
    return token;
}

size_t settings_descriptors(const struct conf *conf)
{
    enum {
        HISTORY = 1,
        WEBHOOK = 2,
        PROGRAM = 4,
        REST = 8 /* host names, files read again, clients
                                                            * that are refused */
    };
    size_t api = (size_t)conf->relay.connections + HISTORY;
    return api + (settings_is_sandbox(conf) ? api : 0) + /* whose other ends are ours, too */
           (conf->http.address[0] != '\0' ? HTTP_LIMIT_SURE : 0) +
           (conf->reports.address[0] != '\0' ? HTTP_LIMIT_SURE : 0) +
           (conf->submit.address[0] != '\0' ? HTTP_LIMIT_SURE : 0) +
           (conf->reports.webhook[0] != '\0' ? WEBHOOK : 0) +
           (conf->reports.exec[0] != '\0' ? PROGRAM : 0) + REST;
}

/* Reads ADDRESS:PORT or localhost:PORT, which conf has checked. Returns false for "". */
static bool read_address(const char *text, struct listen_address *address)
{
    char host[CONF_HOST_SIZE];
    if (!conf_address_split(text, host, &address->port)) {
        return false;
    }
    snprintf(address->host, sizeof address->host, "%.*s", LISTEN_HOST_SIZE - 1,
             strcmp(host, "localhost") == 0 ? "127.0.0.1" : host);
    return true;
}

bool settings_networks(const struct conf_list *texts, struct networks *networks)
{
    char why[CONF_NETWORK_WHY_SIZE];
    struct network *list = calloc(texts->count + 1, sizeof *list);
    *networks = (struct networks){list, 0};
    for (size_t i = 0; list != NULL && i < texts->count; i++) {
        struct conf_network network;
        if (conf_network_parse(texts->items[i], &network, why)) {
            struct network *next = &list[networks->count++];
            memcpy(next->address.bytes, network.address, sizeof next->address.bytes);
            next->bits = network.bits;
        }
    }
    return list != NULL;
}

/* [::] takes IPv4 as well, unless 0.0.0.0 does at the same port. */
static void share_any(struct listen_address *addresses, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct listen_address *v4 = &addresses[i];
        for (size_t j = 0; strcmp(v4->host, "0.0.0.0") == 0 && j < count; j++) {
            struct listen_address *v6 = &addresses[j];
            v6->is_v6_only = v6->is_v6_only || v6->port == v4->port;
        }
    }
}

/* Returns how many there are: up to twice as many as texts. */
static size_t read_addresses(const struct conf_list *texts, bool is_tls,
                             struct listen_address *addresses)
{
    size_t count = 0;
    for (size_t i = 0; i < texts->count; i++) {
        if (!read_address(texts->items[i], &addresses[count])) {
            continue;
        }
        addresses[count++].is_tls = is_tls;
        if (strncmp(texts->items[i], "localhost:", strlen("localhost:")) == 0) {
            addresses[count] = addresses[count - 1];
            strcpy(addresses[count++].host, "::1");
        }
    }
    return count;
}

bool settings_server(const struct conf *conf, struct server_options *options)
{
    size_t size = 2 * (conf->listen.address.count + conf->listen.tls_address.count);
    struct listen_address *addresses = calloc(size + 1, sizeof *addresses);
    if (addresses == NULL) {
        return false;
    }
    size_t count = read_addresses(&conf->listen.address, false, addresses);
    count += read_addresses(&conf->listen.tls_address, true, addresses + count);
    share_any(addresses, count);
    *options = (struct server_options){
        .addresses = addresses,
        .address_count = count,
        .unix_path = conf->listen.unix_path,
        .control_group = conf->listen.control_group,
        .gives_control_to_all = conf->listen.control == CONF_CONTROL_ALL,
        .max_connections = (size_t)conf->listen.max_connections,
        .others_percent = (unsigned)conf->limits.others,
        .max_awaits = (size_t)conf->limits.awaits,
        .max_unanswered = (size_t)conf->limits.unanswered,
        .peers = {.connections = (size_t)conf->limits.peer_connections,
                  .per_minute = {[PEERS_CONNECT] = (unsigned)conf->limits.peer_connects,
                                 [PEERS_COMMAND] = (unsigned)conf->limits.peer_commands,
                                 [PEERS_LOGIN] = (unsigned)conf->limits.peer_logins}},
        .login_ms = conf->limits.login_time_ms,
        .min_idle_ms = conf->listen.min_idle_ms,
        .idle_timeout_ms = conf->listen.idle_timeout_ms,
    };
    return true;
}

bool settings_http(const struct conf *conf, struct http_options *options)
{
    *options = (struct http_options){
        .access.hosts = {(const char *const *)conf->http.hosts.items, conf->http.hosts.count},
        .page.shows_all = conf->http.page_privacy == CONF_PAGE_FULL,
        .max_messages = (size_t)conf->queue.max_messages,
        .max_bytes = (size_t)conf->queue.max_bytes,
        .max_wait_ms = conf->http.max_wait_ms,
    };
    return read_address(conf->http.address, &options->address);
}

bool settings_submit(const struct conf *conf, struct submit_options *options)
{
    *options = (struct submit_options){
        .hosts = {(const char *const *)conf->http.hosts.items, conf->http.hosts.count}};
    return read_address(conf->submit.address, &options->address);
}

bool settings_reports(const struct conf *conf, struct reports_options *options)
{
    *options = (struct reports_options){.secret = conf->reports.secret,
                                        .takes_all = conf->reports.tls == CONF_YES};
    return read_address(conf->reports.address, &options->address);
}

bool settings_notify(const struct conf *conf, struct notify_options *options)
{
    bool has_webhook = conf->reports.webhook[0] != '\0';
    bool has_ca_file = conf->reports.webhook_ca_file[0] != '\0';
    bool has_program = conf->reports.exec[0] != '\0';
    *options = (struct notify_options){
        .webhook = has_webhook ? conf->reports.webhook : NULL,
        .webhook_secret = conf->reports.webhook_secret,
        .webhook_ca_file = has_ca_file ? conf->reports.webhook_ca_file : NULL,
        .exec = has_program ? conf->reports.exec : NULL,
        .backlog = (size_t)conf->reports.backlog,
    };
    return has_webhook || has_program;
}

void settings_optout(const struct conf *conf, struct optout_options *options)
{
    *options = (struct optout_options){
        .file = conf->policy.optout_file,
        .country_code = conf->sms.default_country,
        .never = (const char *const *)conf->policy.never_optout.items,
        .never_count = conf->policy.never_optout.count,
        .stop_words = (const char *const *)conf->policy.stop_words.items,
        .stop_count = conf->policy.stop_words.count,
        .start_words = (const char *const *)conf->policy.start_words.items,
        .start_count = conf->policy.start_words.count,
    };
}

void settings_sandbox(const struct conf *conf, struct sandbox_options *options)
{
    *options = (struct sandbox_options){
        .address.host = "127.0.0.1",
        .token = conf->sandbox.token,
        .latency_ms = conf->sandbox.latency_ms,
        .limit = conf->sandbox.limit,
        .window_ms = conf->sandbox.window_ms,
        .webhook = conf->sandbox.webhook[0] == '\0' ? NULL : conf->sandbox.webhook,
    };
    (void)read_address(conf->sandbox.address, &options->address);
}

bool settings_is_sandbox(const struct conf *conf)
{
    return strcmp(conf->api.url, "sandbox") == 0;
}
