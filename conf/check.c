/* check: see the header. */
#include "conf/check.h"

#include "conf/doors.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Complains about a setting where it was set. */
#define COMPLAIN(l, key, ...) conf_complain(l, conf_origin_of(l, key), key, __VA_ARGS__)

static bool is_given(struct conf_loader *l, const struct conf_key *key, const char *value)
{
    return *value != '\0' || conf_origin_of(l, key)->is_refused;
}

/* Of a token and a file with one, that of the later source is meant: a token in the environment beats a
 * file that the settings file names, as it would beat a token there. */
static void settle_tokens(struct conf_loader *l, const struct conf_key *token,
                          const struct conf_key *token_file)
{
    char where[256], what[512];
    int difference =
        (int)conf_origin_of(l, token)->source - (int)conf_origin_of(l, token_file)->source;
    const struct conf_key *winner = difference > 0 ? token : token_file;
    const struct conf_key *loser = difference > 0 ? token_file : token;
    conf_origin_print(l, conf_origin_of(l, winner), winner, where, sizeof where);
    if (difference == 0) {
        conf_origin_print(l, conf_origin_of(l, token), token, where, sizeof where);
        COMPLAIN(l, token_file, "cannot be set together with a token (%s): keep one of them",
                 where);
    } else {
        snprintf(what, sizeof what, "is not used: %s is set, too, and counts", where);
        conf_warn(l, loser, what);
        conf_assign(l, loser, *conf_origin_of(l, loser), "");
    }
}

static void check_token(struct conf_loader *l)
{
    const struct conf_key *token = conf_key_find("api", "token");
    const struct conf_key *token_file = conf_key_find("api", "token_file");
    bool has_token = is_given(l, token, l->conf->api.token);
    bool has_file = is_given(l, token_file, l->conf->api.token_file);
    bool needs_one = strcmp(l->conf->api.url, "sandbox") != 0;

    if (has_token && has_file) {
        settle_tokens(l, token, token_file);
    }
    if (needs_one && !has_token && !has_file) {
        COMPLAIN(l, token,
                 "is missing: set api.token_file, api.token or INSTASENT_TOKEN in the "
                 "environment (or, to try the relay without one, api.url = sandbox)");
    }
}

/* A secret in the settings file is refused where others can read that. */
static void check_secret_place(struct conf_loader *l, const char *section, const char *name,
                               const char *advice)
{
    const struct conf_key *key = conf_key_find(section, name);
    if (conf_origin_of(l, key)->source == CONF_FROM_FILE &&
        !conf_secret_is_usable(l->file_privacy)) {
        COMPLAIN(l, key, "is in a file that %s; %s", conf_secret_fault_name(l->file_privacy),
                 advice);
    }
}

static void check_secret_places(struct conf_loader *l)
{
    if (*l->conf->api.token != '\0') {
        check_secret_place(l, "api", "token", "or use api.token_file");
    }
    if (*l->conf->reports.secret != '\0') {
        check_secret_place(l, "reports", "secret",
                           "or set SMSRELAY_REPORTS_SECRET in the environment");
    }
    if (*l->conf->reports.webhook_secret != '\0') {
        check_secret_place(l, "reports", "webhook_secret",
                           "or set SMSRELAY_REPORTS_WEBHOOK_SECRET in the environment");
    }
}

static void check_token_file(struct conf_loader *l)
{
    const struct conf_key *key = conf_key_find("api", "token_file");
    const char *path = l->conf->api.token_file;
    struct conf_secret *secret;
    char what[512];
    if (*path == '\0') {
        return;
    }
    enum conf_secret_fault fault = conf_secret_read(path, &secret);
    snprintf(what, sizeof what, "\"%.200s\" %s", path, conf_secret_fault_name(fault));
    if (!conf_secret_is_usable(fault)) {
        COMPLAIN(l, key, "%s", what);
    } else if (fault != CONF_SECRET_GOOD) {
        conf_warn(l, key, what);
    }
    conf_secret_free(secret);
}

static void check_program(struct conf_loader *l)
{
    const char *command = l->conf->reports.exec;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%.*s", (int)strcspn(command, " "), command);
    if (*path != '\0' && access(path, X_OK) != 0) {
        COMPLAIN(l, conf_key_find("reports", "exec"), "\"%.200s\" cannot be run: %s", path,
                 strerror(errno));
    }
}

/* Has the file a line that begins a certificate? Returns false, with errno, if it cannot be read. */
static bool find_certificate(const char *path, bool *is_found)
{
    char line[128];
    FILE *file = fopen(path, "re");
    *is_found = false;
    while (file != NULL && !*is_found && fgets(line, sizeof line, file) != NULL) {
        *is_found = strncmp(line, "-----BEGIN ", strlen("-----BEGIN ")) == 0 &&
                    strstr(line, "CERTIFICATE-----") != NULL;
    }
    bool is_read = file != NULL && !ferror(file);
    int error = errno;
    if (file != NULL) {
        fclose(file);
    }
    errno = error;
    return is_read;
}

/* RFC 7468 says how such files look. */
static void check_certificates(struct conf_loader *l, const struct conf_key *key, const char *path)
{
    bool is_found;
    if (*path == '\0') {
        return;
    }
    if (!find_certificate(path, &is_found)) {
        COMPLAIN(l, key, "\"%.200s\" cannot be read: %s", path, strerror(errno));
    } else if (!is_found) {
        COMPLAIN(l, key, "\"%.200s\" holds no certificate (PEM)", path);
    }
}

/* Better now than when the first message needs the file. */
static void check_files(struct conf_loader *l)
{
    check_program(l);
    check_certificates(l, conf_key_find("api", "ca_file"), l->conf->api.ca_file);
    check_certificates(l, conf_key_find("reports", "webhook_ca_file"),
                       l->conf->reports.webhook_ca_file);
}

static void check_waits(struct conf_loader *l)
{
    const struct conf_key *min = conf_key_find("relay", "retry_min");
    const struct conf_key *max = conf_key_find("relay", "retry_max");
    if (l->conf->relay.retry_min_ms <= l->conf->relay.retry_max_ms) {
        return;
    }
    const struct conf_key *set = conf_origin_of(l, max)->source != CONF_FROM_DEFAULT ? max : min;
    COMPLAIN(l, set, "relay.retry_min must not exceed relay.retry_max");
}

static void check_sender(struct conf_loader *l)
{
    const struct conf_key *from = conf_key_find("sms", "default_from");
    const struct conf_list *senders = &l->conf->sms.senders;
    if (*l->conf->sms.default_from == '\0' || senders->count == 0 ||
        conf_origin_of(l, conf_key_find("sms", "senders"))->is_refused) {
        return;
    }
    for (size_t i = 0; i < senders->count; i++) {
        if (strcmp(senders->items[i], l->conf->sms.default_from) == 0) {
            return;
        }
    }
    COMPLAIN(l, from, "must be one of sms.senders");
}

static void check_listeners(struct conf_loader *l)
{
    const struct conf_key *address = conf_key_find("listen", "address");
    if (l->conf->listen.address.count == 0 && l->conf->listen.tls_address.count == 0 &&
        *l->conf->listen.unix_path == '\0' && !conf_origin_of(l, address)->is_refused) {
        COMPLAIN(l, address, "must not be empty unless listen.unix or listen.tls_address is set");
    }
}

#define NO_HTTPS "cannot be yes: this version speaks no HTTPS; let a proxy do it"

static void check_tls(struct conf_loader *l)
{
    bool has_certificate = *l->conf->tls.certificate != '\0';
    bool has_key = *l->conf->tls.key != '\0';
    if (has_certificate && !has_key) {
        COMPLAIN(l, conf_key_find("tls", "key"), "must be set if tls.certificate is");
    } else if (has_key && !has_certificate) {
        COMPLAIN(l, conf_key_find("tls", "certificate"), "must be set if tls.key is");
    }
    if (!has_certificate && l->conf->listen.tls_address.count > 0) {
        COMPLAIN(l, conf_key_find("listen", "tls_address"),
                 "needs a certificate: set tls.certificate and tls.key");
    }
    /* reports.tls would open reports.address to all, and their secret go in plain text. */
    if (l->conf->http.tls == CONF_YES) {
        COMPLAIN(l, conf_key_find("http", "tls"), NO_HTTPS);
    }
    if (l->conf->reports.tls == CONF_YES) {
        COMPLAIN(l, conf_key_find("reports", "tls"), NO_HTTPS);
    }
}

static void check_logins(struct conf_loader *l)
{
    if (l->conf->smtp.auth == CONF_AUTH_ANY && *l->conf->auth.users != '\0') {
        COMPLAIN(l, conf_key_find("smtp", "auth"),
                 "accepts every login if it is `any`, while auth.users names those who may log in: "
                 "set one of them only");
    }
}

static void check_secrets(struct conf_loader *l)
{
    const struct conf_key *secret = conf_key_find("reports", "secret");
    const struct conf_key *webhook_secret = conf_key_find("reports", "webhook_secret");
    if (*l->conf->reports.address != '\0' && !is_given(l, secret, l->conf->reports.secret) &&
        strcmp(l->conf->api.url, "sandbox") != 0) {
        COMPLAIN(l, secret,
                 "must be set if reports.address is: otherwise anybody could post reports");
    }
    if (*l->conf->reports.webhook != '\0' &&
        !is_given(l, webhook_secret, l->conf->reports.webhook_secret)) {
        COMPLAIN(l, webhook_secret,
                 "must be set if reports.webhook is: otherwise anybody could forge notices");
    }
}

void conf_check(struct conf_loader *l)
{
    check_listeners(l);
    conf_check_doors(l);
    check_tls(l);
    check_token(l);
    check_files(l);
    check_waits(l);
    check_sender(l);
    check_logins(l);
    check_secrets(l);
    check_secret_places(l);
    check_token_file(l); /* the last: its warning must not hide an error */
}
