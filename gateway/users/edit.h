/*
 * edit: changes the users file, for `smsrelay user`.
 *
 * The file is replaced as a whole, with its owner, group and mode; a reader sees it before or after, and of
 * two writers the second waits. Comments and the order of lines stay. Leaves the meaning of lines to table.
 * Thread: one at a time; blocking.
 */
#ifndef GATEWAY_USERS_EDIT_H
#define GATEWAY_USERS_EDIT_H

#include "proto/buffer.h"

#include <limits.h>
#include <stdbool.h>

/* An open file, locked against other writers. */
struct user_edit {
    char path[PATH_MAX]; /* behind symbolic links */
    int fd;
    bool is_new;        /* nothing was saved to it yet */
    struct buffer text; /* to be changed, and then saved */
};

/* Opens, locks and reads a file; creates a missing one (mode 0600). Returns NULL, or what is wrong: a string valid
 * until the next call. */
const char *user_edit_open(struct user_edit *edit, const char *path);

/* Puts the text in the place of the file's. Returns NULL, or what is wrong. */
const char *user_edit_save(struct user_edit *edit);

/* Unlocks the file and wipes the text. A new file that nothing was saved to is removed. */
void user_edit_close(struct user_edit *edit);

/* Is there a line of this user (a name in lower case)? */
bool user_edit_has(const struct user_edit *edit, const char *name);

/* Appends `name:hash[:keys]`. */
void user_edit_add(struct user_edit *edit, const char *name, const char *hash, const char *keys);

/* Replaces the hash of a user who is there; the rest of his line stays. */
void user_edit_replace(struct user_edit *edit, const char *name, const char *hash);

/* Removes the line of a user who is there. */
void user_edit_remove(struct user_edit *edit, const char *name);

#endif
