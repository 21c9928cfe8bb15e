/* owner_name: see owner_name.h. */
#include "gateway/base/owner_name.h"

#include "proto/message.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *_Atomic names[-OWNER_RESERVED + 1]; /* by the owner's number without its sign */

static const char *const words[] = {"local", "network", "stranger"}; /* OWNER_LOCAL and below */

static bool is_named(int32_t owner)
{
    return owner >= OWNER_RESERVED && owner <= OWNER_USER;
}

void owner_name(int32_t owner, char name[OWNER_NAME_SIZE])
{
    const char *known = is_named(owner) ? atomic_load(&names[-owner]) : NULL;
    if (owner <= OWNER_LOCAL && owner >= OWNER_STRANGER) {
        snprintf(name, OWNER_NAME_SIZE, "%s", words[OWNER_LOCAL - owner]);
    } else if (is_named(owner)) {
        snprintf(name, OWNER_NAME_SIZE, "%s", known == NULL ? "unknown" : known);
    } else {
        snprintf(name, OWNER_NAME_SIZE, "%u", (unsigned)owner);
    }
}

bool owner_name_set(int32_t owner, const char *name)
{
    char *copy = atomic_load(&names[-owner]);
    if (copy == NULL) {
        copy = strdup(name);
        atomic_store(&names[-owner], copy);
    }
    return copy != NULL;
}
