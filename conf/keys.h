/*
 * keys: THE table of settings.
 *
 * Owns what each setting is called, its type, default, bounds and one line of help. Parsing,
 * defaults, `-o`, the names of environment variables, the hints for misspelled keys and the printed
 * reference all come from it: a new setting is a field in struct conf and a row here.
 * Thread: any; the table is constant. Pure.
 */
#ifndef CONF_KEYS_H
#define CONF_KEYS_H

#include "conf/conf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum conf_type {
    CONF_STRING,
    CONF_SECRET, /* a string that no output shows */
    CONF_LIST,
    CONF_NUMBER,
    CONF_TIME,
    CONF_SIZE,
    CONF_CHOICE
};

struct conf_key {
    const char *section;
    const char *name;
    enum conf_type type;
    size_t offset;       /* of the field in struct conf */
    const char *initial; /* the default, spelled as in a file */
    int64_t min, max;    /* of numbers, times (ms) and sizes (bytes) */
    const char *words; /* of a choice: "unix|all", in the order of its enum; of a time: what stands
                          * for 0, which the bounds leave out */
    /* Says what a string that is not empty, or an item of a list, must be; NULL = it is. */
    const char *(*complaint)(const char *value);
    const char *help;
};

enum {
    CONF_WHY_SIZE = 256,     /* what is wrong with a value, and NUL */
    CONF_VARIABLE_SIZE = 64, /* the name of an environment variable, and NUL */
};

extern const struct conf_key conf_keys[];
extern const size_t conf_key_count;

/* A word for the reference: "time". */
const char *conf_type_name(enum conf_type type);

/* The row of a setting, or NULL. */
const struct conf_key *conf_key_find(const char *section, const char *name);

/* Tells whether there is such a section. */
bool conf_section_exists(const char *section);

/*
 * What was probably meant by a name that does not exist: a row, in the same section or in another
 * one, or NULL where nothing is near. The same for sections.
 */
const struct conf_key *conf_key_nearest(const char *section, const char *name);
const char *conf_section_nearest(const char *section);

/* What an earlier version had: a setting, or one value of a setting. */
struct conf_removed {
    const char *section;
    const char *name;
    const char *value;  /* NULL = the whole setting */
    const char *advice; /* what to do instead, to be read after the setting's name */
};

/*
 * The row of a setting that was removed or, with a `value`, of a removed value of a setting that is
 * still there. Any case: variables are in capitals. NULL where nothing was removed.
 */
const struct conf_removed *conf_removed_find(const char *section, const char *name,
                                             const char *value);

/* Writes the name of the environment variable of a setting: "SMSRELAY_API_URL". */
void conf_key_variable(const struct conf_key *key, char out[CONF_VARIABLE_SIZE]);

/*
 * Gives a setting the value spelled by `value`. Returns false, the setting as it was, where that is
 * not allowed; `why` then says what is ("must be a number from 1 to 100, not \"x\"").
 */
bool conf_key_set(const struct conf_key *key, struct conf *conf, const char *value,
                  char why[CONF_WHY_SIZE]);

/* The same for a list, whose items are added to those that are there. */
bool conf_key_append(const struct conf_key *key, struct conf *conf, const char *value,
                     char why[CONF_WHY_SIZE]);

/* Frees what the setting holds, wiped if it is a secret. */
void conf_key_clear(const struct conf_key *key, struct conf *conf);

/* Writes all settings with their defaults, as an annotated file that sets nothing. */
void conf_keys_print(FILE *out);

#endif
