/*
 * errors: everything that is wrong with the settings, in the order in which it was found.
 *
 * Thread: one at a time.
 */
#ifndef CONF_ERRORS_H
#define CONF_ERRORS_H

#include <stddef.h>
#include <stdio.h>

/* A line each: "FILE:LINE: section.key: what is allowed"; and warnings, which do not count. */
struct conf_errors {
    char *text;   /* the lines; NULL = none, or out of memory */
    size_t len;   /* of the text */
    size_t count; /* of errors */
};

#define CONF_NO_ERRORS \
    {                  \
        NULL, 0, 0     \
    }

/* Adds "where: what". Beyond a thousand, errors are only counted. */
void conf_errors_add(struct conf_errors *errors, const char *where, const char *what);

/* Adds "where: warning: what". */
void conf_errors_warn(struct conf_errors *errors, const char *where, const char *what);

/* Writes the errors and warnings to `out`, a line each. */
void conf_errors_print(const struct conf_errors *errors, FILE *out);

/* Frees the lines; the list is empty and usable again. */
void conf_errors_free(struct conf_errors *errors);

#endif
