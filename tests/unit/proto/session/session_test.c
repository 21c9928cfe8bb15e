/*
 * session: dialogues of both dialects. Each is run whole, byte by byte and split at every position,
 * with immediate verdicts, and with late ones in any order.
 */
#include "proto/mail/mail.h"
#include "tests/support/fake_gateway.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
/* A string that may hold NULs, as two initialisers. */
#define S(literal) literal, sizeof(literal) - 1
/* A string, repeated. */
#define FOUR(x)     x x x x
#define SIXTEEN(x)  FOUR(FOUR(x))
#define NINETEEN(x) SIXTEEN(x) x x x
#define TWENTY(x)   NINETEEN(x) x

/* --- running a dialogue in all ways ----------------------------------------------------------- */

struct dialogue {
    const char *input;
    size_t len;
    const char *replies;   /* the codes, as codes() gives them, without the greeting */
    const char *submitted; /* as fake_note writes it; NULL = not checked */
};

/* Shortens replies to "250 2.1.0, 250-2.0.0, 250 2.0.0". Fails on a line that is none. */
static void codes(const struct buffer *out, struct buffer *got)
{
    bool is_greeting = true;
    for (size_t i = 0; i < out->len;) {
        const char *line = out->data + i;
        const char *end = memmem(line, out->len - i, "\r\n", 2);
        cr_assert_not_null(end, "a line without its end: %.*s", (int)(out->len - i), line);
        size_t len = (size_t)(end - line);
        i += len + 2;
        cr_assert_null(memchr(line, '\n', len), "a bare LF in %.*s", (int)len, line);
        cr_assert(len >= 4 && isdigit(line[0]) && isdigit(line[1]) && isdigit(line[2]) &&
                      (line[3] == ' ' || line[3] == '-'),
                  "no reply line: %.*s", (int)len, line);
        if (is_greeting) {
            is_greeting = false;
            continue;
        }
        bool is_enhanced = len > 8 && isdigit(line[4]) && line[5] == '.' && line[7] == '.';
        buffer_puts(got, got->len > 0 ? ", " : "");
        buffer_append(got, line, is_enhanced ? 9 : 3);
    }
    buffer_append(got, "", 1);
}

/* Replies in full, with ids as #1, #2, ... and LF line ends, without the greeting. */
static void plain(const struct buffer *out, struct buffer *got)
{
    const char *line = memmem(out->data, out->len, "\r\n", 2);
    for (size_t i = (size_t)(line - out->data) + 2; i < out->len; i++) {
        struct ulid id;
        if (out->len - i > ULID_LENGTH && ulid_parse(out->data + i, ULID_LENGTH, &id)) {
            buffer_printf(got, "#%u", (unsigned)(id.bytes[14] << 8 | id.bytes[15]));
            i += ULID_LENGTH - 1;
        } else if (out->data[i] != '\r') {
            buffer_putc(got, out->data[i]);
        }
    }
    buffer_append(got, "", 1);
}

struct way {
    const struct session_rules *rules;
    bool has_control;
    bool is_plain; /* compare whole replies, not codes */
    enum peer_class class;
};

/* Checks that the tally counts every refusal. */
static void check_tally(const struct session_tally *tally, const struct buffer *out)
{
    uint64_t counted = 0;
    uint64_t said = 0;
    for (int i = 0; i < REPLIES; i++) {
        counted += tally->refusals[i];
    }
    for (size_t i = 0; i + 3 < out->len; i++) {
        bool is_start = i == 0 || out->data[i - 1] == '\n';
        bool is_refusal = out->data[i] == '4' || out->data[i] == '5';
        said += is_start && is_refusal && out->data[i + 3] == ' ';
    }
    cr_assert_eq(counted, said, "%d counted of %d", (int)counted, (int)said);
}

/* Runs a dialogue, split at `split` (0 = byte by byte), and compares. */
static void run_split(const struct way *way, const struct dialogue *d, size_t split,
                      uint32_t chance)
{
    struct fake_gateway *g = malloc(sizeof *g);
    struct buffer got = BUFFER_EMPTY;
    struct session_tally tally = {0};
    struct session_rules rules = *way->rules;
    rules.tally = &tally;
    const struct session_peer peer = {.class = way->class, .has_control = way->has_control};
    fake_open_peer(g, &rules, &peer, chance);
    if (split == 0) {
        for (size_t i = 0; i < d->len; i++) {
            fake_feed(g, d->input + i, 1);
        }
    } else {
        fake_feed(g, d->input, split);
        fake_feed(g, d->input + split, d->len - split);
    }
    fake_end(g);
    cr_assert(g->is_closed, "still open after the end of \"%s\"", d->input);
    check_tally(&tally, &g->out);
    (way->is_plain ? plain : codes)(&g->out, &got);
    buffer_append(&g->submitted, "", 1);
    cr_assert_str_eq(got.data, d->replies, "\"%s\" cut at %zu, chance %u:\n%s\ninstead of\n%s",
                     d->input, split, (unsigned)chance, got.data, d->replies);
    if (d->submitted != NULL) {
        cr_assert_str_eq(g->submitted.data, d->submitted,
                         "\"%s\" cut at %zu: submitted\n%s\ninstead of\n%s", d->input, split,
                         g->submitted.data, d->submitted);
    }
    buffer_free(&got);
    fake_free(g);
    free(g);
}

enum { SPLITS_MAX = 600 }; /* longer dialogues are split at some positions only */

static void run_all(const struct way *way, const struct dialogue *dialogues, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct dialogue *d = &dialogues[i];
        run_split(way, d, d->len, 0);
        run_split(way, d, d->len, 0x1234567);
        run_split(way, d, 0, 0);
        run_split(way, d, 0, 0x89abcdef);
        size_t stride = d->len / SPLITS_MAX + 1;
        for (size_t split = 1; split < d->len; split += stride) {
            run_split(way, d, split, split % 2 == 0 ? 0 : (uint32_t)split);
        }
    }
}

static void run_rules(const struct session_rules *rules, const struct dialogue *dialogues,
                      size_t count)
{
    run_all(&(struct way){.rules = rules}, dialogues, count);
}

static void run(const struct dialogue *dialogues, size_t count)
{
    struct session_rules rules = fake_rules();
    run_rules(&rules, dialogues, count);
}

static void run_plain(const struct dialogue *dialogues, size_t count)
{
    struct session_rules rules = fake_rules();
    run_all(&(struct way){.rules = &rules, .is_plain = true}, dialogues, count);
}

/* Builds a long input: `count` times `c` between two strings. */
static char *stretch(const char *before, char c, size_t count, const char *behind)
{
    size_t before_len = strlen(before);
    char *text = malloc(before_len + count + strlen(behind) + 1);
    cr_assert_not_null(text);
    memcpy(text, before, before_len);
    memset(text + before_len, c, count);
    strcpy(text + before_len + count, behind);
    return text;
}

/* --- the SMS dialect -------------------------------------------------------------------------- */

TestSuite(session, .init = mail_init);

Test(session, greets_and_answers_in_full)
{
    static const struct dialogue dialogues[] = {
        {S("SEND +34600000000 Hello\n"),
         "250 2.0.0 queued id=#1 to=+34600000000 parts=1 encoding=gsm7\n",
         "Relay +34600000000 Hello\n"},
        {S("SEND +34600000000,0034600000001 \xd0\x96\n"),
         "250-2.0.0 queued id=#1 to=+34600000000 parts=1 encoding=ucs2\n"
         "250 2.0.0 queued id=#2 to=+34600000001 parts=1 encoding=ucs2\n",
         "Relay +34600000000,+34600000001 \xd0\x96 unicode\n"},
        {S("SEND ACK=relayed +34600000000 Hello\n"),
         "250 2.0.0 relayed id=#1 to=+34600000000 parts=1 encoding=gsm7 state=relayed api=api-1\n",
         "Relay +34600000000 Hello ack=relayed\n"},
        {S("SEND +34600000000 refuse 451\nSEND +34600000000 refuse 452\n"),
         "451 4.3.0 cannot store the message now, try again later\n"
         "452 4.3.1 queue full, try again later\n",
         NULL},
        {S("MAIL FROM:<>\r\nRCPT TO:<34600000000>\r\nRCPT TO:<34600000001>\r\nDATA\r\nHi\r\n.\r\n"),
         "250 2.1.0 sender ok\n250 2.1.5 recipient ok\n250 2.1.5 recipient ok\n"
         "354 start input; end with a dot on a line by itself\n"
         "250 2.0.0 queued id=#1,#2 recipients=2 parts=1\n",
         "Relay +34600000000,+34600000001 Hi\n"},
        {S("SEND +34600000000,bad,worse Hi\n"), "550 5.1.3 not a telephone number: bad\n", ""},
        {S("VRFY 0034 600 00 00 00\n"), "250 2.1.5 +34600000000\n", ""},
    };
    run_plain(dialogues, COUNT(dialogues));
}

Test(session, send)
{
    static const struct dialogue dialogues[] = {
        {S("send +34600000000 any case\n"), "250 2.0.0", "Relay +34600000000 \"any case\"\n"},
        {S("SEND\t+34600000000\tafter tabs\n"), "250 2.0.0", "Relay +34600000000 \"after tabs\"\n"},
        {S("SEND  +34600000000  two spaces\n"), "250 2.0.0",
         "Relay +34600000000 \" two spaces\"\n"},
        {S("SEND +34600000000,+34600000000 once\n"), "250 2.0.0", "Relay +34600000000 once\n"},
        {S("SEND 34600000000 A=b is text\n"), "250 2.0.0", "Relay +34600000000 \"A=b is text\"\n"},
        {S("SEND FROM=Acme REF=o-1 TTL=5m PRIORITY=high AT=+1h UNICODE=yes 34600000000 x\n"),
         "250 2.0.0", "Acme +34600000000 x ref=o-1 ttl=300000 at=+3600000 priority=high unicode\n"},
        {S("SEND from=\"Acme Shop\" ref=\"a \\\"b\\\"\" 34600000000 x\n"), "250 2.0.0",
         "Acme Shop +34600000000 x ref=\"a \\\"b\\\"\"\n"},
        {S("SEND\nSEND \nSEND +34600000000\nSEND +34600000000 \n"),
         "501 5.5.4, 501 5.5.4, 501 5.5.4, 501 5.5.4", ""},
        {S("SEND 12 x\nSEND +34600000000,, x\nSEND Hello x\n"), "550 5.1.3, 550 5.1.3, 550 5.1.3",
         ""},
        {S("SEND FROM=Much-Too-Long 34600000000 x\n"), "553 5.1.7", ""},
        {S("SEND FOO=1 34600000000 x\n"), "501 5.5.4", ""},
        {S("SEND TTL=0 34600000000 x\nSEND TTL=31d 34600000000 x\nSEND TTL=1x 34600000000 x\n"),
         "501 5.5.4, 501 5.5.4, 501 5.5.4", ""},
        {S("SEND AT=+31d 34600000000 x\nSEND PRIORITY=urgent 34600000000 x\n"),
         "501 5.5.4, 501 5.5.4", ""},
        {S("SEND REF=01K7ZZZZZZZZZZZZZZZZZZZZZZ 34600000000 x\nSEND REF= 34600000000 x\n"),
         "501 5.5.4, 501 5.5.4", ""},
        {S("SEND TTL=1 TTL=2 34600000000 x\nSEND REF=\"open 34600000000 x\n"),
         "501 5.5.4, 501 5.5.4", ""},
        {S("SEND 34600000001,34600000002,34600000003,34600000004 x\n"), "452 4.5.3", ""},
    };
    run(dialogues, COUNT(dialogues));
}

Test(session, from_to_text)
{
    static const struct dialogue dialogues[] = {
        {S("FROM Acme\nTO +34600000000\nTO 34600000001\nTEXT Hello\n"),
         "250 2.1.0, 250 2.1.5, 250 2.1.5, 250-2.0.0, 250 2.0.0",
         "Acme +34600000000,+34600000001 Hello\n"},
        {S("from: Acme Shop ref=x\nto: 34 600 00 00 00\ntext  a b \n"),
         "250 2.1.0, 250 2.1.5, 250 2.0.0", "Acme Shop +34600000000 \" a b \" ref=x\n"},
        {S("FROM:\"Acme Shop\" TTL=60\nTO:34600000000\nTEXT x\n"),
         "250 2.1.0, 250 2.1.5, 250 2.0.0", "Acme Shop +34600000000 x ttl=60000\n"},
        {S("FROM \"Acme\\x20Shop\"\nTO 34600000000\nTEXT x\n"), "250 2.1.0, 250 2.1.5, 250 2.0.0",
         "Acme Shop +34600000000 x\n"},
        {S("TO 34600000000\nTEXT x\n"), "250 2.1.5, 250 2.0.0", "Relay +34600000000 x\n"},
        {S("FROM TTL=60\nTO 34600000000\nTEXT x\n"), "250 2.1.0, 250 2.1.5, 250 2.0.0",
         "Relay +34600000000 x ttl=60000\n"},
        /* The same number counts once, a refused one is left out. */
        {S("TO 34600000000\nTO +34600000000\nTO 1\nTEXT x\n"),
         "250 2.1.5, 250 2.1.5, 550 5.1.3, 250 2.0.0", "Relay +34600000000 x\n"},
        {S("TO 34600000000\nRSET\nTEXT x\n"), "250 2.1.5, 250 2.0.0, 503 5.5.1", ""},
        {S("TEXT x\nTO\nFROM\n"), "503 5.5.1, 501 5.5.4, 501 5.5.4", ""},
        /* TEXT closes the message whatever the reply. */
        {S("TO 34600000000\nTEXT\nTEXT x\n"), "250 2.1.5, 501 5.5.4, 503 5.5.1", ""},
        {S("TO 34600000000\nTEXT \x01\nTEXT x\n"), "250 2.1.5, 501 5.5.2, 503 5.5.1", ""},
        {S("TO 34600000000\nTEXT refuse 452\nTEXT x\n"), "250 2.1.5, 452 4.3.1, 503 5.5.1", NULL},
        /* A second FROM opens a new message. */
        {S("TO 34600000000\nFROM Acme\nTO 34600000001\nTEXT x\n"),
         "250 2.1.5, 250 2.1.0, 250 2.1.5, 250 2.0.0", "Acme +34600000001 x\n"},
        {S("FROM REF=x\nTO 34600000000\nTEXT x\n"), "250 2.1.0, 250 2.1.5, 250 2.0.0",
         "Relay +34600000000 x ref=x\n"},
        {S("FROM Acme x=1 and more\nFROM Acme REF=a b\n"), "501 5.5.4, 501 5.5.4", ""},
    };
    run(dialogues, COUNT(dialogues));
}

Test(session, refused_from_refuses_what_follows)
{
    static const char *const REFUSED[] = {
        "FROM Much-Too-Long", "FROM Acme TTL=0", "FROM",
        "FROM \x01",          "FROM Acme FOO=1", "FROM Acme REF=longer-than-a-line-may-be-here",
    };
    static const char *const CODES[] = {"553 5.1.7", "501 5.5.4", "501 5.5.4",
                                        "501 5.5.2", "501 5.5.4", "500 5.5.2"};
    struct session_rules rules = fake_rules();
    rules.max_line = 40;
    for (size_t i = 0; i < COUNT(REFUSED); i++) {
        char input[400];
        char replies[200];
        /* Nor must the message that was open get the next text. */
        snprintf(input, sizeof input,
                 "TO 34600000009\n%s\nTO 34600000000\nTEXT x\n%s\nDATA\nx\n.\n"
                 "FROM Acme\nTO 34600000000\nTEXT y\n",
                 REFUSED[i], REFUSED[i]);
        snprintf(replies, sizeof replies,
                 "250 2.1.5, %s, 503 5.5.1, 503 5.5.1, %s, 354, 503 5.5.1, "
                 "250 2.1.0, 250 2.1.5, 250 2.0.0",
                 CODES[i], CODES[i]);
        struct dialogue d = {input, strlen(input), replies, "Acme +34600000000 y\n"};
        run_rules(&rules, &d, 1);
    }
}

/* After a TEXT or FROM with a malformed line, the next text must not go to its message. */
Test(session, broken_text_ends_its_message)
{
    char *text = stretch("TO 34600000000\nTEXT ", 'x', 300, "\nTO 34600000001\nTEXT y\n");
    struct dialogue d = {text, strlen(text), "250 2.1.5, 500 5.5.2, 250 2.1.5, 250 2.0.0",
                         "Relay +34600000001 y\n"};
    run(&d, 1);
    free(text);

    static const struct dialogue no_charset[] = {
        {S("TO 34600000000\nTEXT \xe9\nTO 34600000001\nTEXT y\n"),
         "250 2.1.5, 501 5.6.7, 250 2.1.5, 250 2.0.0", "Relay +34600000001 y\n"},
    };
    struct session_rules rules = fake_rules();
    rules.charset = NULL;
    run_rules(&rules, no_charset, COUNT(no_charset));
}

/* A malformed line has the effect of a good one that ends a message, or spoils one of the other
 * dialect: else the next text would go to its recipients too. */
Test(session, broken_lines_leave_no_recipients_behind)
{
    static const struct dialogue dialogues[] = {
        {S("TO 34600000000\nRSET now\nTO 34600000001\nTEXT y\n"),
         "250 2.1.5, 501 5.5.4, 250 2.1.5, 250 2.0.0", "Relay +34600000001 y\n"},
        {S("TO 34600000000\nRSET\x01\nTO 34600000001\nTEXT y\n"),
         "250 2.1.5, 501 5.5.2, 250 2.1.5, 250 2.0.0", "Relay +34600000001 y\n"},
        {S("MAIL FROM:<>\nRCPT TO:<34600000000>\nEHLO \x01\nMAIL FROM:<>\nRCPT TO:<34600000001>\n"
           "DATA\ny\n.\n"),
         "250 2.1.0, 250 2.1.5, 501 5.5.2, 250 2.1.0, 250 2.1.5, 354, 250 2.0.0",
         "Relay +34600000001 y\n"},
        {S("MAIL FROM:<>\nRCPT TO:<34600000000>\nTEXT x\x01\nDATA\ny\n.\n"),
         "250 2.1.0, 250 2.1.5, 501 5.5.2, 354, 503 5.5.1", ""},
        {S("MAIL FROM:<>\nRCPT TO:<34600000000>\nTO 34600000001\x01\nDATA\ny\n.\n"),
         "250 2.1.0, 250 2.1.5, 501 5.5.2, 354, 503 5.5.1", ""},
        {S("MAIL FROM:<>\nRCPT TO:<34600000000>\nTO\nDATA\ny\n.\n"),
         "250 2.1.0, 250 2.1.5, 501 5.5.4, 354, 503 5.5.1", ""},
        {S("TO 34600000000\nRCPT TO:<34600000001\x01>\nDATA\ny\n.\n"),
         "250 2.1.5, 501 5.5.2, 354, 503 5.5.1", ""},
        /* A refused recipient in its own dialect is left out; the message goes on. */
        {S("TO 34600000000\nTO \x01\nTO\nTEXT y\n"), "250 2.1.5, 501 5.5.2, 501 5.5.4, 250 2.0.0",
         "Relay +34600000000 y\n"},
        {S("MAIL FROM:<>\nRCPT TO:<34600000000>\nRCPT TO:<\x01>\nRCPT\nDATA\ny\n.\n"),
         "250 2.1.0, 250 2.1.5, 501 5.5.2, 501 5.5.4, 354, 250 2.0.0", "Relay +34600000000 y\n"},
    };
    run(dialogues, COUNT(dialogues));
}

Test(session, data)
{
    static const struct dialogue dialogues[] = {
        {S("TO 34600000000\nDATA\none\n\ntwo\n\n\n.\n"), "250 2.1.5, 354, 250 2.0.0",
         "Relay +34600000000 \"one\\n\\ntwo\"\n"},
        {S("TO 34600000000\r\nDATA\r\n..one\r\n...\r\n.two\r\n.\r\n"), "250 2.1.5, 354, 250 2.0.0",
         "Relay +34600000000 \".one\\n..\\ntwo\"\n"},
        /* Commands in the content are text, even if there is nothing to submit to. */
        {S("DATA\nTO 34600000000\nTEXT x\n.\nNOOP\n"), "354, 503 5.5.1, 250 2.0.0", ""},
        {S("DATA with an argument\nTEXT x\n.\nNOOP\n"), "354, 503 5.5.1, 250 2.0.0", ""},
        {S("TO 34600000000\nDATA\n.\nTEXT x\n"), "250 2.1.5, 354, 501 5.5.4, 503 5.5.1", ""},
        {S("TO 34600000000\nDATA\n\n\n.\n"), "250 2.1.5, 354, 501 5.5.4", ""},
        {S("TO 34600000000\nDATA\na\x00z\n.\nTEXT x\n"), "250 2.1.5, 354, 501 5.5.2, 503 5.5.1",
         ""},
        {S("TO 34600000000\nDATA\nno end\n"), "250 2.1.5, 354, 500 5.5.2", ""},
        {S("TO 34600000000\nDATA\nno end\n."), "250 2.1.5, 354, 500 5.5.2", ""},
        {S("TO 34600000000\nDATA\n caf\xe9\n.\n"), "250 2.1.5, 354, 250 2.0.0",
         "Relay +34600000000 \" caf\xc3\xa9\"\n"},
        /* The second message does not continue the first. */
        {S("TO 34600000000\nDATA\nx\n.\nDATA\ny\n.\n"), "250 2.1.5, 354, 250 2.0.0, 354, 503 5.5.1",
         "Relay +34600000000 x\n"},
    };
    run(dialogues, COUNT(dialogues));
}

/* After a malformed DATA line, content is still content. */
Test(session, broken_data_is_not_followed_by_commands)
{
    static const struct dialogue dialogues[] = {
        {S("TO 34600000000\nDATA\x01\nTEXT x\n.\nTEXT y\n"), "250 2.1.5, 354, 503 5.5.1, 503 5.5.1",
         ""},
        {S("DATA\x00\nSEND 34600000001 x\n.\nNOOP\n"), "354, 503 5.5.1, 250 2.0.0", ""},
        {S("NOOP\r\nTO 34600000000\r\nDATA\nSEND 34600000001 x\r\nSEND 34600000001 y\r\n.\r\n"),
         "250 2.0.0, 250 2.1.5, 354, 503 5.5.1", ""},
        {S("MAIL FROM:<>\nRCPT TO:<34600000000>\nDATA \x7f\nRSET\n.\nRCPT TO:<34600000000>\n"),
         "250 2.1.0, 250 2.1.5, 354, 503 5.5.1, 503 5.5.1", ""},
        {S("TO 34600000000\nDATA \xe9\nTEXT x\n.\nNOOP\n"), "250 2.1.5, 354, 503 5.5.1, 250 2.0.0",
         ""},
    };
    struct session_rules rules = fake_rules();
    rules.charset = NULL;
    run_rules(&rules, dialogues, COUNT(dialogues));

    static const char *const ENDS[] = {
        "\r\nSEND 34600000001 x\r\n.\r\nNOOP\r\n", ".\r\nSEND 34600000001 x\r\n.\r\nNOOP\r\n",
        "\nSEND 34600000001 x\r\nSEND 34600000001 y\r\n.\r\nNOOP\r\n"};
    for (size_t i = 0; i < COUNT(ENDS); i++) {
        for (size_t count = 195; count < 215; count++) {
            char *input = stretch("NOOP\r\nTO 34600000000\r\nDATA ", 'x', count, ENDS[i]);
            bool is_good = count + strcspn(ENDS[i], "\r") <= 195;
            struct dialogue d = {input, strlen(input),
                                 is_good ? "250 2.0.0, 250 2.1.5, 354, 250 2.0.0, 250 2.0.0"
                                         : "250 2.0.0, 250 2.1.5, 354, 503 5.5.1, 250 2.0.0",
                                 is_good ? "Relay +34600000000 \"SEND 34600000001 x\"\n" : ""};
            run(&d, 1);
            free(input);
        }
    }
}

Test(session, line_ending_is_latched)
{
    static const struct dialogue dialogues[] = {
        /* An LF client: one CR before the LF is dropped. */
        {S("TO 34600000000\nDATA\r\nx\r\n.\r\n"), "250 2.1.5, 354, 250 2.0.0",
         "Relay +34600000000 x\n"},
        {S("TO 34600000000\nDATA\nx\n.\r\r\n.\n"), "250 2.1.5, 354, 250 2.0.0",
         "Relay +34600000000 x\n"},
        /* A CRLF client: only CRLF . CRLF ends it, and a bare LF is text. */
        {S("TO 34600000000\r\nDATA\r\nx\n.\nTO 34600000001\nTEXT y\r\n.\r\n"),
         "250 2.1.5, 354, 250 2.0.0", "Relay +34600000000 \"x\\n.\\nTO 34600000001\\nTEXT y\"\n"},
        {S("TO 34600000000\r\nDATA\r\nx\r\n.\nTEXT y\r\n.\r\n"), "250 2.1.5, 354, 250 2.0.0",
         "Relay +34600000000 \"x\\n\\nTEXT y\"\n"},
        {S("TO 34600000000\r\nDATA\r\nx\n.\r\nTEXT y\r\n.\r\n"), "250 2.1.5, 354, 250 2.0.0",
         "Relay +34600000000 \"x\\n.\\nTEXT y\"\n"},
        {S("TO 34600000000\r\nDATA\r\nx\r.\r\nTEXT y\r\r\n.\r\r\n.\r\n"),
         "250 2.1.5, 354, 250 2.0.0", "Relay +34600000000 \"x\\n.\\nTEXT y\"\n"},
        {S("TO 34600000000\r\nDATA\r\nx\r\n\r.\r\n.\r.\r\n.\r\n"), "250 2.1.5, 354, 250 2.0.0",
         "Relay +34600000000 \"x\\n\\n.\\n\\n.\"\n"},
        /* A CR by itself ends a line of a text, and only of that. */
        {S("JSON {\"to\":\"34600000000\",\"text\":\"a\\r\\nb\\rc\"}\r\n"), "250 2.0.0",
         "Relay +34600000000 \"a\\nb\\nc\"\n"},
        /* Nor does it end a command: a client that thinks so is told, and nothing is carried out. */
        {S("SEND 34600000000 x\rSEND 34600000001 y\r\nNOOP\r\n"), "500 5.5.2", ""},
        {S("SEND 34600000000 x\r\rQUIT\r"), "500 5.5.2", ""},
        {S("SEND 34600000000 x\r"), "500 5.5.2", ""},
        {S("DATA\rx\r.\rSEND 34600000001 y\n"), "500 5.5.2", ""},
        {S("NOOP\r\nNOOP\rSEND 34600000001 y\r\n"), "250 2.0.0, 501 5.5.2", ""},
        /* A bare LF does not separate two commands. */
        {S("NOOP\r\nNOOP\nSEND 34600000000 x\r\nNOOP\r\n"), "250 2.0.0, 501 5.5.2, 250 2.0.0", ""},
        {S("NOOP\r\nSEND 34600000000 x\nSEND 34600000001 y\r\n"), "250 2.0.0, 501 5.5.2", ""},
        {S("NOOP\r\nTO 34600000000\r\nTEXT x\nTO 34600000001\r\nTEXT y\r\n"),
         "250 2.0.0, 250 2.1.5, 501 5.5.2, 503 5.5.1", ""},
    };
    run(dialogues, COUNT(dialogues));
}

/* Bytes that may hold NULs. */
struct bytes {
    const char *bytes;
    size_t len;
};

/* Content with `before . after` in it, and a command after that, from a client whose lines end in
 * `ending`. Not NUL-terminated: returns the length. */
static size_t write_smuggling(char *input, const char *opening, const char *ending,
                              const struct bytes *before, const struct bytes *after)
{
    struct buffer b = BUFFER_EMPTY;
    for (const char *p = opening; *p != '\0'; p++) {
        buffer_puts(&b, *p == '\n' ? ending : (char[]){*p, '\0'});
    }
    buffer_puts(&b, "x");
    buffer_append(&b, before->bytes, before->len);
    buffer_puts(&b, ".");
    buffer_append(&b, after->bytes, after->len);
    buffer_printf(&b, "SEND +34600000001 smuggled%s.%sNOOP%s", ending, ending, ending);
    memcpy(input, b.data, b.len);
    size_t len = b.len;
    buffer_free(&b);
    return len;
}

/* Does the first dot end the content? The rule, written independently of the code. */
static bool ends_at_first_dot(const char *input, size_t len, const char *ending)
{
    const char *command = memmem(input, len, "SEND", 4);
    size_t shown = (size_t)(command - input);
    return ending[0] == '\r' ? memmem(input, shown, "\r\n.\r\n", 5) != NULL
                             : memmem(input, shown, "\n.\n", 3) != NULL ||
                                   memmem(input, shown, "\n.\r\n", 4) != NULL;
}

/* Any line ends around a dot: what the client sends as content is never a command. */
Test(session, nothing_but_the_end_ends_content)
{
    static const char *const OPENINGS[] = {"TO 34600000000\nDATA\n",
                                           "MAIL FROM:<>\nRCPT TO:<34600000000>\nDATA\n"};
    static const char *const OPENED[] = {"250 2.1.5, 354", "250 2.1.0, 250 2.1.5, 354"};
    static const char *const ENDINGS[] = {"\r\n", "\n"};
    static const struct bytes BEFORE[] = {
        {S("")},         {S("\n")},     {S("\r")},     {S("\r\n")},  {S("\0")},     {S("\n\r")},
        {S("\r\r\n")},   {S("\r\n\n")}, {S("\r\n\r")}, {S("\n\0")},  {S("\r\0\n")}, {S("\0\r\n")},
        {S("\r\n\r\n")}, {S("\r\n\0")}, {S("\n ")},    {S("\r\n ")}, {S("\v")},     {S("\x85")},
    };
    static const struct bytes AFTER[] = {
        {S("")},       {S("\n")},     {S("\r")},     {S("\r\n")}, {S("\0")},
        {S("\r\r\n")}, {S("\r\0\n")}, {S("\0\r\n")}, {S("\0\n")}, {S(" \n")},
        {S(" \r\n")},  {S(".\r\n")},  {S(".\n")},    {S("\v")},
    };
    size_t ended = 0;
    for (size_t i = 0; i < COUNT(OPENINGS) * COUNT(ENDINGS) * COUNT(BEFORE) * COUNT(AFTER); i++) {
        const char *opening = OPENINGS[i % COUNT(OPENINGS)];
        const char *ending = ENDINGS[i / COUNT(OPENINGS) % COUNT(ENDINGS)];
        size_t row = i / COUNT(OPENINGS) / COUNT(ENDINGS);
        const struct bytes *before = &BEFORE[row % COUNT(BEFORE)];
        const struct bytes *after = &AFTER[row / COUNT(BEFORE)];
        char input[200];
        char replies[200];
        size_t len = write_smuggling(input, opening, ending, before, after);
        bool is_early = ends_at_first_dot(input, len, ending);
        const char *end = memmem(input, len, is_early ? "SEND" : "NOOP", 4);
        /* Control characters are removed from a mail's text; any other text is refused. */
        bool is_taken =
            i % COUNT(OPENINGS) == 1 || (memchr(input, '\0', (size_t)(end - input)) == NULL &&
                                         memchr(input, '\v', (size_t)(end - input)) == NULL);
        snprintf(replies, sizeof replies, "%s, %s%s, 250 2.0.0", OPENED[i % COUNT(OPENINGS)],
                 is_taken ? "250 2.0.0" : "501 5.5.2", is_early ? ", 250 2.0.0, 500 5.5.2" : "");
        ended += is_early ? 1 : 0;
        run(&(struct dialogue){input, len, replies, NULL}, 1);
    }
    /* CRLF: 4 endings before the dot, 1 after it. LF: 7 before it, 2 after it. */
    cr_assert_eq(ended, COUNT(OPENINGS) * (4 * 1 + 7 * 2), "%zu", ended);
}

Test(session, lines)
{
    static const struct dialogue dialogues[] = {
        {S("\n\r\n  \n\t\nNOOP\n\nNOOP\n"), "250 2.0.0, 250 2.0.0", ""},
        {S("\xef\xbb\xbfNOOP\n"), "250 2.0.0", ""},
        {S("\n\xef\xbb\xbf\xff\xfd\x03\xff\xfb\x18\xff\xf1NOOP\n"), "250 2.0.0", ""},
        {S("\xff\xfb\nNOOP\n"), "250 2.0.0", ""}, /* telnet option 10 is not a line end */
        {S("NOOP\nFROB\nnoop\nNOOPX\nNOOP:\n"),
         "250 2.0.0, 500 5.5.2, 250 2.0.0, 500 5.5.2, 500 5.5.2", ""},
        {S("NOOP\nSEND 34600000000 a\x00z\nSEND 34600000000 a\x7f\nSE\x00ND 1 2\n"),
         "250 2.0.0, 501 5.5.2, 501 5.5.2, 500 5.5.2", ""},
        {S("NOOP\nNOOP\x00\n"), "250 2.0.0, 501 5.5.2", ""},
        {S("NOOP\nNOOP"), "250 2.0.0, 500 5.5.2", ""},
        {S("SEND 34600000000 x"), "500 5.5.2", ""},
        {S("SEND 34600000000 x\r"), "500 5.5.2", ""},
        {S("NOOP\n  "), "250 2.0.0", ""},
        {S("QUIT\nSEND 34600000000 x\n"), "221 2.0.0", ""},
        {S("QUIT now\nQUIT\n"), "501 5.5.4, 221 2.0.0", ""},
        {S("SEND 34600000000 x\nQUIT\nNOOP\n"), "250 2.0.0, 221 2.0.0", NULL},
    };
    run(dialogues, COUNT(dialogues));
}

Test(session, over_long_lines)
{
    static const struct {
        const char *before;
        size_t count;
        const char *behind;
        const char *replies;
    } rows[] = {
        /* max_line is 200 */
        {"NOOP ", 195, "\nNOOP\n", "250 2.0.0, 250 2.0.0"},
        {"NOOP ", 195, "\r\nNOOP\r\n", "250 2.0.0, 250 2.0.0"},
        {"NOOP\nNOOP ", 196, "\nNOOP\n", "250 2.0.0, 500 5.5.2, 250 2.0.0"},
        {"NOOP\r\nNOOP ", 196, "\r\nNOOP\r\n", "250 2.0.0, 500 5.5.2, 250 2.0.0"},
        {"NOOP\r\nNOOP ", 197, "\r\nNOOP\r\n", "250 2.0.0, 500 5.5.2, 250 2.0.0"},
        {"NOOP\r\nNOOP ", 500, "\nTEXT x\r\nNOOP\r\n", "250 2.0.0, 500 5.5.2, 250 2.0.0"},
        {"NOOP\r\nNOOP ", 500, "\rTEXT x\r\r\nNOOP\r\n", "250 2.0.0, 500 5.5.2, 250 2.0.0"},
        {"NOOP\n", 500, "\n\xff\xfb\nNOOP\n", "250 2.0.0, 500 5.5.2, 500 5.5.2, 250 2.0.0"},
        {"NOOP\nNOOP ", 500, "\xff\xfb\nNOOP\n", "250 2.0.0, 500 5.5.2, 250 2.0.0"},
        {"NOOP\nNOOP ", 500, "\xef\xbb\xbf\nNOOP\n", "250 2.0.0, 500 5.5.2, 250 2.0.0"},
        /* One reply, even if the client leaves within the line. */
        {"NOOP\nNOOP ", 500, "", "250 2.0.0, 500 5.5.2"},
        {"NOOP\r\nNOOP ", 500, "\r", "250 2.0.0, 500 5.5.2"},
        /* Not as the first line, which the guard checks. */
        {"NOOP ", 196, "\nNOOP\n", "421 4.7.0"},
        {"NOOP ", 196, "\r\nNOOP\r\n", "421 4.7.0"},
        {"NOOP ", 500, "\xff\xfb\nNOOP\n", "421 4.7.0"},
        {"", 500, "\nNOOP\n", "421 4.7.0"},
        {" ", 500, "\nNOOP\n", "421 4.7.0"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *input = stretch(rows[i].before, 'x', rows[i].count, rows[i].behind);
        struct dialogue d = {input, strlen(input), rows[i].replies, ""};
        run(&d, 1);
        free(input);
    }
}

Test(session, content_lines_may_be_long)
{
    struct session_rules rules = fake_rules();
    rules.max_parts = 200;
    char *text = stretch("x", 'y', 9999, "");
    char *input = malloc(30000);
    char *submitted = malloc(30000);
    sprintf(input, "TO 34600000000\r\nDATA\r\n..%s\r\n%s\r\n.\r\nNOOP\r\n", text, text);
    sprintf(submitted, "Relay +34600000000 \".%s\\n%s\"\n", text, text);
    struct dialogue d = {input, strlen(input), "250 2.1.5, 354, 250 2.0.0, 250 2.0.0", submitted};
    run_all(&(struct way){.rules = &rules}, &d, 1);
    free(text);
    free(input);
    free(submitted);
}

/* A dot at the end of a long line, left alone after the start was taken as a piece. */
Test(session, dot_at_the_end_of_a_long_line_is_text)
{
    static const char BEHIND[] = "SEND 34600000001 smuggled\r\n.\r\nNOOP\r\n";
    struct session_rules rules = fake_rules();
    for (size_t count = 4090; count < 4100; count++) {
        char *input =
            stretch("MAIL FROM:<>\r\nRCPT TO:<34600000000>\r\nDATA\r\n", 'x', count, ".\r\n");
        size_t len = strlen(input);
        input = realloc(input, len + sizeof BEHIND);
        memcpy(input + len, BEHIND, sizeof BEHIND);
        struct dialogue d = {input, len + sizeof BEHIND - 1,
                             "250 2.1.0, 250 2.1.5, 354, 250 2.0.0, 250 2.0.0", NULL};
        rules.mail_max_size = 8192;
        for (size_t split = len - 5; split <= len; split++) {
            run_split(&(struct way){.rules = &rules}, &d, split, 0);
        }
        free(input);
    }
}

/* --- the guard -------------------------------------------------------------------------------- */

Test(session, guard)
{
    static const struct dialogue dialogues[] = {
        {S("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "421 4.7.0", ""},
        {S("POST /SEND HTTP/1.1\r\nContent-Type: text/plain\r\n\r\nSEND 34600000000 x\r\n"),
         "421 4.7.0", ""},
        {S("SEND 34600000000 HTTP/1.1\r\nSEND 34600000000 x\r\n"), "421 4.7.0", ""},
        {S("QUIT HTTP/1.0\n"), "421 4.7.0", ""},
        {S("Host: x\nSEND 34600000000 x\n"), "421 4.7.0", ""},
        {S("Content-Length: 3\nSEND 34600000000 x\n"), "421 4.7.0", ""},
        {S("User-Agent: x\nTO: 34600000000\nTEXT x\n"), "421 4.7.0", ""},
        {S("\r\nGET / HTTP/1.1\r\n"), "421 4.7.0", ""},
        {S("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "421 4.7.0", ""},
        {S("DATA /\x00 HTTP/1.1\r\n.\r\nSEND 34600000000 x\r\n"), "421 4.7.0", ""},
        {S("DATA /\xe9 HTTP/1.1\r\n.\r\nSEND 34600000000 x\r\n"), "421 4.7.0", ""},
        {S("FROB 1\nSEND 34600000000 x\n"), "421 4.7.0", ""},
        {S("FROB/\nSEND 34600000000 x\n"), "421 4.7.0", ""},
        {S("EHLOX y-z\nNOOP\n"), "421 4.7.0", ""},
        {S("abcdefghijklmnopqrstu\nNOOP\n"), "421 4.7.0", ""},
        {S("SEND: 34600000000 x\n"), "421 4.7.0", ""},
        {S(" SEND 34600000000 x\n"), "421 4.7.0", ""},
        {S("{\"to\":\"34600000000\"}\n"), "421 4.7.0", ""},
        {S("SSH-2.0-OpenSSH_9.2\r\n"), "421 4.7.0", ""},
        {S("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), "421 4.7.0", ""},
        {S("\x80\x2e\x01\x03\x01"), "421 4.7.0", ""},
        {S("\x00\x00\n"), "421 4.7.0", ""},
        {S("FROM: Acme\nTO: 34600000000\nTEXT x\n"), "250 2.1.0, 250 2.1.5, 250 2.0.0", NULL},
        {S("TO: 34600000000\nTEXT x\n"), "250 2.1.5, 250 2.0.0", NULL},
        /* Later only Host: gives it away. The replies before that stand, in order. */
        {S("SEND 34600000000 x\nhost: y\nSEND 34600000000 z\n"), "250 2.0.0, 421 4.7.0",
         "Relay +34600000000 x\n"},
        {S("TO 34600000000\nDATA\nHost: x\n.\n"), "250 2.1.5, 354, 250 2.0.0",
         "Relay +34600000000 \"Host: x\"\n"},
        {S("NOOP\nSEND 34600000000 a HTTP/1.1\n"), "250 2.0.0, 250 2.0.0", NULL},
    };
    run(dialogues, COUNT(dialogues));
}

/* A stranger is turned away before its line ends. */
Test(session, guard_needs_no_line_end)
{
    static const char *const STRANGERS[] = {
        "\x16\x03\x01", "GET /", "SSH-2.0", "PROPFIND /", "abcdefghijklmnopqrstu", "Cookie:", "{"};
    for (size_t i = 0; i < COUNT(STRANGERS); i++) {
        struct session_rules rules = fake_rules();
        struct fake_gateway *g = malloc(sizeof *g);
        fake_open(g, &rules, false, 0);
        fake_feed(g, STRANGERS[i], strlen(STRANGERS[i]));
        cr_assert(g->is_closed, "\"%s\" was not turned away", STRANGERS[i]);
        fake_free(g);
        free(g);
    }
}

/* Who types a word or two is told about HELP; and is under the guard as before. */
Test(session, guard_helps_people)
{
    static const struct dialogue dialogues[] = {
        {S("hello\nHELP me\nSEND 34600000000 x\n"), "500 5.5.2, 501 5.5.4, 250 2.0.0", NULL},
        {S("?\r\nabcdefghij abcdefghi\r\nSEND 34600000000 x\r\n"),
         "500 5.5.2, 500 5.5.2, 250 2.0.0", NULL},
        {S("who are you?\n\nhi\n \n what\nSEND 34600000000 x\n"),
         "500 5.5.2, 500 5.5.2, 500 5.5.2, 421 4.7.0", ""},
        {S("hello\nGET / HTTP/1.1\n"), "500 5.5.2, 421 4.7.0", ""},
        {S("hello\nSEND 34600000000 x HTTP/1.1\n"), "500 5.5.2, 421 4.7.0", ""},
        {S("hello\nhello 2\nSEND 34600000000 x\n"), "500 5.5.2, 421 4.7.0", ""},
        {S("hi\nNOOP\nhi\nhi\nhi\nSEND 34600000000 x\n"),
         "500 5.5.2, 250 2.0.0, 500 5.5.2, 500 5.5.2, 500 5.5.2, 250 2.0.0", NULL},
        {S("hello"), "500 5.5.2", ""},
    };
    run(dialogues, COUNT(dialogues));
}

Test(session, guard_knows_relatives_of_http)
{
    static const char *const VERSIONS[] = {
        "HTTP/1.1", "HTTP/1.1 ",  "HTTP/1.1 \t ", "HTTP/1.1\r", "HTTP/1.1\v\f", "HTTP/2.0",
        "HTTP/2",   "HTTP/1.10",  "HTTP/10.1",    "http/1.1",   "RTSP/1.0",     "RTSP/2.0 ",
        "SIP/2.0",  "  HTTP/1.1", "\tHTTP/1.1",   "ICAP/1.0",
    };
    static const char *const TEXTS[] = {"HTTP/1.1 is old", "HTTP",       "HTTP/",  "HTTP/x",
                                        "xHTTP/1.1",       "nginx/1.22", "IPP/1.1"};
    char input[100];
    struct dialogue d = {input, 0, "421 4.7.0", ""};
    for (size_t i = 0; i < COUNT(VERSIONS); i++) {
        d.len =
            (size_t)sprintf(input, "SEND 34600000000 %s\r\nSEND 34600000000 x\r\n", VERSIONS[i]);
        run(&d, 1);
    }
    d.replies = "250 2.0.0";
    d.submitted = NULL;
    for (size_t i = 0; i < COUNT(TEXTS); i++) {
        d.len = (size_t)sprintf(input, "SEND 34600000000 %s\r\n", TEXTS[i]);
        run(&d, 1);
    }
}

/* Every verb as the method of a request, in every shape of its first line: nothing is acted on. */
Test(session, guard_table)
{
    static const char HEADERS[] = "\r\nHost: 127.0.0.1:2525\r\nContent-Type: text/plain\r\n\r\n"
                                  "\r\n.\r\nSEND 34600000000 x\r\nFLUSH\r\nHOLD\r\n";
    static const struct {
        const char *shape, *target;
        size_t filling;
        const char *end;
        const char *replies;
    } SHAPES[] = {
        {"short", "/", 0, " HTTP/1.1", "421 4.7.0"},
        {"no target", "", 0, " HTTP/1.1", "421 4.7.0"},
        {"over-long", "/", 300, " HTTP/1.1", "421 4.7.0"},
        {"over-long, no version", "/", 300, "", "421 4.7.0"},
        {"control character", "/\x01", 5, " HTTP/1.1", "421 4.7.0"},
        {"control character at the end", "/", 5, " HTTP/1.1\x01", "421 4.7.0"},
        {"cut in the target", "/", 5, NULL, "500 5.5.2"},
        {"cut in the version", " / HTTP/1", 0, NULL, "500 5.5.2"},
    };
    struct session_rules rules = fake_rules();
    struct way way = {.rules = &rules, .has_control = true};
    for (size_t i = 0; i < COUNT(SHAPES) * SESSION_VERBS; i++) {
        size_t shape = i % COUNT(SHAPES);
        bool is_cut = SHAPES[shape].end == NULL;
        char start[64], behind[sizeof HEADERS + 32];
        snprintf(start, sizeof start, "%s %s", session_verb(i / COUNT(SHAPES)),
                 SHAPES[shape].target);
        snprintf(behind, sizeof behind, "%s%s", is_cut ? "" : SHAPES[shape].end,
                 is_cut ? "" : HEADERS);
        char *input = stretch(start, 'a', SHAPES[shape].filling, behind);
        struct dialogue d = {input, strlen(input), SHAPES[shape].replies, ""};
        run_all(&way, &d, 1);
        free(input);
    }
}

/* Checks that nothing of this request is acted on: `format` with the verb, then a path of `count`
 * bytes. */
static void check_request(const char *format, const char *verb, size_t count)
{
    static const char BEHIND[] = " HTTP/1.1\r\nHost: 127.0.0.1:2525\r\nOrigin: http://x\r\n\r\n"
                                 "\r\n.\r\nSEND 34600000000 x\r\nFLUSH\r\n";
    char start[64];
    struct session_rules rules = fake_rules();
    struct way way = {.rules = &rules, .has_control = true};
    rules.max_line = 65536;
    snprintf(start, sizeof start, format, verb);
    char *input = stretch(start, 'a', count, BEHIND);
    struct dialogue d = {input, strlen(input), "421 4.7.0", ""};
    run_split(&way, &d, d.len, 0);
    run_split(&way, &d, 0, 0);
    run_split(&way, &d, d.len - strlen(BEHIND), 0);
    free(input);
}

/* With any verb as the method, and a line of any length: DATA would take the headers for content,
 * and the body for commands. */
Test(session, guard_knows_requests_by_our_verbs)
{
    static const char *const FORMATS[] = {"%s /", "\r\n \r\n%s /", "\xEF\xBB\xBF%s http://x/"};
    static const size_t LENGTHS[] = {1, 1500, 65536 - 15, 66000};
    for (size_t verb = 0; verb < SESSION_VERBS; verb++) {
        char lower[16] = "";
        for (size_t i = 0; session_verb(verb)[i] != '\0'; i++) {
            lower[i] = (char)tolower(session_verb(verb)[i]);
        }
        for (size_t i = 0; i < COUNT(FORMATS) * COUNT(LENGTHS); i++) {
            const char *format = FORMATS[i / COUNT(LENGTHS)];
            check_request(format, session_verb(verb), LENGTHS[i % COUNT(LENGTHS)]);
            check_request(format, lower, LENGTHS[i % COUNT(LENGTHS)]);
        }
    }
}

/* A client whose first line is too long is a stranger, even without a sign of HTTP. */
Test(session, guard_takes_no_long_first_line)
{
    for (size_t i = 0; i < SESSION_VERBS; i++) {
        char start[32];
        snprintf(start, sizeof start, "%s ", session_verb(i));
        char *input = stretch(start, 'x', 300, "\n.\nSEND 34600000000 x\n");
        struct dialogue d = {input, strlen(input), "421 4.7.0", ""};
        run(&d, 1);
        free(input);
    }
}

Test(session, error_budget)
{
    static const struct dialogue dialogues[] = {
        {S("NOOP\n" NINETEEN("A\n") "NOOP\n" NINETEEN("A\n") "NOOP\n"),
         "250 2.0.0, " NINETEEN("500 5.5.2, ") "250 2.0.0, " NINETEEN("500 5.5.2, ") "250 2.0.0",
         ""},
        {S("NOOP\n" SIXTEEN("A\n") "TEXT x\nTO\nFROM\nB\nSEND 34600000000 x\n"),
         "250 2.0.0, " SIXTEEN("500 5.5.2, ") "503 5.5.1, 501 5.5.4, 501 5.5.4, 500 5.5.2, "
                                              "421 4.7.0",
         ""},
        {S(TWENTY("TO 1\n") "TO 1\nNOOP\n"), TWENTY("550 5.1.3, ") "550 5.1.3, 250 2.0.0", ""},
        /* 354 is half an answer: it does not make a refused content a success. */
        {S(TWENTY("DATA\n.\n") "NOOP\n"), TWENTY("354, 503 5.5.1, ") "421 4.7.0", ""},
        {S("NOOP\n" NINETEEN("A\n") "SEND 34600000000 x\n" NINETEEN("A\n") "NOOP\n"),
         "250 2.0.0, " NINETEEN("500 5.5.2, ") "250 2.0.0, " NINETEEN("500 5.5.2, ") "250 2.0.0",
         NULL},
        /* Every element of an array gets its reply, even if most are bad. */
        {S("JSON [" TWENTY("1,") "1,{\"to\":\"34600000000\",\"text\":\"x\"}]\nNOOP\n"),
         TWENTY("501 5.5.4, ") "501 5.5.4, 250 2.0.0, 250 2.0.0", "Relay +34600000000 x\n"},
        {S("JSON [" TWENTY("1,") "1]\nNOOP\n"), TWENTY("501 5.5.4, ") "501 5.5.4, 421 4.7.0", ""},
    };
    run(dialogues, COUNT(dialogues));
}

/* --- JSON ------------------------------------------------------------------------------------- */

Test(session, json)
{
    static const struct dialogue dialogues[] = {
        {S("JSON {\"from\":\"Acme\",\"to\":\"+34600000000\",\"text\":\"Hi\",\"clientId\":\"r\"}\n"),
         "250 2.0.0", "Acme +34600000000 Hi ref=r\n"},
        {S("JSON {\"to\":\"+34600000000\",\"text\":\"a\\nb\",\"allowUnicode\":true,\"ttl\":60}\n"),
         "250 2.0.0", "Relay +34600000000 \"a\\nb\" ttl=60000 unicode\n"},
        {S("JSON [{\"to\":\"34600000001\",\"text\":\"a\"},{\"to\":\"1\",\"text\":\"b\"},7,"
           "{\"to\":\"34600000002\",\"text\":\"c\"}]\n"),
         "250 2.0.0, 550 5.1.3, 501 5.5.4, 250 2.0.0",
         "Relay +34600000001 a\nRelay +34600000002 c\n"},
        {S("JSON {\"to\":\"34600000000\"}\nJSON {\"text\":\"x\"}\nJSON {}\n"),
         "501 5.5.4, 501 5.5.4, 501 5.5.4", ""},
        {S("JSON []\nJSON \"x\"\nJSON {\"to\":1,\"text\":\"x\"}\nJSON\n"),
         "501 5.5.4, 501 5.5.4, 501 5.5.4, 501 5.5.4", ""},
        {S("JSON {\"to\":\"34600000000\",\"text\":\"\"}\n"), "501 5.5.4", ""},
        {S("JSON {\"to\":\"34600000000\",\"text\":\"x\",\"to\":\"34600000001\"}\n"), "501 5.5.4",
         ""},
        {S("JSON {\"to\":\"34600000000\",\"text\":\"x\",\"TTL\":60}\n"), "501 5.5.4", ""},
        {S("JSON {\"to\":\"34600000000\",\"text\":\"x\",\"ref\":\"a\",\"clientId\":\"b\"}\n"),
         "501 5.5.4", ""},
        {S("JSON {\"to\":\"34600000000\",\"text\":\"x\\u0001\"}\n"), "501 5.5.2", ""},
    };
    run(dialogues, COUNT(dialogues));
}

Test(session, json_says_where_and_what)
{
    static const struct dialogue dialogues[] = {
        {S("JSON {\"to\":\"34600000000\" \"text\":\"x\"}\n"),
         "501 5.5.4 malformed JSON at byte 26: \"'}' expected near '\\\"text\\\"'\"\n", ""},
        {S("JSON {\"to\":\"34600000000\",\"text\":\"x\",\"colour\":\"red\"}\n"),
         "501 5.5.4 JSON member colour: unknown\n", ""},
        {S("JSON {\"to\":\"34600000000\"}\n"), "501 5.5.4 JSON member text: missing\n", ""},
    };
    run_plain(dialogues, COUNT(dialogues));
}

/* --- texts ------------------------------------------------------------------------------------ */

Test(session, charsets)
{
    static const struct dialogue dialogues[] = {
        {S("SEND 34600000000 caf\xc3\xa9\n"), "250 2.0.0", "Relay +34600000000 caf\xc3\xa9\n"},
        {S("SEND 34600000000 caf\xe9\n"), "250 2.0.0", "Relay +34600000000 caf\xc3\xa9\n"},
        {S("SEND 34600000000 5 \x80\n"), "250 2.0.0", "Relay +34600000000 \"5 \xe2\x82\xac\"\n"},
        /* 0x81 is no character of windows-1252 */
        {S("SEND 34600000000 \x81\n"), "501 5.6.7", ""},
        {S("TO 34600000000\nDATA\n\x81\n.\n"), "250 2.1.5, 354, 501 5.6.7", ""},
        {S("DATA\n\x81\n.\n"), "354, 503 5.5.1", ""},
    };
    run(dialogues, COUNT(dialogues));

    static const struct dialogue none[] = {
        {S("SEND 34600000000 caf\xc3\xa9\n"), "250 2.0.0", "Relay +34600000000 caf\xc3\xa9\n"},
        {S("SEND 34600000000 caf\xe9\nSEND 34600000000 \xed\xa0\x80\nSEND 34600000000 \xc0\xaf\n"),
         "501 5.6.7, 501 5.6.7, 501 5.6.7", ""},
        {S("TO 34600000000\nDATA\n\xe9\n.\nTEXT x\n"), "250 2.1.5, 354, 501 5.6.7, 503 5.5.1", ""},
    };
    struct session_rules rules = fake_rules();
    rules.charset = NULL;
    run_rules(&rules, none, COUNT(none));
}

/* Only the argument is converted: its length may change. */
Test(session, charsets_that_are_not_like_ascii)
{
    static const char *const CHARSETS[] = {"UTF-16LE", "UTF-32BE",  "EBCDIC-US",
                                           "UTF-7",    "SHIFT_JIS", "nonsense"};
    static const char *const LINES[] = {
        "SEND \xff\xfe\x80\x81 \xe9\n",
        "TO \xff\n",
        "TEXT \xe9\n",
        "STATUS \x80\x80\x80\n",
        "JSON \xe9{}\n",
        "DATA\n\xe9\xe9\n.\n",
        "HELP \xff\xff\n",
        "VRFY \xe9\n",
    };
    for (size_t i = 0; i < COUNT(CHARSETS); i++) {
        struct session_rules rules = fake_rules();
        rules.charset = CHARSETS[i];
        struct fake_gateway *g = malloc(sizeof *g);
        fake_open(g, &rules, true, 0);
        for (size_t j = 0; j < COUNT(LINES); j++) {
            fake_feed(g, LINES[j], strlen(LINES[j]));
        }
        struct buffer got = BUFFER_EMPTY;
        codes(&g->out, &got);
        buffer_free(&got);
        fake_free(g);
        free(g);
    }
}

Test(session, unicode_and_replacements)
{
    static const struct dialogue dialogues[] = {
        /* Typographic punctuation is replaced only if that makes the text GSM-7. */
        {S("SEND 34600000000 \xe2\x80\x9cx\xe2\x80\x9d\n"), "250 2.0.0",
         "Relay +34600000000 \"\\\"x\\\"\"\n"},
        {S("SEND 34600000000 \xe2\x80\x9c\xd0\x96\n"), "250 2.0.0",
         "Relay +34600000000 \xe2\x80\x9c\xd0\x96 unicode\n"},
        {S("SEND UNICODE=yes 34600000000 \xe2\x80\x9cx\n"), "250 2.0.0",
         "Relay +34600000000 \xe2\x80\x9cx unicode\n"},
        {S("SEND UNICODE=no 34600000000 \xe2\x80\x9cx\n"), "250 2.0.0",
         "Relay +34600000000 \"\\\"x\"\n"},
        {S("SEND UNICODE=no 34600000000 \xd0\x96\n"), "501 5.6.7", ""},
        {S("JSON {\"to\":\"34600000000\",\"text\":\"\xd0\x96\",\"allowUnicode\":false}\n"),
         "501 5.6.7", ""},
        /* Only invisible characters: an empty text. */
        {S("SEND 34600000000 \xe2\x80\x8b\n"), "501 5.5.4", ""},
    };
    run(dialogues, COUNT(dialogues));
    struct session_rules rules = fake_rules();
    rules.transliterate = TEXT_TRANSLITERATE_NO;
    static const struct dialogue none[] = {
        {S("SEND 34600000000 \xe2\x80\x9cx\n"), "250 2.0.0",
         "Relay +34600000000 \xe2\x80\x9cx unicode\n"},
    };
    run_rules(&rules, none, COUNT(none));
}

Test(session, parts)
{
    struct session_rules rules = fake_rules();
    rules.max_line = 1000;
    static const struct {
        size_t count;
        const char *replies;
    } rows[] = {{160, "250 2.0.0"}, {3 * 153, "250 2.0.0"}, {3 * 153 + 1, "552 5.3.4"}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *input = stretch("SEND 34600000000 ", 'x', rows[i].count, "\n");
        struct dialogue d = {input, strlen(input), rows[i].replies, NULL};
        run_rules(&rules, &d, 1);
        free(input);
    }
    /* In content too, far beyond the part that is kept. */
    char *input = stretch("TO 34600000000\nDATA\n", 'x', 300000, "\n.\nTEXT x\n");
    struct dialogue d = {input, strlen(input), "250 2.1.5, 354, 552 5.3.4, 503 5.5.1", ""};
    struct way way = {.rules = &rules};
    run_split(&way, &d, d.len, 0);
    run_split(&way, &d, d.len / 2, 0);
    free(input);
}

Test(session, senders)
{
    static const char *const SENDERS[] = {"Acme", "Relay", "12345", NULL};
    struct session_rules rules = fake_rules();
    rules.senders = SENDERS;
    static const struct dialogue dialogues[] = {
        {S("SEND FROM=acme 34600000000 x\n"), "250 2.0.0", NULL},
        {S("SEND FROM=Other 34600000000 x\nFROM Other\nTO 34600000000\n"),
         "553 5.1.7, 553 5.1.7, 503 5.5.1", ""},
        {S("MAIL FROM:<ACME@x>\nRCPT TO:<34600000000>\nDATA\nx\n.\n"),
         "250 2.1.0, 250 2.1.5, 354, 250 2.0.0", "Acme +34600000000 x\n"},
        {S("MAIL FROM:<other@x>\nRCPT TO:<34600000000>\nDATA\nx\n.\n"),
         "250 2.1.0, 250 2.1.5, 354, 250 2.0.0", "Relay +34600000000 x\n"},
    };
    run_rules(&rules, dialogues, COUNT(dialogues));

    rules = fake_rules();
    rules.default_from = "";
    static const struct dialogue none[] = {
        {S("SEND 34600000000 x\nTO 34600000000\nSEND FROM=Acme 34600000000 x\n"),
         "553 5.1.7, 553 5.1.7, 250 2.0.0", "Acme +34600000000 x\n"},
        {S("MAIL FROM:<x@y>\nRCPT TO:<34600000000>\nDATA\nx\n.\n"),
         "553 5.1.7, 503 5.5.1, 354, 503 5.5.1", ""},
        {S("JSON {\"to\":\"34600000000\",\"text\":\"x\"}\n"), "553 5.1.7", ""},
    };
    run_rules(&rules, none, COUNT(none));
}

Test(session, recipients_have_a_limit)
{
    /* max_recipients is 3 */
    static const struct dialogue dialogues[] = {
        {S("TO 34600000001\nTO 34600000002\nTO 34600000003\nTO 34600000004\nTO 34600000004\n"
           "TO 34600000003\nTEXT x\n"),
         "250 2.1.5, 250 2.1.5, 250 2.1.5, 452 4.5.3, 452 4.5.3, 250 2.1.5, "
         "250-2.0.0, 250-2.0.0, 250 2.0.0",
         "Relay +34600000001,+34600000002,+34600000003 x\n"},
        {S("MAIL FROM:<>\nRCPT TO:<34600000001>\nRCPT TO:<34600000002>\nRCPT TO:<34600000003>\n"
           "RCPT TO:<34600000004>\nDATA\nx\n.\n"),
         "250 2.1.0, 250 2.1.5, 250 2.1.5, 250 2.1.5, 452 4.5.3, 354, 250 2.0.0",
         "Relay +34600000001,+34600000002,+34600000003 x\n"},
    };
    run(dialogues, COUNT(dialogues));
}

/* --- sizes ------------------------------------------------------------------------------------ */

/* The longest line of `out`, its CRLF counted (RFC 5321, 4.5.3.1.5). */
static size_t longest_line(const struct buffer *out)
{
    size_t longest = 0;
    for (size_t i = 0; i < out->len;) {
        const char *end = memmem(out->data + i, out->len - i, "\r\n", 2);
        cr_assert_not_null(end);
        size_t len = (size_t)(end + 2 - out->data) - i;
        longest = len > longest ? len : longest;
        i += len;
    }
    return longest;
}

/* Exim holds 4096 bytes of a reply, some devices 512 of a line. No input may exceed that. */
Test(session, replies_fit_in_small_clients)
{
    static const struct {
        const char *before;
        const char *fill; /* as often as 60,000 bytes allow */
        const char *behind;
    } rows[] = {
        {"EHLO ", "x", ""},
        {"HELP ", "", ""},
        {"HELP SEND", "", ""},
        {"HELP ", "\t\"", ""},
        {"VRFY ", "x", ""},
        {"VRFY a", "\t", "b"},
        {"VRFY ", "\"", ""},
        {"VRFY ", "\xff", ""},
        {"VRFY ", "\xe2\x82\xac", ""},
        {"MAIL FROM:<", "\"", "> X=1"},
        {"MAIL FROM:<> ", "\"", ""},
        {"MAIL FROM:<> ", "\xff", "=1"},
        {"TO ", "\"\\", ""},
        {"TO a", "\t", "b"},
        {"FROM ", "\"", ""},
        {"FROM a ", "b", "=1"},
        {"SEND ", "\"", " x"},
        {"SEND ", "a", "=1 34600000000 x"},
        {"SEND REF=\"", "\\n", "\" 34600000000 x"},
        {"SEND 34600000000,", "\xff", " x"},
        {"JSON ", "[", ""},
        {"JSON ", "\t", "x"},
        {"JSON \"", "\\\"", ""},
        {"JSON \"", "\t", ""},
        {"JSON {\"", "\\n", "\":1}"},
        {"JSON {\"", "\xe2\x82\xac", "\":1}"},
        {"JSON {\"to\":\"", "\\n", "\",\"text\":\"x\"}"},
        {"JSON {\"text\":\"x\",\"to\":\"", "\\\"", "\"}"},
        {"JSON {\"a\":1,\"a\":\"", "x", "\"}"},
        {"JSON 1", "0", ""},
        {"STATUS ", "\"", ""},
        {"WATCH ", "\"\\", ""},
        {"QUEUE ", "x", ""},
        {"AUTH ", "x", ""},
        {"NOOP ", "\x01", ""},
        {"NOOP ", "xxxxxxxxxx", "xxxxxxxxxx"},
        {"", "x", ""},
    };
    char hostname[256];
    memset(hostname, 'h', sizeof hostname - 1);
    hostname[sizeof hostname - 1] = '\0';
    struct session_rules rules = fake_rules();
    rules.hostname = hostname;
    rules.max_line = 65536;
    rules.takes_any_login = true;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buffer input = BUFFER_EMPTY;
        struct fake_gateway *g = malloc(sizeof *g);
        buffer_puts(&input, rows[i].before);
        while (rows[i].fill[0] != '\0' && input.len < 60000) {
            buffer_puts(&input, rows[i].fill);
        }
        buffer_printf(&input, "%s\r\n", rows[i].behind);
        fake_open(g, &rules, true, 0);
        fake_feed(g, "NOOP\r\n", 6);
        fake_collect(g);
        buffer_clear(&g->out);
        fake_feed(g, input.data, input.len);
        cr_assert(g->out.len > 0 && g->out.len <= 4096, "\"%s\": %zu bytes", rows[i].before,
                  g->out.len);
        cr_assert_leq(longest_line(&g->out), 512, "\"%s\": %.*s", rows[i].before, (int)g->out.len,
                      g->out.data);
        fake_free(g);
        free(g);
        buffer_free(&input);
    }
}

/* A thousand recipients: a mail gets one reply line, the SMS dialect one for each. */
Test(session, replies_to_a_thousand_recipients)
{
    static const struct {
        const char *opening;
        const char *recipient;
        const char *text;
        size_t lines;
        size_t max;
    } rows[] = {
        {"MAIL FROM:<>\r\n", "RCPT TO:<+34600%06zu>\r\n", "DATA\r\nx\r\n.\r\n", 1, 512},
        {"", "TO +34600%06zu\r\n", "TEXT x\r\n", 1000, 100000},
    };
    struct session_rules rules = fake_rules();
    rules.max_recipients = 1000;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buffer input = BUFFER_EMPTY;
        struct fake_gateway *g = malloc(sizeof *g);
        buffer_puts(&input, rows[i].opening);
        for (size_t n = 0; n < 1000; n++) {
            buffer_printf(&input, rows[i].recipient, n);
        }
        buffer_puts(&input, rows[i].text);
        fake_open(g, &rules, false, 0);
        fake_feed(g, input.data, input.len);
        cr_assert_eq(g->messages, 1000);
        cr_assert_leq(longest_line(&g->out), 512);
        const char *verdict = memmem(g->out.data, g->out.len, "2.0.0 queued", 12);
        cr_assert_not_null(verdict);
        size_t len = g->out.len - (size_t)(verdict - 4 - g->out.data);
        size_t lines = 0;
        for (size_t at = g->out.len - len; at < g->out.len; at++) {
            lines += g->out.data[at] == '\n' ? 1 : 0;
        }
        cr_assert_eq(lines, rows[i].lines);
        cr_assert_leq(len, rows[i].max);
        fake_free(g);
        free(g);
        buffer_free(&input);
    }
}

/* --- the SMTP dialect ------------------------------------------------------------------------- */

#define MAIL_TO_ONE "MAIL FROM:<a@b>\r\nRCPT TO:<34600000000@c>\r\nDATA\r\n"
#define MAIL_CODES  "250 2.1.0, 250 2.1.5, 354, "

Test(session, smtp)
{
    static const struct dialogue dialogues[] = {
        {S("HELO me\r\nHELO\r\nRSET\r\nNOOP x\r\nEXPN x\r\nAUTH PLAIN x\r\nSTARTTLS\r\nQUIT\r\n"),
         "250, 250, 250 2.0.0, 250 2.0.0, 502 5.5.1, 502 5.5.1, 502 5.5.1, 221 2.0.0", ""},
        {S("RCPT TO:<34600000000>\r\nDATA\r\nx\r\n.\r\n"), "503 5.5.1, 354, 503 5.5.1", ""},
        {S("MAIL FROM:<a@b>\r\nMAIL FROM:<a@b>\r\n"), "250 2.1.0, 503 5.5.1", ""},
        {S("MAIL FROM:<a@b>\r\nRCPT TO:<bad>\r\nDATA\r\nx\r\n.\r\nNOOP\r\n"),
         "250 2.1.0, 550 5.1.3, 354, 503 5.5.1, 250 2.0.0", ""},
        {S("MAIL FROM:<a@b>\r\nRCPT TO:<34600000000>\r\nEHLO x\r\nDATA\r\nx\r\n.\r\n"),
         "250 2.1.0, 250 2.1.5, 250, 250, 250, 250, 250, 250, 250, 354, 503 5.5.1", ""},
        {S("MAIL FROM:<a@b> FOO=1\r\nRCPT TO:<34600000000>\r\n"), "555 5.5.4, 503 5.5.1", ""},
        {S("MAIL FROM:<a@b> SIZE=4096 BODY=8BITMIME SMTPUTF8 AUTH=<> RET=HDRS ENVID=x\r\n"
           "RCPT TO:<34600000000> NOTIFY=NEVER ORCPT=rfc822;x\r\nRCPT TO:<34600000001> X=1\r\n"),
         "250 2.1.0, 250 2.1.5, 555 5.5.4", ""},
        {S("MAIL FROM:<a@b> SIZE=4097\r\nMAIL FROM:<a@b> size=99999999999999999999999\r\n"),
         "552 5.3.4, 552 5.3.4", ""},
        {S("MAIL\r\nMAIL FROM\r\nMAIL FROM <x\r\nMAIL TO:<x>\r\n"),
         "501 5.5.4, 501 5.5.4, 501 5.5.4, 501 5.5.4", ""},
        {S("VRFY 34600000000\r\nVRFY <+34600000000@sms.example>\r\nVRFY joe\r\nVRFY\r\n"),
         "250 2.1.5, 250 2.1.5, 550 5.1.3, 501 5.5.4", ""},
    };
    run(dialogues, COUNT(dialogues));
}

/* Sends each of the inputs by itself, and compares the codes of all replies. */
static void converse(const struct session_rules *rules, const char *const inputs[],
                     const char *replies, const char *name)
{
    struct fake_gateway *g = malloc(sizeof *g);
    struct buffer got = BUFFER_EMPTY;
    fake_open(g, rules, false, 0);
    for (size_t i = 0; inputs[i] != NULL; i++) {
        fake_feed(g, inputs[i], strlen(inputs[i]));
    }
    codes(&g->out, &got);
    buffer_append(&got, "", 1);
    cr_expect_str_eq(got.data, replies);
    cr_expect_str_eq(session_name(g->session), name);
    buffer_free(&got);
    fake_free(g);
    free(g);
}

Test(session, starttls_forgets_what_was_said_in_plain_text)
{
    struct session_rules rules = fake_rules();
    rules.offers_tls = true;
    rules.takes_any_login = true;
    converse(&rules,
             (const char *const[]){"HELO plain\r\nAUTH PLAIN =\r\nMAIL FROM:<a@b>\r\n",
                                   "RCPT TO:<34600000000>\r\nSTARTTLS\r\n",
                                   "RCPT TO:<34600000000>\r\nAUTH PLAIN =\r\n", NULL},
             "250, 235 2.7.0, 250 2.1.0, 250 2.1.5, 220 2.0.0, 503 5.5.1, 235 2.7.0", "");
    /* The other dialect; and the first line decides anew how lines end. */
    converse(&rules,
             (const char *const[]){"TO 34600000000\r\nSTARTTLS\r\n", "EHLO new\nTEXT x\n", NULL},
             "250 2.1.5, 220 2.0.0, 250, 250, 250, 250, 250, 250, 250, 250, 503 5.5.1", "new");
    /* What comes out of TLS has to pass the guard, too. */
    converse(&rules,
             (const char *const[]){"NOOP\r\nSTARTTLS\r\n", "POST / HTTP/1.1\r\nNOOP\r\n", NULL},
             "250 2.0.0, 220 2.0.0, 421 4.7.0", "");
}

Test(session, starttls_is_offered_once_and_with_a_certificate)
{
    struct session_rules rules = fake_rules();
    converse(&rules, (const char *const[]){"STARTTLS\r\nEHLO x\r\n", NULL},
             "502 5.5.1, 250, 250, 250, 250, 250, 250, 250", "x");
    rules.offers_tls = true;
    converse(&rules, (const char *const[]){"STARTTLS now\r\nEHLO x\r\n", NULL},
             "501 5.5.4, 250, 250, 250, 250, 250, 250, 250, 250", "x");
    converse(&rules, (const char *const[]){"STARTTLS\r\n", "EHLO x\r\nSTARTTLS\r\n", NULL},
             "220 2.0.0, 250, 250, 250, 250, 250, 250, 250, 503 5.5.1", "x");
}

Test(session, plain_text_behind_starttls_ends_the_session)
{
    struct session_tally tally = {0};
    struct session_rules rules = fake_rules();
    rules.offers_tls = true;
    rules.tally = &tally;
    converse(&rules, (const char *const[]){"EHLO x\r\nSTARTTLS\r\nNOOP\r\n", "NOOP\r\n", NULL},
             "250, 250, 250, 250, 250, 250, 250, 250, 421 4.7.0", "x");
    converse(&rules, (const char *const[]){"STARTTLS\r\nN", "NOOP\r\n", NULL}, "421 4.7.0", "");
    cr_expect_eq(tally.injections, 2);
    cr_expect_eq(tally.refusals[REPLY_GUARD], 2);
}

static bool ends_in_nine(const void *arg, const char *e164)
{
    (void)arg;
    return e164[strlen(e164) - 1] == '9';
}

/* What the log is told of refusals: the command, the reply's own words, and whom it was for; nothing
 * else that the client wrote. */
Test(session, refusals_for_the_log)
{
    static const struct {
        const char *input, *refused;
    } rows[] = {
        {"SEND 555 secret\r\n", "SEND 550 5.1.3 not a telephone number: too short to 555\n"},
        {"SEND secret text\r\n", "SEND 550 5.1.3 not a telephone number to secret\n"},
        {"SEND SECRET=1 34600000000 x\r\n",
         "SEND 501 5.5.4 unknown option SECRET; use REF TTL PRIORITY AT UNICODE ACK FROM\n"},
        {"SEND 34600000000\r\n", "SEND 501 5.5.4 no text to 34600000000\n"},
        {"SEND 34600000009 x\r\nMAIL FROM:<>\r\nRCPT TO:<+34 600 000 009>\r\n",
         "SEND 550 5.7.1 has opted out to 34600000009\n"
         "RCPT 550 5.7.1 has opted out to +34 600 000 009\n"},
        {"TEXT secret\r\nNOOP secret\x01\r\nSECRET\r\nVRFY secret\r\n",
         "TEXT 503 5.5.1 no recipient: TO comes first\n"
         "NOOP 501 5.5.2 control character in a command\n"
         " 500 5.5.2 unknown command, try HELP\n"
         "VRFY 550 5.1.3 not a telephone number to secret\n"},
        {"MAIL FROM:<a@b> 34600000000=1\r\nMAIL FROM:<a@b> MT-PRIORITY=3\r\nRCPT "
         "TO:<34600000000>\r\n",
         "MAIL 555 5.5.4 unknown parameter: ...\n"
         "MAIL 555 5.5.4 unknown parameter: MT-PRIORITY\n"
         "RCPT 503 5.5.1 MAIL comes first\n"},
        {"MAIL FROM:<a@b>\r\nRCPT TO:<34600000000>\r\nDATA\r\n\r\n.\r\n",
         "DATA 554 5.6.0 no text to +34600000000\n"},
        {"JSON {\"to\":\"34600000000\",\"text\":\"secret\",}\r\n"
         "JSON "
         "[{\"to\":\"1\",\"text\":\"secret\"},{\"34600000000\":\"secret\"},{\"to\":\"34600000000\","
         "\"text\":5}]\r\n",
         "JSON 501 5.5.4 malformed JSON at byte 37: ...\n"
         "JSON 550 5.1.3 not a telephone number: too short to 1\n"
         "JSON 501 5.5.4 JSON member ...: unknown\n"
         "JSON 501 5.5.4 JSON member text: expected a string; got a number\n"},
        {"AUTH PLAIN c2VjcmV0\r\nSTARTTLS\r\nHOLD\r\n",
         "AUTH 502 5.5.1 no login is needed; with smtp.auth = any, every login is accepted\n"
         "STARTTLS 502 5.5.1 no certificate is set (tls.certificate)\n"
         "HOLD 550 5.7.1 HOLD needs control rights: the Unix socket, or listen.control=all\n"},
        {"secret: x\r\n", " 421 4.7.0 this is a line protocol for SMS, try HELP; closing\n"},
        {"secret\r\nsecret\r\n",
         " 500 5.5.2 unknown command, try HELP\n 500 5.5.2 unknown command, try HELP\n"},
        {"SEND 34600000000 secret", "SEND 500 5.5.2 last line has no line ending: ignored\n"},
        {"NOOP\r\nDATA\r\nsecret\r\n",
         "DATA 500 5.5.2 content not ended by a dot: nothing queued\n"},
        {"NOOP\r\nSTATUS x\r\nQUIT\r\n", ""},
    };
    struct session_rules rules = fake_rules();
    rules.has_opted_out = ends_in_nine;
    rules.max_line = 300;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fake_gateway *g = malloc(sizeof *g);
        fake_open(g, &rules, false, 0);
        fake_feed(g, rows[i].input, strlen(rows[i].input));
        fake_end(g);
        buffer_append(&g->refused, "", 1);
        cr_expect_str_eq(g->refused.data, rows[i].refused, "%s:\n%s", rows[i].input,
                         g->refused.data);
        fake_free(g);
        free(g);
    }
}

/* A client that is closed in the middle of something is told of, an idle one is not. */
Test(session, closing_for_the_log)
{
    static const char *const rows[][2] = {
        {"", ""},
        {"NOOP\r\n", ""},
        {"SEND 34600000000 x\r\n", ""},
        {"SEND 3460", " 421 4.4.2 idle timeout, closing\n"},
        {"TO 34600000000\r\n", "TO 421 4.4.2 idle timeout, closing\n"},
        {"MAIL FROM:<a@b>\r\nRCPT TO:<34600000000>\r\nDATA\r\nx\r\n",
         "DATA 421 4.4.2 idle timeout, closing\n"},
        {"NOOP\r", " 500 5.5.2 lines end in CRLF or LF, not in CR alone\n"},
    };
    struct session_rules rules = fake_rules();
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fake_gateway *g = malloc(sizeof *g);
        fake_open(g, &rules, false, 0);
        fake_feed(g, rows[i][0], strlen(rows[i][0]));
        session_close(g->session, REPLY_TIMED_OUT);
        fake_run(g);
        buffer_append(&g->refused, "", 1);
        cr_expect_str_eq(g->refused.data, rows[i][1], "%s: %s", rows[i][0], g->refused.data);
        fake_free(g);
        free(g);
    }
}

/* "me" and "secret", alone and as in PLAIN. */
#define NAME     "bWU="
#define PASSWORD "c2VjcmV0"
#define PLAIN    "AG1lAHNlY3JldA=="
#define DIGEST   "bWUgYjkxM2E2MDJjN2VkYTdhNDk1YjRlNmU3MzM0ZDM4OTA="

Test(session, auth)
{
    struct session_rules rules = fake_rules();
    rules.takes_any_login = true;
    static const struct dialogue dialogues[] = {
        {S("AUTH PLAIN " PLAIN "\r\nAUTH PLAIN " PLAIN "\r\nEHLO x\r\nauth login\r\n"),
         "235 2.7.0, 503 5.5.1, 250, 250, 250, 250, 250, 250, 250, 250, 503 5.5.1", ""},
        {S("AUTH PLAIN\r\n" PLAIN "\r\nNOOP\r\n"), "334, 235 2.7.0, 250 2.0.0", ""},
        {S("AUTH PLAIN\n" PLAIN "\nNOOP\n"), "334, 235 2.7.0, 250 2.0.0", ""},
        {S("auth  plain  \r\n\r\nNOOP\r\n"), "334, 235 2.7.0, 250 2.0.0", ""},
        {S("AUTH PLAIN =\r\nNOOP\r\n"), "235 2.7.0, 250 2.0.0", ""},
        {S("AUTH LOGIN\r\n" NAME "\r\n" PASSWORD "\r\nNOOP\r\n"), "334, 334, 235 2.7.0, 250 2.0.0",
         ""},
        {S("AUTH LOGIN " NAME "\r\n" PASSWORD "\r\n"), "334, 235 2.7.0", ""},
        {S("AUTH LOGIN =\r\n\r\nNOOP\r\n"), "334, 235 2.7.0, 250 2.0.0", ""},
        /* What looks like a command is a password here. */
        {S("AUTH LOGIN\r\nQUIT\r\nRSET\r\nNOOP\r\n"), "334, 334, 235 2.7.0, 250 2.0.0", ""},
        /* A failed login may be repeated, and none of its lines is read as something else. */
        {S("AUTH LOGIN\r\n*\r\nAUTH LOGIN\r\n" NAME "\r\n*\r\nAUTH PLAIN *\r\n"
           "AUTH PLAIN " PLAIN "\r\n"),
         "334, 501 5.7.0, 334, 334, 501 5.7.0, 501 5.7.0, 235 2.7.0", ""},
        {S("AUTH PLAIN AG1\r\nAUTH PLAIN AG=l\r\nAUTH PLAIN A===\r\nNOOP\r\n"
           "AUTH PLAIN AG1l AHN=\r\nAUTH LOGIN\r\nm\xC3\xA9\r\nAUTH LOGIN\r\n=\r\nNOOP\r\n"),
         "501 5.5.2, 501 5.5.2, 501 5.5.2, 250 2.0.0, 501 5.5.2, 334, 501 5.5.2, 334, 501 5.5.2, "
         "250 2.0.0",
         ""},
        {S("AUTH\r\nAUTH CRAM-SHA1\r\nAUTH PLAI\r\nAUTH PLAINS " PLAIN "\r\nNOOP\r\n"),
         "501 5.5.4, 504 5.5.4, 504 5.5.4, 504 5.5.4, 250 2.0.0", ""},
        {S("auth cram-md5\r\n" DIGEST "\r\nAUTH CRAM-MD5 " DIGEST "\r\n"),
         "334, 235 2.7.0, 503 5.5.1", ""},
        {S("AUTH CRAM-MD5 " DIGEST "\r\nAUTH CRAM-MD5\r\n*\r\nNOOP\r\n"),
         "501 5.5.4, 334, 501 5.7.0, 250 2.0.0", ""},
        {S("MAIL FROM:<a@b>\r\nRCPT TO:<34600000000>\r\nAUTH PLAIN " PLAIN
           "\r\nDATA\r\nx\r\n.\r\n"),
         "250 2.1.0, 250 2.1.5, 503 5.5.1, 354, 250 2.0.0", "Relay +34600000000 x\n"},
        {S("TO +34600000000\r\nAUTH LOGIN\r\nTEXT x\r\n"), "250 2.1.5, 503 5.5.1, 250 2.0.0",
         "Relay +34600000000 x\n"},
        {S("MAIL FROM:<a@b> FOO=1\r\nAUTH PLAIN " PLAIN "\r\n"), "555 5.5.4, 235 2.7.0", ""},
        /* A challenge between two errors does not break the row. */
        {S(TWENTY("AUTH LOGIN\r\n?\r\n") "NOOP\r\n"), TWENTY("334, 501 5.5.2, ") "421 4.7.0", ""},
    };
    run_rules(&rules, dialogues, COUNT(dialogues));
}

Test(session, auth_with_long_responses)
{
    static const struct {
        size_t len;
        const char *replies;
    } cases[] = {
        {12288, "334, 235 2.7.0, 250 2.0.0"},
        {12289, "334, 500 5.5.6, 250 2.0.0"},
        {50000, "334, 500 5.5.6, 250 2.0.0"},
    };
    struct session_rules rules = fake_rules();
    rules.takes_any_login = true;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *input = stretch("AUTH PLAIN\r\n", 'A', cases[i].len, "\r\nNOOP\r\n");
        const struct dialogue d = {input, strlen(input), cases[i].replies, ""};
        run_rules(&rules, &d, 1);
        free(input);
    }
}

/* With users, whose "me" has the secret "secret". */
Test(session, auth_of_users)
{
    struct session_rules rules = fake_rules();
    rules.has_users = true;
    static const struct dialogue dialogues[] = {
        {S("EHLO x\r\nAUTH PLAIN " PLAIN "\r\nAUTH PLAIN " PLAIN "\r\n"),
         "250, 250, 250, 250, 250, 250, 250, 250, 235 2.7.0, 503 5.5.1", ""},
        {S("AUTH PLAIN\r\n" PLAIN "\r\nNOOP\r\n"), "334, 235 2.7.0, 250 2.0.0", ""},
        {S("AUTH LOGIN\r\n" NAME "\r\n" PASSWORD "\r\nNOOP\r\n"), "334, 334, 235 2.7.0, 250 2.0.0",
         ""},
        {S("AUTH LOGIN " NAME "\r\n" PASSWORD "\r\nNOOP\r\n"), "334, 235 2.7.0, 250 2.0.0", ""},
        /* An identity: his own, or that of another. */
        {S("AUTH PLAIN bWUAbWUAc2VjcmV0\r\n"), "235 2.7.0", ""},
        {S("AUTH PLAIN eW91AG1lAHNlY3JldA==\r\n"), "535 5.7.8", ""},
        {S("AUTH PLAIN AG1lAHNlY3JldAAx\r\n"), "535 5.7.8", ""},
        {S("AUTH PLAIN AG1l\r\nAUTH PLAIN =\r\nAUTH PLAIN AA==\r\nAUTH PLAIN AAA=\r\n"),
         "501 5.5.2, 501 5.5.2, 501 5.5.2, 535 5.7.8", ""},
        {S("AUTH LOGIN =\r\n\r\nAUTH LOGIN\r\n*\r\nAUTH LOGIN " NAME "\r\n*\r\nNOOP\r\n"),
         "334, 535 5.7.8, 334, 501 5.7.0, 334, 501 5.7.0, 250 2.0.0", ""},
        {S("AUTH CRAM-MD5\r\nAUTH XOAUTH2 x\r\nAUTH\r\n"), "504 5.5.4, 504 5.5.4, 501 5.5.4", ""},
        {S("TO 34600000000\r\nAUTH PLAIN " PLAIN "\r\nTEXT x\r\n"),
         "250 2.1.5, 503 5.5.1, 250 2.0.0", "Relay +34600000000 x\n"},
        /* What comes before it is settled first; what is pipelined behind waits. */
        {S("SEND 34600000000 a\r\nAUTH PLAIN " PLAIN "\r\nSEND 34600000000 b\r\n"),
         "250 2.0.0, 235 2.7.0, 250 2.0.0", "Relay +34600000000 a\nRelay +34600000000 b\n"},
        {S("AUTH PLAIN " PASSWORD "\r\nAUTH PLAIN AG1lAHg=\r\nQUIT\r\n"),
         "501 5.5.2, 535 5.7.8, 221 2.0.0", ""},
        /* The third one is the last. */
        {S("AUTH PLAIN AG1lAHg=\r\nNOOP\r\nAUTH PLAIN AG1lAHg=\r\nAUTH LOGIN\r\n\r\n\r\nNOOP\r\n"),
         "535 5.7.8, 250 2.0.0, 535 5.7.8, 334, 334, 535 5.7.8, 421 4.7.0", ""},
    };
    run_rules(&rules, dialogues, COUNT(dialogues));
}

/* The whole dialogue of a client, with what it may do. */
static void run_as(const struct session_rules *rules, const struct session_peer *peer,
                   const struct session_user *user, const char *input, const char *replies,
                   const char *submitted)
{
    struct fake_gateway *g = malloc(sizeof *g);
    struct buffer got = BUFFER_EMPTY;
    fake_open_peer(g, rules, peer, 0);
    g->user = *user;
    fake_feed(g, input, strlen(input));
    codes(&g->out, &got);
    buffer_append(&g->submitted, "", 1);
    cr_expect_str_eq(got.data, replies, "%s:\n%s\ninstead of\n%s", input, got.data, replies);
    cr_expect_str_eq(g->submitted.data, submitted);
    buffer_free(&got);
    fake_free(g);
    free(g);
}

Test(session, auth_in_clear_is_for_local_clients)
{
    struct session_rules rules = fake_rules();
    const struct session_user user = {.rights = USER_SUBMITS};
    rules.has_users = true;
    static const struct {
        struct session_peer peer;
        const char *replies;
    } cases[] = {
        {{.class = PEER_LOCAL}, "250, 250, 250, 250, 250, 250, 250, 250, 235 2.7.0"},
        {{.class = PEER_TRUSTED}, "250, 250, 250, 250, 250, 250, 250, 538 5.7.1"},
        {{.class = PEER_STRANGER}, "250, 250, 250, 250, 250, 250, 250, 538 5.7.1"},
        {{.class = PEER_STRANGER, .is_encrypted = true},
         "250, 250, 250, 250, 250, 250, 250, 250, 235 2.7.0"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        run_as(&rules, &cases[i].peer, &user, "EHLO x\r\nAUTH PLAIN " PLAIN "\r\n",
               cases[i].replies, "");
    }
}

#define LOGGED_IN(input) "AUTH PLAIN " PLAIN "\r\n" input

Test(session, what_users_may)
{
    static const char *const SENDERS[] = {"Acme", "Shop", NULL};
    static const char *const ALL[] = {"Acme", "Shop", "Other", NULL};
    const struct session_peer peer = {.has_control = true};
    struct session_rules rules = fake_rules();
    rules.has_users = true;
    rules.senders = ALL;
    rules.default_from = "Other";
    const struct {
        struct session_user user;
        const char *input, *replies, *submitted;
    } cases[] = {
        {{USER_SUBMITS | USER_ASKS, NULL},
         LOGGED_IN("SEND 34600000000 x\r\nSTATUS r\r\nHOLD\r\nWATCH\r\nQUEUE LIST\r\nWATCH r\r\n"),
         "235 2.7.0, 250 2.0.0, 250 2.0.0, 550 5.7.1, 550 5.7.1, 550 5.7.1, 250 2.0.0",
         "Other +34600000000 x\n"},
        {{USER_CONTROLS, NULL},
         LOGGED_IN("HOLD\r\nSTATUS r\r\nSEND 34600000000 x\r\n"),
         "235 2.7.0, 250 2.0.0, 250 2.0.0, 550 5.7.1",
         ""},
        {{USER_CONTROLS | USER_ASKS, NULL},
         LOGGED_IN("QUEUE LIST\r\nWATCH\r\n"),
         "235 2.7.0, 250-2.0.0, 250 2.0.0, 250 2.0.0",
         ""},
        /* A text is never read as commands. */
        {{USER_ASKS, NULL},
         LOGGED_IN("MAIL FROM:<a@b>\r\nRCPT TO:<34600000000>\r\nDATA\r\nQUIT\r\n.\r\n"
                   "FROM Acme\r\nTO 34600000000\r\nTEXT x\r\nJSON {}\r\nVRFY x\r\nNOOP\r\n"),
         "235 2.7.0, 550 5.7.1, 550 5.7.1, 354, 503 5.5.1, 550 5.7.1, 550 5.7.1, 550 5.7.1, "
         "550 5.7.1, 550 5.7.1, 250 2.0.0",
         ""},
        {{USER_SUBMITS, SENDERS},
         LOGGED_IN("SEND 34600000000 a\r\nSEND FROM=shop 34600000000 b\r\n"
                   "SEND FROM=Other 34600000000 c\r\nFROM Other\r\nRSET\r\n"
                   "MAIL FROM:<Shop@x>\r\nRCPT TO:<34600000000>\r\nDATA\r\nd\r\n.\r\n"
                   "MAIL FROM:<Other@x>\r\nRCPT TO:<34600000000>\r\nDATA\r\ne\r\n.\r\n"),
         "235 2.7.0, 250 2.0.0, 250 2.0.0, 550 5.7.1, 550 5.7.1, 250 2.0.0, 250 2.1.0, 250 2.1.5, "
         "354, 250 2.0.0, 250 2.1.0, 250 2.1.5, 354, 250 2.0.0",
         "Acme +34600000000 a\nshop +34600000000 b\nShop +34600000000 d\nAcme +34600000000 e\n"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        run_as(&rules, &peer, &cases[i].user, cases[i].input, cases[i].replies, cases[i].submitted);
    }
}

Test(session, smtp_is_lenient)
{
    static const char *const MAILS[] = {
        "MAIL FROM:<a@b>",       "mail from:<>",          "MAIL From: <a@b>",
        "MAIL FROM:a@b",         "MAIL FROM: a@b",        "MAIL FROM : <a@b>",
        "MAIL FROM:<@x,@y:a@b>", "MAIL FROM:<\"a b\"@c>", "MAIL FROM:<a@b>  SIZE=10 ",
    };
    static const char *const RCPTS[] = {
        "RCPT TO:<+34600000000@sms.example>",
        "RCPT TO:<0034600000000@x>",
        "rcpt To: <34600000000>",
        "RCPT TO:34600000000",
        "RCPT TO: +34600000000@x",
        "RCPT TO:<@relay:34600000000@x>",
        "RCPT TO:<\"+34 600 000 000\"@x>",
    };
    for (size_t i = 0; i < COUNT(MAILS); i++) {
        for (size_t j = 0; j < COUNT(RCPTS); j++) {
            char input[200];
            snprintf(input, sizeof input, "%s\r\n%s\r\nDATA\r\nx\r\n.\r\n", MAILS[i], RCPTS[j]);
            struct dialogue d = {input, strlen(input), MAIL_CODES "250 2.0.0",
                                 "Relay +34600000000 x\n"};
            run(&d, 1);
        }
    }
}

Test(session, mail_content)
{
    static const struct dialogue dialogues[] = {
        {S(MAIL_TO_ONE "ALERT: disk full\r\n\r\n\r\n.\r\n"), MAIL_CODES "250 2.0.0",
         "Relay +34600000000 \"ALERT: disk full\"\n"},
        {S(MAIL_TO_ONE "Subject: Hi\r\nX: y\r\n\r\nbody\r\n.\r\n"), MAIL_CODES "250 2.0.0",
         "Relay +34600000000 \"Hi\\nbody\"\n"},
        {S(MAIL_TO_ONE "From: me\r\n\r\n..dot\r\n.\r\n"), MAIL_CODES "250 2.0.0",
         "Relay +34600000000 .dot\n"},
        {S(MAIL_TO_ONE "From: me\r\n\r\n\r\n.\r\n"), MAIL_CODES "554 5.6.0", ""},
        {S(MAIL_TO_ONE ".\r\n"), MAIL_CODES "554 5.6.0", ""},
        {S(MAIL_TO_ONE "Content-Type: text/html\r\n\r\n<b>x</b>\r\n.\r\n"), MAIL_CODES "250 2.0.0",
         "Relay +34600000000 x\n"},
        {S(MAIL_TO_ONE "Content-Type: text/html\r\n\r\n<img src=x>\r\n.\r\n"),
         MAIL_CODES "554 5.6.0", ""},
        {S(MAIL_TO_ONE "Subject: x\r\nContent-Type: text/plain; charset=nonsense\r\n\r\n\xe9\r\n"
                       ".\r\n"),
         MAIL_CODES "250 2.0.0", "Relay +34600000000 \"x\\n\xc3\xa9\"\n"},
    };
    run(dialogues, COUNT(dialogues));
}

Test(session, mail_subject_as_the_setting_says)
{
    static const struct {
        enum session_subject subject;
        const char *submitted;
    } rows[] = {{SUBJECT_PREFIX, "Relay +34600000000 \"Hi\\nbody\"\n"},
                {SUBJECT_IGNORE, "Relay +34600000000 body\n"},
                {SUBJECT_ONLY, "Relay +34600000000 Hi\n"}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct session_rules rules = fake_rules();
        rules.mail_subject = rows[i].subject;
        struct dialogue d = {S(MAIL_TO_ONE "Subject: Hi\r\n\r\nbody\r\n.\r\n"),
                             MAIL_CODES "250 2.0.0", rows[i].submitted};
        run_rules(&rules, &d, 1);
    }
}

Test(session, long_mail_is_cut_or_refused)
{
    char *input = stretch(MAIL_TO_ONE, 'x', 400, "\r\n.\r\n");
    char *cut = stretch("Relay +34600000000 ", 'x', 2 * 153 - 3, "...\n");
    struct session_rules rules = fake_rules();
    struct dialogue d = {input, strlen(input), MAIL_CODES "250 2.0.0", cut};
    run_rules(&rules, &d, 1);
    rules.mail_too_long = TOO_LONG_REFUSE;
    d.replies = MAIL_CODES "552 5.3.4";
    d.submitted = "";
    run_rules(&rules, &d, 1);
    free(input);
    free(cut);

    input = stretch(MAIL_TO_ONE, 'x', 5000, "\r\n.\r\n");
    d = (struct dialogue){input, strlen(input), MAIL_CODES "552 5.3.4", ""};
    rules = fake_rules();
    run_split(&(struct way){.rules = &rules}, &d, d.len, 0);
    free(input);
}

/* The part of a huge mail that is not kept must not change how the start is read. */
Test(session, huge_mail_is_cut_between_characters)
{
    struct session_rules rules = fake_rules();
    rules.mail_max_size = 1000000;
    for (size_t shift = 0; shift < 4; shift++) {
        char *input = malloc(700000);
        size_t len = (size_t)sprintf(input, MAIL_TO_ONE "%.*s", (int)shift, "abc");
        for (size_t i = 0; i < 100000; i++) {
            len += (size_t)sprintf(input + len, "\xd0\x96\xe2\x82\xac");
        }
        strcpy(input + len, "\r\n.\r\n");
        struct fake_gateway *g = malloc(sizeof *g);
        fake_open(g, &rules, false, 0);
        fake_feed(g, input, len + 5);
        cr_assert(memmem(g->submitted.data, g->submitted.len, "\xd0\x96\xe2\x82\xac", 5) != NULL,
                  "read in another charset: %.*s", (int)g->submitted.len, g->submitted.data);
        fake_free(g);
        free(g);
        free(input);
    }
}

/* One dialect within an open message of the other: the message is refused, never half sent. */
Test(session, dialects_do_not_mix_in_one_message)
{
    static const struct dialogue dialogues[] = {
        {S("MAIL FROM:<>\nRCPT TO:<34600000000>\nFROM Acme\nTO 34600000001\nDATA\nx\n.\n"),
         "250 2.1.0, 250 2.1.5, 503 5.5.1, 503 5.5.1, 354, 503 5.5.1", ""},
        /* A command of the other dialect spoils a message too. */
        {S("MAIL FROM:<>\nRCPT TO:<34600000001>\nTO 34600000000\nDATA\nx\n.\nTEXT x\n"),
         "250 2.1.0, 250 2.1.5, 503 5.5.1, 354, 503 5.5.1, 503 5.5.1", ""},
        {S("MAIL FROM:<>\nRCPT TO:<34600000001>\nTEXT x\nDATA\nx\n.\n"),
         "250 2.1.0, 250 2.1.5, 503 5.5.1, 354, 503 5.5.1", ""},
        {S("TO 34600000001\nRCPT TO:<34600000000>\nTEXT x\nTO 34600000000\nTEXT y\n"),
         "250 2.1.5, 503 5.5.1, 503 5.5.1, 250 2.1.5, 250 2.0.0", "Relay +34600000000 y\n"},
        {S("FROM Acme\nTO 34600000001\nMAIL FROM:<>\nRCPT TO:<34600000000>\nDATA\nx\n.\n"),
         "250 2.1.0, 250 2.1.5, 503 5.5.1, 503 5.5.1, 354, 503 5.5.1", ""},
        {S("MAIL FROM:<>\nRCPT TO:<34600000000>\nSEND 34600000001 y\nDATA\nz\n.\n"),
         "250 2.1.0, 250 2.1.5, 250 2.0.0, 354, 250 2.0.0",
         "Relay +34600000001 y\nRelay +34600000000 z\n"},
        {S("FROM Acme\nTO 34600000000\nSEND 34600000001 y\nTEXT x\n"),
         "250 2.1.0, 250 2.1.5, 250 2.0.0, 250 2.0.0",
         "Relay +34600000001 y\nAcme +34600000000 x\n"},
    };
    run(dialogues, COUNT(dialogues));
}

/* --- asking ----------------------------------------------------------------------------------- */

Test(session, asking)
{
    static const struct dialogue dialogues[] = {
        {S("STATUS 01KPQRJF500000000000000001\n"), "250 2.0.0 status id=#1\n", ""},
        {S("STATUS order-17\nstatus \"my ref\"\nSTATUS my ref\nSTATUS \"a \\\"b\\\"\"\n"),
         "250 2.0.0 status ref=order-17\n250 2.0.0 status ref=\"my ref\"\n"
         "250 2.0.0 status ref=\"my ref\"\n250 2.0.0 status ref=\"a \\\"b\\\"\"\n",
         ""},
        {S("QUEUE\nQUEUE LIST\nQUEUE LIST deferred\nQUEUE LIST deferred 7\nqueue list 10000\n"),
         "250 2.0.0 queue\n250-2.0.0 one\n250 2.0.0 list max=100\n"
         "250-2.0.0 one\n250 2.0.0 list state=deferred max=100\n"
         "250-2.0.0 one\n250 2.0.0 list state=deferred max=7\n"
         "250-2.0.0 one\n250 2.0.0 list max=10000\n",
         ""},
        {S("STATS\nWATCH\nWATCH since=17\nWATCH order-1 since=3\nWATCH \"my ref\"\nUNWATCH\n"),
         "250-2.0.0 one\n250 2.0.0 stats\n250 2.0.0 watch\n250 2.0.0 watch since=17\n"
         "250 2.0.0 watch ref=order-1 since=3\n250 2.0.0 watch ref=\"my ref\"\n"
         "250 2.0.0 unwatch\n",
         ""},
        {S("CANCEL x\nFLUSH\nHOLD\nRELEASE\nRETRY x\n"),
         "250 2.0.0 cancel ref=x\n250 2.0.0 flush\n250 2.0.0 hold\n250 2.0.0 release\n"
         "250 2.0.0 retry ref=x\n",
         ""},
    };
    struct session_rules rules = fake_rules();
    run_all(&(struct way){&rules, true, true, PEER_LOCAL}, dialogues, COUNT(dialogues));

    static const struct dialogue bad[] = {
        {S("STATUS\nQUEUE FOO\nSTATS x\nFLUSH x\n"), "501 5.5.4, 501 5.5.4, 501 5.5.4, 501 5.5.4",
         ""},
        {S("QUEUE LIST 10001\nQUEUE LIST foo\nQUEUE LIST queued 1 2\nWATCH since=x\n"),
         "501 5.5.4, 501 5.5.4, 501 5.5.4, 501 5.5.4", ""},
        {S("WATCH a b\nSTATUS \"\"\nSTATUS \"x\nRETRY\n"),
         "501 5.5.4, 501 5.5.4, 501 5.5.4, 501 5.5.4", ""},
    };
    run_all(&(struct way){&rules, true, false, PEER_LOCAL}, bad, COUNT(bad));
}

Test(session, control_rights)
{
    static const struct dialogue dialogues[] = {
        {S("QUEUE LIST\nWATCH\nWATCH since=1\nFLUSH\nHOLD\nRELEASE\nRETRY x\n"),
         "550 5.7.1, 550 5.7.1, 550 5.7.1, 550 5.7.1, 550 5.7.1, 550 5.7.1, 550 5.7.1", ""},
        {S("STATUS x\nWATCH x\nCANCEL x\nQUEUE\nSTATS\n"),
         "250 2.0.0, 250 2.0.0, 250 2.0.0, 250 2.0.0, 250-2.0.0, 250 2.0.0", ""},
    };
    run(dialogues, COUNT(dialogues));
}

Test(session, help)
{
    static const struct dialogue dialogues[] = {
        {S("HELP RSET\nhelp rset \n"),
         "214-2.0.0 RSET\n214 2.0.0   Drops the open message.\n"
         "214-2.0.0 RSET\n214 2.0.0   Drops the open message.\n",
         ""},
        {S("HELP FROB\n"), "501 5.5.4 no such command, HELP lists them\n", ""},
    };
    run_plain(dialogues, COUNT(dialogues));
    struct session_rules rules = fake_rules();
    struct fake_gateway *g = malloc(sizeof *g);
    fake_open(g, &rules, false, 0);
    fake_feed(g, "HELP\n", 5);
    static const char *const TOLD[] = {"SEND", "FROM",  "TO",    "TEXT",   "DATA",  "JSON",
                                       "RSET", "QUEUE", "STATS", "CANCEL", "WATCH", "EHLO"};
    for (size_t i = 0; i < COUNT(TOLD); i++) {
        cr_assert_not_null(memmem(g->out.data, g->out.len, TOLD[i], strlen(TOLD[i])), "%s",
                           TOLD[i]);
    }
    fake_free(g);
    free(g);
}

/* --- the order of replies --------------------------------------------------------------------- */

struct order {
    struct fake_gateway *g;
    struct session_rules rules;
};

static void order_open(struct order *order)
{
    order->rules = fake_rules();
    order->g = malloc(sizeof *order->g);
    fake_open(order->g, &order->rules, true, 0);
}

static void order_close(struct order *order)
{
    fake_free(order->g);
    free(order->g);
}

/* Feeds without giving a verdict. */
static void order_feed(struct order *order, const char *text)
{
    bool is_fed = session_feed(order->g->session, text, strlen(text));
    cr_assert(is_fed);
    while (fake_step(order->g)) {
    }
    fake_collect(order->g);
}

static void order_expect(struct order *order, const char *expected)
{
    struct buffer got = BUFFER_EMPTY;
    while (fake_step(order->g)) {
    }
    fake_collect(order->g);
    codes(&order->g->out, &got);
    cr_assert_str_eq(got.data, expected);
    buffer_free(&got);
}

Test(session, replies_keep_the_order_of_commands)
{
    struct order order;
    order_open(&order);
    order_feed(&order, "SEND 34600000001 a\nTO 1\nSEND 34600000002 refuse 452\nNOOP\n"
                       "SEND 34600000003,34600000004 c\n");
    cr_assert_eq(order.g->pending_count, 3);
    order_expect(&order, "");
    fake_decide(order.g, 2);
    order_expect(&order, "");
    fake_decide(order.g, 1);
    order_expect(&order, "");
    fake_decide(order.g, 0);
    order_expect(&order, "250 2.0.0, 550 5.1.3, 452 4.3.1, 250 2.0.0, 250-2.0.0, 250 2.0.0");
    cr_assert_eq(session_open_slots(order.g->session), 0);
    order_close(&order);
}

Test(session, asking_waits_for_what_was_said_before)
{
    static const char *const ASKING[] = {"STATUS x\n", "QUEUE\n",   "STATS\n", "WATCH\n",
                                         "CANCEL x\n", "FLUSH\n",   "HOLD\n",  "RELEASE\n",
                                         "RETRY x\n",  "UNWATCH\n", "QUIT\n"};
    for (size_t i = 0; i < COUNT(ASKING); i++) {
        struct order order;
        order_open(&order);
        order_feed(&order, "SEND 34600000001 a\nSEND 34600000002 b\n");
        order_feed(&order, ASKING[i]);
        cr_assert(order.g->waits, "%s", ASKING[i]);
        fake_decide(order.g, 1);
        while (fake_step(order.g)) {
        }
        cr_assert(order.g->waits, "%s", ASKING[i]);
        fake_decide(order.g, 0);
        while (fake_step(order.g)) {
        }
        cr_assert_not(order.g->waits, "%s", ASKING[i]);
        order_close(&order);
    }
}

Test(session, at_most_1024_submissions_wait)
{
    struct order order;
    order_open(&order);
    for (int i = 0; i < SESSION_MAX_OPEN; i++) {
        cr_assert_not(order.g->waits);
        order_feed(&order, "SEND 34600000000 x\n");
    }
    cr_assert(order.g->waits);
    cr_assert_eq(order.g->pending_count, SESSION_MAX_OPEN);
    /* After the last one's verdict nothing can leave; after the first one's, one reply can. */
    fake_decide(order.g, SESSION_MAX_OPEN - 1);
    while (fake_step(order.g)) {
    }
    cr_assert(order.g->waits);
    fake_decide(order.g, 0);
    while (fake_step(order.g)) {
    }
    cr_assert_not(order.g->waits);
    order_feed(&order, "SEND 34600000000 x\n");
    cr_assert(order.g->waits);
    cr_assert_eq(order.g->pending_count, SESSION_MAX_OPEN - 1);
    fake_settle(order.g);
    cr_assert_eq(order.g->submissions, SESSION_MAX_OPEN + 1);
    order_close(&order);
}

Test(session, thousands_in_any_order)
{
    struct session_rules rules = fake_rules();
    struct buffer input = BUFFER_EMPTY;
    enum { SENDS = 5000 };
    for (int i = 0; i < SENDS; i++) {
        buffer_printf(&input, "SEND 34600000000 %d\n%s", i, i % 3 == 0 ? "TO 1\n" : "");
    }
    for (uint32_t chance = 1; chance < 4; chance++) {
        struct fake_gateway *g = malloc(sizeof *g);
        fake_open(g, &rules, false, chance);
        fake_feed(g, input.data, input.len);
        fake_end(g);
        struct buffer got = BUFFER_EMPTY;
        struct buffer expected = BUFFER_EMPTY;
        plain(&g->out, &got);
        for (int i = 0; i < SENDS; i++) {
            buffer_printf(
                &expected, "250 2.0.0 queued id=#%d to=+34600000000 parts=1 encoding=gsm7\n%s",
                i + 1, i % 3 == 0 ? "550 5.1.3 not a telephone number: 1: too short\n" : "");
        }
        buffer_append(&expected, "", 1);
        cr_assert(strcmp(got.data, expected.data) == 0);
        cr_assert_gt(g->pending_max, 10);
        buffer_free(&got);
        buffer_free(&expected);
        fake_free(g);
        free(g);
    }
    buffer_free(&input);
}

/* Replies that wait behind a slow verdict are bounded: the session reads no further. */
Test(session, replies_that_wait_are_bounded)
{
    struct order order;
    order_open(&order);
    order_feed(&order, "SEND 34600000000 x\n");
    size_t fed = 0;
    while (!order.g->waits) {
        order_feed(&order, "NOOP\nTO 1\n");
        fed += 10;
        cr_assert_lt(fed, 1000000, "the session takes commands without end");
    }
    fake_settle(order.g);
    cr_assert_not(order.g->waits);
    order_close(&order);
}

static void notify(struct order *order, const char *words)
{
    struct buffer line = BUFFER_EMPTY;
    reply_line(&line, REPLY_EVENT, false, "%s", words);
    session_notify(order->g->session, line.data, line.len);
    buffer_free(&line);
}

Test(session, events_never_come_between)
{
    struct order order;
    order_open(&order);
    notify(&order, "event=1");
    order_expect(&order, "120 2.0.0");
    order_feed(&order, "SEND 34600000001 a\nSEND 34600000002,34600000003 b\n");
    /* An event of a message whose 250 has not left comes after it. */
    notify(&order, "event=2");
    order_feed(&order, "TO 34600000000\nSEND 34600000004 c\n");
    notify(&order, "event=3");
    notify(&order, "event=4");
    order_expect(&order, "120 2.0.0");
    fake_decide(order.g, 1);
    fake_decide(order.g, 0);
    order_expect(&order, "120 2.0.0, 250 2.0.0, 250-2.0.0, 250 2.0.0, 120 2.0.0, 250 2.1.5");
    fake_decide(order.g, 0);
    order_expect(&order, "120 2.0.0, 250 2.0.0, 250-2.0.0, 250 2.0.0, 120 2.0.0, 250 2.1.5, "
                         "250 2.0.0, 120 2.0.0, 120 2.0.0");
    /* Nothing follows the farewell. */
    order_feed(&order, "QUIT\n");
    notify(&order, "event=5");
    cr_assert(order.g->is_closed);
    order_expect(&order, "120 2.0.0, 250 2.0.0, 250-2.0.0, 250 2.0.0, 120 2.0.0, 250 2.1.5, "
                         "250 2.0.0, 120 2.0.0, 120 2.0.0, 221 2.0.0");
    order_close(&order);
}

/* An event that arrives while a request is being answered comes after the whole reply. */
Test(session, events_never_come_within_a_reply)
{
    struct order order;
    order_open(&order);
    struct session_event event;
    cr_assert(session_feed(order.g->session, "STATS\n", 6));
    cr_assert_eq(session_step(order.g->session, FAKE_NOW_MS, &event), SESSION_REQUEST);
    struct buffer *out = session_answer_begin(order.g->session, event.slot);
    reply_line(out, REPLY_OK, true, "one");
    notify(&order, "event=1");
    reply_line(out, REPLY_OK, false, "two");
    session_answer_end(order.g->session, event.slot);
    order_expect(&order, "250-2.0.0, 250 2.0.0, 120 2.0.0");
    order_close(&order);
}

/* --- closing ---------------------------------------------------------------------------------- */

Test(session, close_from_our_side)
{
    struct order order;
    order_open(&order);
    order_feed(&order, "SEND 34600000000 x\nTO 34600000000\n");
    session_close(order.g->session, REPLY_SHUTTING_DOWN);
    session_close(order.g->session, REPLY_TIMED_OUT); /* too late to say more */
    order_expect(&order, "");
    fake_decide(order.g, 0);
    order_expect(&order, "250 2.0.0, 250 2.1.5, 421 4.3.2");
    cr_assert(order.g->is_closed);
    order_close(&order);
}

Test(session, time_out_names_a_bare_dot)
{
    static const struct {
        const char *input;
        bool is_named;
    } rows[] = {
        {"DATA\r\nhello\n.\n", true},
        {"DATA\r\n.\n", true},
        {"DATA\r\nhello\r\n.\n", true},
        {"DATA\r\nhello\n.\nQUIT\n", true},
        {"DATA\r\nhello\n.\nmore\r\nand more\r\n", true},
        {"DATA\r\nhello\n. \n", false},
        {"DATA\r\nhello\r\n", false},
        {"DATA\r\nhello\n..\n", false},
        {"DATA\nhello\n", false},
        {"NOOP\r\n", false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t padding = 0; padding < 2; padding++) {
            struct order order;
            order_open(&order);
            char *input = stretch(rows[i].input, 'x', 0, "");
            if (padding > 0 && strncmp(input, "DATA\r\n", 6) == 0) {
                /* The content is long enough to be taken in pieces. */
                free(input);
                input = stretch("DATA\r\n", 'x', 5000, rows[i].input + 5);
                input[5006] = '\n';
            }
            for (size_t at = 0; input[at] != '\0'; at++) {
                order_feed(&order, (char[]){input[at], '\0'});
            }
            session_close(order.g->session, REPLY_TIMED_OUT);
            fake_run(order.g);
            bool is_named = memmem(order.g->out.data, order.g->out.len, "LF", 2) != NULL;
            cr_assert_not_null(memmem(order.g->out.data, order.g->out.len, "421 4.4.2", 9));
            cr_assert_eq(is_named, rows[i].is_named, "row %zu: %.*s", i, (int)order.g->out.len,
                         order.g->out.data);
            free(input);
            order_close(&order);
        }
    }
}

/* --- the tally -------------------------------------------------------------------------------- */

static uint64_t count_of_verb(const struct session_tally *tally, const char *word)
{
    for (size_t i = 0; i < SESSION_VERBS; i++) {
        cr_assert_not_null(session_verb(i), "there are fewer verbs than SESSION_VERBS");
        if (strcmp(session_verb(i), word) == 0) {
            return tally->commands[i];
        }
    }
    cr_assert_fail("no verb %s", word);
    return 0;
}

Test(session, all_sessions_count_in_one_tally)
{
    static const char *const inputs[] = {
        "SEND +34600000000 text\nsend 12 text\nFROM: Acme\nBOGUS\nSTATUS\nHOLD\nQUIT\n",
        "SEND +34600000000 refuse 452\nNOOP\nNOOP\nQUIT\n",
        "GET / HTTP/1.1\r\n",
    };
    struct session_tally tally = {0};
    struct session_rules rules = fake_rules();
    rules.tally = &tally;
    for (size_t i = 0; i < COUNT(inputs); i++) {
        struct fake_gateway *g = malloc(sizeof *g);
        fake_open(g, &rules, false, 0);
        fake_feed(g, inputs[i], strlen(inputs[i]));
        fake_end(g);
        fake_free(g);
        free(g);
    }
    static const struct {
        const char *word;
        uint64_t count;
    } verbs[] = {{"SEND", 3}, {"FROM", 1}, {"STATUS", 1}, {"HOLD", 1},
                 {"NOOP", 2}, {"QUIT", 2}, {"EXPN", 0} /* the last */};
    for (size_t i = 0; i < COUNT(verbs); i++) {
        cr_expect_eq(count_of_verb(&tally, verbs[i].word), verbs[i].count, "%s", verbs[i].word);
    }
    static const struct {
        enum reply reply;
        uint64_t count;
    } refusals[] = {{REPLY_BAD_NUMBER, 1},   {REPLY_MALFORMED, 1},  {REPLY_BAD_ARGUMENT, 1},
                    {REPLY_NOT_ALLOWED, 1},  {REPLY_QUEUE_FULL, 1}, {REPLY_GUARD, 1},
                    {REPLY_CANNOT_STORE, 0}, {REPLY_OK, 0}};
    for (size_t i = 0; i < COUNT(refusals); i++) {
        cr_expect_eq(tally.refusals[refusals[i].reply], refusals[i].count, "%s",
                     reply_text(refusals[i].reply));
    }
    cr_expect_eq(tally.strangers, 1);
}

/* --- what a line may cost --------------------------------------------------------------------- */

static struct alias_table *thousand(void)
{
    struct buffer text = BUFFER_EMPTY;
    struct buffer errors = BUFFER_EMPTY;
    for (int name = 0; name < 2; name++) {
        buffer_puts(&text, name == 0 ? "all:" : "half:");
        for (int i = 0; i < (name == 0 ? 1000 : 500); i++) {
            buffer_printf(&text, "%s+34600%06d", i == 0 ? " " : ", ", i);
        }
        buffer_putc(&text, '\n');
    }
    struct alias_table *table = alias_table_read("f", text.data, text.len, NULL, &errors);
    cr_assert_not_null(table, "%s", buffer_bytes(&errors));
    buffer_free(&text);
    return table;
}

static bool count_question(const void *arg, const char *e164)
{
    (void)e164;
    ++*(size_t *)(uintptr_t)arg;
    return false;
}

/* Feeds one line, and returns how many numbers the relay has looked at. */
static size_t numbers_looked_at(const struct buffer *line, struct fake_gateway *g)
{
    size_t asked = 0;
    struct session_rules rules = fake_rules();
    struct alias_table *table = thousand();
    rules.aliases = table;
    rules.max_recipients = 1000;
    rules.max_line = line->len;
    rules.has_opted_out = count_question;
    rules.opted_out_arg = &asked;
    fake_open(g, &rules, false, 0);
    fake_feed(g, line->data, line->len);
    fake_end(g);
    buffer_append(&g->out, "", 1);
    alias_table_free(table);
    return asked;
}

static size_t occurrences(const char *text, const char *word)
{
    size_t count = 0;
    for (; (text = strstr(text, word)) != NULL; text++) {
        count++;
    }
    return count;
}

Test(session, an_alias_that_a_line_repeats_is_looked_at_once)
{
    struct fake_gateway *g = malloc(sizeof *g);
    struct buffer line = BUFFER_EMPTY;
    buffer_puts(&line, "SEND ");
    for (int i = 0; i < 1000; i++) {
        buffer_puts(&line, "all,HALF,ALL,");
    }
    buffer_puts(&line, "34600000007 x\r\n");
    cr_expect_leq(numbers_looked_at(&line, g), 1501U);
    cr_expect_eq(occurrences(g->out.data, "250-2.0.0 "), 999);
    cr_expect_eq(occurrences(g->out.data, "250 2.0.0 "), 1);
    fake_free(g);
    free(g);
    buffer_free(&line);
}

Test(session, the_recipients_of_an_array_are_bounded_together)
{
    struct fake_gateway *g = malloc(sizeof *g);
    struct buffer line = BUFFER_EMPTY;
    buffer_puts(&line, "JSON [{\"to\":\"half\",\"text\":\"x\"}");
    for (int i = 0; i < 3; i++) {
        buffer_puts(&line, ",{\"to\":\"half\",\"text\":\"x\"},{\"to\":\"555\",\"text\":\"x\"}");
    }
    buffer_puts(&line, "]\r\n");
    numbers_looked_at(&line, g);
    cr_expect_eq(occurrences(g->out.data, "250 2.0.0 "), 2, "elements that fit");
    cr_expect_eq(occurrences(g->out.data, "452 4.5.3 more than 1000 recipients in one array"), 2);
    cr_expect_eq(occurrences(g->out.data, "550 5.1.3"), 3, "each element has its reply");
    fake_free(g);
    free(g);
    buffer_free(&line);
}

/* --- strangers -------------------------------------------------------------------------------- */

#define LOGIN_NEEDED "530 5.7.0"

/* Whoever is neither local nor trusted may say hello, and nothing that does something. */
Test(session, strangers)
{
    static const struct dialogue dialogues[] = {
        {S("HELO x\nNOOP\nRSET\nQUIT\n"), "250, 250 2.0.0, 250 2.0.0, 221 2.0.0", ""},
        {S("SEND 34600000000 x\nQUIT\n"), LOGIN_NEEDED ", 221 2.0.0", ""},
        {S("FROM A\nTO 34600000000\nTEXT x\nNOOP\nQUIT\n"),
         LOGIN_NEEDED ", " LOGIN_NEEDED ", " LOGIN_NEEDED ", 250 2.0.0, 221 2.0.0", ""},
        {S("MAIL FROM:<a@b>\nRCPT TO:<34600000000@c>\nQUIT\n"),
         LOGIN_NEEDED ", " LOGIN_NEEDED ", 221 2.0.0", ""},
        /* No content is read, so none can be endless. */
        {S("DATA\nQUIT\n"), LOGIN_NEEDED ", 221 2.0.0", ""},
        {S("DATA \x01\nQUIT\n"), LOGIN_NEEDED ", 221 2.0.0", ""},
        {S("JSON {\"to\":\"34600000000\",\"text\":\"x\"}\nQUIT\n"), LOGIN_NEEDED ", 221 2.0.0", ""},
        {S("VRFY oncall\nQUEUE\nSTATS\nWATCH\nFLUSH\nQUIT\n"),
         LOGIN_NEEDED ", " LOGIN_NEEDED ", " LOGIN_NEEDED ", " LOGIN_NEEDED ", " LOGIN_NEEDED
                      ", 221 2.0.0",
         ""},
        {S("AUTH PLAIN AGEAYg==\nQUIT\n"), LOGIN_NEEDED ", 221 2.0.0", ""},
    };
    struct session_rules rules = fake_rules();
    rules.takes_any_login = true; /* for others */
    run_all(&(struct way){.rules = &rules, .has_control = true, .class = PEER_STRANGER}, dialogues,
            COUNT(dialogues));
}

Test(session, trusted_peers_are_clients_like_local_ones)
{
    static const struct dialogue dialogues[] = {
        {S("SEND 34600000000 x\nAUTH PLAIN AGEAYg==\nFLUSH\nQUIT\n"),
         "250 2.0.0, 235 2.7.0, 550 5.7.1, 221 2.0.0", NULL},
    };
    struct session_rules rules = fake_rules();
    rules.takes_any_login = true;
    run_all(&(struct way){.rules = &rules, .class = PEER_TRUSTED}, dialogues, COUNT(dialogues));
}

/* Their errors count in all, not in a row, and their lines are short. */
Test(session, strangers_have_little_patience)
{
    static const char refused[] = "NOOP\nSEND 34600000000 x\n";
    struct session_rules rules = fake_rules();
    rules.max_line = 65536;
    struct buffer input = BUFFER_EMPTY, replies = BUFFER_EMPTY;
    for (int i = 0; i < SESSION_MAX_REFUSALS; i++) {
        buffer_puts(&input, refused);
        buffer_puts(&replies, "250 2.0.0, " LOGIN_NEEDED ", ");
    }
    buffer_puts(&replies, "421 4.7.0");
    buffer_puts(&input, "NOOP\n");
    buffer_putc(&replies, '\0');
    struct dialogue many = {input.data, input.len, replies.data, ""};
    struct way way = {.rules = &rules, .class = PEER_STRANGER};
    run_split(&way, &many, many.len, 0);
    run_split(&way, &many, 0, 0);

    char *line = stretch("NOOP\nHELP ", 'x', SESSION_SHORT_LINE, "\nDATA y\nQUIT\n");
    struct dialogue longest = {line, strlen(line),
                               "250 2.0.0, 500 5.5.2, " LOGIN_NEEDED ", 221 2.0.0", ""};
    run_split(&way, &longest, longest.len, 0);
    free(line);
    buffer_free(&input);
    buffer_free(&replies);
}
