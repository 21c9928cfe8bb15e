/*
 * table: THE table of settings.
 *
 * Owns what each setting is called, its type, default, bounds and help. Parsing, the names of
 * environment variables, the hints for misspelled names and conf/smsrelay.conf all come from it: a
 * new setting is a field in struct conf and a row here. Thread: any; it is constant.
 */
#ifndef CONF_TABLE_H
#define CONF_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
    bool is_common;      /* among the settings that people set first */
    size_t offset;       /* of the field in struct conf */
    const char *initial; /* the default, spelled as in a file */
    int64_t min, max;    /* of numbers, times (ms) and sizes (bytes) */
    /* Of a choice: "unix|all", in the order of its enum. Of a time: a word for 0, which the bounds
     * then exclude. */
    const char *words;
    const char *(*rule)(const char *value); /* of a string or a list's items; see conf/rules.h */
    const char *help;                       /* sentences, for the annotated file */
};

extern const struct conf_key conf_keys[];
extern const size_t conf_key_count;

/* What an earlier version had: a setting, or one value of a setting. */
struct conf_removed {
    const char *section;
    const char *name;
    const char *value;  /* NULL = the whole setting */
    const char *advice; /* what to do instead, to be read after the setting's name */
};

extern const struct conf_removed conf_removed[];
extern const size_t conf_removed_count;

#endif
