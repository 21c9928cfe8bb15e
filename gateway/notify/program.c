/*
 * program: see program.h.
 *
 * We keep the reading end of the pipe open, too. So FIONREAD says at any time, even after the process
 * has ended, how much is unread, and a program that closes its input is one that does not read.
 * Nothing reports a read as it happens: while lines are in the pipe, a timer looks.
 * A pidfd reports the end of the process: no signal handler, and no other child is reaped.
 */
#include "gateway/notify/program.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/notify/retry.h"
#include "proto/buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    WINDOW_BYTES = 256 * 1024, /* of lines not yet acknowledged; a longer line goes alone */
    LOOK_MS = 100,             /* after a write */
    LOOK_AGAIN_MS = 1000,
    STEADY_MS = 10000,  /* a process that ran this long has not failed */
    LEAVE_MS = 2000,    /* for the process to end once its input is closed */
    TERMINATE_MS = 1000 /* and once it got SIGTERM */
};

/* How far a stop has come: what it waits for, until the process ends. */
enum ending { ENDING_NONE, ENDING_FEED, ENDING_CLOSE, ENDING_TERMINATE, ENDING_KILL };

/* A line in the window. */
struct line {
    uint64_t number;
    size_t end; /* in the window */
};

struct program {
    struct outbox *outbox;
    struct program_options options; /* its command is NULL */
    char *words;                    /* the command, cut into strings */
    char **argv;                    /* points into `words`; ends in NULL */
    struct event_base *base;
    struct event *start, *news, *look, *limit;
    struct event *writable, *over; /* NULL = there is no process */

    pid_t pid; /* 0 = there is no process */
    int pid_fd, write_fd, read_fd;
    int64_t began_ms; /* monotonic */
    struct retry retry;
    enum ending ending;

    /* Lines that are not acknowledged, the first one at the start of the window. */
    struct buffer window;
    struct line *lines;
    size_t count, size;
    size_t written; /* of the window, to the pipe of this process */
};

static void arm(struct event *timer, int64_t ms)
{
    const struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    event_add(timer, &wait);
}

/* --- the window --------------------------------------------------------------------------------- */

static bool reserve_line(struct program *p)
{
    if (p->count < p->size) {
        return true;
    }
    size_t size = p->size == 0 ? 256 : p->size * 2;
    struct line *lines = realloc(p->lines, size * sizeof *lines);
    if (lines == NULL) {
        return false;
    }
    p->lines = lines;
    p->size = size;
    return true;
}

static bool add(void *arg, const struct notice *notice)
{
    struct program *p = arg;
    bool is_too_much = p->count > 0 && p->window.len + notice->len > WINDOW_BYTES;
    if (is_too_much || !reserve_line(p) || buffer_reserve(&p->window, notice->len + 1) == NULL) {
        return false;
    }
    buffer_append(&p->window, notice->json, notice->len);
    buffer_putc(&p->window, '\n');
    p->lines[p->count++] = (struct line){notice->number, p->window.len};
    return true;
}

/* Takes notices until there are no more, so that the outbox wakes us for the next one; or until the
 * window is half full, and then the timer looks when there is room again. */
static void fill(struct program *p)
{
    size_t count;
    do {
        bool has_room = p->window.len < WINDOW_BYTES / 2;
        count = has_room ? outbox_take(p->outbox, OUTBOX_PROGRAM, SIZE_MAX, add, p) : 0;
    } while (count > 0);
}

/* How many bytes of the window have been read. */
static size_t read_bytes(const struct program *p)
{
    int unread = 0;
    if (p->read_fd < 0 || ioctl(p->read_fd, FIONREAD, &unread) != 0) {
        return 0;
    }
    return (size_t)unread < p->written ? p->written - (size_t)unread : 0;
}

/* Acknowledges the lines that were read whole, and removes them. */
static void settle(struct program *p)
{
    size_t read = read_bytes(p);
    size_t count = 0;
    while (count < p->count && p->lines[count].end <= read) {
        count++;
    }
    if (count == 0) {
        return;
    }
    size_t end = p->lines[count - 1].end;
    outbox_acknowledge(p->outbox, OUTBOX_PROGRAM, p->lines[count - 1].number, count);
    buffer_consume(&p->window, end);
    p->written -= end;
    p->count -= count;
    memmove(p->lines, p->lines + count, p->count * sizeof *p->lines);
    for (size_t i = 0; i < p->count; i++) {
        p->lines[i].end -= end;
    }
}

/* --- writing ------------------------------------------------------------------------------------ */

static void go_on_ending(struct program *p);

/* Writes what the pipe takes. */
static void feed(struct program *p)
{
    if (p->write_fd < 0) {
        return;
    }
    settle(p);
    fill(p);
    while (p->written < p->window.len) {
        ssize_t n = write(p->write_fd, p->window.data + p->written, p->window.len - p->written);
        if (n < 0) {
            event_add(p->writable, NULL); /* EAGAIN, always: we hold the reading end */
            break;
        }
        p->written += (size_t)n;
    }
    if (p->count > 0) {
        arm(p->look, LOOK_MS);
    } else if (p->ending == ENDING_FEED) {
        go_on_ending(p);
    }
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    feed(arg);
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct program *p = arg;
    size_t before = p->count;
    feed(p);
    if (p->count > 0 && p->count >= before) {
        arm(p->look, LOOK_AGAIN_MS);
    }
}

static void wake(void *arg)
{
    struct program *p = arg;
    event_active(p->news, EV_TIMEOUT, 0);
}

/* --- the process -------------------------------------------------------------------------------- */

extern char **environ;

static bool has_prefix(const char *variable, const char *prefix)
{
    return strncmp(variable, prefix, strlen(prefix)) == 0;
}

/* Everything but secrets, settings and what is between the relay and its service manager; the program
 * may know where the relay listens. */
static bool is_passed_on(const char *variable)
{
    return has_prefix(variable, "SMSRELAY_SOCKET=") ||
           !(has_prefix(variable, "SMSRELAY_") || has_prefix(variable, "INSTASENT_TOKEN=") ||
             has_prefix(variable, "NOTIFY_SOCKET="));
}

/* malloc'ed; the strings stay environ's. NULL on allocation failure. */
static char **environment_new(void)
{
    size_t count = 0;
    while (environ[count] != NULL) {
        count++;
    }
    char **environment = calloc(count + 1, sizeof *environment);
    for (size_t i = 0, n = 0; environment != NULL && i < count; i++) {
        if (is_passed_on(environ[i])) {
            environment[n++] = environ[i];
        }
    }
    return environment;
}

/* Returns 0 or an errno value. */
static int describe(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes, int input)
{
    sigset_t all;
    sigset_t none;
    sigfillset(&all);
    sigemptyset(&none);
    int error = posix_spawn_file_actions_adddup2(actions, input, STDIN_FILENO);
    error = error != 0 ? error
                       : posix_spawn_file_actions_addopen(actions, STDOUT_FILENO, "/dev/null",
                                                          O_WRONLY, 0);
    error =
        error != 0 ? error : posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
    posix_spawnattr_setsigdefault(attributes, &all);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setpgroup(attributes, 0);
    posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK |
                                             POSIX_SPAWN_SETPGROUP);
    return error;
}

/* Returns 0 or an errno value. */
static int spawn(struct program *p)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    char **environment = environment_new();
    if (environment == NULL || posix_spawn_file_actions_init(&actions) != 0) {
        free(environment);
        return ENOMEM;
    }
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&actions);
        free(environment);
        return ENOMEM;
    }
    int error = describe(&actions, &attributes, p->read_fd);
    if (error == 0) {
        error = posix_spawn(&p->pid, p->argv[0], &actions, &attributes, p->argv, environment);
        p->pid = error == 0 ? p->pid : 0;
    }
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    free(environment);
    return error;
}

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
}

static void close_input(struct program *p)
{
    if (p->writable != NULL) {
        event_free(p->writable);
        p->writable = NULL;
    }
    close_fd(&p->write_fd);
}

/* Forgets the process. What it has not read will be written to the next one. */
static void forget_process(struct program *p)
{
    event_del(p->look);
    close_input(p);
    close_fd(&p->read_fd);
    if (p->over != NULL) {
        event_free(p->over);
        p->over = NULL;
    }
    close_fd(&p->pid_fd);
    p->pid = 0;
    p->written = 0;
}

static void start_later(struct program *p)
{
    arm(p->start, retry_failed(&p->retry));
}

static void log_end(const struct program *p, int status)
{
    if (WIFSIGNALED(status)) {
        LOG(LOG_WARN, "exec_ended", LOG_STR("signal", sigabbrev_np(WTERMSIG(status))),
            LOG_INT("pid", p->pid));
    } else {
        LOG(p->ending == ENDING_NONE ? LOG_WARN : LOG_INFO, "exec_ended", LOG_INT("pid", p->pid),
            LOG_INT("status", WEXITSTATUS(status)));
    }
}

static void on_over(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct program *p = arg;
    int status = 0;
    if (waitpid(p->pid, &status, WNOHANG) == 0) {
        return;
    }
    log_end(p, status);
    settle(p);
    forget_process(p);
    if (p->ending != ENDING_NONE) {
        event_del(p->limit);
        p->options.ended(p->options.arg);
        return;
    }
    if (clock_monotonic_ms() - p->began_ms >= STEADY_MS) {
        p->retry.failures = 0;
    }
    start_later(p);
}

/* Returns 0 or an errno value. */
static int open_pipe(struct program *p)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return errno;
    }
    p->read_fd = fds[0];
    p->write_fd = fds[1];
    return fcntl(p->write_fd, F_SETFL, O_NONBLOCK) == 0 ? 0 : errno;
}

/* Returns 0 or an errno value. */
static int follow(struct program *p)
{
    p->pid_fd = pidfd_open(p->pid, 0);
    if (p->pid_fd < 0) {
        return errno;
    }
    p->writable = event_new(p->base, p->write_fd, EV_WRITE, on_writable, p);
    p->over = event_new(p->base, p->pid_fd, EV_READ | EV_PERSIST, on_over, p);
    return p->writable != NULL && p->over != NULL && event_add(p->over, NULL) == 0 ? 0 : ENOMEM;
}

/* Signals its whole group, so that nothing it has started is left behind; and the process itself, in
 * case it has left the group. */
static void signal_process(const struct program *p, int number)
{
    if (kill(-p->pid, number) != 0 || number == SIGKILL) {
        kill(p->pid, number);
    }
}

/* For a process that cannot be followed, or when there is no time left. */
static void kill_process(struct program *p)
{
    if (p->pid > 0) {
        signal_process(p, SIGKILL);
        waitpid(p->pid, NULL, 0);
    }
}

static void on_start(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct program *p = arg;
    int error = open_pipe(p);
    error = error != 0 ? error : spawn(p);
    error = error != 0 ? error : follow(p);
    if (error != 0) {
        LOG(LOG_ERROR, "exec_failed", LOG_STR("path", p->argv[0]), LOG_ERRNO(error));
        kill_process(p);
        forget_process(p);
        start_later(p);
        return;
    }
    p->began_ms = clock_monotonic_ms();
    stats_add(p->options.stats, STAT_EXEC_STARTS, 1);
    LOG(LOG_INFO, "exec_started", LOG_STR("path", p->argv[0]), LOG_INT("pid", p->pid));
    feed(p);
}

void program_start(struct program *p)
{
    event_active(p->start, EV_TIMEOUT, 0);
}

/* --- stopping ----------------------------------------------------------------------------------- */

/* Takes the next step of the stop. */
static void go_on_ending(struct program *p)
{
    switch (p->ending) {
    case ENDING_NONE:
        break;
    case ENDING_FEED:
        p->ending = ENDING_CLOSE;
        close_input(p);
        arm(p->limit, LEAVE_MS);
        break;
    case ENDING_CLOSE:
        p->ending = ENDING_TERMINATE;
        signal_process(p, SIGTERM);
        arm(p->limit, TERMINATE_MS);
        break;
    case ENDING_TERMINATE:
        p->ending = ENDING_KILL;
        signal_process(p, SIGKILL);
        break;
    case ENDING_KILL:
        break; /* on_over will be called */
    }
}

static void on_limit(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    go_on_ending(arg);
}

void program_stop(struct program *p, int64_t within_ms)
{
    event_del(p->start);
    p->ending = ENDING_FEED;
    if (p->pid == 0) {
        p->options.ended(p->options.arg);
        return;
    }
    arm(p->limit, within_ms);
    feed(p);
}

/* --- life --------------------------------------------------------------------------------------- */

/* Cuts the command into argv. */
static bool split(struct program *p, const char *command)
{
    size_t count = 0;
    char *rest = NULL;
    p->words = strdup(command);
    p->argv = calloc(strlen(command) / 2 + 2, sizeof *p->argv);
    if (p->words == NULL || p->argv == NULL) {
        return false;
    }
    for (char *word = strtok_r(p->words, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest)) {
        p->argv[count++] = word;
    }
    return count > 0;
}

static void on_news(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    feed(arg);
}

struct program *program_new(struct event_base *base, struct outbox *outbox,
                            const struct program_options *options)
{
    struct program *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return NULL;
    }
    rng_seed(&p->retry.rng);
    p->outbox = outbox;
    p->options = *options;
    p->options.command = NULL;
    p->base = base;
    p->pid_fd = p->write_fd = p->read_fd = -1;
    p->start = evtimer_new(base, on_start, p);
    p->news = event_new(base, -1, 0, on_news, p);
    p->look = evtimer_new(base, on_look, p);
    p->limit = evtimer_new(base, on_limit, p);
    if (p->start == NULL || p->news == NULL || p->look == NULL || p->limit == NULL ||
        !split(p, options->command)) {
        program_free(p);
        return NULL;
    }
    outbox_join(outbox, OUTBOX_PROGRAM, wake, p);
    return p;
}

void program_end(struct program *p)
{
    if (p->pid > 0) {
        kill_process(p);
        settle(p);
        forget_process(p);
    }
}

void program_free(struct program *p)
{
    if (p == NULL) {
        return;
    }
    struct event *const events[] = {p->start, p->news, p->look, p->limit};
    program_end(p);
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        if (events[i] != NULL) {
            event_free(events[i]);
        }
    }
    buffer_free(&p->window);
    free(p->lines);
    free(p->argv);
    free(p->words);
    free(p);
}
