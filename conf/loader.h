/*
 * loader: settings while they are read: where each got its value, and what is wrong with it.
 *
 * For load, file and check. Thread: the main thread at start-up.
 */
#ifndef CONF_LOADER_H
#define CONF_LOADER_H

#include "conf/conf.h"
#include "conf/errors.h"
#include "conf/keys.h"
#include "conf/secret.h"

#include <stdbool.h>

enum conf_source { CONF_FROM_DEFAULT, CONF_FROM_FILE, CONF_FROM_ENVIRONMENT, CONF_FROM_OVERRIDE };

/* Where a setting got its value. */
struct conf_origin {
    enum conf_source source;
    int line;             /* in the file */
    const char *variable; /* "NAME=value" in the environment */
    bool is_refused;      /* the value was not allowed: checks against others would mislead */
};

struct conf_loader {
    struct conf *conf;
    struct conf_errors *errors;
    const char *name;                    /* of the file */
    enum conf_secret_fault file_privacy; /* may the file hold a secret? */
    struct conf_origin *origins;         /* one for each row of conf_keys */
};

/* Where this setting got its value. */
struct conf_origin *conf_origin_of(struct conf_loader *l, const struct conf_key *key);

/* Writes "FILE:12: api.url", "environment SMSRELAY_API_URL", "-o api.url" or "api.url". */
void conf_origin_print(const struct conf_loader *l, const struct conf_origin *origin,
                       const struct conf_key *key, char *out, size_t size);

/* Gives a setting a value, or complains about it. */
void conf_assign(struct conf_loader *l, const struct conf_key *key, struct conf_origin origin,
                 const char *value);

/* Adds an error; `key` may be NULL. */
void conf_complain(struct conf_loader *l, const struct conf_origin *origin,
                   const struct conf_key *key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Adds a warning. */
void conf_warn(struct conf_loader *l, const struct conf_key *key, const char *what);

/* Add an error about a setting or a section that does not exist, and what was probably meant. */
void conf_complain_of_name(struct conf_loader *l, const struct conf_origin *origin,
                           const char *section, const char *name);
void conf_complain_of_section(struct conf_loader *l, const struct conf_origin *origin,
                              const char *section);

#endif
