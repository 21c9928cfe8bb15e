/* head: where headers begin and end. */
#include "proto/mail/head.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

struct head_case {
    const char *block;
    const char *text;    /* what of it is not headers; NULL = there are none */
    const char *subject; /* NULL = none */
};

static void check(const struct head_case *cases, size_t count, enum head_place place)
{
    for (size_t i = 0; i < count; i++) {
        const struct head_case *c = &cases[i];
        struct head head;
        struct span block = {c->block, strlen(c->block)};
        bool is_ended = block.len > 1 && strcmp(c->block + block.len - 2, "\n\n") == 0;
        size_t used = head_read(block, is_ended, place, &head);
        cr_expect_str_eq(c->block + used, c->text != NULL ? c->text : c->block, "%s: %s", c->block,
                         c->block + used);
        cr_expect_eq(used == 0, c->text == NULL, "%s", c->block);
        cr_expect(span_is(head.subject, c->subject != NULL ? c->subject : ""), "%s: %.*s", c->block,
                  (int)head.subject.len, head.subject.s);
    }
}

Test(head, of_a_mail)
{
    static const struct head_case cases[] = {
        {"Subject: a\nFrom: b\n\n", "", "a"},
        {"subject:a\n\n", "", "a"},
        {"Subject : a\nFrom\t: b\n\n", "", "a"},
        {"Subject:\n a\n\tb\n\n", "", "a\n\tb"},
        {"Subject: \nSubject: a\nSubject: b\n\n", "", "a"},
        {"X-Mine: x\nTo: b\n\n", "", NULL},
        /* Not one of them is known, or one has no shape of a header. */
        {"ALERT: disk full\n\n", NULL, NULL},
        {"Hello\nSubject: a\n\n", NULL, NULL},
        {"Subject: a\nHello\n\n", NULL, NULL},
        {" Subject: a\n\n", NULL, NULL},
        {"http://a.invalid\nTo: b\n\n", NULL, NULL},
        {"10:00 disk full\n\n", NULL, NULL},
    };
    check(cases, COUNT(cases), HEAD_OF_MAIL);
}

Test(head, what_stands_before)
{
    static const struct head_case cases[] = {
        {"\n\nSubject: a\n\n", "", "a"},
        {"\xef\xbb\xbfSubject: a\n\n", "", "a"},
        {"\xef\xbb\xbf\nFrom root Mon Nov 30\nSubject: a\n\n", "", "a"},
        {"From root Mon Nov 30\n>From root Mon Nov 30\nSubject: a\n\n", "", "a"},
        {"From now on it is off\n\n", NULL, NULL},
        {"\nFrom now on\nit is off\n\n", NULL, NULL},
    };
    check(cases, COUNT(cases), HEAD_OF_MAIL);
}

/* Behind two known fields a line that is none does not end the headers, where more of them follow. */
Test(head, lines_that_are_none)
{
    static const struct head_case cases[] = {
        {"From: b\nSubject: a\nX-Mailer PHP/8\nMIME-Version: 1.0\n\n", "", "a"},
        {"From: b\nSubject: a\nX-Mailer PHP/8\nMIME-Version: 1.0\n", "", "a"},
        {"From: b\nDate: c\nnoise\nand more\n folded\nSubject: a\n\n", "", "a"},
        {"From: b\nSubject: a\n\xd0\xa2\xd0\xb5\xd0\xbc\xd0\xb0: x\nTo: c\n\n", "", "a"},
        {"From: b\nTo: c\nSubject: =?utf-8?Q?a?=\n=?utf-8?Q?b?=\nDate: d\n\n", "",
         "=?utf-8?Q?a?=\n=?utf-8?Q?b?="},
        {"From: b\nSubject: this is a subject that a program has wrapped as it wraps a text\nat "
         "sixty\nTo: c\n\n",
         "", "this is a subject that a program has wrapped as it wraps a text\nat sixty"},
    };
    check(cases, COUNT(cases), HEAD_OF_MAIL);
    struct head head;
    static const char type[] =
        "From: b\nTo: c\nContent-Type: multipart/mixed;\nboundary=x\nDate: d\n\n";
    head_read((struct span){type, sizeof type - 1}, true, HEAD_OF_MAIL, &head);
    cr_assert(span_is(head.type, "multipart/mixed;\nboundary=x"));
}

Test(head, the_empty_line_is_missing)
{
    static const struct head_case cases[] = {
        {"To: c\nFrom: b\nSubject: a\nDisk is full on web1\n", "Disk is full on web1\n", "a"},
        {"To: c\nSubject: a\nDisk is full\nHost: web1\n\n", "Disk is full\nHost: web1\n\n", "a"},
        {"To: c\nSubject: a\n10:00 Disk is full\n", "10:00 Disk is full\n", "a"},
        {"To: c\nSubject: a\nhttp://a.invalid/b\n", "http://a.invalid/b\n", "a"},
        {"To: c\nSubject: a\nbetween\nTo: 10:00\n\n", "between\nTo: 10:00\n\n", "a"},
        {"To: c\nSubject: a\n--x\nContent-Type: text/plain\n\n",
         "--x\nContent-Type: text/plain\n\n", "a"},
        /* What looks like a header and is not known. */
        {"To: c\nSubject: a\nERROR: disk full\n", "ERROR: disk full\n", "a"},
        {"To: c\nSubject: a\nHost: web1\nImportance: high\n", "", "a"},
    };
    check(cases, COUNT(cases), HEAD_OF_MAIL);
}

Test(head, text_that_looks_like_headers)
{
    static const struct head_case cases[] = {
        {"Date: 2026-11-30\nHost: web1\nState: DOWN\n", NULL, NULL},
        {"Date: 2026-11-30\nHost: web1\n\n", NULL, NULL},
        {"From: 10.0.0.1\nTo: 10.0.0.2\nPort: 80\nState: DOWN\n", NULL, NULL},
        {"From: b", "", NULL},
        {"From: b\nTo: c\nX-Priority: 3\n", "", NULL},
    };
    check(cases, COUNT(cases), HEAD_OF_MAIL);
    struct head head;
    static const char maybe[] = "From: 10.0.0.1\nHost: web1\n\n"; /* nothing follows: see mail.c */
    cr_assert_eq(head_read((struct span){maybe, sizeof maybe - 1}, true, HEAD_OF_MAIL, &head),
                 sizeof maybe - 1);
    cr_assert(head.may_be_text);
}

Test(head, of_a_part)
{
    static const struct head_case cases[] = {
        {"\n", "", NULL},
        {"Content-Type: text/plain\n\n", "", NULL},
        {"X-Mine: y\n\n", "", NULL},
        {"Content-Type: text/plain\nDisk full\n", "Disk full\n", NULL},
        {"Content-Type: text/plain\nERROR: disk full\n", "ERROR: disk full\n", NULL},
        {"Disk full\n", NULL, NULL},
        {"Host: web1\nState: DOWN\n\n", NULL, NULL},
        {"", NULL, NULL},
    };
    check(cases, COUNT(cases), HEAD_OF_PART);
}

/* Lines without number, each of them followed by a header at the far end. */
Test(head, in_linear_time)
{
    enum { SIZE = 4 * 1024 * 1024 };
    char *block = malloc(SIZE);
    struct head head;
    cr_assert_not_null(block);
    size_t len = (size_t)sprintf(block, "From: a\nTo: b\n");
    while (len + 32 < SIZE) {
        len += (size_t)sprintf(block + len, "x\n");
    }
    len += (size_t)sprintf(block + len, "Subject: c\n\n");
    cr_assert_eq(head_read((struct span){block, len}, true, HEAD_OF_MAIL, &head), len);
    cr_assert(span_is(head.subject, "c"));
    free(block);
}
