/* reload: see reload.h. */
#include "gateway/reload.h"

#include "conf/keys.h"
#include "conf/load.h"
#include "conf/trust.h"
#include "gateway/base/log.h"
#include "gateway/certificate.h"
#include "gateway/serve/aliases.h"
#include "gateway/serve/optout.h"

#include <stdio.h>
#include <string.h>

/* Says why a file was not read again; what it said before stays. */
static void log_kept(const char *event, struct buffer *errors)
{
    buffer_putc(errors, '\0');
    const char *reason = errors->has_failed ? "out of memory" : errors->data;
    LOG(LOG_ERROR, event, LOG_BYTES("reason", reason, strcspn(reason, "\n")));
}

/* Could nobody else have written this file meanwhile? "" is no file. */
static bool is_trusted(const char *path, struct buffer *errors)
{
    char fault[CONF_TRUST_SIZE];
    if (path[0] == '\0' || conf_trust(path, fault)) {
        return true;
    }
    buffer_printf(errors, "%s: %s", path, fault);
    return false;
}

static void reload_optout(struct daemon *d)
{
    struct buffer errors = BUFFER_EMPTY;
    if (!is_trusted(d->conf->policy.optout_file, &errors) ||
        !optout_reload(d->relay.optout, &errors)) {
        log_kept("optout_kept", &errors);
    } else if (d->conf->policy.optout_file[0] != '\0') {
        LOG(LOG_INFO, "optout_read", LOG_STR("file", d->conf->policy.optout_file),
            LOG_INT("numbers", stats_get(&d->stats, STAT_OPTOUTS)));
    }
    buffer_free(&errors);
}

/* Sessions copy the numbers of an alias, so none refers to the old table. */
static void reload_aliases(struct daemon *d)
{
    const char *path = d->conf->sms.aliases;
    struct buffer errors = BUFFER_EMPTY;
    if (path[0] == '\0') {
        return;
    }
    struct alias_table *fresh = NULL;
    if (is_trusted(path, &errors)) {
        fresh = aliases_read(path, d->conf->sms.default_country, &errors);
    }
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

/* Connections of users who are still there go on. */
static void reload_users(struct daemon *d)
{
    struct buffer errors = BUFFER_EMPTY;
    if (d->relay.login == NULL) {
        return;
    }
    struct user_table *users = parts_read_users(d, &errors);
    struct user_table *former = users == NULL ? NULL : login_set_users(d->relay.login, users);
    if (former == NULL) {
        user_table_free(users);
        log_kept("users_kept", &errors);
    } else {
        server_renew_users(d->server, users);
        user_table_free(former);
        LOG(LOG_INFO, "users_read", LOG_STR("file", d->conf->auth.users),
            LOG_INT("users", user_table_count(users)));
    }
    buffer_free(&errors);
}

/* Says which settings have other values now than those with which the relay runs. */
static void compare_settings(const struct daemon *d)
{
    struct conf_errors errors = CONF_NO_ERRORS;
    struct buffer changed = BUFFER_EMPTY;
    struct conf *conf = d->load(d->load_arg, &errors);
    for (size_t i = 0; conf != NULL && i < conf_key_count; i++) {
        const struct conf_key *key = &conf_keys[i];
        if (!conf_key_is_same(key, d->conf, conf)) {
            buffer_printf(&changed, "%s%s.%s", changed.len == 0 ? "" : " ", key->section,
                          key->name);
        }
    }
    if (conf == NULL) {
        const char *reason = errors.text == NULL ? "out of memory" : errors.text;
        LOG(LOG_ERROR, "settings_kept", LOG_BYTES("reason", reason, strcspn(reason, "\n")));
    } else if (changed.len > 0) {
        LOG(LOG_WARN, "settings_need_restart", LOG_BYTES("settings", changed.data, changed.len));
    }
    buffer_free(&changed);
    conf_errors_free(&errors);
    conf_free(conf);
}

static void log_reloaded(const struct conf *conf)
{
    const char *const files[] = {conf->api.token_file, conf->auth.users, conf->sms.aliases,
                                 conf->policy.optout_file, conf->tls.certificate};
    static const char *const names[] = {"api.token_file", "auth.users", "sms.aliases",
                                        "policy.optout_file", "tls.certificate"};
    char read[96] = "";
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        size_t len = strlen(read);
        if (files[i][0] != '\0') {
            snprintf(read + len, sizeof read - len, "%s%s", len == 0 ? "" : " ", names[i]);
        }
    }
    LOG(LOG_INFO, "reloaded", LOG_STR("read", read));
}

void reload(struct daemon *d)
{
    forwarder_token_changed(d->relay.forwarder);
    reload_aliases(d);
    reload_users(d);
    reload_optout(d);
    certificate_reload(d->certificate);
    notify_resume(d->notify);
    compare_settings(d);
    log_reloaded(d->conf);
}
