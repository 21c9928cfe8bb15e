/*
 * mime: how fast mails are read, and how long one of them can hold up a connection's thread.
 *
 *     mime [-v] [-n COUNT]
 *
 * Reads COUNT (20000) ordinary alert mails of 2 kB by proto/mail; then submits mails of the costliest shapes that are known, as
 * large as is kept of one, each through a session. Prints one JSON object: rates a second, and the
 * longest step; with -v, on stderr, that of each shape. One thread.
 */
#include "proto/mail/mail.h"
#include "proto/session/session.h"
#include "tests/bench/histogram.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROUNDS = 5, MAIL_BYTES = 2048, SHAPE_BYTES = 256 * 1024 };

static const char head[] =
    "Received: from web1.example.com (web1.example.com [192.0.2.1]) by mail.example.com;\n"
    "\tTue, 24 Nov 2026 03:00:00 +0000\n"
    "From: Monitoring <monitoring@example.com>\n"
    "To: <+34600000000@sms.example>\n"
    "Date: Tue, 24 Nov 2026 03:00:00 +0000\n"
    "Message-ID: <20261124030000.1234@web1.example.com>\n"
    "Subject: =?utf-8?Q?[PROBLEM]_web1:_disk_full_=E2=80=93_93_%25?=\n"
    "MIME-Version: 1.0\n"
    "Content-Type: text/plain; charset=utf-8\n"
    "Content-Transfer-Encoding: quoted-printable\n\n";
static const char line[] = "Trigger: disk space on /var is =E2=89=A5 93 =25, host web1=2E\n";

static const struct mail_rules rules = {.charset = "windows-1252"};

/* `start`, then `unit` as often as it fits, then `end`. The caller frees the buffer. */
static struct buffer build(const char *start, const char *unit, const char *end, size_t size)
{
    struct buffer b = BUFFER_EMPTY;
    buffer_puts(&b, start);
    while (b.len + strlen(unit) + strlen(end) <= size) {
        buffer_puts(&b, unit);
    }
    buffer_puts(&b, end);
    return b;
}

/* --- ordinary mails --------------------------------------------------------------------------- */

static bool read_one(const struct buffer *content)
{
    struct mail mail = {0};
    bool is_good = mail_read(content->data, content->len, &rules, &mail) == MAIL_OK &&
                   mail.text.len > 0 && mail.subject.len > 0;
    mail_free(&mail);
    return is_good;
}

static double rate(size_t count)
{
    struct buffer content = build(head, line, "", MAIL_BYTES);
    uint64_t began_ns = clock_ns();
    for (size_t i = 0; i < count; i++) {
        if (!read_one(&content)) {
            fputs("mime: an ordinary mail was not read\n", stderr);
            exit(70);
        }
    }
    uint64_t took_ns = clock_ns() - began_ns;
    buffer_free(&content);
    return (double)count * 1e9 / (double)took_ns;
}

static int compare_rates(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* --- shapes ----------------------------------------------------------------------------------- */

#define FROM    "From: a\n"
#define HTML    FROM "Content-Type: text/html\n"
#define QUOTED  "Content-Transfer-Encoding: quoted-printable\n"
#define HTML_JP FROM "Content-Type: text/html; charset=iso-2022-jp\n"
#define MIXED   FROM "Content-Type: multipart/mixed; boundary=a\n\n"

#define ALTERNATIVE FROM "Content-Type: multipart/alternative; boundary=a\n\n"
#define HTML_100                                                                             \
    "<b>x</b><i>y</i><br><b>x</b><i>y</i><br><b>x</b><i>y</i><br><b>x</b><i>y</i><br><b>x</" \
    "b><i>y</i><br>"
#define HTML_500 HTML_100 HTML_100 HTML_100 HTML_100 HTML_100 "\n"

static const struct {
    const char *name, *start, *unit, *end;
} shapes[] = {
    {"levels", FROM, "Content-Type: multipart/mixed; boundary=a\n\n--a\n", ""},
    {"messages within", FROM, "Content-Type: message/rfc822\n\n", ""},
    {"parts", MIXED, "--a\n\nx\n", ""},
    {"headers", FROM, "A: b\n", "\nx"},
    {"parameters", FROM "Content-Type: text/plain", "; a=b", "\n\nx"},
    {"parameter pieces", FROM "Content-Type: text/plain", ";\n a*0*=b", "\n\nx"},
    {"comments", FROM "Content-Type: text/plain; charset=", "(", "\n\nx"},
    {"a long type", FROM "Content-Type: ", "a", "\n\nx"},
    {"encoded words", FROM "Subject: ", "=?utf-8?Q?a?= ", "\n\nx"},
    {"a long subject", FROM "Subject: ", "a", "\n\nx"},
    {"dashes", MIXED "--a\n\n", "--\n", ""},
    {"empty lines", MIXED "--a\n\n", "\n\n", ""},
    {"quoted-printable", FROM "Content-Transfer-Encoding: quoted-printable\n\n", "=E9", ""},
    {"base64", FROM "Content-Transfer-Encoding: base64\n\n", "QUFB", ""},
    {"uuencode", FROM "Content-Transfer-Encoding: x-uuencode\n\nbegin 644 x\n", "M", ""},
    {"flowed", FROM "Content-Type: text/plain; format=flowed\n\n", " \n", ""},
    {"escapes", FROM "Content-Type: text/plain; charset=iso-2022-jp\n\n", "\x1b$B$\"\x1b(B", ""},
    {"no charset", FROM "\n", "\x81", ""},
    {"emoji", FROM "\n", "\xf0\x9f\x98\x80", ""},
    {"joined emoji", FROM "\n", "\xf0\x9f\x98\x80\xe2\x80\x8d", ""},
    {"accents", FROM "\n", "e\xcc\x81", ""},
    {"quotes", FROM "\n", "\xe2\x80\x9c", ""},
    {"HTML elements", HTML "\n", "<b>x</b>", ""},
    {"HTML open elements", HTML "\n", "<i>", ""},
    {"HTML misplaced elements", HTML "\n", "<body>", ""},
    {"HTML entities", HTML "\n", "&euro;", ""},
    {"HTML attributes", HTML "\n<p ", "a=b ", ">x"},
    {"HTML links", HTML "\n", "<a href=http://a.invalid/b>c</a>", ""},
    {"HTML cells", HTML "\n<table>", "<td>x", ""},
    {"HTML errors", HTML "\n", "<", ""},
    {"HTML in quoted-printable", HTML QUOTED "\n", "<br>=E9", ""},
    {"HTML in a charset that escapes", HTML_JP "\n", "\x1b$B$\"\x1b(B<br>", ""},
    {"a's", FROM "\n", "a", ""},
    {"lines among headers", FROM "To: b\n", "x\n", "Subject: c\n\nd"},
    {"headers that are text", "Date: a\n", "b: c\n", ""},
    {"boundaries that do not occur", FROM "Content-Type: multipart/mixed; boundary=q\n\n",
     "--a\n\n", ""},
    {"parts without a boundary", MIXED, "--a\nContent-Type: multipart/mixed\n\n--b\n\nx\n", ""},
    {"source as text", FROM "\n", "--a\nContent-Type: text/plain\n\n", ""},
    {"base64 that is none", FROM "Content-Transfer-Encoding: base64\n\n", "QUFB QUFB.\n", ""},
    {"uuencoded files", FROM "\n", "begin 644 a\n#0V%T\n", ""},
    {"invalid UTF-8", FROM "Content-Type: text/plain; charset=utf-8\n\n", "\xc3\xa9\xc3", ""},
    {"invalid GB 18030", FROM "Content-Type: text/plain; charset=gbk\n\n", "\xd5\xcf\xff", ""},
    {"CRs", FROM "\n", "a\r", ""},
    {"HTML comments", HTML "\n", "<!---->", ""},
    {"HTML comments that are not closed", HTML "\n", "<!--", ""},
    {"HTML styles", HTML "\n", "<style>a</style>", ""},
    {"HTML data", HTML "\n", "<img src=\"data:a\">", ""},
    {"HTML parts", MIXED, "--a\nContent-Type: text/html\n\n" HTML_500, ""},
    {"HTML alternatives", ALTERNATIVE, "--a\n\nHTML\n--a\nContent-Type: text/html\n\n" HTML_500,
     ""},
};

/* Steps until the session has said what becomes of the content; returns the longest step in ns. */
static uint64_t step(struct session *s)
{
    uint64_t longest_ns = 0;
    enum session_step what;
    struct session_event event;
    do {
        uint64_t began_ns = clock_ns();
        what = session_step(s, 1, &event);
        uint64_t took_ns = clock_ns() - began_ns;
        longest_ns = took_ns > longest_ns ? took_ns : longest_ns;
    } while (what == SESSION_PAUSES);
    return longest_ns;
}

static uint64_t submit(const struct session_rules *session_rules, size_t shape)
{
    static const char envelope[] = "MAIL FROM:<a@b>\nRCPT TO:<+34600000000@c>\nDATA\n";
    const struct session_peer peer = {0};
    struct session *s = session_new(session_rules, &peer);
    struct buffer content =
        build(shapes[shape].start, shapes[shape].unit, shapes[shape].end, SHAPE_BYTES);
    buffer_puts(&content, "\n.\n");
    bool is_good = s != NULL && session_feed(s, envelope, sizeof envelope - 1);
    step(s);
    is_good = is_good && session_feed(s, content.data, content.len);
    uint64_t took_ns = step(s);
    if (!is_good || content.has_failed) {
        fputs("mime: out of memory\n", stderr);
        exit(71);
    }
    session_free(s);
    buffer_free(&content);
    return took_ns;
}

int main(int argc, char **argv)
{
    size_t count = 20000;
    bool is_verbose = false;
    int letter;
    while ((letter = getopt(argc, argv, "vn:")) != -1 && letter != '?') {
        is_verbose = is_verbose || letter == 'v';
        count = letter == 'n' ? strtoul(optarg, NULL, 10) : count;
    }
    if (letter == '?' || count == 0) {
        fputs("usage: mime [-v] [-n COUNT]\n", stderr);
        return 64;
    }
    mail_init();
    double rates[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++) {
        rates[i] = rate(count);
    }
    qsort(rates, ROUNDS, sizeof rates[0], compare_rates);
    const struct session_rules session_rules = {
        .hostname = "bench",
        .version = "0",
        .max_line = 65536,
        .max_recipients = 1000,
        .default_from = "Acme",
        .charset = "windows-1252",
        .max_parts = 10,
        .mail_max_parts = 3,
        .mail_max_size = 25 * 1024 * 1024,
    };
    uint64_t worst_ns = 0;
    const char *worst = "";
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        /* The best of three: a thread that was taken off its core says nothing of the shape. */
        uint64_t took_ns = UINT64_MAX;
        for (int turn = 0; turn < 3; turn++) {
            uint64_t ns = submit(&session_rules, i);
            took_ns = ns < took_ns ? ns : took_ns;
        }
        if (is_verbose) {
            fprintf(stderr, "%-18s %6.2f ms\n", shapes[i].name, (double)took_ns / 1e6);
        }
        if (took_ns > worst_ns) {
            worst_ns = took_ns;
            worst = shapes[i].name;
        }
    }
    printf("{\"rate\": %.0f, \"worst\": \"%s\", \"worst_ms\": %.2f}\n", rates[ROUNDS / 2], worst,
           (double)worst_ns / 1e6);
    return 0;
}
