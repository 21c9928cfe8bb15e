/* address: local parts, from whatever stands around them. */
#include "proto/address.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* Reads as MAIL and RCPT do. */
static bool read_path(const char *s, const char *end, struct address *address)
{
    return address_in_brackets(s, end, address) || address_bare(s, end, address);
}

Test(address, local_part_and_rest)
{
    static const struct {
        const char *input, *local, *rest;
    } rows[] = {
        {"<a@b>", "a", ""},
        {"<>", "", ""},
        {"a", "a", ""},
        {"  a@b  SIZE=1", "a", "SIZE=1"},
        {"Backup Server <a@b> SIZE=1", "a", "SIZE=1"},
        {"<Backup Server <a@b>> SIZE=1", "a", "SIZE=1"},
        {"\"a > b <c>\" <d@e>", "d", ""},
        {"<\"a > b <c>\"@d>", "a > b <c>", ""},
        {"<\"a@b\">", "a", ""},
        {"<\"a\"@\"b\">", "a", ""},
        {"<a\"b@c>", "a\"b", ""},
        {"Bob's \"NAS <a@b>", "a", ""},
        {"(x) <(y) a (z) @ b (@c)> (d (e) f)\tSIZE=1", "a", "SIZE=1"},
        {":-( <a@b>", "a", ""},
        {"<a@b (c>", "a", ""},
        {"(34) 600@b", "(34)", "600@b"},
        {"<(34) 600 000 (000)@b>", "(34) 600 000 (000)", ""},
        {"<a@b", "a", ""},
        {"< a@b SIZE=1", "a", "SIZE=1"},
        {"a@b>;, SIZE=1", "a", "SIZE=1"},
        {"<;a;@b>", "a", ""},
        {"a@b AUTH=<c@d>", "a", "AUTH=<c@d>"},
        {"a@b SMTPUTF8 AUTH=<>", "a", "SMTPUTF8 AUTH=<>"},
        {"=?utf-8?q?Backup?= <a@b>", "a", ""},
        {"<a@b>,<c@d>", "a", "<c@d>"},
        {"<@x,@y:a@b>", "a", ""},
        {"<MailTo: a@b?subject=c>", "a", ""},
        {"'a@b'", "a", ""},
        {"<'a'@b>", "a", ""},
        {"<'a'b'@c>", "'a'b'", ""},
        {"<a@b> (c", "a", "(c"},
        {"<a\\@b@c>", "a\\@b", ""},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *input = rows[i].input;
        struct address address;
        cr_assert(read_path(input, input + strlen(input), &address), "%s", input);
        cr_assert_eq(address.local_len, strlen(rows[i].local), "%s: %.*s", input,
                     (int)address.local_len, address.local);
        cr_expect_eq(memcmp(address.local, rows[i].local, address.local_len), 0, "%s", input);
        cr_expect_eq((size_t)(input + strlen(input) - address.rest), strlen(rows[i].rest), "%s: %s",
                     input, address.rest);
    }
}

Test(address, none)
{
    static const char *const INPUTS[] = {"", " ", "<", "< ", "Name <", "Name < "};
    for (size_t i = 0; i < COUNT(INPUTS); i++) {
        const char *end = INPUTS[i] + strlen(INPUTS[i]);
        struct address address;
        cr_expect(!address_in_brackets(INPUTS[i], end, &address), "%s", INPUTS[i]);
    }
}

Test(address, all_of_a_span)
{
    static const char INPUT[] = " +34 600 000 000@x (On call) ";
    struct address address;
    address_whole(INPUT, INPUT + strlen(INPUT), &address);
    cr_assert_eq(address.local_len, strlen("+34 600 000 000"));
    cr_assert_eq(memcmp(address.local, "+34 600 000 000", address.local_len), 0);
}

/* A line full of one character is read in one pass, not in one for each of them. */
Test(address, long_lines, .timeout = 10)
{
    static const char *const UNITS[] = {"(",    "\"",  "<",   "(a)", "\\\"",
                                        "\"\\", "(\\", "(()", ";",   ")"};
    enum { BYTES = 1 << 20 };
    char *line = malloc(BYTES);
    for (size_t i = 0; i < COUNT(UNITS); i++) {
        size_t unit_len = strlen(UNITS[i]);
        for (size_t j = 0; j < BYTES; j++) {
            line[j] = UNITS[i][j % unit_len];
        }
        struct address address;
        read_path(line, line + BYTES, &address);
    }
    free(line);
}
