/* owner: connections of one owner are counted together. */
#include "gateway/serve/owner.h"

#include "proto/message.h"

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
    cr_expect_eq(owners.count, 0);
    owners_free(&owners);
}

Test(owner, may_be_a_negative_key)
{
    struct owners owners = {0};
    struct owner *local = owner_enter(&owners, -1);
    cr_assert_eq(owner_enter(&owners, -1), local);
    owner_leave(&owners, local);
    owner_leave(&owners, local);
    owners_free(&owners);
}

/* A user who runs many short programs is shown with what they have used together. */
Test(owner, is_remembered_for_what_it_used)
{
    struct owners owners = {0};
    struct owner_share most[2];
    int64_t others;
    for (int32_t key = 0; key < 2 * OWNERS_KEPT; key++) {
        for (int i = 0; i < 2; i++) {
            struct owner *owner = owner_enter(&owners, key);
            owner_charge(&owners, owner, key == 7 ? 50 : key == 9 ? 40 : 10, 0);
            owner_leave(&owners, owner);
        }
    }
    cr_expect_eq(owners.known, OWNERS_KEPT);
    cr_assert_eq(owners_rank(&owners, OWNER_LOOP_US, most, 2, &others), 2);
    cr_expect(most[0].owner == 7 && most[0].value == 100);
    cr_expect(most[1].owner == 9 && most[1].value == 80);
    cr_expect_eq(others, (2 * OWNERS_KEPT - 2) * 20, "nothing is lost");
    cr_expect_eq(owners_rank(&owners, OWNER_CONNECTIONS, most, 2, &others), 2);
    cr_expect(most[0].value == 0 && others == 0);
    owners_free(&owners);
}

/* Connections that have something to come wait; each may have one command, whatever others have. */
Test(owner, has_so_many_commands_without_a_reply)
{
    struct owners owners = {.max_unanswered = 3};
    struct owner *owner = owner_enter(&owners, 1);
    struct owner *other = owner_enter(&owners, 2);
    size_t counted[2] = {0, 0};
    owner_count_unanswered(owner, &counted[0], 2);
    cr_expect_not(owner_must_wait(&owners, owner, counted[0]));
    owner_count_unanswered(owner, &counted[0], 3);
    cr_expect(owner_must_wait(&owners, owner, counted[0]));
    cr_expect_not(owner_must_wait(&owners, owner, counted[1]), "it would not be woken");
    owner_count_unanswered(owner, &counted[1], 1);
    cr_expect(owner_must_wait(&owners, owner, counted[1]));
    cr_expect_not(owner_must_wait(&owners, other, 1), "of another owner");
    cr_expect_eq(owner_value(owner, OWNER_UNANSWERED), 4);
    owner_count_unanswered(owner, &counted[0], 0);
    cr_expect_not(owner_must_wait(&owners, owner, counted[1]));
    owner_leave(&owners, owner);
    owner_leave(&owners, other);
    owners_free(&owners);
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
        cr_expect_leq(of_other[i].used, 6 * SLICE_US, "its connections share what is left");
        owner_forgo(&owners, other, &of_other[i]);
        owner_leave(&owners, other);
    }
    cr_assert_eq(owners_next(&owners), &of_one);
    cr_assert_null(owners_next(&owners));
    owner_leave(&owners, one);
    owners_free(&owners);
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
    struct owner *strangers = owner_enter(&owners, OWNER_STRANGER);
    owner_charge(&owners, strangers, 1, 1000000);
    owner_charge(&owners, pair[1], 1, 1000000);
    cr_expect_not(owners_compete(&owners, 1000000), "strangers do not count");
    owner_leave(&owners, strangers);
    owner_leave(&owners, pair[0]);
    owner_leave(&owners, pair[1]);
    owners_free(&owners);
}
