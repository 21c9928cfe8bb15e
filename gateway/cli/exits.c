/* exits: see exits.h. */
#include "gateway/cli/exits.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sysexits.h>

/* In this order they are compared with a reply: the first that fits counts. */
static const struct row {
    int code;
    int mail_code;       /* what sendmail returns instead */
    const char *replies; /* how the replies begin that mean it, separated by "|"; "" = none does */
    const char *key;     /* and what they contain; NULL = anything */
    const char *meaning;
} ROWS[] = {
    {EX_OK, EX_OK, "1|2|3", NULL, "done; of a message: the relay answers for it"},
    {EX_USAGE, EX_CONFIG, "", NULL, "wrong usage: nothing was sent"},
    {EX_DATAERR, EX_UNAVAILABLE, "550 5.0.0", " state=", "refused: trying again will not help"},
    {EX_NOINPUT, EX_UNAVAILABLE, "550 5.0.0", NULL, "no such message; or no store to read"},
    {EX_NOUSER, EX_NOUSER, "", NULL, "sendmail: a recipient is neither a number nor an alias"},
    {EX_UNAVAILABLE, EX_TEMPFAIL, "", NULL, "no relay there, or it closed the connection"},
    {EX_OSERR, EX_OSERR, "", NULL, "out of memory"},
    {EX_IOERR, EX_IOERR, "", NULL, "stdin cannot be read, or stdout cannot be written"},
    {EX_TEMPFAIL, EX_TEMPFAIL, "4", NULL,
     "not now: try again; no answer within --timeout; with --ack relayed: not relayed yet"},
    {EX_PROTOCOL, EX_UNAVAILABLE, "", NULL, "what answers is not smsrelay"},
    {EX_NOPERM, EX_UNAVAILABLE, "550 5.7.|530|535|538", NULL,
     "not allowed; or the recipient has opted out"},
    {EX_CONFIG, EX_CONFIG, "", NULL, "wrong settings"},
    {EX_DATAERR, EX_UNAVAILABLE, "5", NULL, NULL},
};
enum { ROW_COUNT = sizeof ROWS / sizeof ROWS[0] };

/* Does a reply begin with `start`? A "-" for its first space, before more lines, makes no difference. */
static bool begins_with(const char *answer, size_t len, const char *start, size_t start_len)
{
    for (size_t i = 0; i < start_len; i++) {
        if (i >= len || (answer[i] != start[i] && !(i == 3 && answer[i] == '-'))) {
            return false;
        }
    }
    return true;
}

static bool fits(const struct row *row, const char *answer, size_t len)
{
    bool has_begun = false;
    for (const char *start = row->replies; *start != '\0' && !has_begun;) {
        size_t start_len = strcspn(start, "|");
        has_begun = begins_with(answer, len, start, start_len);
        start += start_len + (start[start_len] == '|' ? 1 : 0);
    }
    return has_begun &&
           (row->key == NULL || memmem(answer, len, row->key, strlen(row->key)) != NULL);
}

int exits_of_reply(const char *answer, size_t len)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (fits(&ROWS[i], answer, len)) {
            return ROWS[i].code;
        }
    }
    return EX_PROTOCOL;
}

int exits_of_mail(int code)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (ROWS[i].code == code) {
            return ROWS[i].mail_code;
        }
    }
    return code;
}

void exits_print(FILE *out)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (ROWS[i].meaning != NULL) {
            fprintf(out, "  %2d  %s\n", ROWS[i].code, ROWS[i].meaning);
        }
    }
}
