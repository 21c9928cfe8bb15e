/* sendmail: stands in for /usr/sbin/sendmail. See the header. Thread: the only one; blocking. */
#include "gateway/cli/sendmail.h"

#include "gateway/cli/addresses.h"
#include "gateway/cli/complain.h"
#include "gateway/cli/exits.h"
#include "gateway/cli/mail.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    /* Bytes read before connecting to the relay: cron's pipe may stay open for hours, and the header
     * must be complete. The relay keeps no more of a mail than this. */
    HELD_MAX = 256 * 1024,
    PIECE_SIZE = 64 * 1024, /* bytes of a longer mail to send at a time */
    /* Recipients sent before their replies are read: few enough that neither side's buffers fill up
     * and both wait for the other (RFC 2920, 3.1). */
    BATCH = 100
};

/* --- flags ---------------------------------------------------------------------------------- */

struct flags {
    bool reads_header; /* -t */
    bool ignores_dots; /* -i, -oi */
    bool is_quiet;     /* -oeq, -eq */
    bool runs_queue;   /* -q */
    char mode;         /* the letter of -b */
    const char *from;  /* of -f, -r */
};

/* The letters of sendmail 8 and Postfix. After any other letter the rest of the word is skipped: -q30m
 * and -d0.1, whose value is never the next argument, and long options. */
static const char VALUED[] =
    "ABCDFLMNORVXbefhopr";                  /* with a value, attached or in the next argument */
static const char PLAIN[] = "GITUcimnstvx"; /* can share a word: -ti */

static void set_flag(struct flags *flags, char letter, const char *value)
{
    switch (letter) {
    case 't':
        flags->reads_header = true;
        break;
    case 'i':
        flags->ignores_dots = true;
        break;
    case 'f':
    case 'r':
        flags->from = value;
        break;
    case 'b':
        flags->mode = value[0];
        break;
    case 'I':
        flags->mode = 'i';
        break;
    case 'e':
        flags->is_quiet = value[0] == 'q';
        break;
    case 'o':
        if (value[0] == 'i' || value[0] == 'e') {
            set_flag(flags, value[0], value + 1);
        }
        break;
    default:
        break;
    }
}

/* Reads a word of flags. Returns how many arguments it takes up, or 0 if a value is missing. */
static int read_word(struct flags *flags, char **argv)
{
    for (const char *letter = argv[0] + 1; *letter != '\0'; letter++) {
        if (strchr(VALUED, *letter) != NULL) {
            bool is_attached = letter[1] != '\0';
            const char *value = is_attached ? letter + 1 : argv[1];
            if (value == NULL) {
                return 0;
            }
            set_flag(flags, *letter, value);
            return is_attached ? 1 : 2;
        }
        if (strchr(PLAIN, *letter) == NULL) {
            flags->runs_queue = flags->runs_queue || *letter == 'q';
            return 1;
        }
        set_flag(flags, *letter, "");
    }
    return 1;
}

/* Reads the flags. Returns the index of the first recipient, or 0 if a value is missing. */
static int read_flags(struct flags *flags, int argc, char **argv)
{
    int i = 1;
    while (i < argc && argv[i][0] == '-' && argv[i][1] != '\0' && strcmp(argv[i], "--") != 0) {
        int taken = read_word(flags, argv + i);
        if (taken == 0) {
            return 0;
        }
        i += taken;
    }
    return i < argc && strcmp(argv[i], "--") == 0 ? i + 1 : i;
}

/* --- the envelope --------------------------------------------------------------------------- */

struct envelope {
    struct buffer from; /* one address or none; both as in gateway/cli/addresses.h */
    struct buffer recipients;
};

/* Refuses control characters even in a name or a comment, where they would be dropped. */
static bool read_addresses(const char *s, struct buffer *list)
{
    size_t len = strlen(s);
    for (size_t i = 0; i < len; i++) {
        if (iscntrl((unsigned char)s[i])) {
            return false;
        }
    }
    return addresses_parse(s, len, list);
}

static int read_sender(const char *from, struct envelope *envelope)
{
    bool is_good = read_addresses(from, &envelope->from);
    const char *first = addresses_next(&envelope->from, NULL);
    if (!is_good || (first != NULL && addresses_next(&envelope->from, first) != NULL)) {
        return complain(EX_USAGE, "the sender in -f is not an address");
    }
    return EX_OK;
}

static int read_recipients(char **arguments, struct envelope *envelope)
{
    for (; *arguments != NULL; arguments++) {
        if (**arguments == '-') {
            return complain(EX_USAGE, "flags go before the recipients");
        }
        if (!read_addresses(*arguments, &envelope->recipients)) {
            return complain(EX_USAGE, "a recipient is not an address");
        }
    }
    return EX_OK;
}

/* --- the relay's answers -------------------------------------------------------------------- */

/* Complains of the link's trouble; returns what sendmail's callers understand. */
static int link_failed(const struct link *link, int code)
{
    link_complain(link, "");
    return exits_of_mail(code);
}

/* Reads a reply and complains of a refusal, of `about` or, if that is "", of the mail as a whole.
 * Returns an exit code, `refused` for a 5xx. */
static int await_reply(struct link *link, const char *about, int refused)
{
    int code = link_receive(link);
    if (code != EX_OK) {
        return link_failed(link, code);
    }
    char first = link->answer.data[0];
    if (first == '2' || first == '3') {
        return EX_OK;
    }
    link_refuse(link);
    link_complain(link, about);
    return first == '4' ? EX_TEMPFAIL : first == '5' ? refused : EX_UNAVAILABLE;
}

/* Sends `out`. If that fails, the relay may have said why before it closed the connection. */
static int send_or_ask_why(struct link *link)
{
    int code = link_send(link);
    if (code != EX_UNAVAILABLE) {
        return code == EX_OK ? EX_OK : link_failed(link, code);
    }
    code = await_reply(link, "", EX_UNAVAILABLE);
    return code == EX_OK ? EX_TEMPFAIL : code;
}

/* --- submitting ----------------------------------------------------------------------------- */

/* The recipients so far. */
struct tally {
    size_t accepted;
    int refused; /* the exit code for those that were refused; EX_OK = none */
};

/* Reads the reply to a RCPT. Returns an exit code: EX_OK also for a permanent refusal. */
static int settle_recipient(struct link *link, const char *recipient, struct tally *tally)
{
    int code = await_reply(link, recipient, EX_NOUSER);
    if (code == EX_OK) {
        tally->accepted++;
    } else if (code == EX_NOUSER) {
        /* RFC 3463, X.1: the address is wrong. Otherwise something else is. */
        bool is_address = strncmp(link->answer.data + 3, " 5.1.", 5) == 0;
        tally->refused =
            is_address && tally->refused != EX_UNAVAILABLE ? EX_NOUSER : EX_UNAVAILABLE;
        code = EX_OK;
    }
    return code;
}

/* Sends MAIL and RCPT, many at a time. Returns an exit code, EX_OK if a recipient was accepted. */
static int send_envelope(struct link *link, const struct envelope *envelope, struct tally *tally)
{
    const char *from = addresses_next(&envelope->from, NULL);
    const char *next = addresses_next(&envelope->recipients, NULL);
    bool has_opened = false;
    int code = EX_OK;
    buffer_printf(&link->out, "MAIL FROM:<%s>", from == NULL ? "" : from);
    link_end_line(link);
    while (code == EX_OK && next != NULL) {
        const char *settled = next;
        for (int i = 0; i < BATCH && next != NULL; i++) {
            buffer_printf(&link->out, "RCPT TO:<%s>", next);
            link_end_line(link);
            next = addresses_next(&envelope->recipients, next);
        }
        code = send_or_ask_why(link);
        if (code == EX_OK && !has_opened) {
            code = await_reply(link, "", EX_UNAVAILABLE);
            has_opened = true;
        }
        while (code == EX_OK && settled != next) {
            code = settle_recipient(link, settled, tally);
            settled = addresses_next(&envelope->recipients, settled);
        }
    }
    return code == EX_OK && tally->accepted == 0 ? tally->refused : code;
}

/* Sends DATA, what was read of the mail, and the rest as it is read. */
static int send_content(struct link *link, struct mail_source *source, const struct buffer *held)
{
    buffer_puts(&link->out, "DATA");
    link_end_line(link);
    int code = send_or_ask_why(link);
    if (code == EX_OK) {
        code = await_reply(link, "", EX_UNAVAILABLE);
    }
    if (code == EX_OK) {
        buffer_append(&link->out, held->data, held->len);
        code = send_or_ask_why(link);
    }
    while (code == EX_OK && !source->is_over) {
        mail_source_read(source, &link->out, PIECE_SIZE);
        if (source->error != 0) {
            /* The relay forgets a mail whose final dot never comes. */
            return complain(EX_IOERR, "stdin: %s", strerror(source->error));
        }
        code = send_or_ask_why(link);
    }
    return code == EX_OK ? await_reply(link, "", EX_DATAERR) : code;
}

static int submit(struct mail_source *source, const struct envelope *envelope,
                  const struct buffer *held, link_find_listeners *find)
{
    struct link link;
    struct tally tally = {.accepted = 0, .refused = EX_OK};
    int code = link_open(&link, NULL, find, LINK_LIMIT_MS);
    if (code != EX_OK) {
        code = link_failed(&link, code);
    } else {
        code = send_envelope(&link, envelope, &tally);
    }
    if (code == EX_OK) {
        code = send_content(&link, source, held);
    }
    link_close(&link);
    return code == EX_OK ? tally.refused : code;
}

/* Reads the start of the mail and, with -t, the recipients in it. */
static int read_start(struct mail_source *source, bool reads_header, struct envelope *envelope,
                      struct buffer *held)
{
    const char *trouble = NULL;
    mail_source_read(source, held, HELD_MAX);
    if (source->error != 0) {
        return complain(EX_IOERR, "stdin: %s", strerror(source->error));
    }
    if (!held->has_failed && reads_header) {
        trouble = mail_take_recipients(held, source->is_over, &envelope->recipients);
    }
    if (held->has_failed || envelope->recipients.has_failed || envelope->from.has_failed) {
        return complain(EX_OSERR, "out of memory");
    }
    if (trouble != NULL) {
        return complain(EX_DATAERR, "%s", trouble);
    }
    return envelope->recipients.len > 0 ? EX_OK : complain(EX_USAGE, "no recipients");
}

static int run_submission(const struct flags *flags, char **arguments, link_find_listeners *find)
{
    struct mail_source source = {.ignores_dots = flags->ignores_dots};
    struct envelope envelope = {.from = BUFFER_EMPTY, .recipients = BUFFER_EMPTY};
    struct buffer held = BUFFER_EMPTY;
    int code = read_sender(flags->from, &envelope);
    if (code == EX_OK) {
        code = read_recipients(arguments, &envelope);
    }
    if (code == EX_OK && envelope.recipients.len == 0 && !flags->reads_header) {
        code = complain(EX_USAGE, "no recipients; usage: sendmail [-t] [-i] [-f SENDER] [TO...]");
    }
    if (code == EX_OK) {
        code = read_start(&source, flags->reads_header, &envelope, &held);
        code = code == EX_OK ? submit(&source, &envelope, &held, find) : code;
        mail_source_drain(&source);
    }
    buffer_free(&held);
    buffer_free(&envelope.from);
    buffer_free(&envelope.recipients);
    return code;
}

/* --- -bs ------------------------------------------------------------------------------------ */

static bool write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        bytes += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* Passes the relay's replies to stdout. Returns an exit code, or -1 to go on. */
static int pass_replies(const struct link *link)
{
    char piece[PIECE_SIZE];
    ssize_t n = recv(link->fd, piece, sizeof piece, MSG_DONTWAIT);
    if (n < 0) {
        return errno == EAGAIN || errno == EINTR ? -1 : EX_TEMPFAIL;
    }
    if (n > 0 && !write_all(STDOUT_FILENO, piece, (size_t)n)) {
        return EX_IOERR;
    }
    return n == 0 ? EX_OK : -1;
}

/* Reads some of stdin. Returns false at its end. */
static bool read_commands(struct link *link)
{
    char *space = buffer_reserve(&link->out, PIECE_SIZE);
    ssize_t n = space == NULL ? 0 : read(STDIN_FILENO, space, PIECE_SIZE);
    link->out.len += n > 0 ? (size_t)n : 0;
    return n > 0 || (n < 0 && errno == EINTR);
}

/* Drops commands that the relay no longer takes: its replies are still read to their end. */
static void pass_commands(struct link *link)
{
    ssize_t n = send(link->fd, link->out.data, link->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    bool is_gone = n < 0 && errno != EAGAIN && errno != EINTR;
    buffer_consume(&link->out, is_gone ? link->out.len : n > 0 ? (size_t)n : 0);
}

/* Connects stdin and stdout to the relay until it closes. Neither direction waits for the other. */
static int converse(struct link *link)
{
    struct pollfd ends[] = {{.fd = STDIN_FILENO}, {.fd = link->fd}};
    bool has_input = true;
    bool is_greeted = false;
    int code = -1;
    while (code < 0) {
        bool is_idle = link->out.len == 0;
        ends[0].fd = has_input && is_idle ? STDIN_FILENO : -1;
        ends[0].events = POLLIN;
        ends[1].events = (short)(POLLIN | (is_idle ? 0 : POLLOUT));
        int ready = poll(ends, 2, is_greeted ? -1 : LINK_LIMIT_MS);
        if (ready == 0) {
            return complain(EX_TEMPFAIL, "no answer from %s", link->target);
        }
        if (ready < 0) {
            continue;
        }
        if (ends[0].fd >= 0 && ends[0].revents != 0) {
            has_input = read_commands(link);
            if (!has_input) {
                shutdown(link->fd, SHUT_WR);
            }
        }
        if (link->out.len > 0) {
            pass_commands(link);
        }
        if ((ends[1].revents & ~POLLOUT) != 0) {
            is_greeted = true;
            code = pass_replies(link);
        }
    }
    return code;
}

static int run_dialogue(link_find_listeners *find)
{
    struct link link;
    int code = link_dial(&link, NULL, find, LINK_LIMIT_MS);
    code = code == EX_OK ? converse(&link) : link_failed(&link, code);
    link_close(&link);
    return code;
}

/* --- the modes ------------------------------------------------------------------------------ */

int client_sendmail(const struct invocation *invocation)
{
    link_find_listeners *find = invocation->settings->find_listeners;
    char **argv = invocation->arguments;
    int argc = invocation->count;
    struct flags flags = {.mode = 'm', .from = ""};
    int first = read_flags(&flags, argc, argv);
    if (flags.is_quiet && freopen("/dev/null", "w", stderr) == NULL) {
        return EX_OSERR;
    }
    if (first == 0) {
        return complain(EX_USAGE, "the last flag has no value");
    }
    switch (flags.mode) {
    case 'm':
        if (flags.runs_queue && first == argc && !flags.reads_header) {
            return EX_OK; /* the relay runs its queue by itself */
        }
        return run_submission(&flags, argv + first, find);
    case 's':
        return run_dialogue(find);
    case 'i': /* newaliases, which packages run: a reload makes the relay read its own */
        return EX_OK;
    case 'p':
        return complain(EX_UNAVAILABLE, "`smsrelay queue list` shows the queue");
    default:
        return complain(EX_UNAVAILABLE, "this -b mode of sendmail is not supported");
    }
}
