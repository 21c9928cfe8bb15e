/* table: the text of a users file, and the table made of it. */
#include "gateway/users/table.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* Of "secret", and of some token. */
#define YESCRYPT "$y$j75$TeStSaLt$Ur2yEu6ZXjxqIVbLTS0XGV2qvmYXo7wfqnfuJE8aZt8"
#define TOKEN        \
    "$token-sha256$" \
    "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"

static struct user_table *read_text(const char *text, const char *const *allowed,
                                    struct buffer *errors)
{
    struct user_table *table = user_table_read("f", text, strlen(text), allowed, errors);
    buffer_append(errors, "", 1);
    cr_assert_eq(table == NULL, errors->len > 1, "%s", errors->data);
    return table;
}

/* "name kind rights senders" of a user, or "-". */
static void look_up(const struct user_table *table, const char *word, char *out, size_t size)
{
    FILE *f = fmemopen(out, size, "w");
    const struct user *user = user_table_find(table, word);
    if (user == NULL) {
        fputs("-", f);
    } else {
        fprintf(f, "%s %s %u", user->name, user->kind == HASH_TOKEN ? "token" : "password",
                user->session.rights);
    }
    for (size_t i = 0;
         user != NULL && user->session.senders != NULL && user->session.senders[i] != NULL; i++) {
        fprintf(f, " [%s]", user->session.senders[i]);
    }
    fclose(f);
}

Test(table, users_and_their_keys)
{
    static const char TEXT[] =
        "# who may log in\r\n"
        "\r\n"
        "Printer:" YESCRYPT "\r\n"
        " nas.1@site : " TOKEN " : rights=submit \r\n"
        "ops:" YESCRYPT ":rights=control,ask senders=\"Acme Shop, 12345,ACME\"\n"
        "#gone:" YESCRYPT "\n"
        "0a:" TOKEN ":";
    static const char *const LOOK_UPS[][2] = {
        {"printer", "printer password 3"},
        {"PRINTER", "printer password 3"},
        {"nas.1@site", "nas.1@site token 1"},
        {"ops", "ops password 6 [Acme Shop] [12345] [ACME]"},
        {"0a", "0a token 3"},
        {"gone", "-"},
        {"print", "-"},
        {"", "-"},
        {"# who may log in", "-"},
    };
    struct buffer errors = BUFFER_EMPTY;
    struct user_table *table = read_text(TEXT, NULL, &errors);
    cr_assert_not_null(table, "%s", errors.data);
    cr_assert_eq(user_table_count(table), 4);
    for (size_t i = 0; i < COUNT(LOOK_UPS); i++) {
        char got[200];
        look_up(table, LOOK_UPS[i][0], got, sizeof got);
        cr_expect_str_eq(got, LOOK_UPS[i][1]);
    }
    cr_assert_str_eq(user_table_at(table, 0)->name, "0a");
    user_table_free(table);
    buffer_free(&errors);
}

Test(table, no_users_at_all)
{
    struct buffer errors = BUFFER_EMPTY;
    struct user_table *table = read_text("# nobody yet\n", NULL, &errors);
    cr_assert_eq(user_table_count(table), 0);
    cr_assert_null(user_table_find(table, "nobody"));
    user_table_free(table);
    buffer_free(&errors);
}

Test(table, what_is_wrong)
{
    static const char *const ALLOWED[] = {"Acme", "Shop", NULL};
    static const char *const CASES[][2] = {
        {"\nprinter\n", "f:2: must be name:hash, and perhaps :key=value ...\n"},
        {"a:secret\n", "f:1: the hash of a is none, but perhaps the password itself; `smsrelay "
                       "user add` makes one\n"},
        {"a:\n", "f:1: the hash of a is none, but perhaps the password itself; `smsrelay user "
                 "add` makes one\n"},
        {"a:$6$salt$hash\n", "f:1: the hash of a is of another kind than yescrypt ($y$): "
                             "passwords with weaker ones are not taken; `smsrelay user add` makes "
                             "one\n"},
        {"a:$y$j9T$salt$short\n", "f:1: the hash of a is not whole: it was cut off, or something "
                                  "was added; `smsrelay user add` makes one\n"},
        {"a:$token-sha256$12\n", "f:1: the hash of a is not whole: behind $token-sha256$ stand 64 "
                                 "hexadecimal digits; `smsrelay user add` makes one\n"},
        {"a:" TOKEN ":right=ask\n", "f:1: a has an unknown key: there are senders= and rights=\n"},
        {"a:" TOKEN ":rights=all\n", "f:1: a: the rights are submit, ask and control\n"},
        {"a:" TOKEN ":rights=\n", "f:1: a: the rights are submit, ask and control\n"},
        {"a:" TOKEN ":rights=submit,\n", "f:1: a: the rights are submit, ask and control\n"},
        {"a:" TOKEN ":rights=ask RIGHTS=ask\n", "f:1: a: rights= stands twice\n"},
        {"a:" TOKEN ":senders=\"Acme\n", "f:1: a: senders= is malformed or too long\n"},
        {"a:" TOKEN ":senders=Acme,Shap\n", "f:1: sender 2 of a is not in sms.senders\n"},
        {"a:" TOKEN ":senders=\n",
         "f:1: sender 1 of a cannot be one: 1 to 11 letters, digits, spaces or .-_& with a letter "
         "among them, or 3 to 15 digits\n"},
        {"a:" TOKEN ":submit\n", "f:1: a: behind the hash stand key=value, separated by spaces\n"},
        {"a:" TOKEN "\nb:" TOKEN "\nA:" TOKEN "\n", "f:3: a stands in line 1 already\n"},
    };
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct buffer errors = BUFFER_EMPTY;
        user_table_free(read_text(CASES[i][0], ALLOWED, &errors));
        cr_expect_str_eq(errors.data, CASES[i][1]);
        buffer_free(&errors);
    }
}

Test(table, names)
{
    static const char *const GOOD[] = {"a", "A", "1a", "a.b_c-d@e", "ups-1"};
    static const char *const BAD[] = {
        "",
        "1",
        "1000",
        ".a",
        "-a",
        "@a",
        "_a",
        "a b",
        "a:b",
        "a#",
        "local",
        "LOCAL",
        "others",
        "unknown",
        "a\t",
        "\xC3\xA9",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    char name[USER_NAME_MAX + 1];
    for (size_t i = 0; i < COUNT(GOOD); i++) {
        cr_expect(user_name_read(GOOD[i], strlen(GOOD[i]), name), "%s", GOOD[i]);
    }
    for (size_t i = 0; i < COUNT(BAD); i++) {
        cr_expect_not(user_name_read(BAD[i], strlen(BAD[i]), name), "%s", BAD[i]);
    }
    cr_expect_not(user_name_read("a\0b", 3, name));
    cr_expect(user_name_read("OnCall", 6, name));
    cr_expect_str_eq(name, "oncall");
}
