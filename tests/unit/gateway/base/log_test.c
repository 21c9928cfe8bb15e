/* Tests of log: what a line contains, what it never does, and how often it may repeat. */
#include "gateway/base/log.h"
#include "proto/message.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Each test is a process of its own, so its stderr can be a file to read afterwards. */
static int capture;

static void begin_capture(void)
{
    char path[] = "/tmp/log_test.XXXXXX";
    capture = mkstemp(path);
    unlink(path);
    dup2(capture, STDERR_FILENO);
    unsetenv("JOURNAL_STREAM");
    log_open(LOG_INFO, LOG_LOGFMT, LOG_MASK);
}

TestSuite(log, .init = begin_capture);

/* What was written since the last call, with T instead of times. */
static const char *written(void)
{
    static char text[1 << 20];
    static off_t offset;
    ssize_t n = pread(capture, text, sizeof text - 1, offset);
    cr_assert_geq(n, 0);
    offset += n;
    text[n] = '\0';
    char *to = text;
    for (const char *from = text; *from != '\0';) {
        int year, end = 0;
        if (sscanf(from, "ts=%4d-%*2d-%*2dT%*2d:%*2d:%*2d.%*3dZ%n", &year, &end) == 1 &&
            end == 27) {
            *to++ = 'T';
            from += end;
        } else {
            *to++ = *from++;
        }
    }
    *to = '\0';
    return text;
}

Test(log, a_line_holds_time_level_event_and_fields)
{
    struct ulid id;
    cr_assert(ulid_parse("01ARZ3NDEKTSV4RRFFQ69G5FAV", 26, &id));
    LOG(LOG_WARN, "request_failed", LOG_ID("id", &id), LOG_INT("status", 503),
        LOG_BOOL("is_probe", true), LOG_ERRNO(EACCES), LOG_BYTES("bytes", "ab\0c", 4));
    cr_expect_str_eq(written(), "T level=warn event=request_failed id=01ARZ3NDEKTSV4RRFFQ69G5FAV "
                                "status=503 is_probe=yes error=\"Permission denied\" "
                                "bytes=\"ab\\x00c\"\n");
    LOG(LOG_INFO, "stopped");
    cr_expect_str_eq(written(), "T level=info event=stopped\n");
}

Test(log, logfmt_values_are_escaped)
{
    static const struct {
        const char *value, *shown;
    } rows[] = {
        {"127.0.0.1:2525", "127.0.0.1:2525"},
        {"", "\"\""},
        {NULL, "\"\""},
        {"two words", "\"two words\""},
        {"a=b", "\"a=b\""},
        {"say \"x\" \\", "\"say \\\"x\\\" \\\\\""},
        {"line\nlevel=error event=forged", "\"line\\nlevel=error event=forged\""},
        {"\r\t\x1b[2J\x7f", "\"\\x0D\\x09\\x1B[2J\\x7F\""},
        {"caf\xc3\xa9", "caf\xc3\xa9"},
        {"\xf0\x9f\x93\xb1", "\xf0\x9f\x93\xb1"},
        {"caf\xe9", "\"caf\\xE9\""},
        {"csi \xc2\x9b", "\"csi \\xC2\\x9B\""},
        {"csi\xc2\x9b", "\"csi\\xC2\\x9B\""},
        {"\u2028", "\"\\xE2\\x80\\xA8\""},
        {"a\u202etxt.exe", "\"a\\xE2\\x80\\xAEtxt.exe\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char expected[256];
        snprintf(expected, sizeof expected, "T level=info event=seen value=%s\n", rows[i].shown);
        LOG(LOG_INFO, "seen", LOG_STR("value", rows[i].value));
        cr_expect_str_eq(written(), expected);
    }
}

Test(log, json_lines_are_json)
{
    static const char *const values[] = {
        "plain", "", "a \"b\" \\ c\n\t\x01", "\xc3\xa9", "csi\xc2\x9b", "\u2029 \u202e"};
    log_open(LOG_INFO, LOG_JSON, LOG_MASK);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        LOG(LOG_INFO, "seen", LOG_STR("value", values[i]), LOG_INT("n", -7), LOG_BOOL("b", false));
        const char *line = written();
        json_error_t error;
        json_t *json = json_loads(line, JSON_REJECT_DUPLICATES, &error);
        cr_assert_not_null(json, "%s: %s", error.text, line);
        cr_expect_eq(strcspn(line, "\n"), strlen(line) - 1, "one line");
        cr_expect_str_eq(json_string_value(json_object_get(json, "value")), values[i]);
        cr_expect_eq(json_integer_value(json_object_get(json, "n")), -7);
        cr_expect(json_is_false(json_object_get(json, "b")));
        cr_expect_str_eq(json_string_value(json_object_get(json, "event")), "seen");
        cr_expect_str_eq(json_string_value(json_object_get(json, "level")), "info");
        cr_expect_eq(strlen(json_string_value(json_object_get(json, "ts"))), 24);
        json_decref(json);
    }
    LOG(LOG_INFO, "seen", LOG_STR("value", "\xff"));
    cr_expect_not_null(strstr(written(), "\"value\":\"\\u00ff\"}\n"));
}

static int evaluations;

static const char *count_evaluation(void)
{
    evaluations++;
    return "x";
}

Test(log, a_level_that_is_off_costs_nothing)
{
    LOG(LOG_DEBUG, "seen", LOG_STR("value", count_evaluation()));
    cr_expect_eq(evaluations, 0);
    cr_expect_str_eq(written(), "");
    log_open(LOG_DEBUG, LOG_LOGFMT, LOG_MASK);
    LOG(LOG_DEBUG, "seen", LOG_STR("value", count_evaluation()));
    cr_expect_eq(evaluations, 1);
    log_open(LOG_ERROR, LOG_LOGFMT, LOG_MASK);
    LOG(LOG_WARN, "seen", LOG_STR("value", count_evaluation()));
    cr_expect_eq(evaluations, 1);
    cr_expect_str_eq(written(), "T level=debug event=seen value=x\n");
}

Test(log, numbers_are_masked_unless_privacy_is_full)
{
    LOG(LOG_INFO, "seen", LOG_NUMBER("to", "+34600000089"), LOG_NUMBER("from", "12345"),
        LOG_NUMBER("none", NULL));
    cr_expect_str_eq(written(), "T level=info event=seen to=+34***89 from=*** none=***\n");
    log_open(LOG_INFO, LOG_LOGFMT, LOG_FULL);
    LOG(LOG_INFO, "seen", LOG_NUMBER("to", "+34600000089"));
    cr_expect_str_eq(written(), "T level=info event=seen to=+34600000089\n");
}

Test(log, times_are_written_like_that_of_the_line)
{
    LOG(LOG_INFO, "seen", LOG_TIME("until", INT64_C(1789000000123)));
    cr_expect_str_eq(written(), "T level=info event=seen until=2026-09-10T00:26:40.123Z\n");
}

Test(log, long_values_and_lines_are_cut)
{
    static char value[100000];
    memset(value, 'x', sizeof value - 1);
    memcpy(value + LOG_VALUE_MAX - 1, "\xc3\xa9", 2); /* a character across the limit */
    LOG(LOG_INFO, "seen", LOG_STR("value", value), LOG_INT("after", 1));
    const char *line = written();
    cr_expect_lt(strlen(line), 600);
    cr_expect_not_null(strstr(line, "xxx... after=1\n"));

    memset(value, '\x01', sizeof value - 1);
    for (int format = LOG_LOGFMT; format <= LOG_JSON; format++) {
        log_open(LOG_INFO, (enum log_format)format, LOG_MASK);
        LOG(LOG_INFO, "seen", LOG_STR("a", value), LOG_STR("b", value), LOG_STR("c", value));
        line = written();
        cr_expect_leq(strlen(line), LOG_LINE_MAX);
        cr_expect_str_eq(strrchr(line, 'c'), format == LOG_JSON ? "cut\":true}\n" : "cut=yes\n");
    }
}

Test(log, the_journal_gets_a_priority_instead_of_a_time)
{
    struct stat st;
    char stream[64];
    fstat(STDERR_FILENO, &st);
    snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_open(LOG_INFO, LOG_LOGFMT, LOG_MASK);
    LOG(LOG_ERROR, "store_failed");
    LOG(LOG_INFO, "stopped");
    cr_expect_str_eq(written(), "<3>level=error event=store_failed\n<6>level=info event=stopped\n");

    log_open(LOG_INFO, LOG_JSON, LOG_MASK);
    LOG(LOG_WARN, "stopped");
    cr_expect_str_eq(written(), "<4>{\"level\":\"warn\",\"event\":\"stopped\"}\n");

    snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino + 1);
    setenv("JOURNAL_STREAM", stream, 1); /* inherited, but stderr goes elsewhere */
    log_open(LOG_INFO, LOG_LOGFMT, LOG_MASK);
    LOG(LOG_INFO, "started");
    cr_expect_str_eq(written(), "T level=info event=started\n");
}

static size_t count(const char *text, const char *part)
{
    size_t n = 0;
    for (; (text = strstr(text, part)) != NULL; text++) {
        n++;
    }
    return n;
}

Test(log, repeats_are_left_out_and_summed_up)
{
    for (int i = 0; i < LOG_REPEATS + 37; i++) {
        LOG(LOG_WARN, "api_failed", LOG_INT("attempt", i), LOG_STR("error", "timed out"));
    }
    LOG(LOG_WARN, "api_failed", LOG_STR("error", "refused"));
    const char *text = written();
    cr_expect_eq(count(text, "timed out"), LOG_REPEATS, "%s", text);
    cr_expect_eq(count(text, "refused"), 1, "another error is no repeat");

    log_flush_repeats(0);
    cr_expect_str_eq(written(), "", "the time is not over");
    log_flush_repeats(INT64_MAX);
    cr_expect_str_eq(written(), "T level=warn event=api_failed error=\"timed out\" again=37\n");
    log_flush_repeats(INT64_MAX);
    cr_expect_str_eq(written(), "", "summed up once");

    LOG(LOG_WARN, "api_failed", LOG_STR("error", "timed out"));
    cr_expect_neq(*written(), '\0', "after that, counting starts again");
}

Test(log, repeated_numbers_stay_masked)
{
    for (int i = 0; i < LOG_REPEATS + 1; i++) {
        LOG(LOG_INFO, "refused", LOG_NUMBER("to", "+34600000089"));
    }
    written();
    log_flush_repeats(INT64_MAX);
    cr_expect_str_eq(written(), "T level=info event=refused to=+34***89 again=1\n");
}

/* A client is one whatever its port, and its refusals of one kind do not hide those of another. */
Test(log, repeats_by_several_fields)
{
    for (int i = 0; i < LOG_REPEATS + 37; i++) {
        char peer[32];
        snprintf(peer, sizeof peer, "127.0.0.1:%d", 40000 + i);
        LOG(LOG_INFO, "refused", log_key(LOG_STR("peer", peer), strlen("127.0.0.1")),
            LOG_STR("command", i % 2 == 0 ? "RCPT" : "SEND"),
            log_key(LOG_STR("code", "550 5.1.3"), SIZE_MAX));
    }
    LOG(LOG_INFO, "refused", log_key(LOG_STR("peer", "127.0.0.1:50000"), strlen("127.0.0.1")),
        LOG_STR("command", "DATA"), log_key(LOG_STR("code", "552 5.3.4"), SIZE_MAX));
    const char *text = written();
    cr_expect_eq(count(text, "550 5.1.3"), LOG_REPEATS, "%s", text);
    cr_expect_eq(count(text, "peer=127.0.0.1:40000 command=RCPT code=\"550 5.1.3\"\n"), 1, "%s",
                 text);
    cr_expect_eq(count(text, "552 5.3.4"), 1, "%s", text);
    log_flush_repeats(INT64_MAX);
    cr_expect_str_eq(written(),
                     "T level=info event=refused peer=127.0.0.1 code=\"550 5.1.3\" again=37\n");
}

/* Lines that never repeat do not use up what limits those that do. */
Test(log, repeats_among_many_others)
{
    for (int i = 0; i < 1000; i++) {
        char value[16];
        snprintf(value, sizeof value, "%d", i);
        LOG(LOG_INFO, "seen", LOG_STR("value", value));
    }
    for (int i = 0; i < LOG_REPEATS + 37; i++) {
        LOG(LOG_INFO, "refused", LOG_STR("peer", "127.0.0.1"));
    }
    cr_expect_eq(count(written(), "event=refused"), LOG_REPEATS);
    log_flush_repeats(INT64_MAX);
    cr_expect_not_null(strstr(written(), "T level=info event=refused peer=127.0.0.1 again=37\n"));
}

Test(log, debug_lines_and_different_ones_are_never_left_out)
{
    log_open(LOG_DEBUG, LOG_LOGFMT, LOG_MASK);
    for (int i = 0; i < 50; i++) {
        LOG(LOG_DEBUG, "seen", LOG_STR("value", "same"));
    }
    cr_expect_eq(count(written(), "\n"), 50);
    for (int i = 0; i < LOG_EVENT_LINES; i++) {
        char value[16];
        snprintf(value, sizeof value, "%d", i);
        LOG(LOG_INFO, "seen", LOG_STR("value", value));
    }
    cr_expect_eq(count(written(), "\n"), LOG_EVENT_LINES, "more kinds than there are slots");
}

Test(log, errno_survives)
{
    errno = EAGAIN;
    close(STDERR_FILENO);
    LOG(LOG_INFO, "seen");
    cr_expect_eq(errno, EAGAIN);
}

static void *write_lines(void *arg)
{
    for (int i = 0; i < 200; i++) {
        LOG(LOG_DEBUG, "seen", LOG_STR("thread", arg), LOG_STR("end", "of line"));
    }
    return NULL;
}

Test(log, lines_of_several_threads_do_not_mix)
{
    static char names[4][8] = {"one", "two", "three", "four"};
    pthread_t threads[4];
    fcntl(STDERR_FILENO, F_SETFL, O_APPEND);
    log_open(LOG_DEBUG, LOG_LOGFMT, LOG_MASK);
    for (int i = 0; i < 4; i++) {
        pthread_create(&threads[i], NULL, write_lines, names[i]);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    const char *text = written();
    cr_expect_eq(count(text, "\n"), 800);
    cr_expect_eq(count(text, "T level=debug event=seen thread="), 800);
    cr_expect_eq(count(text, " end=\"of line\"\n"), 800);
}

/* Who has the log full of an event leaves half of its lines to others. */
Test(log, an_owner_has_half_of_the_lines_of_an_event)
{
    for (int i = 0; i < 1000; i++) {
        char helo[16];
        snprintf(helo, sizeof helo, "%d", i);
        LOG(LOG_INFO, "refused", LOG_STR("helo", helo), LOG_OWNER(1000));
    }
    for (int i = 0; i < LOG_OWNER_LINES; i++) {
        char helo[16];
        snprintf(helo, sizeof helo, "other %d", i);
        LOG(LOG_INFO, "refused", LOG_STR("helo", helo), LOG_OWNER(OWNER_LOCAL));
    }
    const char *text = written();
    size_t lines = count(text, " owner=1000\n");
    cr_expect_geq(lines, LOG_OWNER_LINES);
    cr_expect_lt(lines, 5 * LOG_OWNER_LINES, "%zu: in some seconds, if the machine is slow", lines);
    cr_expect_eq(count(text, " owner=local\n"), LOG_OWNER_LINES);
    log_flush_repeats(INT64_MAX);
    cr_expect_not_null(strstr(written(), "T level=info event=refused owner=1000 again="));
}

/* Whoever finds a new key for each line: another address, another recipient. */
Test(log, an_event_has_so_many_lines_a_second)
{
    for (int i = 0; i < 1000; i++) {
        char peer[32];
        snprintf(peer, sizeof peer, "127.0.%d.%d", i / 250, i % 250);
        LOG(LOG_INFO, "attachments_ignored", LOG_STR("peer", peer));
    }
    LOG(LOG_INFO, "refused", LOG_STR("peer", "127.0.0.1"));
    const char *text = written();
    size_t lines = count(text, "event=attachments_ignored peer=");
    cr_expect_geq(lines, LOG_EVENT_LINES);
    cr_expect_lt(lines, 5 * LOG_EVENT_LINES, "%zu: in some seconds, if the machine is slow", lines);
    cr_expect_not_null(strstr(text, "event=refused"), "another event has its own");
    log_flush_repeats(INT64_MAX / 2);
    cr_expect_not_null(strstr(written(), "event=attachments_ignored again="));
}
