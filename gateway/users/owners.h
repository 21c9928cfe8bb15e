/*
 * owners: which owner of messages a user is.
 *
 * A name is an owner: the same one for as long as the store is, also after it was taken out of the users file
 * and has come back, and never that of another name. So what a user has sent stays his, and no one else sees
 * it. Leaves keeping that to the store. Thread: the loop's.
 */
#ifndef GATEWAY_USERS_OWNERS_H
#define GATEWAY_USERS_OWNERS_H

#include "gateway/users/table.h"

#include <stdbool.h>
#include <stdint.h>

struct user_owners;

/* Returns NULL on allocation failure. */
struct user_owners *user_owners_new(void);
void user_owners_free(struct user_owners *owners);

/* An owner that was given out in an earlier run. One that is none is ignored. */
void user_owners_restore(struct user_owners *owners, const char *name, int32_t owner);

/*
 * Sets each user's owner. `keep` is told of new ones, which it must keep before a message of theirs; it
 * returns false on allocation failure. Returns false, and appends a line to `errors`, if there are no more
 * owners, or no memory.
 */
bool user_owners_give(struct user_owners *owners, struct user_table *table,
                      bool (*keep)(void *arg, const char *name, int32_t owner), void *arg,
                      struct buffer *errors);

#endif
