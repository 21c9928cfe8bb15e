/* command: the verb table itself. */
#include "proto/session/command.h"

#include "proto/session/ask.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <string.h>

/* The verbs of the contract. */
static const char *const VERBS[] = {
    "SEND",  "FROM",  "TO",      "TEXT",   "DATA",  "JSON", "RSET",    "STATUS", "QUEUE",
    "STATS", "WATCH", "UNWATCH", "CANCEL", "FLUSH", "HOLD", "RELEASE", "RETRY",  "HELO",
    "EHLO",  "MAIL",  "RCPT",    "NOOP",   "VRFY",  "HELP", "QUIT",    "AUTH",   "STARTTLS",
};

Test(command, every_verb_in_any_case_and_nothing_else)
{
    for (size_t i = 0; i < sizeof VERBS / sizeof VERBS[0]; i++) {
        char word[32];
        size_t len = strlen(VERBS[i]);
        const struct command *row = command_find(VERBS[i], len);
        cr_assert_not_null(row, "%s", VERBS[i]);
        for (size_t j = 0; j <= len; j++) {
            word[j] = (char)tolower(VERBS[i][j]);
        }
        cr_assert_eq(command_find(word, len), row);
        cr_assert_null(command_find(word, len - 1), "%s cut", word);
        word[len] = 'x';
        cr_assert_null(command_find(word, len + 1), "%s and more", word);
    }
    cr_assert_null(command_find("", 0));
    cr_assert_null(command_find("GET", 3));
}

Test(command, every_row_is_whole)
{
    for (const struct command *row = COMMANDS; row->word != NULL; row++) {
        cr_assert_not_null(row->run, "%s", row->word);
        cr_assert_eq(strncmp(row->syntax, row->word, strlen(row->word)), 0, "%s", row->word);
        cr_assert_gt(strlen(row->help), 0, "%s", row->word);
        /* A verb that asks, or ends something, waits for the replies before it; one that submits
         * does not. */
        bool waits = (row->flags & COMMAND_WAITS) != 0;
        bool ends = strcmp(row->word, "QUIT") == 0 || strcmp(row->word, "STARTTLS") == 0 ||
                    strcmp(row->word, "AUTH") == 0;
        cr_assert_eq(waits, row->run == command_ask || ends, "%s", row->word);
        /* A reply line is at most 512 bytes (RFC 5321, 4.5.3.1.5). */
        for (const char *line = row->help; line != NULL; line = strchr(line + 1, '\n')) {
            cr_assert_lt(strcspn(line + 1, "\n"), 490, "%s", row->word);
        }
    }
}

Test(command, operators_verbs_need_rights)
{
    static const char *const CONTROL[] = {"FLUSH", "HOLD", "RELEASE", "RETRY"};
    for (size_t i = 0; i < sizeof CONTROL / sizeof CONTROL[0]; i++) {
        const struct command *row = command_find(CONTROL[i], strlen(CONTROL[i]));
        cr_assert((row->flags & COMMAND_CONTROL) != 0, "%s", CONTROL[i]);
    }
}
