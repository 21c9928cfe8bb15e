/* owners: see owners.h. */
#include "gateway/users/owners.h"

#include "gateway/base/owner_name.h"
#include "proto/message.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

struct user_owners {
    void *names; /* a tree of struct named */
    int32_t next;
};

struct named {
    int32_t owner;
    char name[USER_NAME_MAX + 1];
};

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

struct user_owners *user_owners_new(void)
{
    struct user_owners *owners = calloc(1, sizeof *owners);
    if (owners != NULL) {
        owners->next = OWNER_USER;
    }
    return owners;
}

void user_owners_free(struct user_owners *owners)
{
    if (owners != NULL) {
        tdestroy(owners->names, free);
        free(owners);
    }
}

/* Returns false on allocation failure. */
static bool add(struct user_owners *owners, const char *name, int32_t owner)
{
    struct named *named = calloc(1, sizeof *named);
    if (named == NULL) {
        return false;
    }
    named->owner = owner;
    strcpy(named->name, name);
    if (!owner_name_set(owner, name) || tsearch(named, &owners->names, compare) == NULL) {
        free(named);
        return false;
    }
    owners->next = owner <= owners->next ? owner - 1 : owners->next;
    return true;
}

void user_owners_restore(struct user_owners *owners, const char *name, int32_t owner)
{
    if (owner >= OWNER_RESERVED && owner <= OWNER_USER && strlen(name) <= USER_NAME_MAX) {
        (void)add(owners, name, owner);
    }
}

bool user_owners_give(struct user_owners *owners, struct user_table *table,
                      bool (*keep)(void *arg, const char *name, int32_t owner), void *arg,
                      struct buffer *errors)
{
    for (size_t i = 0; i < user_table_count(table); i++) {
        struct user *user = user_table_at(table, i);
        struct named wanted = {0};
        strcpy(wanted.name, user->name);
        struct named **known = tfind(&wanted, &owners->names, compare);
        user->owner = known != NULL ? (*known)->owner : owners->next;
        if (user->owner < OWNER_RESERVED) {
            buffer_printf(errors, "%s: too many names were users of this store (%d)\n", user->name,
                          OWNER_USER - OWNER_RESERVED + 1);
            return false;
        }
        if (known == NULL &&
            (!add(owners, user->name, user->owner) || !keep(arg, user->name, user->owner))) {
            buffer_puts(errors, "out of memory\n");
            return false;
        }
    }
    return true;
}
