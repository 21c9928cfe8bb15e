/* mail: what is a header, what is text, in which charset. */
#include "proto/mail.h"

#include <criterion/criterion.h>
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
        struct buffer subject = BUFFER_EMPTY;
        struct buffer text = BUFFER_EMPTY;
        enum mail_result result =
            mail_read(c->content, strlen(c->content), c->charset, &subject, &text);
        cr_assert_eq(result, c->result, "%s: %d", c->content, (int)result);
        buffer_append(&subject, "", 1);
        buffer_append(&text, "", 1);
        if (result == MAIL_OK) {
            cr_assert_str_eq(subject.data, c->subject, "%s: %s", c->content, subject.data);
            cr_assert_str_eq(text.data, c->text, "%s: %s", c->content, text.data);
        }
        buffer_free(&subject);
        buffer_free(&text);
    }
}

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
        {"\nSubject: Hi\n\nbody\n", NULL, MAIL_OK, "", "\nSubject: Hi\n\nbody"},
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
    };
    check(cases, COUNT(cases));
}

Test(mail, folded_headers)
{
    static const struct mail_case cases[] = {
        {"Subject: one\n two\n\tthree\nFrom: a\n\nbody\n", NULL, MAIL_OK, "one two\tthree", "body"},
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
        {"Content-Type: text/html\n\nbody", NULL, MAIL_NOT_TEXT, "", ""},
        {"Content-Type: multipart/mixed; boundary=x\n\nbody", NULL, MAIL_NOT_TEXT, "", ""},
        {"Content-Type: text/plainish\n\nbody", NULL, MAIL_NOT_TEXT, "", ""},
        {"Content-Transfer-Encoding: base64\n\nYm9keQ==", NULL, MAIL_NOT_TEXT, "", ""},
        {"Content-Transfer-Encoding: quoted-printable\n\nbody", NULL, MAIL_NOT_TEXT, "", ""},
    };
    check(cases, COUNT(cases));
}

#define TYPE(charset) "Content-Type: text/plain; charset=" charset "\n\n"

Test(mail, charsets)
{
    static const struct mail_case cases[] = {
        {TYPE("utf-8") "caf\xc3\xa9", NULL, MAIL_OK, "", "caf\xc3\xa9"},
        {TYPE("\"ISO-8859-1\"") "caf\xe9", NULL, MAIL_OK, "", "caf\xc3\xa9"},
        /* What is declared is believed, also where the bytes happen to be UTF-8. */
        {TYPE("iso-8859-1") "\xc3\xa9", NULL, MAIL_OK, "", "\xc3\x83\xc2\xa9"},
        {TYPE("iso-2022-jp") "\x1b$B$\"\x1b(B", NULL, MAIL_OK, "", "\xe3\x81\x82"},
        {TYPE("us-ascii") "caf\xe9", "windows-1252", MAIL_OK, "", "caf\xc3\xa9"},
        {TYPE("us-ascii") "caf\xe9", NULL, MAIL_BAD_CHARSET, "", ""},
        {TYPE("nonsense") "plain", NULL, MAIL_OK, "", "plain"},
        {TYPE("nonsense") "caf\xe9", "windows-1252", MAIL_BAD_CHARSET, "", ""},
        {TYPE("utf-8") "caf\xe9", "windows-1252", MAIL_BAD_CHARSET, "", ""},
        {"caf\xe9 \x80", "windows-1252", MAIL_OK, "", "caf\xc3\xa9 \xe2\x82\xac"},
        {"caf\xe9", NULL, MAIL_BAD_CHARSET, "", ""},
        {"Subject: caf\xe9\n\nbody", "windows-1252", MAIL_OK, "caf\xc3\xa9", "body"},
        {"Subject: caf\xe9\n\nbody", NULL, MAIL_BAD_CHARSET, "", ""},
        {"Subject: caf\xc3\xa9\nContent-Type: text/plain; charset=latin1\n\nbody", NULL, MAIL_OK,
         "caf\xc3\xa9", "body"},
    };
    check(cases, COUNT(cases));
}
