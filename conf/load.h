/*
 * load: where settings come from: defaults, the file, the environment, `-o`.
 *
 * Owns which source beats which, the checks that concern more than one setting, and the list of
 * everything that is wrong. Leaves the spelling of one value to conf/keys.c and conf/value.c.
 * Thread: the main thread at start-up.
 */
#ifndef CONF_LOAD_H
#define CONF_LOAD_H

#include "conf/conf.h"

#include <stddef.h>
#include <stdio.h>

#define CONF_DEFAULT_FILE "/etc/smsrelay/smsrelay.conf"

/* All that is wrong, one line each: "FILE:LINE: section.key: what is allowed". */
struct conf_errors {
    char *text;   /* the lines; NULL when there are none (or no memory was left for them) */
    size_t len;   /* of the text */
    size_t count; /* of errors */
};

#define CONF_NO_ERRORS \
    {                  \
        NULL, 0, 0     \
    }

/*
 * Reads the settings: defaults, then the file, then the environment, then `overrides`, where the
 * later beats the earlier.
 *
 * `path` is the file, which must exist; NULL means CONF_DEFAULT_FILE, which may be missing.
 * `overrides` holds "section.key=value" strings (`-o`), `environment` "NAME=value" strings as in
 * environ: SMSRELAY_<SECTION>_<KEY>, INSTASENT_TOKEN (it beats SMSRELAY_API_TOKEN; empty = not
 * there), RUNTIME_DIRECTORY and STATE_DIRECTORY, which give listen.unix and queue.path their
 * defaults. Both end in NULL and may be NULL.
 *
 * Returns the settings, for conf_free(), or NULL with every error added to `errors`, which the
 * caller initialises with CONF_NO_ERRORS and frees. No error shows the value of a secret.
 */
struct conf *conf_load(const char *path, char *const *overrides, char *const *environment,
                       struct conf_errors *errors);

/*
 * The same from an open file, called `name` in errors; NULL = no file. The file stays the
 * caller's.
 */
struct conf *conf_read(FILE *file, const char *name, char *const *overrides,
                       char *const *environment, struct conf_errors *errors);

/* Wipes the secrets in `overrides`: everybody can read the arguments of a process. */
void conf_wipe_secrets(char *const *overrides);

/* Wipes the secrets and frees everything. NULL is fine. */
void conf_free(struct conf *conf);

/* Writes the errors to `out`, a line each. */
void conf_errors_print(const struct conf_errors *errors, FILE *out);

/* Frees the lines; the list is empty and usable again. */
void conf_errors_free(struct conf_errors *errors);

#endif
