/*
 * table: the users file: who may log in, and what he may do then.
 *
 * A line is `name:hash[:key=value ...]`, or a comment that begins with #. Owns what names look like and what
 * the keys mean. Leaves reading the file to the assembly, and hashes to hash. Thread: any; read-only once
 * it is made.
 */
#ifndef GATEWAY_USERS_TABLE_H
#define GATEWAY_USERS_TABLE_H

#include "gateway/users/hash.h"
#include "proto/buffer.h"
#include "proto/session/user.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { USERS_MAX = 10000 };

struct user {
    char name[USER_NAME_MAX + 1]; /* in lower case */
    char hash[HASH_SIZE];
    enum hash_kind kind;
    unsigned line;
    int32_t owner; /* of what he submits, as in struct message; set by whoever gives owners out */
    struct session_user session;
    struct senders *senders; /* what session.senders points to; NULL = there are none */
};

struct user_table;

/*
 * Reads the text of a file; `file` names it in errors. `allowed` are the only senders there are, ended by
 * NULL; none = any. Returns a table for user_table_free(); or NULL, and appends what is wrong to `errors`:
 * lines that start with the file and, where known, the line number. No line repeats a hash.
 */
struct user_table *user_table_read(const char *file, const char *text, size_t len,
                                   const char *const *allowed, struct buffer *errors);
/* Wipes the hashes. NULL is fine. */
void user_table_free(struct user_table *table);

size_t user_table_count(const struct user_table *table);
/* The i-th user, in order of names. */
struct user *user_table_at(const struct user_table *table, size_t i);
/* The user of that name, in any case; NULL = there is none. */
struct user *user_table_find(const struct user_table *table, const char *name);

/* The user whose token this is; NULL = nobody's. It is found by its digest, so the time tells nothing. */
struct user *user_table_find_token(const struct user_table *table, const char *token);

/* Copies a name in lower case. Returns false if it cannot be one: see user_name_rule. */
bool user_name_read(const char *word, size_t len, char name[USER_NAME_MAX + 1]);

/* What a name may be, in words. */
extern const char user_name_rule[];

#endif
