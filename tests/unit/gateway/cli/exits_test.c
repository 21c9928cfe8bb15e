#include "gateway/cli/exits.h"

#include "gateway/cli/stranger.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

Test(exits, of_replies)
{
    static const struct {
        const char *reply;
        int code;
    } cases[] = {
        {"250 2.0.0 ok\n", EX_OK},
        {"120 2.0.0 event=1\n", EX_OK},
        {"354 go on\n", EX_OK},
        {"421 4.3.2 closing\n", EX_TEMPFAIL},
        {"452-4.3.1 full\n452 4.3.1 full\n", EX_TEMPFAIL},
        {"550 5.0.0 no such message\n", EX_NOINPUT},
        {"550-5.0.0 a\n550 5.0.0 b\n", EX_NOINPUT},
        {"550 5.0.0 it is finished state=relayed\n", EX_DATAERR},
        {"550 5.7.1 has opted out\n", EX_NOPERM},
        {"535 5.7.8 no\n", EX_NOPERM},
        {"550 5.1.3 state=x\n", EX_DATAERR},
        {"554 5.0.0 rejected\n", EX_DATAERR},
        {"999 x\n", EX_PROTOCOL},
        {"", EX_PROTOCOL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_expect_eq(exits_of_reply(cases[i].reply, strlen(cases[i].reply)), cases[i].code, "%s",
                     cases[i].reply);
    }
}

Test(exits, a_mail_that_cannot_go_now_is_to_be_tried_again)
{
    cr_expect_eq(exits_of_mail(EX_UNAVAILABLE), EX_TEMPFAIL);
    cr_expect_eq(exits_of_mail(EX_TEMPFAIL), EX_TEMPFAIL);
    cr_expect_eq(exits_of_mail(EX_PROTOCOL), EX_UNAVAILABLE);
    cr_expect_eq(exits_of_mail(EX_USAGE), EX_CONFIG);
    cr_expect_eq(exits_of_mail(EX_OK), EX_OK);
}

/* Each code once, in order. */
Test(exits, the_table)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    int last = -1;
    exits_print(out);
    fclose(out);
    for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1) {
        int code = (int)strtol(line, NULL, 10);
        cr_expect_gt(code, last, "%s", text);
        last = code;
    }
    cr_expect_eq(last, EX_CONFIG);
    free(text);
}

static void expect_stranger(const char *bytes, const char *words)
{
    struct buffer told = BUFFER_EMPTY;
    bool may_be = stranger_may_be_reply(bytes, strlen(bytes), &told);
    buffer_putc(&told, '\0');
    cr_expect_eq(may_be, words[0] == '\0', "%s", bytes);
    cr_expect_str_eq(told.data, words);
    buffer_free(&told);
}

Test(stranger, by_its_first_bytes)
{
    for (size_t len = 0; len <= strlen("220 x"); len++) {
        char start[8] = "";
        memcpy(start, "220 x", len);
        expect_stranger(start, "");
    }
    expect_stranger("250-", "");
    expect_stranger("920", "it says 920");
    expect_stranger("220x", "it says 220x");
    expect_stranger("2x", "it says 2x");
    expect_stranger("HTTP/1.1 400 Bad Request\r\n", "this is HTTP");
    expect_stranger("<!doctype html>", "this is HTTP");
    expect_stranger("\x15\x03\x01", "this is TLS");
    expect_stranger("SSH-2.0-x\r\n", "this is SSH");
    expect_stranger("\x1b[2J\xff\nmore", "it says \"\\x1B[2J\\xFF\"");
}

Test(stranger, by_its_greeting)
{
    static const struct {
        const char *greeting;
        const char *words;
    } cases[] = {
        {"220 relay.example ESMTP smsrelay 0.1.0\n", ""},
        {"220 mail.example ESMTP Postfix\n",
         "this is another mail server: \"220 mail.example ESMTP Postfix\""},
        {"220 smsrelay\n", "it says \"220 smsrelay\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer told = BUFFER_EMPTY;
        const char *greeting = cases[i].greeting;
        bool is_ours = stranger_is_greeting(greeting, strlen(greeting), &told);
        buffer_putc(&told, '\0');
        cr_expect_eq(is_ours, cases[i].words[0] == '\0');
        cr_expect_str_eq(told.data, cases[i].words);
        buffer_free(&told);
    }
}
