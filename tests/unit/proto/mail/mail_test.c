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

/* Reads a content that arrives in pieces of so many bytes. */
static enum mail_result read_in_pieces(const struct buffer *content, size_t piece,
                                       const struct mail_rules *rules, struct mail *mail)
{
    struct mail_reader *reader = mail_reader_new();
    cr_assert_not_null(reader);
    for (size_t at = 0; at < content->len; at += piece) {
        size_t left = content->len - at;
        mail_reader_feed(reader, content->data + at, left < piece ? left : piece);
    }
    enum mail_result result = mail_reader_end(reader, rules, mail);
    mail_reader_free(reader);
    return result;
}

static void check_content(const struct mail_case *c, const struct buffer *content, size_t piece)
{
    const struct mail_rules rules = {.charset = c->charset};
    struct mail mail = {0};
    enum mail_result result = read_in_pieces(content, piece, &rules, &mail);
    cr_expect_eq(result, c->result, "%s: %d", c->content, (int)result);
    buffer_putc(&mail.subject, '\0');
    buffer_putc(&mail.text, '\0');
    if (result == MAIL_OK && c->result == MAIL_OK) {
        cr_expect_str_eq(mail.subject.data, c->subject, "%s, by %zu: %s", c->content, piece,
                         mail.subject.data);
        cr_expect_str_eq(mail.text.data, c->text, "%s, by %zu: %s", c->content, piece,
                         mail.text.data);
    }
    mail_free(&mail);
}

/* Each in one piece and in several, and with CRLF for LF. */
static void check(const struct mail_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct buffer content = BUFFER_EMPTY, crlf = BUFFER_EMPTY;
        buffer_puts(&content, cases[i].content);
        for (const char *s = cases[i].content; *s != '\0'; s++) {
            buffer_puts(&crlf, *s == '\n' ? "\r" : "");
            buffer_putc(&crlf, *s);
        }
        for (size_t piece = 1; piece < 5000; piece = piece * 3 - (piece > 1 ? 1 : 0)) {
            check_content(&cases[i], &content, piece);
            check_content(&cases[i], &crlf, piece);
        }
        buffer_free(&content);
        buffer_free(&crlf);
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

/* Words that are no text of their own. */
Test(mail, several_texts)
{
    static const struct mail_case cases[] = {
        {MIXED "\nbefore\n--a b\n" PICTURE "\nbehind\n--a b--\n", NULL, MAIL_OK, "",
         "before\nbehind"},
        {MIXED "\nDisk full\n--a b\nContent-Type: text/html\n\n<p>Disk <b>full</b>\n--a b--\n",
         NULL, MAIL_OK, "", "Disk full"},
        {MIXED "Content-Type: text/html\n\n<p>Disk <b>full</b>\n--a b\n\nDisk full\n--a b--\n",
         NULL, MAIL_OK, "", "Disk full"},
        {MIXED "Content-Type: text/html\n\n<p>Disk full\n--a b\n\nA disclaimer\n--a b--\n", NULL,
         MAIL_OK, "", "Disk full\nA disclaimer"},
        {MIXED "\ntext\n--a b\nContent-Type: text/plain; name=log.txt\n\na log\n--a b--\n", NULL,
         MAIL_OK, "", "text"},
        {MIXED "Content-Type: text/plain; name=log.txt\n\na log\n--a b--\n", NULL, MAIL_OK, "",
         "a log"},
        {MIXED "\ntext\n--a b\nContent-Type: message/rfc822\n\nSubject: x\n\nforwarded\n--a b--\n",
         NULL, MAIL_OK, "", "text"},
        {MIXED "\ntext\n--a b\nContent-Type: text/calendar\n\nBEGIN:VCALENDAR\n--a b--\n", NULL,
         MAIL_OK, "", "text"},
        {"From: a\n\nbefore\nbegin 644 a.jpg\n#0V%T\n`\nend\nbehind\n", NULL, MAIL_OK, "",
         "before\nbehind"},
        {"From: a\n\nbegin 644 words\nof a text\n", NULL, MAIL_OK, "",
         "begin 644 words\nof a text"},
    };
    check(cases, COUNT(cases));
}

#define ALTERNATIVE "Content-Type: multipart/alternative; boundary=x\n\n--x\n"
#define OR_HTML     "\n--x\nContent-Type: text/html\n\n"

Test(mail, alternatives)
{
    static const struct mail_case cases[] = {
        {ALTERNATIVE "\nplain" OR_HTML "html", NULL, MAIL_OK, "", "plain"},
        {ALTERNATIVE "\n \n" OR_HTML "html", NULL, MAIL_OK, "", "html"},
        {ALTERNATIVE "\nYour mailer does not show HTML." OR_HTML "Disk full", NULL, MAIL_OK, "",
         "Disk full"},
        {ALTERNATIVE "\nweb1: index.html is missing" OR_HTML "html", NULL, MAIL_OK, "",
         "web1: index.html is missing"},
        {ALTERNATIVE "\nHTML check failed" OR_HTML "<b>HTML</b> check failed on web1", NULL,
         MAIL_OK, "", "HTML check failed"},
        {ALTERNATIVE "\nNo HTML here" OR_HTML "<img src=x>", NULL, MAIL_OK, "", "No HTML here"},
    };
    check(cases, COUNT(cases));
}

/* Where MIME is written wrongly, its source never is the text. */
Test(mail, boundaries)
{
    static const struct mail_case cases[] = {
        {"Content-Type: multipart/mixed\n\tboundary=x\n\n--x\n\nbody\n--x--\n", NULL, MAIL_OK, "",
         "body"},
        {"Content-Type: multipart/mixed\n\n--x\n\nbody\n--x--\n", NULL, MAIL_OK, "", "body"},
        {"Content-Type: multipart/mixed; boundary=y\n\n--x\n\nbody\n--x--\n", NULL, MAIL_OK, "",
         "body"},
        {"Content-Type: multipart/mixed; boundary='x'\n\n--'x'\n\nbody\n--'x'--\n", NULL, MAIL_OK,
         "", "body"},
        {"Content-Type: multipart/mixed; boundary=\"x\n\n--x\n\nbody\n--x--\n", NULL, MAIL_OK, "",
         "body"},
        {"From: a\n\n--x\nContent-Type: text/plain\n\nbody\n--x--\n", NULL, MAIL_OK, "", "body"},
        {"Content-Type: text/html\n\n--x\nContent-Type: text/plain\n\nbody\n--x--\n", NULL, MAIL_OK,
         "", "body"},
        /* An empty line among the headers; and the headers of a mail that is quoted. */
        {"From: a\nTo: b\n\nSubject: Hi\n\nbody", NULL, MAIL_OK, "Hi", "body"},
        {"Content-Type: text/html\nContent-Transfer-Encoding: base64\n\nFrom: a\nSubject: Hi\n\n"
         "PHA+Ym9keTwvcD4=",
         NULL, MAIL_OK, "Hi", "body"},
        {"From: a\nSubject: Hi\n\n\nMIME-Version: 1.0\nContent-Type: text/html\n\n<p>body", NULL,
         MAIL_OK, "Hi", "body"},
        {"From: a\nSubject: Hi\n\nFrom: b\nSubject: Ho\n\nbody", NULL, MAIL_OK, "Hi",
         "From: b\nSubject: Ho\n\nbody"},
        {"Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/html\n\n"
         "Content-Transfer-Encoding: base64\n\nPHA+Ym9keTwvcD4=\n--x--\n",
         NULL, MAIL_OK, "", "body"},
        {"From: a\n\nBefore\n--x\nContent-Type: text/plain\n\nbody\n--x--\n", NULL, MAIL_OK, "",
         "Before\nbody"},
        {"From: a\n\nThis is in MIME.\n--x\nContent-Type: text/plain\n\nbody\n--x--\n", NULL,
         MAIL_OK, "", "body"},
        {"junk\nSubject: Hi\nMIME-Version: 1.0\n\nbody", NULL, MAIL_OK, "Hi", "body"},
        {"An error\nContent-Type: it was rejected\n\nbody", NULL, MAIL_OK, "",
         "An error\nContent-Type: it was rejected\n\nbody"},
        {"Content-Type: multipart/digest; boundary=x\n\n--x\n\nSubject: one\n\nbody\n--x--\n", NULL,
         MAIL_OK, "", "body"},
        {"Content-Type: multipart/mixed; boundary=a\n\n--ab\nContent-Type: multipart/mixed; "
         "boundary=a\n\n"
         "--ac\nContent-Type: text/plain\n\nbody\n",
         NULL, MAIL_OK, "", "body"},
        {"Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; "
         "boundary=a\n\n"
         "--a\nContent-Type: text/plain\n\nbody\n",
         NULL, MAIL_OK, "", "body"},
        {"--x\nContent-Type: text/plain\n\nbody\n--x--\n", NULL, MAIL_OK, "", "body"},
        {"From: a\n\nMIME-Version: 1.0\nContent-Type: text/html\n\n<p>body", NULL, MAIL_OK, "",
         "body"},
        {"To: a\nContent-Type: multipart/mixed; boundary=x\n--x\nContent-Type: "
         "text/plain\n\nbody\n",
         NULL, MAIL_OK, "", "body"},
        {"Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: "
         "text/plain\nbody\n--x--\n",
         NULL, MAIL_OK, "", "body"},
        {"Content-Type: multipart/mixed; boundary=x\n\n--x\n\nbody\n--x--\nends\n--x\n\nmore\n",
         NULL, MAIL_OK, "", "body\nmore"},
        {"Content-Type: multipart/mixed; boundary=x\n\n--x \n\nbody\n--xy\n--x-- \n", NULL, MAIL_OK,
         "", "body\n--xy"},
        {"Content-Type: multipart/mixed; boundary=x\n\nno parts\n-- \nme\n", NULL, MAIL_OK, "",
         "no parts"},
        {"Content-Type: multipart/mixed; boundary=x\n\n", NULL, MAIL_OK, "", ""},
        {"Content-Type: multipart/mixed; boundary=x\n\nno parts\n--x--\n", NULL, MAIL_OK, "",
         "no parts"},
        {"Content-Type: multipart/mixed; boundary=-----\n\n-------x\nbody\n", NULL, MAIL_OK, "",
         "body"},
        {"Content-Type: multipart/mixed; boundary=boundary\n\n--boundary\n\nno line "
         "end--boundary\n\nbody"
         "--boundary--\n",
         NULL, MAIL_OK, "", "no line end\nbody"},
    };
    check(cases, COUNT(cases));
}

Test(mail, encodings)
{
    static const struct mail_case cases[] = {
        {"Content-Transfer-Encoding: \"base64\"\n\nYm9keQ==", NULL, MAIL_OK, "", "body"},
        {"Content-Transfer-Encoding: base64\n\nYm8=\nZHk=\n", NULL, MAIL_OK, "", "body"},
        {"Content-Transfer-Encoding: base64\n\nYm9keSBvZiBhIG1haWw=\n\n-- a list, list@a.invalid\n",
         NULL, MAIL_OK, "", "body of a mail\n-- a list, list@a.invalid"},
        {"Content-Transfer-Encoding: base64\n\nHello\nHost: web1\n", NULL, MAIL_OK, "",
         "Hello\nHost: web1"},
        {"Content-Transfer-Encoding: base64\n\nall is fine\n", NULL, MAIL_OK, "", "all is fine"},
        /* Letters that could be base64, but not of words. */
        {"Subject: Hi\n\nyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"
         "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\n",
         NULL, MAIL_OK, "Hi",
         "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"
         "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"},
        {"Content-Transfer-Encoding: quoted-printable;\n\nb=6Fd=\ny", NULL, MAIL_OK, "", "body"},
        {"Content-Transfer-Encoding: x-uuencode\n\nbegin 644 a\n$8F]D>0``\n`\nend\n", NULL, MAIL_OK,
         "", "body"},
        {"Content-Transfer-Encoding: nonsense\n\nbody", NULL, MAIL_OK, "", "body"},
        /* Without a label. */
        {"From: a\n\nRGlzayBmdWxsIG9uIHdlYjEgYW5kIG9uIHdlYjIsIHRvbw==\n", NULL, MAIL_OK, "",
         "Disk full on web1 and on web2, too"},
        {"From: a\n\n6dB8mTz0c3vN1uQ2p8Xy5sKf7aRtLw9eBhUoGiJkMnA=\n", NULL, MAIL_OK, "",
         "6dB8mTz0c3vN1uQ2p8Xy5sKf7aRtLw9eBhUoGiJkMnA="},
        {"From: a\n\nGr=C3=B6=C3=9Fe =3D 5\n", NULL, MAIL_OK, "",
         "Gr\xc3\xb6\xc3\x9f"
         "e = 5"},
        {"From: a\n\nDisk /var is full on web1 and it will be full on web2 within the next=\n "
         "hour\n",
         NULL, MAIL_OK, "",
         "Disk /var is full on web1 and it will be full on web2 within the next hour"},
        {"From: a\n\na=B1 c=20 http://a.invalid/?b=C3\n", NULL, MAIL_OK, "",
         "a=B1 c=20 http://a.invalid/?b=C3"},
    };
    check(cases, COUNT(cases));
}

/* A body that is alone may be of any type, if it is text. */
Test(mail, one_body)
{
    static const struct mail_case cases[] = {
        {"Content-Type: application/octet-stream\n\nbody", NULL, MAIL_OK, "", "body"},
        {"Content-Type: application/octet-stream\n\nb\x01ody", NULL, MAIL_NO_TEXT, "", ""},
        {"Content-Type: text/plain\nContent-Disposition: attachment; filename=a\n\nbody", NULL,
         MAIL_OK, "", "body"},
        {"Content-Type: application/json\n\n{\"a\": 1}", NULL, MAIL_OK, "", "{\"a\": 1}"},
        {"Content-Type: text/plain\n\n<!DOCTYPE html><p>body", NULL, MAIL_OK, "", "body"},
        {"<html><p>body</html>", NULL, MAIL_OK, "", "body"},
        {"From: a\n\n<?xml version='1.0'?>\n<a><b>body</b></a>", NULL, MAIL_OK, "", "body"},
        {"Content-Type: application/xml\n\n<?xml version='1.0'?><a><b>body</b></a>", NULL, MAIL_OK,
         "", "body"},
        {MIXED "Content-Type: application/octet-stream\n\nbody\n--a b\n" PICTURE "--a b--\n", NULL,
         MAIL_OK, "", "body"},
        {MIXED "Content-Type: text/plain\nContent-Disposition: attachment\n\none\n--a b\n"
               "Content-Type: application/octet-stream\n\ntwo\n--a b--\n",
         NULL, MAIL_NO_TEXT, "", ""},
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
        {"From: a\n\n\n\none  \t\n\ntwo\x01\n\n", NULL, MAIL_OK, "", "one\n\ntwo"},
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
