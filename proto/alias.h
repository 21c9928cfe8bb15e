/*
 * alias: words that stand for one or more numbers, "oncall" for those who are.
 *
 * Owns the text of an aliases file and the table made of it. Leaves reading the file, and when it
 * is read anew, to the gateway; what a number is, to number. A table never changes: a new file is a
 * new table. Thread: any reads a table. Pure.
 */
#ifndef PROTO_ALIAS_H
#define PROTO_ALIAS_H

#include "proto/buffer.h"
#include "proto/number.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    ALIAS_NAME_MAX = 64,        /* letters; RFC 5321, 4.5.3.1.1 allows a local part no more */
    ALIAS_MEMBERS_MAX = 1000,   /* numbers of one alias */
    ALIAS_NUMBERS_MAX = 100000, /* numbers of all aliases together */
    ALIAS_FAULTS_MAX = 20       /* faults that are told of one file */
};

struct alias_table;

/* The numbers of one alias, each once, in the order of the file; borrowed from the table. */
struct alias {
    const char (*members)[NUMBER_SIZE]; /* E.164 */
    size_t count;                       /* at least 1 */
};

/*
 * Reads the text of an aliases file: lines `name: number, number`, comments on lines of their own
 * that begin with `#`, empty lines. A name is 1 to ALIAS_NAME_MAX of ASCII letters, digits and
 * `._-`, at least one letter among them, so that it is never taken for a number; its case does not
 * matter. Members are numbers as clients write them (`country_code` as in number_parse), not names.
 *
 * Returns a table for alias_table_free(), or NULL with the faults appended to `errors`, one line
 * each: "<file>:<line>: <what is wrong>". They show names, never a number.
 */
struct alias_table *alias_table_read(const char *file, const char *text, size_t len,
                                     const char *country_code, struct buffer *errors);

/* NULL is fine. */
void alias_table_free(struct alias_table *table);

/* How many names it holds, and how many numbers all of them have together. */
size_t alias_table_count(const struct alias_table *table);
size_t alias_table_numbers(const struct alias_table *table);

/* Looks a word up, in any case. Returns false where it is no alias; a `table` of NULL has none. */
bool alias_find(const struct alias_table *table, const char *word, size_t len, struct alias *alias);

#endif
