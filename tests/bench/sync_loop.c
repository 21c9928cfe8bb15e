/*
 * sync_loop: what a disk can do when every record is made safe by itself.
 *
 *     sync_loop [-n COUNT] [-b BYTES] FILE
 *
 * Appends COUNT records of BYTES (1000 of 128) to FILE, which must not exist yet, and calls
 * fdatasync after each: the least that a server does which takes one message at a time and answers
 * for it. Prints one JSON object, as load does. Removes the file. One thread.
 */
#include "tests/bench/histogram.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RECORD_MAX_BYTES = 64 * 1024 };

static struct histogram latencies;

/* Returns the time that `count` records took in ns, 0 when the disk failed. */
static uint64_t append(int fd, size_t count, size_t record_bytes)
{
    static char record[RECORD_MAX_BYTES];
    memset(record, 'x', record_bytes);
    uint64_t began_ns = clock_ns();
    uint64_t last_ns = began_ns;
    for (size_t i = 0; i < count; i++) {
        if (write(fd, record, record_bytes) != (ssize_t)record_bytes || fdatasync(fd) != 0) {
            return 0;
        }
        uint64_t now_ns = clock_ns();
        histogram_add(&latencies, now_ns - last_ns);
        last_ns = now_ns;
    }
    return last_ns - began_ns;
}

int main(int argc, char **argv)
{
    size_t count = 1000;
    size_t record_bytes = 128;
    int letter;
    while ((letter = getopt(argc, argv, "n:b:")) != -1 && letter != '?') {
        *(letter == 'n' ? &count : &record_bytes) = strtoul(optarg, NULL, 10);
    }
    if (letter == '?' || argc - optind != 1 || count == 0 || record_bytes > RECORD_MAX_BYTES) {
        fputs("usage: sync_loop [-n COUNT] [-b BYTES] FILE\n", stderr);
        return 64;
    }
    int fd = open(argv[optind], O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) {
        perror("sync_loop: cannot create the file");
        return 73;
    }
    uint64_t took_ns = append(fd, count, record_bytes);
    unlink(argv[optind]);
    close(fd);
    if (took_ns == 0) {
        perror("sync_loop: cannot write");
        return 74;
    }
    double seconds = (double)took_ns / 1e9;
    printf("{\"lines\":%zu,\"seconds\":%.6f,\"rate\":%.1f,"
           "\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f}\n",
           count, seconds, (double)count / seconds, histogram_us(&latencies, 0.5),
           histogram_us(&latencies, 0.99), histogram_us(&latencies, 0.999),
           (double)latencies.max / 1000);
    return 0;
}
