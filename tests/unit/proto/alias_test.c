/* alias: the text of an aliases file, and the table made of it. */
#include "proto/alias.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static struct alias_table *read_text(const char *text, size_t len, struct buffer *errors)
{
    struct alias_table *table = alias_table_read("f", text, len, "44", errors);
    buffer_append(errors, "", 1);
    cr_assert_eq(table == NULL, errors->len > 1, "%s", errors->data);
    return table;
}

/* The numbers behind a word between spaces, or "-". */
static void look_up(const struct alias_table *table, const char *word, char *out, size_t size)
{
    struct alias alias;
    FILE *f = fmemopen(out, size, "w");
    if (alias_find(table, word, strlen(word), &alias)) {
        for (size_t i = 0; i < alias.count; i++) {
            fprintf(f, i == 0 ? "%s" : " %s", alias.members[i]);
        }
    } else {
        fputs("-", f);
    }
    fclose(f);
}

Test(alias, found_in_any_case)
{
    static const char TEXT[] = "\xEF\xBB\xBF# who is called\r\n"
                               "\r\n"
                               "oncall: +34600000001, 0034 600 000 002\r\n"
                               "\t Boss.1 :\t020 7946 0000 \t\n"
                               "  # nobody: +34600000001\n"
                               "a-b_c:+34600000001,+34600000003,+34600000001\n"
                               "zz:+34600000009";
    static const char *const LOOK_UPS[][2] = {
        {"oncall", "+34600000001 +34600000002"},
        {"OnCall", "+34600000001 +34600000002"},
        {"boss.1", "+442079460000"},
        {"A-B_C", "+34600000001 +34600000003"},
        {"zz", "+34600000009"},
        {"oncal", "-"},
        {"oncalls", "-"},
        {"on call", "-"},
        {"nobody", "-"},
        {"# nobody", "-"},
        {"", "-"},
        {"+34600000001", "-"},
        {"zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", "-"},
    };
    struct buffer errors = BUFFER_EMPTY;
    struct alias_table *table = read_text(TEXT, sizeof TEXT - 1, &errors);
    cr_assert_not_null(table);
    cr_expect_eq(alias_table_count(table), 4);
    cr_expect_eq(alias_table_numbers(table), 6);
    for (size_t i = 0; i < COUNT(LOOK_UPS); i++) {
        char got[100];
        look_up(table, LOOK_UPS[i][0], got, sizeof got);
        cr_expect_str_eq(got, LOOK_UPS[i][1], "%s", LOOK_UPS[i][0]);
    }
    alias_table_free(table);
    buffer_free(&errors);
}

Test(alias, none)
{
    struct alias alias;
    struct buffer errors = BUFFER_EMPTY;
    struct alias_table *table = read_text("\n# none\n", 8, &errors);
    cr_assert_not_null(table);
    cr_expect_eq(alias_table_count(table), 0);
    cr_expect_not(alias_find(table, "oncall", 6, &alias));
    cr_expect_not(alias_find(NULL, "oncall", 6, &alias));
    alias_table_free(table);
    alias_table_free(NULL);
    buffer_free(&errors);
}

#define NAME_RULE  "the name must be 1 to 64 ASCII letters, digits and ._-, at least one a letter\n"
#define LETTERS_64 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl"

Test(alias, faults_with_their_lines)
{
    static const char *const FAULTS[][2] = {
        {"oncall", "f:1: must be a name, a colon, and numbers separated by commas\n"},
        {"\n\noncall +34600000001\n",
         "f:3: must be a name, a colon, and numbers separated by commas\n"},
        {":+34600000001", "f:1: " NAME_RULE},
        {"on call:+34600000001", "f:1: " NAME_RULE},
        {"on@call:+34600000001", "f:1: " NAME_RULE},
        {"gr\xC3\xBC\xC3\x9F:+34600000001", "f:1: " NAME_RULE},
        {"112:+34600000001", "f:1: " NAME_RULE},
        {"+34600000001:+34600000002", "f:1: " NAME_RULE},
        {"600-000.000:+34600000002", "f:1: " NAME_RULE},
        {LETTERS_64 "x:+34600000001", "f:1: " NAME_RULE},
        {LETTERS_64 ":+34600000001", ""},
        {"a:", "f:1: number 1 of a is not a telephone number\n"},
        {"a:+34600000001,", "f:1: number 2 of a is not a telephone number\n"},
        {"a:+34600000001,,+34600000002", "f:1: number 2 of a is not a telephone number\n"},
        {"a:+34600000001\nb:A", "f:2: number 1 of b is not a telephone number\n"},
        {"a:+34600000001 # night",
         "f:1: number 1 of a is not a telephone number: \"#\" is not part of a number\n"},
        {"a:+34600000001 +34600000002",
         "f:1: number 1 of a is not a telephone number: \"+\" is not part of a number\n"},
        {"a:12", "f:1: number 1 of a is not a telephone number: too short\n"},
        {"b:12\n\na:12\n", "f:1: number 1 of b is not a telephone number: too short\n"
                           "f:3: number 1 of a is not a telephone number: too short\n"},
        {"a:+34600000001\nb:+34600000001\nA:+34600000002\na:+34600000002\n",
         "f:3: a is already defined in line 1\nf:4: a is already defined in line 3\n"},
    };
    for (size_t i = 0; i < COUNT(FAULTS); i++) {
        struct buffer errors = BUFFER_EMPTY;
        alias_table_free(read_text(FAULTS[i][0], strlen(FAULTS[i][0]), &errors));
        cr_expect_str_eq(errors.data, FAULTS[i][1], "%s", FAULTS[i][0]);
        buffer_free(&errors);
    }
}

Test(alias, no_nul_hides_anything)
{
    static const char TEXT[] = "a\0b:+34600000001\nc:+34600000001\0,+34600000002\n";
    struct buffer errors = BUFFER_EMPTY;
    cr_assert_null(read_text(TEXT, sizeof TEXT - 1, &errors));
    cr_expect_str_eq(errors.data, "f:1: " NAME_RULE "f:2: number 1 of c is not a telephone number: "
                                  "\"\\x00\" is not part of a number\n");
    buffer_free(&errors);
}

/* Lines of `members` different numbers each. */
static void write_lines(struct buffer *text, unsigned lines, unsigned members)
{
    for (unsigned i = 0; i < lines; i++) {
        buffer_printf(text, "name%u:", i);
        for (unsigned j = 0; j < members; j++) {
            buffer_printf(text, j == 0 ? "+34%09u" : ",+34%09u", i * members + j);
        }
        buffer_putc(text, '\n');
    }
}

Test(alias, bounds)
{
    static const struct {
        unsigned lines, members;
        const char *more, *error;
    } CASES[] = {
        {1, 1000, "", ""},
        {1, 1001, "", "f:1: name0 has more than 1000 numbers\n"},
        {100, 1000, "", ""},
        {100, 1000, "x:+34600000001\n",
         "f:101: all aliases together have more than 100000 numbers\n"},
        {100000, 1, "", ""},
    };
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct buffer text = BUFFER_EMPTY;
        struct buffer errors = BUFFER_EMPTY;
        char word[20];
        struct alias alias;
        write_lines(&text, CASES[i].lines, CASES[i].members);
        buffer_puts(&text, CASES[i].more);
        struct alias_table *table = read_text(text.data, text.len, &errors);
        cr_expect_str_eq(errors.data, CASES[i].error);
        for (unsigned line = 0; table != NULL && line < CASES[i].lines; line++) {
            char number[NUMBER_SIZE];
            snprintf(word, sizeof word, "NAME%u", line);
            snprintf(number, sizeof number, "+34%09u", line * CASES[i].members);
            cr_assert(alias_find(table, word, strlen(word), &alias));
            cr_assert_eq(alias.count, CASES[i].members);
            cr_assert_str_eq(alias.members[0], number);
        }
        alias_table_free(table);
        buffer_free(&text);
        buffer_free(&errors);
    }
}

Test(alias, not_more_faults_than_anybody_reads)
{
    struct buffer text = BUFFER_EMPTY;
    struct buffer errors = BUFFER_EMPTY;
    unsigned lines = 0;
    for (int i = 0; i < 1000; i++) {
        buffer_puts(&text, "?\n");
    }
    cr_assert_null(read_text(text.data, text.len, &errors));
    for (size_t i = 0; i < errors.len; i++) {
        lines += errors.data[i] == '\n' ? 1 : 0;
    }
    cr_expect_eq(lines, ALIAS_FAULTS_MAX);
    buffer_free(&text);
    buffer_free(&errors);
}
