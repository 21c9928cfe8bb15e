/*
 * load: gives a server lines as fast as it answers them, and measures how fast that is.
 *
 *     load [-c CONNECTIONS] [-d DEPTH] [-n COUNT] [-e EXPECTED] [-m REPLIES] [-r RATE] [-i] [-s]
 *          [-p SECONDS] ADDRESS LINE
 *     load -I [-c CONNECTIONS] ADDRESS
 *
 * ADDRESS is HOST:PORT or the path of a Unix socket. Each connection reads a greeting and then
 * keeps DEPTH lines unanswered until COUNT were sent by all together; "{}" in LINE becomes the
 * number of the line, in seven digits. Each line must get one reply (which may have several
 * lines, as in SMTP) that begins with EXPECTED (250). -i checks that the id= of the replies are
 * all different. -s is for servers that are silent until they are spoken to; with a LINE that has
 * line ends within it, this talks to other servers too: -m is how many replies they give to it, of
 * which the last one is the one that is meant. -p is how long it may take in all (120).
 *
 * With -r not more than RATE lines a second are sent, one client after another, and a latency
 * begins when its line was due: a server that stalls is charged for all that waited for it.
 *
 * Prints one JSON object: lines, seconds, rate, latencies in us (from when a line is handed to the
 * kernel, or would be if that took it, to its reply), what was unexpected, CPU seconds, and
 * CLOCK_MONOTONIC in ns at the start. The exit code is 1 when a reply was unexpected or an id came
 * twice.
 *
 * With -I the connections are idle: it says how many got their greeting, and holds them until its
 * input ends.
 *
 * One thread, and little to do in it: it is not to be what is measured.
 */
#include "tests/bench/histogram.h"
#include "tests/bench/ids.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    LINE_MAX_BYTES = 64 * 1024,
    REPLY_MAX_BYTES = 64 * 1024, /* a longer line is not waited for */
    READ_BYTES = 256 * 1024,
    EVENTS = 256,
    NUMBER_DIGITS = 7,
    SAMPLE_BYTES = 120 /* of an unexpected reply, to show */
};

/* --- state ------------------------------------------------------------------------------------ */

struct client {
    int fd;
    bool is_greeted;
    bool wants_write;
    uint64_t *sent_ns; /* a ring of `depth`: when the unanswered lines were sent, oldest first */
    size_t oldest, unanswered;
    size_t replies; /* to the oldest so far */
    char *output;   /* what the kernel has not taken yet */
    size_t output_start, output_end, output_size;
    char *carry; /* the beginning of a line of which the rest has not come */
    size_t carry_len;
};

struct load {
    size_t connections, depth, count, replies;
    const char *expected;
    bool checks_ids, is_idle, is_silent;
    unsigned patience_s;
    double rate; /* lines a second; 0 = as fast as they are answered */
    const char *address;
    const char *line; /* NULL with is_idle */

    int epoll;
    struct client *clients;
    size_t greeted, sent, answered, unexpected, repeated;
    char sample[SAMPLE_BYTES];
    size_t next_client;
    uint64_t began_ns;
    uint64_t now_ns; /* of this turn */
    struct histogram latencies;
    struct ids ids;
};

static void give_up(const char *why)
{
    fprintf(stderr, "load: %s\n", why);
    exit(1);
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory == NULL) {
        give_up("out of memory");
    }
    return memory;
}

/* --- sending ---------------------------------------------------------------------------------- */

static void watch(struct load *load, struct client *client, bool wants_write)
{
    struct epoll_event event = {.events = EPOLLIN | (wants_write ? EPOLLOUT : 0),
                                .data.ptr = client};
    if (wants_write != client->wants_write) {
        client->wants_write = wants_write;
        epoll_ctl(load->epoll, EPOLL_CTL_MOD, client->fd, &event);
    }
}

static void flush(struct load *load, struct client *client)
{
    while (client->output_start < client->output_end) {
        ssize_t written = send(client->fd, client->output + client->output_start,
                               client->output_end - client->output_start, MSG_NOSIGNAL);
        if (written < 0 && errno == EAGAIN) {
            watch(load, client, true);
            return;
        }
        if (written < 0) {
            give_up("the server closed a connection that was written to");
        }
        client->output_start += (size_t)written;
    }
    client->output_start = client->output_end = 0;
    watch(load, client, false);
}

/* Makes room for `len` bytes behind what has not been sent. */
static char *reserve(struct client *client, size_t len)
{
    if (client->output_size - client->output_end < len) {
        client->output_size = 2 * (client->output_end + len);
        client->output = realloc(client->output, client->output_size);
        if (client->output == NULL) {
            give_up("out of memory");
        }
    }
    return client->output + client->output_end;
}

static void add_line(struct load *load, struct client *client, uint64_t due_ns)
{
    char *out = reserve(client, LINE_MAX_BYTES);
    size_t number = load->sent++;
    const char *mark;
    const char *rest = load->line;
    while ((mark = strstr(rest, "{}")) != NULL) {
        memcpy(out, rest, (size_t)(mark - rest));
        out += mark - rest;
        size_t left = number;
        for (int digit = NUMBER_DIGITS - 1; digit >= 0; digit--) {
            out[digit] = (char)('0' + left % 10);
            left /= 10;
        }
        out += NUMBER_DIGITS;
        rest = mark + 2;
    }
    size_t len = strlen(rest);
    memcpy(out, rest, len);
    memcpy(out + len, "\r\n", 2);
    client->output_end = (size_t)(out + len + 2 - client->output);
    client->sent_ns[(client->oldest + client->unanswered++) % load->depth] = due_ns;
}

/* Fills the window of a client. */
static void send_lines(struct load *load, struct client *client)
{
    while (client->unanswered < load->depth && load->sent < load->count) {
        add_line(load, client, load->now_ns);
    }
    flush(load, client);
}

static uint64_t next_due_ns(const struct load *load)
{
    return load->began_ns + (uint64_t)((double)load->sent * 1e9 / load->rate);
}

/* Sends what is due by now. Returns how long to wait for the next, in ns; -1 = for a reply. */
static int64_t send_due(struct load *load)
{
    size_t full = 0;
    load->now_ns = clock_ns();
    while (load->sent < load->count && full < load->connections) {
        uint64_t due_ns = next_due_ns(load);
        if (due_ns > load->now_ns) {
            break;
        }
        struct client *client = &load->clients[load->next_client++ % load->connections];
        if (client->unanswered == load->depth) {
            full++;
            continue;
        }
        full = 0;
        add_line(load, client, due_ns);
    }
    for (size_t i = 0; i < load->connections; i++) {
        flush(load, &load->clients[i]);
    }
    bool waits_for_reply = load->sent == load->count || full == load->connections;
    return waits_for_reply ? -1 : (int64_t)(next_due_ns(load) - load->now_ns);
}

/* --- reading ---------------------------------------------------------------------------------- */

static void check_id(struct load *load, const char *line, size_t len)
{
    const char *id = memmem(line, len, " id=", 4);
    size_t left = id == NULL ? 0 : len - (size_t)(id + 4 - line);
    if (left < ULID_SIZE - 1 || !ids_add(&load->ids, id + 4, ULID_SIZE - 1)) {
        load->repeated++;
    }
}

static void on_greeting(struct load *load, struct client *client, const char *line, size_t len)
{
    if (len < 3 || memcmp(line, "220", 3) != 0) {
        give_up("no greeting");
    }
    client->is_greeted = true;
    load->greeted++;
}

static void on_reply(struct load *load, struct client *client, const char *line, size_t len)
{
    size_t expected_len = strlen(load->expected);
    bool is_continued = len > 3 && line[3] == '-';
    if (client->replies + 1 < load->replies && len > 0 && line[0] < '4') {
        client->replies += is_continued ? 0 : 1;
        return;
    }
    if (len < expected_len || memcmp(line, load->expected, expected_len) != 0) {
        if (load->unexpected++ == 0) {
            snprintf(load->sample, sizeof load->sample, "%.*s", (int)len, line);
        }
    } else if (load->checks_ids) {
        check_id(load, line, len);
    }
    if (is_continued) {
        return;
    }
    client->replies = 0;
    if (client->unanswered == 0) {
        give_up("a reply to nothing");
    }
    histogram_add(&load->latencies, load->now_ns - client->sent_ns[client->oldest]);
    client->oldest = (client->oldest + 1) % load->depth;
    client->unanswered--;
    load->answered++;
}

static void read_lines(struct load *load, struct client *client, const char *bytes, size_t len)
{
    const char *end = bytes + len;
    const char *newline;
    while ((newline = memchr(bytes, '\n', (size_t)(end - bytes))) != NULL) {
        (client->is_greeted ? on_reply : on_greeting)(load, client, bytes,
                                                      (size_t)(newline - bytes));
        bytes = newline + 1;
    }
    client->carry_len = (size_t)(end - bytes);
    if (client->carry_len > REPLY_MAX_BYTES) {
        give_up("a reply without an end");
    }
    if (client->carry_len == 0) {
        return;
    }
    if (client->carry == NULL) {
        client->carry = allocate(1, REPLY_MAX_BYTES);
    }
    memcpy(client->carry, bytes, client->carry_len);
}

static void read_input(struct load *load, struct client *client)
{
    static char bytes[REPLY_MAX_BYTES + READ_BYTES];
    if (client->carry_len > 0) {
        memcpy(bytes, client->carry, client->carry_len);
    }
    ssize_t got = recv(client->fd, bytes + client->carry_len, READ_BYTES, 0);
    if (got < 0 && errno == EAGAIN) {
        return;
    }
    if (got <= 0) {
        give_up("the server closed a connection");
    }
    load->now_ns = clock_ns();
    read_lines(load, client, bytes, client->carry_len + (size_t)got);
}

/* --- connecting ------------------------------------------------------------------------------- */

static int connect_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 ? fd : -1;
}

static int connect_tcp(const char *host_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    char host[64];
    const char *colon = strrchr(host_port, ':');
    if (colon == NULL) {
        errno = EINVAL;
        return -1;
    }
    snprintf(host, sizeof host, "%.*s", (int)(colon - host_port), host_port);
    address.sin_port = htons((uint16_t)atoi(colon + 1));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1 ||
        connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        return -1;
    }
    return fd;
}

static void connect_client(struct load *load, struct client *client)
{
    bool is_unix = strchr(load->address, '/') != NULL;
    client->fd = (is_unix ? connect_unix : connect_tcp)(load->address);
    if (client->fd < 0) {
        give_up(strerror(errno));
    }
    fcntl(client->fd, F_SETFL, O_NONBLOCK);
    client->is_greeted = load->is_silent;
    load->greeted += load->is_silent;
    client->sent_ns = allocate(load->depth, sizeof *client->sent_ns);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    epoll_ctl(load->epoll, EPOLL_CTL_ADD, client->fd, &event);
}

/* --- running ---------------------------------------------------------------------------------- */

/* Waits at most so long for replies, takes them, and gives their clients new lines. */
static void turn(struct load *load, int64_t wait_ns)
{
    struct epoll_event events[EVENTS];
    struct timespec wait = {wait_ns / 1000000000, wait_ns % 1000000000};
    int count = epoll_pwait2(load->epoll, events, EVENTS, wait_ns < 0 ? NULL : &wait, NULL);
    for (int i = 0; i < count; i++) {
        struct client *client = events[i].data.ptr;
        bool is_begun = load->greeted == load->connections && load->rate == 0;
        if ((events[i].events & ~(uint32_t)EPOLLOUT) != 0) {
            read_input(load, client);
        }
        if (is_begun) {
            send_lines(load, client);
        }
    }
}

static void connect_all(struct load *load)
{
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    load->clients = allocate(load->connections, sizeof *load->clients);
    for (size_t i = 0; i < load->connections; i++) {
        connect_client(load, &load->clients[i]);
    }
    while (load->greeted < load->connections) {
        turn(load, -1);
    }
}

static void hold(const struct load *load)
{
    char byte;
    printf("{\"open\":%zu}\n", load->greeted);
    fflush(stdout);
    alarm(0);
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
}

static void print_result(const struct load *load)
{
    struct rusage used;
    double seconds = (double)(clock_ns() - load->began_ns) / 1e9;
    getrusage(RUSAGE_SELF, &used);
    printf("{\"lines\":%zu,\"seconds\":%.6f,\"rate\":%.1f,"
           "\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f,"
           "\"unexpected\":%zu,\"repeated_ids\":%zu,\"cpu_s\":%.3f,\"began_ns\":%" PRIu64 "}\n",
           load->answered, seconds, (double)load->answered / seconds,
           histogram_us(&load->latencies, 0.5), histogram_us(&load->latencies, 0.99),
           histogram_us(&load->latencies, 0.999), (double)load->latencies.max / 1000,
           load->unexpected, load->repeated,
           (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
               (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6,
           load->began_ns);
    if (load->unexpected > 0) {
        fprintf(stderr, "load: unexpected reply: %s\n", load->sample);
    }
}

static void run(struct load *load)
{
    load->began_ns = load->now_ns = clock_ns();
    for (size_t i = 0; load->rate == 0 && i < load->connections; i++) {
        send_lines(load, &load->clients[i]);
    }
    while (load->answered < load->count) {
        turn(load, load->rate > 0 ? send_due(load) : -1);
    }
    print_result(load);
}

static bool read_arguments(struct load *load, int argc, char **argv)
{
    int letter;
    while ((letter = getopt(argc, argv, "c:d:n:e:m:r:p:isI")) != -1) {
        switch (letter) {
        case 'c':
            load->connections = strtoul(optarg, NULL, 10);
            break;
        case 'd':
            load->depth = strtoul(optarg, NULL, 10);
            break;
        case 'n':
            load->count = strtoul(optarg, NULL, 10);
            break;
        case 'e':
            load->expected = optarg;
            break;
        case 'm':
            load->replies = strtoul(optarg, NULL, 10);
            break;
        case 'p':
            load->patience_s = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'r':
            load->rate = strtod(optarg, NULL);
            break;
        case 's':
            load->is_silent = true;
            break;
        case 'i':
            load->checks_ids = true;
            break;
        case 'I':
            load->is_idle = true;
            break;
        default:
            return false;
        }
    }
    load->address = argv[optind];
    load->line = load->is_idle || load->address == NULL ? NULL : argv[optind + 1];
    return argc - optind == (load->is_idle ? 1 : 2) && load->connections > 0 && load->depth > 0 &&
           (load->is_idle || strlen(load->line) < LINE_MAX_BYTES / 4);
}

int main(int argc, char **argv)
{
    static struct load load = {.connections = 1,
                               .depth = 1,
                               .count = 1,
                               .replies = 1,
                               .expected = "250",
                               .patience_s = 120};
    struct rlimit files;
    if (!read_arguments(&load, argc, argv)) {
        fputs("usage: load [-c CONNECTIONS] [-d DEPTH] [-n COUNT] [-e EXPECTED] [-m REPLIES] [-r "
              "RATE] "
              "[-i] [-s]\n            [-p SECONDS] ADDRESS LINE\n       load -I [-c CONNECTIONS] "
              "ADDRESS\n",
              stderr);
        return 64;
    }
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    alarm(load.patience_s); /* a server that does not answer must not hold up a test for ever */
    connect_all(&load);
    if (load.is_idle) {
        hold(&load);
    } else {
        run(&load);
    }
    return load.unexpected + load.repeated > 0 ? 1 : 0;
}
