/*
 * secret: a token kept in a private file.
 *
 * Owns what "private" means, what a token may look like, and wiping its memory. Leaves it to the
 * caller when to read the file again. Thread: any; each secret is used by one thread at a time.
 */
#ifndef CONF_SECRET_H
#define CONF_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

enum { CONF_SECRET_MAX = 4096 }; /* bytes of a token file */

enum conf_secret_fault {
    CONF_SECRET_GOOD,
    CONF_SECRET_MISSING,
    CONF_SECRET_DENIED,
    CONF_SECRET_UNREADABLE,
    CONF_SECRET_IRREGULAR,
    CONF_SECRET_FOREIGN,
    CONF_SECRET_EXPOSED,
    CONF_SECRET_TOO_LONG,
    CONF_SECRET_EMPTY,
    CONF_SECRET_ODD,
    CONF_SECRET_NO_MEMORY
};

struct conf_secret;

/*
 * Reads a token from `path`: a regular file of root or of the current user, closed to others and
 * at most readable for its group (mode 0640 or less), of at most CONF_SECRET_MAX bytes; a line end
 * after the token is dropped. May be called again at any time, when the token was rotated.
 *
 * Returns CONF_SECRET_GOOD and a secret for conf_secret_free(), or what is wrong and NULL.
 */
enum conf_secret_fault conf_secret_read(const char *path, struct conf_secret **secret);

/* The token, printable and NUL-terminated; lives as long as the secret. */
const char *conf_secret_text(const struct conf_secret *secret);

/* Wipes and frees. NULL is fine. */
void conf_secret_free(struct conf_secret *secret);

/* What is wrong, to be read after the file's name: "does not exist". */
const char *conf_secret_fault_name(enum conf_secret_fault fault);

/* Tells whether `s` can be a token: printable ASCII without spaces, not empty. */
bool conf_secret_is_token(const char *s, size_t len);

/* GOOD, FOREIGN or EXPOSED: whether a file of this owner and mode may hold a secret. */
enum conf_secret_fault conf_secret_privacy(const struct stat *file);

#endif
