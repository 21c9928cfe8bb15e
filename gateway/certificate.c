/* certificate: see certificate.h. */
#include "gateway/certificate.h"

#include "conf/loader.h"
#include "conf/trust.h"
#include "gateway/base/chain.h"
#include "gateway/base/clock.h"
#include "gateway/base/file.h"
#include "gateway/base/log.h"
#include "gateway/base/tls.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct certificate {
    const struct conf *conf;
    struct stats *stats;
    struct chain *chain;
    struct tls *tls;
    struct event *on_day; /* reminds of the end */
};

enum { DAY_S = 24 * 3600, MS_PER_SECOND = 1000 };

static int64_t now_s(void)
{
    return clock_unix_ms() / MS_PER_SECOND;
}

static bool is_set(const struct conf *conf)
{
    return conf->tls.certificate[0] != '\0' && conf->tls.key[0] != '\0';
}

/* Could nobody else have put them there? */
static bool is_trusted(const struct conf *conf, struct chain_fault *fault)
{
    char words[CONF_TRUST_SIZE];
    const char *const paths[] = {conf->tls.certificate, conf->tls.key};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        if (!conf_trust(paths[i], words)) {
            fault->is_of_key = i > 0;
            snprintf(fault->words, sizeof fault->words, "%.*s", CHAIN_FAULT_SIZE - 1, words);
            return false;
        }
    }
    return true;
}

/* Returns NULL with the fault. */
static struct chain *read_files(const struct conf *conf, enum conf_secret_fault *privacy,
                                struct chain_fault *fault)
{
    struct buffer certificates = BUFFER_EMPTY;
    struct conf_secret *key = NULL;
    struct chain *chain = NULL;
    *fault = (struct chain_fault){.is_of_key = false};
    *privacy = conf_secret_read_key(conf->tls.key, &key);
    const char *reason = file_read(conf->tls.certificate, &certificates);
    if (reason != NULL) {
        snprintf(fault->words, sizeof fault->words, "cannot be read: %s", reason);
    } else if (key == NULL) {
        fault->is_of_key = true;
        snprintf(fault->words, sizeof fault->words, "%s", conf_secret_fault_name(*privacy));
    } else if (is_trusted(conf, fault)) {
        chain = chain_read(certificates.data, certificates.len, conf_secret_text(key),
                           strlen(conf_secret_text(key)), fault);
    }
    if (certificates.len > 0) { /* the key may be in the same file */
        explicit_bzero(certificates.data, certificates.len);
    }
    buffer_free(&certificates);
    conf_secret_free(key);
    return chain;
}

static const char *file_of(const struct conf *conf, const struct chain_fault *fault)
{
    return fault->is_of_key ? conf->tls.key : conf->tls.certificate;
}

/* --- before a start --------------------------------------------------------------------------- */

static void refuse(const struct conf *conf, struct conf_loader *loader,
                   const struct chain_fault *fault)
{
    conf_refuse(loader, "tls", fault->is_of_key ? "key" : "certificate", "\"%.200s\" %s",
                file_of(conf, fault), fault->words);
}

static void warn(const struct conf *conf, struct conf_loader *loader, bool is_of_key,
                 const char *words)
{
    char what[512];
    const char *path = is_of_key ? conf->tls.key : conf->tls.certificate;
    snprintf(what, sizeof what, "\"%.150s\" %s", path, words);
    conf_warn(loader, conf_key_find("tls", is_of_key ? "key" : "certificate"), what);
}

void certificate_judge(const struct conf *conf, struct conf_loader *loader)
{
    struct chain_fault fault;
    enum conf_secret_fault privacy;
    if (!is_set(conf)) {
        return;
    }
    struct chain *chain = read_files(conf, &privacy, &fault);
    if (chain == NULL) {
        refuse(conf, loader, &fault);
    }
    chain_free(chain);
}

static void judge_chain(const struct conf *conf, struct conf_loader *loader,
                        const struct chain *chain)
{
    struct chain_fault fault;
    char words[64];
    int64_t days = chain_days_left(chain, now_s());
    if (!chain_is_current(chain, now_s(), &fault)) {
        refuse(conf, loader, &fault);
    } else if (days < CHAIN_DAYS_WARNED) {
        snprintf(words, sizeof words, "ends in %" PRId64 " days", days);
        warn(conf, loader, false, words);
    }
    if (!chain_is_complete(chain, &fault)) {
        warn(conf, loader, fault.is_of_key, fault.words);
    }
}

void certificate_judge_all(const struct conf *conf, struct conf_loader *loader)
{
    struct chain_fault fault;
    enum conf_secret_fault privacy;
    struct chain *chain = is_set(conf) ? read_files(conf, &privacy, &fault) : NULL;
    if (chain == NULL) {
        return; /* as certificate_judge has said */
    }
    judge_chain(conf, loader, chain);
    if (privacy != CONF_SECRET_GOOD) {
        warn(conf, loader, true, conf_secret_fault_name(privacy));
    }
    chain_free(chain);
}

/* --- while it runs ---------------------------------------------------------------------------- */

static void log_fault(const struct conf *conf, enum log_level level, const char *event,
                      const struct chain_fault *fault)
{
    log_event(level, event,
              (const struct log_field[]){LOG_STR("file", file_of(conf, fault)),
                                         LOG_STR("reason", fault->words),
                                         {LOG_FIELD_END, NULL, {.integer = 0}, 0}});
}

/* Says how long clients will believe it, if that is not for long. */
static void log_end(const struct certificate *c)
{
    int64_t days = chain_days_left(c->chain, now_s());
    struct chain_fault fault;
    if (!chain_is_current(c->chain, now_s(), &fault)) {
        log_fault(c->conf, LOG_ERROR, "certificate_invalid", &fault);
    } else if (days < CHAIN_DAYS_WARNED) {
        LOG(LOG_WARN, "certificate_ends", LOG_STR("file", c->conf->tls.certificate),
            LOG_INT("days", days), LOG_TIME("at", chain_ends_s(c->chain) * MS_PER_SECOND));
    }
}

static void on_day(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    log_end(arg);
}

/* Takes a chain over, and says so. */
static void adopt(struct certificate *c, struct chain *chain, enum conf_secret_fault privacy)
{
    struct chain_fault fault;
    chain_free(c->chain);
    c->chain = chain;
    stats_set(c->stats, STAT_TLS_CERTIFICATE_NOT_AFTER, chain_ends_s(chain));
    LOG(LOG_INFO, "certificate_read", LOG_STR("file", c->conf->tls.certificate),
        LOG_STR("name", chain_name(chain)), LOG_TIME("ends", chain_ends_s(chain) * MS_PER_SECOND));
    if (privacy != CONF_SECRET_GOOD) {
        LOG(LOG_WARN, "key_exposed", LOG_STR("file", c->conf->tls.key),
            LOG_STR("reason", conf_secret_fault_name(privacy)));
    }
    if (!chain_is_complete(chain, &fault)) {
        log_fault(c->conf, LOG_WARN, "certificate_incomplete", &fault);
    }
    log_end(c);
}

static bool start(struct certificate *c, struct event_base *base, char *error, size_t error_size)
{
    static const struct timeval DAY = {.tv_sec = DAY_S};
    struct chain_fault fault;
    enum conf_secret_fault privacy;
    struct chain *chain = read_files(c->conf, &privacy, &fault);
    if (chain == NULL) {
        snprintf(error, error_size, "%.160s %s", file_of(c->conf, &fault), fault.words);
        return false;
    }
    adopt(c, chain, privacy);
    c->tls = tls_new(chain, error, error_size);
    c->on_day = c->tls == NULL ? NULL : event_new(base, -1, EV_PERSIST, on_day, c);
    return c->on_day != NULL && event_add(c->on_day, &DAY) == 0;
}

struct certificate *certificate_new(struct event_base *base, const struct conf *conf,
                                    struct stats *stats, char *error, size_t error_size)
{
    struct certificate *c = calloc(1, sizeof *c);
    snprintf(error, error_size, "out of memory");
    if (c == NULL) {
        return NULL;
    }
    c->conf = conf;
    c->stats = stats;
    if (!start(c, base, error, error_size)) {
        certificate_free(c);
        return NULL;
    }
    return c;
}

void certificate_free(struct certificate *c)
{
    if (c == NULL) {
        return;
    }
    if (c->on_day != NULL) {
        event_free(c->on_day);
    }
    tls_free(c->tls);
    chain_free(c->chain);
    free(c);
}

struct tls *certificate_tls(const struct certificate *c)
{
    return c == NULL ? NULL : c->tls;
}

void certificate_reload(struct certificate *c)
{
    struct chain_fault fault;
    enum conf_secret_fault privacy;
    struct chain *chain = c == NULL ? NULL : read_files(c->conf, &privacy, &fault);
    if (c == NULL) {
        return;
    }
    bool is_good = chain != NULL && chain_is_current(chain, now_s(), &fault) &&
                   tls_change(c->tls, chain, fault.words, sizeof fault.words);
    if (is_good) {
        adopt(c, chain, privacy);
    } else {
        log_fault(c->conf, LOG_ERROR, "certificate_kept", &fault);
        chain_free(chain);
    }
}
