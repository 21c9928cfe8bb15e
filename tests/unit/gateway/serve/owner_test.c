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
    owner_leave(&owners, other);
    owner_leave(&owners, first);
    cr_assert_eq(owner_enter(&owners, 1000), first, "it lives as long as it has one");
    owner_leave(&owners, first);
    owner_leave(&owners, first);
}

Test(owner, may_be_a_negative_key)
{
    struct owners owners = {0};
    struct owner *local = owner_enter(&owners, -1);
    cr_assert_eq(owner_enter(&owners, -1), local);
    owner_leave(&owners, local);
    owner_leave(&owners, local);
}

/* --- turns ------------------------------------------------------------------------------------ */

enum { MANY = 100, SLICE_US = 50 };

Test(owner, time_is_shared_by_owner_not_by_connection)
{
    struct owners owners = {0};
    struct owner *one = owner_enter(&owners, 1);
    struct owner *other = NULL;
    struct turn of_one = {0};
    struct turn of_other[MANY] = {0};
    int turns_of_one = 0;
    owner_wait(&owners, one, &of_one);
    for (size_t i = 0; i < MANY; i++) {
        other = owner_enter(&owners, 2);
        owner_wait(&owners, other, &of_other[i]);
    }
    for (int i = 0; i < 10 * MANY; i++) {
        struct turn *turn = owners_next(&owners);
        struct owner *owner = turn == &of_one ? one : other;
        turns_of_one += owner == one ? 1 : 0;
        owner_charge(&owners, owner, SLICE_US, i);
        turn_line_charge(&owner->line, turn, SLICE_US);
        owner_wait(&owners, owner, turn);
    }
    cr_assert_eq(turns_of_one, 5 * MANY);
    for (size_t i = 0; i < MANY; i++) {
        cr_expect_leq(of_other[i].used_us, 6 * SLICE_US, "its connections share what is left");
        owner_forgo(&owners, other, &of_other[i]);
        owner_leave(&owners, other);
    }
    cr_assert_eq(owners_next(&owners), &of_one);
    cr_assert_null(owners_next(&owners));
    owner_leave(&owners, one);
}

Test(owner, compete_while_they_take_turns)
{
    struct owners owners = {0};
    struct owner *pair[2] = {owner_enter(&owners, 1), NULL};
    owner_charge(&owners, pair[0], 1, 1000);
    cr_expect_not(owners_compete(&owners, 1000), "it is alone");
    pair[1] = owner_enter(&owners, 2);
    owner_charge(&owners, pair[1], 1, 2000);
    cr_expect(owners_compete(&owners, 3000));
    owner_charge(&owners, pair[1], 1, 1000000);
    cr_expect_not(owners_compete(&owners, 1000000), "the other one is idle");
    owner_leave(&owners, pair[0]);
    owner_leave(&owners, pair[1]);
}
