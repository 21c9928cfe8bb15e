/*
 * load: where settings come from: defaults, the file, the environment, `-o`.
 *
 * Owns which source beats which. Leaves the syntax of files to file, the spelling of values to keys,
 * what must hold between settings to check, and what conf cannot judge to the caller.
 * Thread: the main thread at start-up.
 */
#ifndef CONF_LOAD_H
#define CONF_LOAD_H

#include "conf/conf.h"
#include "conf/errors.h"

#include <stdio.h>

struct conf_loader;

/* Looks at what conf cannot judge, once every setting has a value; conf_refuse() says what is wrong. */
typedef void conf_judge(const struct conf *conf, struct conf_loader *loader);

#define CONF_DEFAULT_FILE "/etc/smsrelay/smsrelay.conf"

/*
 * Reads the settings: defaults, then the file, then the environment, then `overrides`; the later
 * beats the earlier.
 *
 * `path` is the file, which must exist; NULL means CONF_DEFAULT_FILE, which may be missing.
 * `overrides` holds "section.key=value" strings (`-o`), `environment` "NAME=value" strings as in
 * environ: SMSRELAY_<SECTION>_<KEY>, INSTASENT_TOKEN (beats SMSRELAY_API_TOKEN), RUNTIME_DIRECTORY
 * and STATE_DIRECTORY, which give listen.unix and queue.path their defaults; an empty one is unset.
 * Both end in NULL and may be NULL. `judge` may be NULL.
 *
 * Returns the settings, for conf_free(), or NULL with every error added to `errors`, which the
 * caller initialises with CONF_NO_ERRORS and frees. No error shows the value of a secret.
 */
struct conf *conf_load(const char *path, char *const *overrides, char *const *environment,
                       conf_judge *judge, struct conf_errors *errors);

/* The same from an open file, called `name` in errors; NULL = no file. The caller closes it. */
struct conf *conf_read(FILE *file, const char *name, char *const *overrides,
                       char *const *environment, conf_judge *judge, struct conf_errors *errors);

/* For a conf_judge: adds an error about a setting, "FILE:LINE: section.name: " before it. */
void conf_refuse(struct conf_loader *loader, const char *section, const char *name,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

/*
 * The settings in the file and the environment as far as they are right, for a client, which depends
 * on few of them: what is wrong, or cannot be read, is as if it were not there. Returns NULL on
 * allocation failure.
 */
struct conf *conf_glance(const char *path, char *const *environment);

/* Wipes the secrets in `overrides`: anybody can read the arguments of a process. */
void conf_wipe_secrets(char *const *overrides);

/* Wipes the secrets and frees everything. NULL is fine. */
void conf_free(struct conf *conf);

#endif
