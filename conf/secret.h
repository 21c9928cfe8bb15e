/*
 * secret: a token, or a key, kept in a private file.
 *
 * Owns what "private" means, what a token may look like, and wiping its memory. The caller decides
 * when to read the file again. Thread: any; each secret is used by one thread at a time.
 */
#ifndef CONF_SECRET_H
#define CONF_SECRET_H

#include <stdbool.h>
#include <stddef.h>

enum {
    CONF_SECRET_MAX = 4096,     /* bytes of a token file */
    CONF_SECRET_KEY_MAX = 65536 /* of one with a key */
};

enum conf_secret_fault {
    CONF_SECRET_GOOD,
    CONF_SECRET_MOUNTED, /* usable, with a warning */
    CONF_SECRET_MISSING,
    CONF_SECRET_DENIED,
    CONF_SECRET_UNREADABLE,
    CONF_SECRET_IRREGULAR,
    CONF_SECRET_FOREIGN,
    CONF_SECRET_EXPOSED,
    CONF_SECRET_TOO_LONG,
    CONF_SECRET_TOO_LARGE, /* for a key */
    CONF_SECRET_EMPTY,
    CONF_SECRET_ODD,
    CONF_SECRET_QUOTED,
    CONF_SECRET_NO_MEMORY
};

struct conf_secret;

/*
 * Reads a token from `path`: a regular file of at most CONF_SECRET_MAX bytes that is private
 * (conf_secret_privacy). A line end after the token is dropped. May be called again at any time.
 *
 * Returns a usable fault and a secret for conf_secret_free(), or another fault and NULL.
 */
enum conf_secret_fault conf_secret_read(const char *path, struct conf_secret **secret);

/* The same for a file with a key, of at most CONF_SECRET_KEY_MAX bytes: text of any kind, all of it. */
enum conf_secret_fault conf_secret_read_key(const char *path, struct conf_secret **secret);

/* Is there a secret in spite of this fault? */
bool conf_secret_is_usable(enum conf_secret_fault fault);

/* The token, printable, or the text of the file; NUL-terminated. Lives as long as the secret. */
const char *conf_secret_text(const struct conf_secret *secret);

/* Wipes and frees. NULL is fine. */
void conf_secret_free(struct conf_secret *secret);

/* What is wrong, to be read after the name of the file: "does not exist". */
const char *conf_secret_fault_name(enum conf_secret_fault fault);

/* Can `s` be a token: printable ASCII without spaces, not empty? */
bool conf_secret_is_token(const char *s, size_t len);

/* Does `s` begin and end with the same quote, which is then hardly part of the token? */
bool conf_secret_is_quoted(const char *s, size_t len);

/*
 * May this open file hold a secret? It must be owned by root or the current user, with mode 0640 or
 * less. Containers mount their secrets with mode 0444 or 0644 where nobody else can see them: one of
 * root's that others can read, but not write, is taken if it is on a read-only mount that is not the
 * root file system's. Returns GOOD, MOUNTED, FOREIGN, EXPOSED or UNREADABLE.
 */
enum conf_secret_fault conf_secret_privacy(int fd);

#endif
