/* addresses: whom a list of addresses means, as people and programs write it. */
#include "gateway/cli/addresses.h"

#include <criterion/criterion.h>
#include <string.h>

/* Parses and joins what was found by "|"; "!" = refused. */
static void check(const char *list, const char *expected)
{
    struct buffer found = BUFFER_EMPTY, joined = BUFFER_EMPTY;
    bool is_good = addresses_parse(list, strlen(list), &found);
    for (const char *a = addresses_next(&found, NULL); a != NULL; a = addresses_next(&found, a)) {
        buffer_puts(&joined, joined.len > 0 ? "|" : "");
        buffer_puts(&joined, a);
    }
    buffer_putc(&joined, '\0');
    cr_assert_str_eq(is_good ? joined.data : "!", expected, "%s gives %s", list,
                     is_good ? joined.data : "!");
    buffer_free(&found);
    buffer_free(&joined);
}

Test(addresses, lists)
{
    static const struct {
        const char *list, *expected;
    } rows[] = {
        {"", ""},
        {" , ;", ""},
        {"<>", ""},
        {"+34600000001", "+34600000001"},
        {"+34600000001,oncall , root@x", "+34600000001|oncall|root@x"},
        {"+34600000001;+34600000002", "+34600000001|+34600000002"},
        {"<+34600000001@sms>", "+34600000001@sms"},
        {"\"On call, night\" <+34600000001@sms>, Bob <oncall>", "+34600000001@sms|oncall"},
        {"\"a \\\" <b\" <c@d>", "c@d"},
        {"\"one, two\"@sms", "\"one, two\"@sms"},
        {"team: +34600000001, Bob <oncall@sms>; , +34600000005",
         "+34600000001|oncall@sms|+34600000005"},
        {"undisclosed-recipients:;", ""},
        {"oncall (the team (all, of it)), x@y (c\\))", "oncall|x@y"},
        {"<tel:+34600000001>", "tel:+34600000001"},
        /* A number as people write it stays whole, for the relay to read or to refuse by name. */
        {"+34 600 000 000", "+34 600 000 000"},
        {"(+34) 600 000 000, (0034) 600-000-000", "(+34) 600 000 000|(0034) 600-000-000"},
        {"+44 (0)20 7946 0000", "+44 20 7946 0000"},
        {"+34600000001 (2)", "+34600000001"},
        {"+34600000001 +34600000002", "+34600000001 +34600000002"},
        {"Bob +34600000001", "Bob +34600000001"},
        /* What does not end, or would end something else. */
        {"\"Bob <+34600000001>", "!"},
        {"Bob <+34600000001", "!"},
        {"Bob (office, +34600000001", "!"},
        {"Bob <\"+34600000001>", "!"},
        {"+34600000001>", "!"},
        {"<a<b>", "!"},
        {"a <b> c>", "!"},
        {"\"a>b\"@x", "!"},
        {"+34600000001\r\nRCPT TO evil", "!"},
        {"<\"a\nb\"@x>", "!"},
        {"a\\", "a\\"},
        {"\"a\\", "!"},
        {"(\\", "!"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check(rows[i].list, rows[i].expected);
    }
}

Test(addresses, a_nul_is_no_end)
{
    struct buffer found = BUFFER_EMPTY;
    cr_assert_not(addresses_parse("a\0b", 3, &found));
    buffer_free(&found);
}
