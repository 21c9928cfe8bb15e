/*
 * login: is a client the user that it says it is?
 *
 * Owns the users of the moment, and a thread that hashes passwords. Who has logged in with a password is
 * remembered for some minutes by a keyed digest, so that a client that connects for each message costs no
 * hash each time; a token costs none. What is wrong costs one whoever the user, if there is one. Leaves who
 * waits for whom to delays. What holds a secret is wiped.
 * Threads: the loop's, but for its own.
 */
#ifndef GATEWAY_USERS_LOGIN_H
#define GATEWAY_USERS_LOGIN_H

#include "gateway/users/table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct login;
struct stats;

enum {
    LOGIN_QUEUE_MAX = 64, /* attempts that wait for the thread */
    LOGIN_SOURCE_MAX = 16 /* of these, of one source */
};

enum login_verdict {
    LOGIN_RIGHT,
    LOGIN_WRONG,
    LOGIN_TOO_SOON, /* after others that were wrong: it was not compared */
    LOGIN_BUSY,     /* it could not be compared now */
    LOGIN_PENDING   /* `answered` will be called */
};

struct login_options {
    struct stats *stats;
    void (*notify)(
        void *arg); /* called in the thread; must not block: login_deliver has something */
    void *arg;
};

/* Takes over the users. Returns NULL on allocation failure. */
struct login *login_new(struct user_table *users, const struct login_options *options);

/* Starts the thread. Returns 0 or an errno value. */
int login_start(struct login *login);

/* Ends the thread; what waits is answered LOGIN_BUSY. */
void login_stop(struct login *login);
/* NULL is fine. */
void login_free(struct login *login);

struct login_attempt {
    const void
        *source; /* bytes that tell clients apart: those with the same ones wait for one another */
    size_t source_len;
    const char *name, *secret; /* `name` NULL = the secret is a token, which tells whose it is */
    /* Not called from login_try. `user` is the one of that name, whatever the verdict; he lives until users
     * are replaced. NULL = there is none. */
    void (*answered)(void *client, uint32_t slot, enum login_verdict verdict,
                     const struct user *user);
    void *client; /* must stay until then */
    uint32_t slot;
};

struct login_result {
    enum login_verdict verdict;
    const struct user *user; /* the one of that name, whatever the verdict; NULL = there is none */
    int64_t wait_ms;         /* LOGIN_TOO_SOON */
};

/* Compares, or has it done. The attempt is copied. Counts what becomes of it. */
struct login_result login_try(struct login *login, const struct login_attempt *attempt);

/* Makes the calls that are due: for login_options.notify. */
void login_deliver(struct login *login);

/* Does login_deliver owe no call? */
bool login_is_idle(const struct login *login);

/* The users of the moment. */
struct user_table *login_users(const struct login *login);

/*
 * From now on these are the users; takes them over. Returns the former ones, to be freed once nobody has a
 * pointer to them; NULL, with nothing changed, on allocation failure.
 */
struct user_table *login_set_users(struct login *login, struct user_table *users);

#endif
