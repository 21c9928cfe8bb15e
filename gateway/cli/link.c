/* link: a client's connection to a relay. See the header. Thread: the only one. */
#include "gateway/cli/link.h"

#include "gateway/base/clock.h"
#include "gateway/cli/complain.h"
#include "gateway/cli/credentials.h"
#include "gateway/cli/exits.h"
#include "gateway/cli/stranger.h"

#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    HOST_SIZE = 256,
    PIECE_SIZE = 16384,
    LINE_MAX_BYTES = 1 << 20, /* of a reply; a relay's are shorter */
    ANSWER_MAX = 64 << 20
};

/* Sets the trouble. Returns `code`. */
static int fail(struct link *link, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int fail(struct link *link, int code, const char *format, ...)
{
    va_list args;
    buffer_clear(&link->trouble);
    va_start(args, format);
    buffer_vprintf(&link->trouble, format, args);
    va_end(args);
    return code;
}

/* --- the clock -------------------------------------------------------------------------------- */

/* Limits the next call on the socket to what is left. Returns when it begins, or -1 if nothing is. */
static int64_t begin_wait(const struct link *link, int fd)
{
    if (link->left_ms <= 0) {
        errno = EAGAIN;
        return -1;
    }
    struct timeval left = {.tv_sec = link->left_ms / 1000, .tv_usec = link->left_ms % 1000 * 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &left, sizeof left);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &left, sizeof left);
    return clock_monotonic_ms();
}

/* `has_timed_out`: the call ended because of the limit, whatever the clocks say. */
static void end_wait(struct link *link, int64_t began_ms, bool has_timed_out)
{
    int64_t waited_ms = clock_monotonic_ms() - began_ms;
    link->left_ms = has_timed_out || waited_ms > link->left_ms ? 0 : link->left_ms - waited_ms;
}

bool link_is_late(const struct link *link)
{
    return link->left_ms <= 0;
}

void link_restart_clock(struct link *link)
{
    link->left_ms = link->limit_ms;
}

static int fail_late(struct link *link)
{
    return fail(link, EX_TEMPFAIL, "no answer from %s within %g s", link->target,
                (double)link->limit_ms / 1000);
}

/* --- finding the relay ---------------------------------------------------------------------- */

static int connect_to(struct link *link, const struct sockaddr *address, socklen_t size)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int64_t began_ms = fd < 0 ? -1 : begin_wait(link, fd);
    bool is_connected = began_ms >= 0 && connect(fd, address, size) == 0;
    int reason = errno == EINPROGRESS || errno == EAGAIN ? ETIMEDOUT : errno;
    if (began_ms >= 0) {
        end_wait(link, began_ms, !is_connected && reason == ETIMEDOUT);
    }
    if (fd >= 0 && !is_connected) {
        close(fd);
        fd = -1;
    }
    errno = reason;
    return fd;
}

static int connect_path(struct link *link, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    return connect_to(link, (const struct sockaddr *)&address, sizeof address);
}

/* Cuts HOST:PORT or [IPv6]:PORT in two. */
static bool split_target(const char *target, char host[HOST_SIZE], const char **port)
{
    const char *colon = strrchr(target, ':');
    if (colon == NULL || colon == target || colon[1] == '\0') {
        return false;
    }
    bool has_brackets = target[0] == '[' && colon[-1] == ']';
    const char *start = target + has_brackets;
    size_t len = (size_t)(colon - start) - has_brackets;
    if (len == 0 || len >= HOST_SIZE) {
        return false;
    }
    memcpy(host, start, len);
    host[len] = '\0';
    *port = colon + 1;
    return true;
}

static int connect_host(struct link *link, const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    int fd = -1;
    if (getaddrinfo(host, port, &hints, &found) != 0) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    for (struct addrinfo *a = found; a != NULL && fd < 0; a = a->ai_next) {
        fd = connect_to(link, a->ai_addr, a->ai_addrlen);
    }
    freeaddrinfo(found);
    return fd;
}

/* Connects to PATH or HOST:PORT. */
static int connect_target(struct link *link, const char *target)
{
    char host[HOST_SIZE];
    const char *port;
    snprintf(link->target, sizeof link->target, "%s", target);
    if (strchr(target, '/') != NULL) {
        link->fd = connect_path(link, target);
    } else if (split_target(target, host, &port)) {
        link->fd = connect_host(link, host, port);
    } else {
        return fail(link, EX_USAGE, "neither PATH (with a slash) nor HOST:PORT: %s", target);
    }
    link->reason = link->fd >= 0 ? 0 : errno;
    if (link->reason == ETIMEDOUT) {
        return fail_late(link);
    }
    return link->fd >= 0
               ? EX_OK
               : fail(link, EX_UNAVAILABLE, "no relay at %s: %s", target, strerror(link->reason));
}

/* Users who may not use the socket still have the address. */
static int connect_listeners(struct link *link, link_find_listeners *find)
{
    struct link_listeners listeners = {LINK_DEFAULT_SOCKET, LINK_DEFAULT_ADDRESS};
    if (find != NULL) {
        find(&listeners);
    }
    int code = EX_UNAVAILABLE;
    if (listeners.socket[0] != '\0') {
        code = connect_target(link, listeners.socket);
    }
    if (code != EX_UNAVAILABLE || listeners.address[0] == '\0') {
        return code;
    }
    int reason = link->reason;
    code = connect_target(link, listeners.address);
    if (code == EX_UNAVAILABLE && listeners.socket[0] != '\0') {
        snprintf(link->target, sizeof link->target, "%s or %s", listeners.socket,
                 listeners.address);
        return fail(link, code, "no relay at %s: %s; nor at %s: %s", listeners.socket,
                    strerror(reason), listeners.address, strerror(link->reason));
    }
    return code;
}

bool link_is_absent(const struct link *link)
{
    return link->reason == ENOENT || link->reason == ENOTDIR || link->reason == ECONNREFUSED;
}

/* --- talking to it -------------------------------------------------------------------------- */

void link_end_line(struct link *link)
{
    /* CRLF from the first line on: then a lone LF or "." within a text has no meaning. */
    buffer_puts(&link->out, "\r\n");
}

int link_send(struct link *link)
{
    if (link->out.has_failed) {
        return fail(link, EX_OSERR, "out of memory");
    }
    for (size_t sent = 0; sent < link->out.len;) {
        int64_t began_ms = begin_wait(link, link->fd);
        ssize_t n = began_ms < 0
                        ? -1
                        : send(link->fd, link->out.data + sent, link->out.len - sent, MSG_NOSIGNAL);
        bool is_late = n < 0 && errno == EAGAIN;
        bool is_interrupted = n < 0 && errno == EINTR;
        if (began_ms >= 0) {
            end_wait(link, began_ms, is_late);
        }
        if (is_late) {
            return fail_late(link);
        }
        if (n < 0 && !is_interrupted) {
            return fail(link, EX_UNAVAILABLE, "%s closed the connection", link->target);
        }
        sent += n > 0 ? (size_t)n : 0;
    }
    buffer_clear(&link->out);
    return EX_OK;
}

/* Receives some more. */
static int receive_more(struct link *link)
{
    char *space = buffer_reserve(&link->in, PIECE_SIZE);
    if (space == NULL) {
        return fail(link, EX_OSERR, "out of memory");
    }
    int64_t began_ms = begin_wait(link, link->fd);
    ssize_t n = began_ms < 0 ? -1 : recv(link->fd, space, PIECE_SIZE, 0);
    int reason = errno;
    if (began_ms >= 0) {
        end_wait(link, began_ms, n < 0 && reason == EAGAIN);
    }
    if (n < 0 && reason == EAGAIN) {
        return fail_late(link);
    }
    if (n == 0 || (n < 0 && reason != EINTR)) {
        return fail(link, EX_UNAVAILABLE, "%s closed the connection", link->target);
    }
    link->in.len += n > 0 ? (size_t)n : 0;
    return EX_OK;
}

static int fail_stranger(struct link *link, struct buffer *words)
{
    int code = fail(link, EX_PROTOCOL, "%s is not smsrelay: %.*s", link->target, (int)words->len,
                    buffer_bytes(words));
    buffer_free(words);
    return code;
}

/* Waits until `in` begins with a whole line of a reply; `*len` is its length with the LF. */
static int await_line(struct link *link, size_t *len)
{
    int code = EX_OK;
    while (code == EX_OK) {
        struct buffer words = BUFFER_EMPTY;
        const char *s = buffer_bytes(&link->in);
        const char *lf = memchr(s, '\n', link->in.len);
        if (!stranger_may_be_reply(s, link->in.len, &words)) {
            return fail_stranger(link, &words);
        }
        if (lf != NULL) {
            *len = (size_t)(lf + 1 - s);
            return EX_OK;
        }
        code =
            link->in.len > LINE_MAX_BYTES
                ? fail(link, EX_PROTOCOL, "%s is not smsrelay: its line does not end", link->target)
                : receive_more(link);
    }
    return code;
}

int link_receive(struct link *link)
{
    int code = EX_OK;
    bool has_more = true;
    buffer_clear(&link->answer);
    while (code == EX_OK && has_more) {
        size_t taken = 0;
        code = await_line(link, &taken);
        if (code != EX_OK) {
            break;
        }
        size_t len = taken;
        while (len > 0 && (link->in.data[len - 1] == '\n' || link->in.data[len - 1] == '\r')) {
            len--;
        }
        has_more = len > 3 && link->in.data[3] == '-';
        buffer_append(&link->answer, link->in.data, len);
        buffer_putc(&link->answer, '\n');
        buffer_consume(&link->in, taken);
        if (link->answer.len > ANSWER_MAX) {
            code =
                fail(link, EX_PROTOCOL, "%s is not smsrelay: its reply does not end", link->target);
        }
    }
    return link->answer.has_failed ? fail(link, EX_OSERR, "out of memory") : code;
}

/* --- what it says --------------------------------------------------------------------------- */

/* Skips the "2.1.5 " that may follow a reply's code. */
static const char *skip_enhanced_code(const char *s, const char *end)
{
    const char *p = s;
    for (int part = 0; part < 3; part++) {
        const char *digits = p;
        while (p < end && isdigit((unsigned char)*p)) {
            p++;
        }
        if (p == digits || p == end || *p != (part < 2 ? '.' : ' ')) {
            return s;
        }
        p++;
    }
    return p;
}

/* Appends the words of each line of the last reply, and behind them " (550 5.1.3)" if `shows_codes`. */
static void append_words(const struct link *link, bool shows_codes, struct buffer *out)
{
    const char *line = buffer_bytes(&link->answer), *end = line + link->answer.len;
    while (line < end) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        const char *code_end = stop - line > 4 ? line + 4 : stop;
        const char *words = skip_enhanced_code(code_end, stop);
        buffer_append(out, words, (size_t)(stop - words));
        if (shows_codes) {
            buffer_printf(out, " (%.3s%s%.*s)", line, words > code_end ? " " : "",
                          words > code_end ? (int)(words - 1 - code_end) : 0, code_end);
        }
        buffer_putc(out, '\n');
        line = stop + 1;
    }
}

void link_words(const struct link *link, struct buffer *words)
{
    append_words(link, false, words);
}

void link_refuse(struct link *link)
{
    buffer_clear(&link->trouble);
    append_words(link, true, &link->trouble);
    link->trouble.len -= link->trouble.len > 0 ? 1 : 0;
}

int link_expect(struct link *link)
{
    int code = link_receive(link);
    if (code == EX_OK) {
        code = exits_of_reply(link->answer.data, link->answer.len);
        if (code != EX_OK) {
            link_refuse(link);
        }
    }
    return code;
}

int link_exchange(struct link *link)
{
    int code = link_send(link);
    if (code == EX_UNAVAILABLE) {
        /* The relay may have said why before it closed the connection. */
        code = link_expect(link);
        return code != EX_OK ? code : EX_UNAVAILABLE;
    }
    return code == EX_OK ? link_expect(link) : code;
}

void link_complain(const struct link *link, const char *about)
{
    const char *line = buffer_bytes(&link->trouble), *end = line + link->trouble.len;
    while (line < end) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        stop = stop == NULL ? end : stop;
        complain(0, "%s%s%.*s", about, about[0] != '\0' ? ": " : "", (int)(stop - line), line);
        line = stop + 1;
    }
}

/* --- opening and closing ---------------------------------------------------------------------- */

void link_close(struct link *link)
{
    if (link->fd >= 0) {
        close(link->fd);
    }
    buffer_free(&link->in);
    buffer_free(&link->out);
    buffer_free(&link->answer);
    buffer_free(&link->trouble);
}

int link_dial(struct link *link, const char *target, link_find_listeners *find, int64_t limit_ms)
{
    *link = (struct link){.fd = -1, .limit_ms = limit_ms, .left_ms = limit_ms};
    const char *variable = getenv("SMSRELAY_SOCKET");
    if (target == NULL && variable != NULL && variable[0] != '\0') {
        target = variable;
    }
    return target != NULL ? connect_target(link, target) : connect_listeners(link, find);
}

/* Reads the greeting and the reply to NOOP. */
static int await_greeting(struct link *link)
{
    struct buffer words = BUFFER_EMPTY;
    int code = link_expect(link);
    if (code == EX_OK && !stranger_is_greeting(link->answer.data, link->answer.len, &words)) {
        return fail_stranger(link, &words);
    }
    if (code == EX_UNAVAILABLE) {
        /* A relay greets even those whom it refuses; TLS servers are known to leave without a word. */
        buffer_puts(&link->trouble, " without a greeting: it may be something else, such as TLS");
    }
    return code == EX_OK ? link_expect(link) : code;
}

/* Logs in, if the environment names a user. A password is not sent where others could read it. */
static int log_in(struct link *link)
{
    if (!credentials_are_set()) {
        return EX_OK;
    }
    if (!credentials_are_safe(link->fd)) {
        return fail(
            link, EX_NOPERM,
            "%s is not on this machine: the password of SMSRELAY_USER would cross the network "
            "in plain text",
            link->target);
    }
    const char *fault = credentials_write(&link->out);
    if (fault != NULL) {
        return fail(link, EX_CONFIG, "%s", fault);
    }
    link_end_line(link);
    size_t len = link->out.len;
    int code = link_send(link);
    explicit_bzero(link->out.data, len);
    return code == EX_OK ? link_expect(link) : code;
}

int link_open(struct link *link, const char *target, link_find_listeners *find, int64_t limit_ms)
{
    int code = link_dial(link, target, find, limit_ms);
    if (code != EX_OK) {
        return code;
    }
    /* Not waiting for the greeting has servers of other protocols say at once what they are. And the
     * relay closes a connection whose first line ends like an HTTP request, as a text may. */
    buffer_puts(&link->out, "NOOP");
    link_end_line(link);
    code = link_send(link);
    code = code == EX_OK || code == EX_UNAVAILABLE ? await_greeting(link) : code;
    return code == EX_OK ? log_in(link) : code;
}
