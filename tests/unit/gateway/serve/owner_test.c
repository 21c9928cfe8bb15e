/* owner: connections of one owner are counted together. */
#include "gateway/serve/owner.h"

#include <criterion/criterion.h>

Test(owner, has_all_its_connections)
{
    struct owners owners = {0};
    struct owner *first = owner_enter(&owners, 1000);
    struct owner *other = owner_enter(&owners, 1000 + OWNER_BUCKETS);
    cr_assert_eq(owner_enter(&owners, 1000), first);
    cr_assert_neq(first, other);
    cr_assert_eq(first->connections, 2);
    cr_assert_eq(other->connections, 1);
    owner_leave(other);
    owner_leave(first);
    cr_assert_eq(owner_enter(&owners, 1000), first, "it lives as long as it has one");
    owner_leave(first);
    owner_leave(first);
}

Test(owner, may_be_a_negative_key)
{
    struct owners owners = {0};
    struct owner *local = owner_enter(&owners, -1);
    cr_assert_eq(owner_enter(&owners, -1), local);
    owner_leave(local);
    owner_leave(local);
}
