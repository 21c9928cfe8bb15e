/* Tests of log_writer: order, what is dropped, and that nobody waits for a reader that does not read. */
#include "gateway/base/log_writer.h"

#include "gateway/base/clock.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FLOOD = 100000, PATIENCE_MS = 20000 };

static int reading_end;

static size_t tell(char line[LOG_WRITER_LINE_MAX], int64_t dropped)
{
    return (size_t)snprintf(line, LOG_WRITER_LINE_MAX, "dropped %lld\n", (long long)dropped);
}

/* Each test is a process of its own, so its stderr can be a pipe. */
static void begin(void)
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    reading_end = ends[0];
    cr_assert_eq(log_writer_start(tell), 0);
}

TestSuite(log_writer, .init = begin);

static void put_number(int number)
{
    char line[64];
    log_writer_put(line, (size_t)snprintf(line, sizeof line, "line %d\n", number));
}

Test(log_writer, lines_come_in_order_and_none_is_dropped_while_they_are_read)
{
    for (int i = 0; i < 1000; i++) {
        put_number(i);
    }
    log_writer_stop(PATIENCE_MS);
    char line[64], expected[64];
    FILE *lines = fdopen(reading_end, "r");
    for (int i = 0; i < 1000; i++) {
        snprintf(expected, sizeof expected, "line %d\n", i);
        cr_assert_not_null(fgets(line, sizeof line, lines));
        cr_assert_str_eq(line, expected);
    }
    fclose(lines);
    cr_expect_eq(log_writer_dropped(), 0);
}

Test(log_writer, a_reader_that_stops_holds_nobody_up)
{
    for (int i = 0; i < FLOOD; i++) {
        put_number(i);
    }
    int64_t dropped = log_writer_dropped();
    cr_expect_gt(dropped, 0);
    int64_t began_ms = clock_monotonic_ms();
    log_writer_stop(50);
    cr_expect_geq(clock_monotonic_ms() - began_ms, 50);
    cr_expect_lt(clock_monotonic_ms() - began_ms, PATIENCE_MS);
    put_number(FLOOD); /* nobody waits afterwards, either */
}

Test(log_writer, what_is_dropped_is_told_where_it_is_missing)
{
    for (int i = 0; i < FLOOD; i++) {
        put_number(i);
    }
    char line[64];
    FILE *lines = fdopen(dup(reading_end), "r");
    int next = 0, told = 0, missing;
    while (next < FLOOD && fgets(line, sizeof line, lines) != NULL) {
        bool is_told = sscanf(line, "dropped %d", &missing) == 1;
        told += is_told ? missing : 0;
        cr_assert(is_told || atoi(line + sizeof "line") == next, "%s is not %d", line, next);
        next += is_told ? missing : 1;
    }
    cr_expect_eq(told, log_writer_dropped());
    cr_expect_eq(next, FLOOD);
    put_number(1); /* it goes on */
    cr_assert_not_null(fgets(line, sizeof line, lines));
    cr_expect_str_eq(line, "line 1\n");
    log_writer_stop(PATIENCE_MS);
}

Test(log_writer, a_reader_that_has_gone_is_counted)
{
    signal(SIGPIPE, SIG_IGN);
    close(reading_end);
    for (int i = 0; i < 100; i++) {
        put_number(i);
    }
    log_writer_stop(PATIENCE_MS);
    cr_expect_eq(log_writer_dropped(), 100);
}

static void *put_many(void *arg)
{
    for (int i = 0; i < 1000; i++) {
        char line[64];
        log_writer_put(line, (size_t)snprintf(line, sizeof line, "%s %d\n", (char *)arg, i));
    }
    return NULL;
}

Test(log_writer, lines_of_several_threads_do_not_mix)
{
    pthread_t threads[2];
    char *names[] = {"a", "b"};
    int next[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(pthread_create(&threads[i], NULL, put_many, names[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    log_writer_stop(PATIENCE_MS);
    close(STDERR_FILENO);
    FILE *lines = fdopen(reading_end, "r");
    char line[64], name;
    int number;
    while (fgets(line, sizeof line, lines) != NULL) {
        cr_assert_eq(sscanf(line, "%c %d", &name, &number), 2, "%s", line);
        cr_assert_eq(number, next[name - 'a']++);
    }
    cr_expect_eq(next[0] + next[1], 2000);
    fclose(lines);
}

Test(log_writer, without_a_thread_lines_are_written_at_once)
{
    log_writer_stop(PATIENCE_MS);
    put_number(0);
    struct pollfd has_line = {.fd = reading_end, .events = POLLIN};
    cr_expect_eq(poll(&has_line, 1, 0), 1);
}
