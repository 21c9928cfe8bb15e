/* link: a client's connection to a relay. See the header. Thread: the only one. */
#include "gateway/cli/link.h"

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
    PATIENCE_S = 60, /* seconds to wait for an answer that the relay can give at once */
    HOST_SIZE = 256
};

int link_complain(int code, const char *what, const char *about)
{
    fprintf(stderr, "smsrelay: %s%s%s\n", what, about[0] != '\0' ? ": " : "", about);
    return code;
}

/* --- finding the relay ---------------------------------------------------------------------- */

static int connect_to(const struct sockaddr *address, socklen_t size)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, address, size) != 0) {
        int reason = errno;
        close(fd);
        errno = reason;
        fd = -1;
    }
    return fd;
}

static int connect_path(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    return connect_to((const struct sockaddr *)&address, sizeof address);
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

static int connect_host(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    int fd = -1;
    if (getaddrinfo(host, port, &hints, &found) != 0) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    for (struct addrinfo *a = found; a != NULL && fd < 0; a = a->ai_next) {
        fd = connect_to(a->ai_addr, a->ai_addrlen);
    }
    freeaddrinfo(found);
    return fd;
}

/* Returns an exit code; if it is not EX_OK, after complaining or with a reason. */
static int link_connect(struct link *link, const char *target)
{
    char host[HOST_SIZE];
    const char *port;
    if (target == NULL) {
        /* Users who may not use the socket still have the port. */
        link->fd = connect_path(LINK_DEFAULT_SOCKET);
        if (link->fd >= 0) {
            return EX_OK;
        }
        target = LINK_DEFAULT_ADDRESS;
    }
    if (strchr(target, '/') != NULL) {
        link->fd = connect_path(target);
    } else if (split_target(target, host, &port)) {
        link->fd = connect_host(host, port);
    } else {
        return link_complain(EX_USAGE, "neither PATH (with a slash) nor HOST:PORT", target);
    }
    if (link->fd >= 0) {
        return EX_OK;
    }
    link->target = target;
    link->reason = errno;
    return EX_UNAVAILABLE;
}

bool link_is_absent(const struct link *link)
{
    return link->reason == ENOENT || link->reason == ENOTDIR || link->reason == ECONNREFUSED;
}

int link_complain_unmade(const struct link *link)
{
    fprintf(stderr, "smsrelay: no relay at %s: %s\n", link->target, strerror(link->reason));
    return EX_UNAVAILABLE;
}

/* --- talking to it -------------------------------------------------------------------------- */

void link_end_line(struct link *link)
{
    /* CRLF from the first line on: then a lone LF or "." within a text has no meaning. */
    buffer_puts(&link->out, "\r\n");
}

bool link_send(struct link *link)
{
    size_t sent = 0;
    while (sent < link->out.len) {
        ssize_t n = send(link->fd, link->out.data + sent, link->out.len - sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return false;
        }
        sent += (size_t)n;
    }
    buffer_clear(&link->out);
    return true;
}

static bool starts_as_reply(const char *line, size_t len)
{
    return len >= 4 && line[0] >= '1' && line[0] <= '5' && isdigit((unsigned char)line[1]) &&
           isdigit((unsigned char)line[2]) && (line[3] == ' ' || line[3] == '-');
}

int link_receive(struct link *link)
{
    char *line = NULL;
    size_t size = 0;
    int code = EX_OK;
    bool has_more = true;
    buffer_clear(&link->answer);
    while (has_more && code == EX_OK) {
        errno = 0;
        ssize_t len = getline(&line, &size, link->replies);
        while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r')) {
            line[--len] = '\0';
        }
        if (len < 0) {
            code = link_complain(EX_UNAVAILABLE,
                                 errno == EAGAIN ? "the relay did not answer in time"
                                                 : "the relay closed the connection",
                                 "");
        } else if (!starts_as_reply(line, (size_t)len)) {
            code = link_complain(EX_PROTOCOL, "whatever answers is not smsrelay", "");
        } else {
            buffer_printf(&link->answer, "%s\n", line);
        }
        has_more = len > 3 && line[3] == '-';
    }
    free(line);
    return link->answer.has_failed ? link_complain(EX_OSERR, "out of memory", "") : code;
}

/* Skips the "2.1.5 " that may follow a reply's code. */
static const char *skip_enhanced_code(const char *s)
{
    const char *p = s;
    for (int part = 0; part < 3; part++) {
        if (!isdigit((unsigned char)*p)) {
            return s;
        }
        while (isdigit((unsigned char)*p)) {
            p++;
        }
        if (*p++ != (part < 2 ? '.' : ' ')) {
            return s;
        }
    }
    return p;
}

int link_print_answer(const struct link *link)
{
    const char *line = link->answer.data, *end = line + link->answer.len;
    while (line < end) {
        const char *words = skip_enhanced_code(line + 4);
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        fwrite(words, 1, (size_t)(stop + 1 - words), stdout);
        line = stop + 1;
    }
    return fflush(stdout) == 0 ? EX_OK : link_complain(EX_IOERR, "stdout", strerror(errno));
}

/* Does a reply begin with `start`? A "-" for its first space, before more lines, makes no difference. */
static bool begins_with(const char *answer, const char *start)
{
    for (size_t i = 0; start[i] != '\0'; i++) {
        if (answer[i] != start[i] && !(i == 3 && answer[i] == '-')) {
            return false;
        }
    }
    return true;
}

/* The exit code for a reply. */
static int answer_exit_code(const char *answer)
{
    static const struct {
        const char *start;
        int exit_code;
    } rows[] = {
        {"1", EX_OK},
        {"2", EX_OK},
        {"3", EX_OK},
        {"4", EX_TEMPFAIL},
        {"550 5.0.0", EX_NOINPUT},
        {"550 5.7.", EX_NOPERM},
        {"530", EX_NOPERM},
        {"535", EX_NOPERM},
        {"5", EX_DATAERR},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (begins_with(answer, rows[i].start)) {
            return rows[i].exit_code;
        }
    }
    return EX_PROTOCOL;
}

int link_expect(struct link *link)
{
    int code = link_receive(link);
    if (code != EX_OK) {
        return code;
    }
    code = answer_exit_code(link->answer.data);
    if (code != EX_OK) {
        fprintf(stderr, "%.*s", (int)link->answer.len, link->answer.data);
    }
    return code;
}

int link_exchange(struct link *link)
{
    if (link->out.has_failed) {
        return link_complain(EX_OSERR, "out of memory", "");
    }
    if (!link_send(link)) {
        /* The relay may have said why before it closed the connection. */
        int code = link_expect(link);
        return code != EX_OK ? code : EX_UNAVAILABLE;
    }
    return link_expect(link);
}

void link_close(struct link *link)
{
    if (link->replies != NULL) {
        fclose(link->replies);
    } else if (link->fd >= 0) {
        close(link->fd);
    }
    buffer_free(&link->out);
    buffer_free(&link->answer);
}

int link_dial(struct link *link, const char *target)
{
    *link = (struct link){.fd = -1, .out = BUFFER_EMPTY, .answer = BUFFER_EMPTY};
    const char *variable = getenv("SMSRELAY_SOCKET");
    if (target == NULL && variable != NULL && variable[0] != '\0') {
        target = variable;
    }
    return link_connect(link, target);
}

int link_open(struct link *link, const char *target, bool may_take_long)
{
    int code = link_dial(link, target);
    if (code != EX_OK) {
        return code;
    }
    const struct timeval patience = {.tv_sec = may_take_long ? 0 : PATIENCE_S};
    setsockopt(link->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(link->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    link->replies = fdopen(link->fd, "r");
    if (link->replies == NULL) {
        return link_complain(EX_OSERR, "out of memory", "");
    }
    code = link_expect(link);
    if (code != EX_OK) {
        return code;
    }
    /* The relay closes a connection whose first line ends like an HTTP request, as a text may. */
    buffer_puts(&link->out, "NOOP");
    link_end_line(link);
    return link_exchange(link);
}
