/* reload: see reload.h. */
#include "gateway/reload.h"

#include "gateway/base/log.h"
#include "gateway/serve/aliases.h"
#include "gateway/serve/optout.h"

#include <string.h>

/* Says why a file was not read again; what it said before stays. */
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

/* Sessions copy the numbers of an alias, so none refers to the old table. */
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

void reload(struct daemon *d)
{
    forwarder_token_changed(d->relay.forwarder);
    reload_aliases(d);
    reload_optout(d);
    notify_resume(d->notify);
}
