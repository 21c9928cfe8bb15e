/* owners: which owner a name is. */
#include "gateway/users/owners.h"

#include "gateway/base/owner_name.h"
#include "proto/message.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define TOKEN         \
    ":$token-sha256$" \
    "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\n"

static struct buffer kept;

static bool keep(void *arg, const char *name, int32_t owner)
{
    (void)arg;
    buffer_printf(&kept, "%s=%d ", name, (int)owner);
    return true;
}

/* Gives owners to the users of a file, and compares which they are, and which are new. */
static void check(struct user_owners *owners, const char *text, const char *expected,
                  const char *expected_new)
{
    struct buffer got = BUFFER_EMPTY, errors = BUFFER_EMPTY;
    struct user_table *table = user_table_read("f", text, strlen(text), NULL, &errors);
    cr_assert_not_null(table);
    buffer_clear(&kept);
    cr_assert(user_owners_give(owners, table, keep, NULL, &errors));
    for (size_t i = 0; i < user_table_count(table); i++) {
        const struct user *user = user_table_at(table, i);
        char name[OWNER_NAME_SIZE];
        owner_name(user->owner, name);
        cr_expect_str_eq(name, user->name);
        buffer_printf(&got, "%s=%d ", user->name, (int)user->owner);
    }
    buffer_append(&got, "", 1);
    buffer_append(&kept, "", 1);
    cr_expect_str_eq(got.data, expected);
    cr_expect_str_eq(kept.data, expected_new);
    buffer_free(&got);
    user_table_free(table);
}

Test(owners, a_name_stays_the_same_one)
{
    struct user_owners *owners = user_owners_new();
    check(owners, "ann" TOKEN "bob" TOKEN, "ann=-16 bob=-17 ", "ann=-16 bob=-17 ");
    check(owners, "bob" TOKEN "cid" TOKEN, "bob=-17 cid=-18 ", "cid=-18 ");
    check(owners, "ann" TOKEN "dan" TOKEN "Bob" TOKEN, "ann=-16 bob=-17 dan=-19 ", "dan=-19 ");
    user_owners_free(owners);
}

Test(owners, also_in_the_next_run)
{
    struct user_owners *owners = user_owners_new();
    user_owners_restore(owners, "cid", -18);
    user_owners_restore(owners, "ann", -16);
    user_owners_restore(owners, "nonsense", 1000);
    user_owners_restore(owners, "local", -1);
    user_owners_restore(owners, "network", -2);
    check(owners, "ann" TOKEN "bob" TOKEN, "ann=-16 bob=-19 ", "bob=-19 ");
    user_owners_free(owners);
}

Test(owners, when_there_are_no_more)
{
    struct buffer errors = BUFFER_EMPTY;
    const char *text = "ann" TOKEN "bob" TOKEN;
    struct user_owners *owners = user_owners_new();
    user_owners_restore(owners, "last", OWNER_RESERVED + 1);
    struct user_table *table = user_table_read("f", text, strlen(text), NULL, &errors);
    cr_assert_not(user_owners_give(owners, table, keep, NULL, &errors));
    buffer_append(&errors, "", 1);
    cr_assert_str_eq(errors.data, "bob: too many names were users of this store (65521)\n");
    buffer_free(&errors);
    user_table_free(table);
    user_owners_free(owners);
}

Test(owners, names_of_those_who_are_no_users)
{
    static const struct {
        int32_t owner;
        const char *name;
    } cases[] = {
        {OWNER_LOCAL, "local"}, {0, "0"}, {1000, "1000"}, {-70000, "4294897296"}, {-99, "unknown"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[OWNER_NAME_SIZE];
        owner_name(cases[i].owner, name);
        cr_expect_str_eq(name, cases[i].name);
    }
}
