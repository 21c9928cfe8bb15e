/*
 * keys: the rows of the table of settings, used: found by name, and given a value.
 *
 * Leaves the table to conf/table.c, and what its values mean to others. Thread: any. Pure.
 */
#ifndef CONF_KEYS_H
#define CONF_KEYS_H

#include "conf/conf.h"
#include "conf/table.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    CONF_WHY_SIZE = 256,     /* what is wrong with a value, and NUL */
    CONF_BOUNDS_SIZE = 64,   /* what a number, time or size may be, and NUL */
    CONF_VARIABLE_SIZE = 64, /* the name of an environment variable, and NUL */
};

/* The row of a setting, or NULL. */
const struct conf_key *conf_key_find(const char *section, const char *name);

/*
 * The row of a setting that was removed or, with a `value`, of a removed value of a setting that
 * still exists. Ignores case: variables are in capitals. NULL = nothing was removed.
 */
const struct conf_removed *conf_removed_find(const char *section, const char *name,
                                             const char *value);

/* Tells whether there is such a section. */
bool conf_section_exists(const char *section);

/*
 * What was probably meant by a name that does not exist: a row of the same section or of another,
 * or NULL where nothing is close. The same for sections.
 */
const struct conf_key *conf_key_nearest(const char *section, const char *name);
const char *conf_section_nearest(const char *section);

/* Writes the name of the environment variable of a setting: "SMSRELAY_API_URL". */
void conf_key_variable(const struct conf_key *key, char out[CONF_VARIABLE_SIZE]);

/* Writes what a number, time or size may be: "1ms to 1h". */
void conf_key_bounds(const struct conf_key *key, char out[CONF_BOUNDS_SIZE]);

/*
 * Gives a setting the value that `value` spells. Returns false, leaving the setting as it was, if
 * that is not allowed; `why` then says what is ("must be a number from 1 to 100, not \"x\"").
 */
bool conf_key_set(const struct conf_key *key, struct conf *conf, const char *value,
                  char why[CONF_WHY_SIZE]);

/* The same for a list: adds the items to those that are there. */
bool conf_key_append(const struct conf_key *key, struct conf *conf, const char *value,
                     char why[CONF_WHY_SIZE]);

/* Has the setting the same value in both? */
bool conf_key_is_same(const struct conf_key *key, const struct conf *a, const struct conf *b);

/* Frees the setting's value, and wipes it if it is a secret. */
void conf_key_clear(const struct conf_key *key, struct conf *conf);

#endif
