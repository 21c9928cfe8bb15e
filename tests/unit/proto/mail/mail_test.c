/* mail: what is a header, what is text, in which charset. */
#include "proto/mail/mail.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

struct mail_case {
    const char *content;
    const char *charset;
    enum mail_result result;
    const char *subject, *text;
};

static void check(const struct mail_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct mail_case *c = &cases[i];
        const struct mail_rules rules = {.charset = c->charset};
        struct mail mail = {0};
        enum mail_result result = mail_read(c->content, strlen(c->content), &rules, &mail);
        cr_assert_eq(result, c->result, "%s: %d", c->content, (int)result);
        buffer_append(&mail.subject, "", 1);
        buffer_append(&mail.text, "", 1);
        if (result == MAIL_OK) {
            cr_assert_str_eq(mail.subject.data, c->subject, "%s: %s", c->content,
                             mail.subject.data);
            cr_assert_str_eq(mail.text.data, c->text, "%s: %s", c->content, mail.text.data);
        }
        mail_free(&mail);
    }
}

TestSuite(mail, .init = mail_init);

/* Headers only if every line before the first empty one has the shape and one is known. */
Test(mail, headers_or_text)
{
    static const struct mail_case cases[] = {
        {"Subject: Hi\nFrom: a@b\n\nbody\n", NULL, MAIL_OK, "Hi", "body"},
        {"SUBJECT:Hi\n\nbody", NULL, MAIL_OK, "Hi", "body"},
        {"Subject: one\nSubject: two\n\nbody\n", NULL, MAIL_OK, "one", "body"},
        {"X-Mine: y\nDate: today\n\nbody\n", NULL, MAIL_OK, "", "body"},
        {"From: a@b\n\nbody\n\nmore\n\n \n", NULL, MAIL_OK, "", "body\n\nmore"},
        {"From: a@b\n\n", NULL, MAIL_OK, "", ""},
        {"From: a@b", NULL, MAIL_OK, "", ""},
        {"\n\nSubject: Hi\n\nbody\n", NULL, MAIL_OK, "Hi", "body"},
        {"ALERT: disk full\n", NULL, MAIL_OK, "", "ALERT: disk full"},
        {"ALERT: disk full\n\nHost: web1\n", NULL, MAIL_OK, "", "ALERT: disk full\n\nHost: web1"},
        {"Hello\nSubject: Hi\n\nbody\n", NULL, MAIL_OK, "", "Hello\nSubject: Hi\n\nbody"},
        {"Subject: Hi\nno header\n\nbody\n", NULL, MAIL_OK, "", "Subject: Hi\nno header\n\nbody"},
        {"Two words: x\nSubject: Hi\n\nbody\n", NULL, MAIL_OK, "",
         "Two words: x\nSubject: Hi\n\nbody"},
        {" Subject: Hi\n\nbody\n", NULL, MAIL_OK, "", " Subject: Hi\n\nbody"},
        {": x\nSubject: Hi\n\nbody\n", NULL, MAIL_OK, "", ": x\nSubject: Hi\n\nbody"},
        {"", NULL, MAIL_OK, "", ""},
        {"\n\n\n", NULL, MAIL_OK, "", ""},
        {"\xc2\xa0\n\xe3\x80\x80\xe2\x80\x8d", NULL, MAIL_OK, "", ""},
        {"\xc2\xa0 a\xc2\xa0", NULL, MAIL_OK, "", "\xc2\xa0 a\xc2\xa0"},
    };
    check(cases, COUNT(cases));
}

Test(mail, folded_headers)
{
    static const struct mail_case cases[] = {
        {"Subject: one\n two\n\tthree\nFrom: a\n\nbody\n", NULL, MAIL_OK, "one two three", "body"},
        {"Subject:\n one\n\nbody\n", NULL, MAIL_OK, "one", "body"},
        {"Content-Type: text/plain;\n charset=iso-8859-1\nSubject: x\n\ncaf\xe9\n", NULL, MAIL_OK,
         "x", "caf\xc3\xa9"},
        {"Subject: one\n two", NULL, MAIL_OK, "one two", ""},
    };
    check(cases, COUNT(cases));
}

Test(mail, types)
{
    static const struct mail_case cases[] = {
        {"Content-Type: text/plain\n\nbody", NULL, MAIL_OK, "", "body"},
        {"Content-Type: TEXT/PLAIN ; format=flowed\n\nbody", NULL, MAIL_OK, "", "body"},
        {"Content-Transfer-Encoding: 8BIT\n\nbody", NULL, MAIL_OK, "", "body"},
        {"Content-Type: text\n\nbody", NULL, MAIL_OK, "", "body"},
        {"Content-Type: text/html\n\n<p>a<p>b &lt;c&gt;", NULL, MAIL_OK, "", "a\nb <c>"},
        {"Content-Type: text/html\n\n<p>&nbsp;</p>", NULL, MAIL_OK, "", ""},
        {"Content-Type: text/html; charset=iso-8859-1\n\n\xe9t\xe9", NULL, MAIL_OK, "",
         "\xc3\xa9t\xc3\xa9"},
        {"Content-Type: text/html\n\n<meta charset=koi8-r>\xc4\xc1", NULL, MAIL_OK, "",
         "\xd0\xb4\xd0\xb0"},
        {"Content-Type: text/html\nContent-Transfer-Encoding: quoted-printable\n\n"
         "<a href=3D\"http://a.invalid/b\">log</a>",
         NULL, MAIL_OK, "", "log http://a.invalid/b"},
        {"Content-Type: multipart/mixed; boundary=x\n\nbody", NULL, MAIL_OK, "", "body"},
        {"Content-Type: text/plainish\n\nbody", NULL, MAIL_OK, "", "body"},
        {"Content-Type: image/png\n\nbody", NULL, MAIL_NO_TEXT, "", ""},
        {"Content-Transfer-Encoding: base64\n\nYm9keQ==", NULL, MAIL_OK, "", "body"},
        {"Content-Transfer-Encoding: quoted-printable\n\nb=6Fdy", NULL, MAIL_OK, "", "body"},
    };
    check(cases, COUNT(cases));
}

#define TYPE(charset) "Content-Type: text/plain; charset=" charset "\n\n"

Test(mail, charsets)
{
    static const struct mail_case cases[] = {
        {TYPE("utf-8") "caf\xc3\xa9", NULL, MAIL_OK, "", "caf\xc3\xa9"},
        {TYPE("\"ISO-8859-1\"") "caf\xe9", NULL, MAIL_OK, "", "caf\xc3\xa9"},
        /* A label is wrong where the bytes are UTF-8: in no other way do these stand together. */
        {TYPE("iso-8859-1") "\xc3\xa9", NULL, MAIL_OK, "", "\xc3\xa9"},
        {TYPE("iso-2022-jp") "\x1b$B$\"\x1b(B", NULL, MAIL_OK, "", "\xe3\x81\x82"},
        {TYPE("us-ascii") "caf\xe9", "windows-1252", MAIL_OK, "", "caf\xc3\xa9"},
        {TYPE("us-ascii") "caf\xe9", NULL, MAIL_BAD_CHARSET, "", ""},
        {TYPE("nonsense") "plain", NULL, MAIL_OK, "", "plain"},
        {TYPE("nonsense") "caf\xe9", "windows-1252", MAIL_OK, "", "caf\xc3\xa9"},
        {TYPE("utf-8") "caf\xe9", "windows-1252", MAIL_OK, "", "caf\xc3\xa9"},
        {"caf\xe9 \x80", "windows-1252", MAIL_OK, "", "caf\xc3\xa9 \xe2\x82\xac"},
        {"caf\xe9", NULL, MAIL_BAD_CHARSET, "", ""},
        {"Subject: caf\xe9\n\nbody", "windows-1252", MAIL_OK, "caf\xc3\xa9", "body"},
        {"Subject: caf\xe9\n\nbody", NULL, MAIL_BAD_CHARSET, "", ""},
        {"Subject: caf\xc3\xa9\nContent-Type: text/plain; charset=latin1\n\nbody", NULL, MAIL_OK,
         "caf\xc3\xa9", "body"},
    };
    check(cases, COUNT(cases));
}

#define MIXED "Content-Type: multipart/mixed; boundary=\"a b\"\n\n--a b\n"
#define PICTURE                                                                                \
    "Content-Type: image/jpeg\nContent-Disposition: attachment; filename*=utf-8''%C3%A9.jpg\n" \
    "Content-Transfer-Encoding: base64\n\nAAAA\n--a b\n"

Test(mail, parts)
{
    static const struct mail_case cases[] = {
        {MIXED PICTURE "\nbody\n--a b--\n", NULL, MAIL_OK, "", "body"},
        {MIXED "Content-Type: text/plain\n\n \n--a b\n\nsecond\n", NULL, MAIL_OK, "", "second"},
        {MIXED "Content-Type: multipart/alternative; boundary=z\n\n"
               "--z\nContent-Type: text/html\n\n<b>html</b>\n--z\n"
               "Content-Transfer-Encoding: quoted-printable\nContent-Type: text/plain; "
               "charset=utf-8\n\nHello=20=E2=82=AC=\n!\n--z--\n--a b--\n",
         NULL, MAIL_OK, "", "Hello \xe2\x82\xac!"},
        {MIXED "Content-Type: multipart/alternative; boundary=z\n\n"
               "--z\n\n \n--z\nContent-Type: text/html\n\n<b>html</b>\n--z--\n--a b--\n",
         NULL, MAIL_OK, "", "html"},
        {MIXED "Content-Type: multipart/alternative; boundary=z\n\n"
               "--z\nContent-Type: text/plain; charset=iso-8859-1\n\n\xa0\n \xa0\n"
               "--z\nContent-Type: text/html\n\n<b>html</b>\n--z--\n--a b--\n",
         NULL, MAIL_OK, "", "html"},
        {MIXED "Content-Type: text/plain; charset=utf-16le\nContent-Transfer-Encoding: base64\n\n"
               "IAANAAoA\n--a b\nContent-Type: text/html\n\n<b>html</b>\n--a b--\n",
         NULL, MAIL_OK, "", "html"},
        {MIXED
         "\n\xef\xbb\xbf\xe2\x80\x8b\n--a b\nContent-Type: text/html\n\n<b>html</b>\n--a b--\n",
         NULL, MAIL_OK, "", "html"},
        {MIXED "Content-Type: text/html\nContent-Disposition: attachment; filename=a.html\n\n"
               "<b>report</b>\n--a b--\n",
         NULL, MAIL_OK, "", "report"},
        {MIXED "Content-Type: message/rfc822\n\nSubject: inner\n\nInner text\n--a b--\n", NULL,
         MAIL_OK, "", "Inner text"},
        {"Subject: Motion\n" MIXED PICTURE "--a b--\n", NULL, MAIL_OK, "Motion", ""},
        {MIXED PICTURE "--a b--\n", NULL, MAIL_NO_TEXT, "", ""},
        {"Content-Type: multipart/mixed\n\nno boundary at all\n", NULL, MAIL_OK, "",
         "no boundary at all"},
    };
    check(cases, COUNT(cases));
}

Test(mail, subjects)
{
    static const struct mail_case cases[] = {
        {"Subject: =?utf-8?B?w6nDqA==?= =?iso-8859-1?Q?caf=E9?=\n\nbody", NULL, MAIL_OK,
         "\xc3\xa9\xc3\xa8"
         "caf\xc3\xa9",
         "body"},
        /* One character, of which each word has a half. */
        {"Subject: =?utf-8?Q?a=C3?=\n =?utf-8?Q?=A9b?=\n\nbody", NULL, MAIL_OK,
         "a\xc3\xa9"
         "b",
         "body"},
        {"Subject: =?utf-8?Q?not closed\n\nbody", NULL, MAIL_OK, "=?utf-8?Q?not closed", "body"},
        {"Subject: a=?utf-8?Q?=0Ab?=\n\nbody", NULL, MAIL_OK, "a b", "body"},
    };
    check(cases, COUNT(cases));
}

#define FLOWED "Content-Type: text/plain; format=flowed"

Test(mail, lines)
{
    static const struct mail_case cases[] = {
        {FLOWED "\n\none \ntwo\n three\n", NULL, MAIL_OK, "", "one two\nthree"},
        {FLOWED "; delsp=yes\n\none \ntwo\n", NULL, MAIL_OK, "", "onetwo"},
        {FLOWED "\n\n", NULL, MAIL_OK, "", ""},
        {FLOWED "\n\n> quoted \n> text\n>> more\nend\n", NULL, MAIL_OK, "",
         "> quoted text\n>> more\nend"},
        {FLOWED "\n\ntext \n-- \nme\n", NULL, MAIL_OK, "", "text"},
        {"From: a\n\ntext\n-- \nme\n", NULL, MAIL_OK, "", "text"},
        {"From: a\n\n\n-- \nme\n", NULL, MAIL_OK, "", "--\nme"},
        {"From: a\n\ntext\n--\nmore\n", NULL, MAIL_OK, "", "text\n--\nmore"},
        {"From: a\n\n\n\none  \t\n\ntwo\x01\r\n\n", NULL, MAIL_OK, "", "one\n\ntwo"},
    };
    check(cases, COUNT(cases));
}

Test(mail, automatic)
{
    static const char *const automatic[] = {
        "Auto-Submitted: auto-replied\n\nI am away",
        "Auto-Submitted: Auto-Replied (vacation)\n\nI am away",
        "Content-Type: multipart/report; report-type=delivery-status; boundary=a\n\n--a\n\nx\n",
    };
    static const struct mail_case cases[] = {
        {"Auto-Submitted: no\nFrom: a\n\nbody", NULL, MAIL_OK, "", "body"},
        {"Auto-Submitted: auto-generated\nFrom: a\n\nbody", NULL, MAIL_OK, "", "body"},
        {"Precedence: bulk\nFrom: a\n\nbody", NULL, MAIL_OK, "", "body"},
    };
    check(cases, COUNT(cases));
    for (size_t i = 0; i < COUNT(automatic); i++) {
        struct mail mail = {0};
        struct mail_rules rules = {.charset = NULL};
        char content[200];
        int len = snprintf(content, sizeof content, "From: a\n%s", automatic[i]);
        cr_assert_eq(mail_read(content, (size_t)len, &rules, &mail), MAIL_AUTOMATIC);
        mail_free(&mail);
        rules.takes_automatic = true;
        cr_assert_eq(mail_read(content, (size_t)len, &rules, &mail), MAIL_OK);
        cr_assert_gt(mail.text.len, 0);
        mail_free(&mail);
    }
}

/* `head`, then `unit` over and over: as much as is kept of a content. */
static enum mail_result read_many(const char *head, const char *unit)
{
    struct buffer content = BUFFER_EMPTY;
    struct mail mail = {0};
    const struct mail_rules rules = {.charset = NULL};
    buffer_puts(&content, head);
    while (content.len < (size_t)256 * 1024) {
        buffer_puts(&content, unit);
    }
    enum mail_result result = mail_read(content.data, content.len, &rules, &mail);
    buffer_free(&content);
    mail_free(&mail);
    return result;
}

Test(mail, bounds)
{
    cr_assert_eq(read_many("Subject: x\n", "Content-Type: multipart/mixed; boundary=a\n\n--a\n"),
                 MAIL_TOO_COMPLEX);
    cr_assert_eq(read_many("Subject: x\n", "Content-Type: message/rfc822\n\n"), MAIL_TOO_COMPLEX);
    cr_assert_eq(
        read_many("Subject: x\nContent-Type: multipart/mixed; boundary=a\n\n", "--a\n\nx\n"),
        MAIL_TOO_COMPLEX);
    cr_assert_eq(read_many("Subject: x\n", "A: b\n"), MAIL_TOO_COMPLEX);
    cr_assert_eq(read_many("Subject: x\nContent-Type: text/plain", "; a=b"), MAIL_TOO_COMPLEX);
    cr_assert_eq(read_many("Subject: x\n\n", "--a\n\n"), MAIL_OK);
    cr_assert_eq(read_many("Subject: x\n", "Received: from a\n"), MAIL_LOOP);
}
