/*
 * alias: words that stand for one or more numbers, such as "oncall".
 *
 * Owns the syntax of an aliases file, and the table made of it. Leaves to the gateway reading the
 * file, and when to read it again; to number, what a number is. A table never changes: a new file
 * is a new table. Thread: any reads a table. Pure.
 */
#ifndef PROTO_ALIAS_H
#define PROTO_ALIAS_H

#include "proto/buffer.h"
#include "proto/number.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    ALIAS_NAME_MAX = 64,        /* as long as a local part may be (RFC 5321, 4.5.3.1.1) */
    ALIAS_MEMBERS_MAX = 1000,   /* numbers of one alias */
    ALIAS_NUMBERS_MAX = 100000, /* numbers of all aliases together */
    ALIAS_FAULTS_MAX = 20       /* faults reported of one file */
};

struct alias_table;

/* The numbers of one alias, each once, in the order of the file; borrowed from the table. */
struct alias {
    const char (*members)[NUMBER_SIZE]; /* E.164 */
    size_t count;                       /* at least 1 */
    size_t position;                    /* in the table, below alias_table_count */
};

/*
 * Reads the text of an aliases file: lines `name: number, number`, lines of comment that begin with
 * `#`, and empty ones. A name is 1 to ALIAS_NAME_MAX ASCII letters, digits and `._-`, at least one
 * of them a letter, so that it never looks like a number; its case does not matter. Members are
 * numbers as clients write them (`country_code` as in number_parse), not names.
 *
 * Returns a table for alias_table_free(), or NULL with the faults appended to `errors`, one line
 * each: "<file>:<line>: <what is wrong>". They show names, never numbers.
 */
struct alias_table *alias_table_read(const char *file, const char *text, size_t len,
                                     const char *country_code, struct buffer *errors);

/* NULL is fine. */
void alias_table_free(struct alias_table *table);

/* How many names it has, and how many numbers they have together. */
size_t alias_table_count(const struct alias_table *table);
size_t alias_table_numbers(const struct alias_table *table);

/* Looks a word up, in any case. Returns false if it is no alias. A NULL `table` is empty. */
bool alias_find(const struct alias_table *table, const char *word, size_t len, struct alias *alias);

#endif
