/* log_writer: see log_writer.h. */
#include "gateway/base/log_writer.h"

#include "gateway/base/clock.h"
#include "gateway/base/thread.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LAST_WORDS_MS = 500 }; /* how long a crash waits */

struct lines {
    char bytes[LOG_WRITER_BUFFER_SIZE];
    size_t len;
};

static struct lines buffers[2];
static pthread_t thread;
static log_writer_tell *tell_dropped;
static atomic_bool is_started;
static atomic_size_t unwritten; /* bytes taken and not yet written */
static _Atomic int64_t dropped_total;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* of what follows */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct lines *filling = &buffers[0]; /* the other one is the thread's */
static int64_t dropped;                     /* since the buffers were swapped */
static bool is_stopping, has_ended;

int64_t log_writer_dropped(void)
{
    return atomic_load_explicit(&dropped_total, memory_order_relaxed);
}

/* --- writing -------------------------------------------------------------------------------- */

/* Returns false if stderr cannot be written to. */
static bool write_all(const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(STDERR_FILENO, bytes, len);
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN) { /* another process has made it so */
            poll(&(struct pollfd){.fd = STDERR_FILENO, .events = POLLOUT}, 1, -1);
        } else if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

/* As many whole lines as one atomic write takes. */
static size_t chunk_length(const char *bytes, size_t len)
{
    if (len <= LOG_WRITER_LINE_MAX) {
        return len;
    }
    const char *end = memrchr(bytes, '\n', LOG_WRITER_LINE_MAX);
    return end == NULL ? LOG_WRITER_LINE_MAX : (size_t)(end - bytes) + 1;
}

static int64_t count_lines(const char *bytes, size_t len)
{
    int64_t count = 0;
    for (size_t i = 0; i < len; i++) {
        count += bytes[i] == '\n';
    }
    return count;
}

static void write_lines(const char *bytes, size_t len)
{
    while (len > 0) {
        size_t chunk = chunk_length(bytes, len);
        if (!write_all(bytes, chunk)) {
            atomic_fetch_add(&dropped_total, count_lines(bytes, chunk));
        }
        bytes += chunk;
        len -= chunk;
    }
}

/* Writes all lines of a buffer, then how many came after them and found no room. */
static void write_buffer(struct lines *lines, int64_t missing)
{
    char line[LOG_WRITER_LINE_MAX];
    write_lines(lines->bytes, lines->len);
    if (missing > 0) {
        write_lines(line, tell_dropped(line, missing));
    }
    atomic_fetch_sub(&unwritten, lines->len);
    lines->len = 0;
}

/* --- the thread ----------------------------------------------------------------------------- */

static void *run(void *arg)
{
    pthread_setname_np(pthread_self(), "log");
    pthread_mutex_lock(&mutex);
    while (filling->len > 0 || !is_stopping) {
        if (filling->len == 0) {
            pthread_cond_wait(&changed, &mutex);
            continue;
        }
        struct lines *full = filling;
        int64_t missing = dropped;
        filling = full == &buffers[0] ? &buffers[1] : &buffers[0];
        dropped = 0;
        pthread_mutex_unlock(&mutex);
        write_buffer(full, missing);
        pthread_mutex_lock(&mutex);
    }
    has_ended = true;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&mutex);
    return arg;
}

void log_writer_put(const char *line, size_t len)
{
    if (!atomic_load_explicit(&is_started, memory_order_acquire)) {
        write_lines(line, len);
        return;
    }
    pthread_mutex_lock(&mutex);
    if (dropped == 0 && len <= sizeof filling->bytes - filling->len) {
        memcpy(filling->bytes + filling->len, line, len);
        filling->len += len;
        atomic_fetch_add(&unwritten, len);
        pthread_cond_signal(&changed);
    } else {
        dropped++;
        atomic_fetch_add(&dropped_total, 1);
    }
    pthread_mutex_unlock(&mutex);
}

/* --- start and stop ------------------------------------------------------------------------- */

/* In the thread that has failed. The others go on meanwhile, the writer among them. */
static void on_crash(int signal_number)
{
    for (int i = 0; i < LAST_WORDS_MS && atomic_load(&unwritten) > 0; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    raise(signal_number);
}

/* Sanitizers handle some of these, and must go on doing so. */
static void catch_crashes(void)
{
    static const int CRASHES[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    const struct sigaction catch = {.sa_handler = on_crash,
                                    .sa_flags = (int)SA_RESETHAND | SA_NODEFER};
    struct sigaction now;
    for (size_t i = 0; i < sizeof CRASHES / sizeof CRASHES[0]; i++) {
        if (sigaction(CRASHES[i], NULL, &now) == 0 && now.sa_handler == SIG_DFL) {
            sigaction(CRASHES[i], &catch, NULL);
        }
    }
}

int log_writer_start(log_writer_tell *tell)
{
    tell_dropped = tell;
    is_stopping = has_ended = false;
    int error = thread_start(&thread, run, NULL);
    if (error == 0) {
        catch_crashes();
        atomic_store_explicit(&is_started, true, memory_order_release);
    }
    return error;
}

void log_writer_stop(int64_t timeout_ms)
{
    int64_t until_ms = clock_monotonic_ms() + timeout_ms;
    struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
    int error = 0;
    if (!atomic_load(&is_started)) {
        return;
    }
    pthread_mutex_lock(&mutex);
    is_stopping = true;
    pthread_cond_signal(&changed);
    while (!has_ended && error == 0) {
        error = pthread_cond_clockwait(&changed, &mutex, CLOCK_MONOTONIC, &until);
    }
    pthread_mutex_unlock(&mutex);
    if (error == 0) {
        pthread_join(thread, NULL);
        atomic_store(&is_started, false);
    } else {
        pthread_detach(thread); /* it ends with the process */
    }
}
