/* client: the command line's other half. See the header. Thread: the only one; blocking. */
#include "gateway/cli/client.h"

#include "gateway/cli/link.h"
#include "gateway/cli/offline.h"
#include "proto/buffer.h"
#include "proto/reply.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    STDIN_MAX = 1 << 20,  /* bytes; far more than the parts that any relay sends */
    LINE_TEXT_MAX = 16384 /* bytes of text in a SEND: a line is limited, DATA is not */
};

/* What the options of all subcommands said. */
struct request {
    const char *target; /* -s */
    const char *from;
    struct buffer options; /* " REF=x TTL=5m", as they go on the wire */
    bool may_take_long;    /* the relay waits for the API, or the user for events */

    /* Of queue only. */
    const char *file; /* -c */
    char **overrides; /* -o; ended by NULL */
    size_t override_count;
    bool exports_sent; /* --all */
};

/* --- the plain subcommands ------------------------------------------------------------------ */

static bool has_control_character(const char *s)
{
    for (; *s != '\0'; s++) {
        if (iscntrl((unsigned char)*s)) {
            return true;
        }
    }
    return false;
}

/* One line, one reply: the subcommand's name is the verb. */
static int run_verb(struct link *link, const struct request *request, int argc, char **argv)
{
    (void)request;
    for (int i = 0; i < argc; i++) {
        buffer_puts(&link->out, i > 0 ? " " : "");
        buffer_puts(&link->out, argv[i]);
    }
    link_end_line(link);
    int code = link_exchange(link);
    return code == EX_OK ? link_print_answer(link) : code;
}

/* queue, of a relay that answers. */
static int run_queue(struct link *link, const struct request *request, int argc, char **argv)
{
    return run_verb(link, request, argc, argv);
}

static int run_watch(struct link *link, const struct request *request, int argc, char **argv)
{
    int code = run_verb(link, request, argc, argv);
    while (code == EX_OK) {
        code = link_expect(link);
        if (code == EX_OK) {
            code = link_print_answer(link);
        }
    }
    return code;
}

/* --- send ----------------------------------------------------------------------------------- */

static int read_stdin(struct buffer *text)
{
    char chunk[4096];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, stdin)) > 0 && text->len <= STDIN_MAX) {
        buffer_append(text, chunk, n);
    }
    if (ferror(stdin)) {
        return link_complain(EX_IOERR, "stdin", strerror(errno));
    }
    if (text->len > STDIN_MAX) {
        return link_complain(EX_DATAERR, "stdin", "far too long for a message");
    }
    return EX_OK;
}

/* The text of the arguments behind TO, or of stdin; without the line ends at its end. */
static int read_text(struct buffer *text, int argc, char **argv)
{
    int code = EX_OK;
    for (int i = 0; i < argc; i++) {
        buffer_puts(text, i > 0 ? " " : "");
        buffer_puts(text, argv[i]);
    }
    if (argc == 0 && isatty(STDIN_FILENO)) {
        fprintf(stderr, "Type the text, then Ctrl-D at the start of a line.\n");
    }
    if (argc == 0) {
        code = read_stdin(text);
    }
    while (text->len > 0 && strchr("\r\n", text->data[text->len - 1]) != NULL) {
        text->len--;
    }
    return text->has_failed ? link_complain(EX_OSERR, "no memory", "") : code;
}

static bool fits_one_line(const struct buffer *text)
{
    return text->len <= LINE_TEXT_MAX &&
           (text->len == 0 || (memchr(text->data, '\n', text->len) == NULL &&
                               memchr(text->data, '\r', text->len) == NULL));
}

/* SEND [FROM=..] [OPT=value ...] TO[,TO...] TEXT */
static int send_line(struct link *link, const struct request *request, const char *to,
                     const struct buffer *text)
{
    buffer_puts(&link->out, "SEND");
    if (request->from != NULL) {
        reply_value(&link->out, "FROM", request->from);
    }
    buffer_append(&link->out, request->options.data, request->options.len);
    buffer_printf(&link->out, " %s ", to);
    buffer_append(&link->out, text->data, text->len);
    link_end_line(link);
    return link_exchange(link);
}

/* Appends a text as DATA wants it: lines, a dot at the start of one doubled (RFC 5321, 4.5.2). */
static void add_content(struct link *link, const struct buffer *text)
{
    const char *line = text->data, *end = line + text->len;
    while (line < end) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        const char *next = stop != NULL ? stop + 1 : end;
        stop = stop != NULL ? stop : end;
        if (stop > line && stop[-1] == '\r') {
            stop--;
        }
        buffer_puts(&link->out, *line == '.' ? "." : "");
        buffer_append(&link->out, line, (size_t)(stop - line));
        link_end_line(link);
        line = next;
    }
    buffer_puts(&link->out, ".");
    link_end_line(link);
}

/* FROM, a TO for each recipient, DATA. The first refusal ends it: all get the text, or nobody. */
static int send_lines(struct link *link, const struct request *request, const char *to,
                      const struct buffer *text)
{
    int code = EX_OK;
    if (request->from != NULL || request->options.len > 0) {
        buffer_puts(&link->out, "FROM");
        if (request->from != NULL) {
            buffer_putc(&link->out, ' ');
            reply_quote(&link->out, request->from, strlen(request->from));
        }
        buffer_append(&link->out, request->options.data, request->options.len);
        link_end_line(link);
        code = link_exchange(link);
    }
    while (code == EX_OK && *to != '\0') {
        size_t len = strcspn(to, ",");
        buffer_printf(&link->out, "TO %.*s", (int)len, to);
        link_end_line(link);
        code = link_exchange(link);
        to += len + (to[len] == ',');
    }
    if (code == EX_OK) {
        buffer_puts(&link->out, "DATA");
        link_end_line(link);
        code = link_exchange(link);
    }
    if (code == EX_OK) {
        add_content(link, text);
        code = link_exchange(link);
    }
    return code;
}

/* In SEND a space ends the numbers; people write them with some, which the relay would drop. */
static void drop_spaces(char *s)
{
    char *to = s;
    for (; *s != '\0'; s++) {
        if (*s != ' ') {
            *to++ = *s;
        }
    }
    *to = '\0';
}

static int run_send(struct link *link, const struct request *request, int argc, char **argv)
{
    struct buffer text = BUFFER_EMPTY;
    char *to = argv[1];
    drop_spaces(to);
    int code = read_text(&text, argc - 2, argv + 2);
    bool is_line = fits_one_line(&text);
    if (code == EX_OK && *to == '\0') {
        code = link_complain(EX_USAGE, "TO is empty", "");
    }
    if (code == EX_OK) {
        code = is_line ? send_line(link, request, to, &text) : send_lines(link, request, to, &text);
    }
    if (code == EX_OK) {
        code = link_print_answer(link);
    }
    buffer_free(&text);
    return code;
}

/* --- the table ------------------------------------------------------------------------------ */

struct subcommand {
    const char *name;
    int (*run)(struct link *link, const struct request *request, int argc, char **argv);
    int min, max; /* arguments; max -1 = any number */
    const char *syntax;
    const char *summary;
    const char *help; /* more about it; lines */
};

static const char send_help[] =
    "Without TEXT the text is read from stdin, where it may have several lines:\n"
    "\n"
    "    echo 'Backup done' | smsrelay send +34600000000\n"
    "    smsrelay send --from Acme --ttl 10m +34600000000,+34600000001 < text\n"
    "\n"
    "Prefer stdin: everybody on this machine can read arguments in the list of processes.\n"
    "Either all of the recipients get the message or, if a number is refused, nobody.\n"
    "\n"
    "  -f, --from SENDER       1 to 11 letters and digits, or a number; default: the relay's\n"
    "  -r, --ref REF           your reference; the same one twice is not sent twice\n"
    "      --ttl TIME          give up when it was not sent by then: 90s, 5m, 2h, 1d\n"
    "      --priority P        high, normal or low\n"
    "      --at TIME           not before: +15m, or 2026-04-21T10:15:00Z\n"
    "      --unicode U         auto, yes, or no: refuse what is not in GSM-7\n"
    "      --ack A             queued, or relayed: wait for the API's answer\n";

static const char queue_help[] =
    "queue                   how many messages are in which state\n"
    "queue list [STATE] [N]  the messages, the oldest N (100, at most 10000); needs control "
    "rights\n"
    "queue export            the messages that a stopped relay has not relayed, as JSON\n"
    "\n"
    "The relay is asked. Where none answers, the store of one that was stopped or killed is read, "
    "by\n"
    "the user that it runs as (or root): every message in the state that was saved last. Nothing "
    "is\n"
    "changed. The store is that of queue.path, found as `smsrelay serve` finds it: -o, "
    "environment,\n"
    "file; without any of them /var/lib/smsrelay/queue.db.\n"
    "\n"
    "  -c FILE                 settings other than those of the default file\n"
    "  -o SECTION.KEY=VALUE    a setting, as -o queue.path=PATH\n"
    "                          With -c or -o the store is read and no relay asked; with them and\n"
    "                          -s the relay is asked and, where none answers, the store read.\n"
    "                          With -s alone no store is read.\n"
    "\n"
    "export never asks a relay: stop it first. It writes one JSON object a line, as the verb JSON\n"
    "takes it, for every message that is not finished; ttl is what is left of its time. Left out, "
    "and\n"
    "counted on stderr, are those whose time is over and those that may have been sent already "
    "(they\n"
    "were being sent, or the answer was lost):\n"
    "\n"
    "      --all               export also what may have been sent already; it may arrive twice\n"
    "\n"
    "To hand them to another relay:\n"
    "\n"
    "    smsrelay queue export > messages\n"
    "    (sed 's/^/JSON /' messages; echo QUIT) | nc localhost 2525\n"
    "\n"
    "The store still holds them: move it away before a relay starts on it again, or both send "
    "them.\n";

static const struct subcommand subcommands[] = {
    {"send", run_send, 1, -1, "[OPTION...] TO[,TO...] [TEXT...]", "send a message", send_help},
    {"status", run_verb, 1, -1, "ID|REF", "what became of a message", ""},
    {"queue", run_queue, 0, 3, "[-c FILE] [-o queue.path=PATH] [list [STATE] [N] | export [--all]]",
     "what waits; list, export: the messages themselves", queue_help},
    {"stats", run_verb, 0, 0, "", "the relay's counters", ""},
    {"optout", run_verb, 1, -1, "add NUMBER | remove NUMBER | list",
     "numbers that nothing is sent to",
     "list shows given=yes where policy.optout_file names a number: remove does not take it off.\n"
     "Needs control rights.\n"},
    {"watch", run_watch, 0, 2, "[ID|REF] [since=EVENT]", "follow a message, or all, until Ctrl-C",
     "With since= what came after that event is told first: the number in the last line seen.\n"
     "To follow all messages needs control rights.\n"},
    {"flush", run_verb, 0, 0, "", "try everything that waits now", "Needs control rights.\n"},
    {"hold", run_verb, 0, 0, "", "stop relaying", "Needs control rights.\n"},
    {"release", run_verb, 0, 0, "", "go on relaying", "Needs control rights.\n"},
    {"retry", run_verb, 1, 1, "ID", "send an unresolved message again", "Needs control rights.\n"},
    {"cancel", run_verb, 1, -1, "ID|REF", "take back a message that was not sent yet", ""},
};

static const struct subcommand *subcommand_find(const char *word)
{
    for (size_t i = 0; i < sizeof subcommands / sizeof subcommands[0]; i++) {
        if (strcmp(subcommands[i].name, word) == 0) {
            return &subcommands[i];
        }
    }
    return NULL;
}

bool client_knows(const char *word)
{
    return subcommand_find(word) != NULL;
}

void client_print_commands(FILE *out)
{
    for (size_t i = 0; i < sizeof subcommands / sizeof subcommands[0]; i++) {
        fprintf(out, "  %-10s%s\n", subcommands[i].name, subcommands[i].summary);
    }
}

static int print_help(const struct subcommand *subcommand)
{
    printf("usage: smsrelay %s [-s PATH|HOST:PORT]%s%s\n\n%s: %s\n\n", subcommand->name,
           subcommand->syntax[0] != '\0' ? " " : "", subcommand->syntax, subcommand->name,
           subcommand->summary);
    if (subcommand->help[0] != '\0') {
        printf("%s\n", subcommand->help);
    }
    printf("  -s, --socket TARGET     the relay: a socket's PATH or HOST:PORT; default:\n"
           "                          $SMSRELAY_SOCKET, else %s,\n"
           "                          else %s\n"
           "  -h, --help              this text\n\n"
           "Exit codes are those of sysexits.h: 75 = not now, try again; 65 = refused;\n"
           "66 = no such message; 69 = no relay there; 77 = not allowed; 64 = usage.\n",
           LINK_DEFAULT_SOCKET, LINK_DEFAULT_ADDRESS);
    return EX_OK;
}

static int print_usage(const struct subcommand *subcommand)
{
    fprintf(stderr, "usage: smsrelay %s [-s PATH|HOST:PORT] %s\n(more: smsrelay %s --help)\n",
            subcommand->name, subcommand->syntax, subcommand->name);
    return EX_USAGE;
}

/* --- options -------------------------------------------------------------------------------- */

/* Options of the protocol are long options of the same name; so is their value, for getopt. */
enum {
    OPTION_FROM = 'f',
    OPTION_REF = 'r',
    OPTION_SOCKET = 's',
    OPTION_HELP = 'h',
    OPTION_FILE = 'c',
    OPTION_OVERRIDE = 'o',
    OPTION_OTHER = 256, /* no letter */
    OPTION_ALL
};

static const struct option send_options[] = {
    {"socket", required_argument, NULL, OPTION_SOCKET},
    {"help", no_argument, NULL, OPTION_HELP},
    {"from", required_argument, NULL, OPTION_FROM},
    {"ref", required_argument, NULL, OPTION_REF},
    {"ttl", required_argument, NULL, OPTION_OTHER},
    {"priority", required_argument, NULL, OPTION_OTHER},
    {"at", required_argument, NULL, OPTION_OTHER},
    {"unicode", required_argument, NULL, OPTION_OTHER},
    {"ack", required_argument, NULL, OPTION_OTHER},
    {NULL, 0, NULL, 0},
};
static const struct option plain_options[] = {
    {"socket", required_argument, NULL, OPTION_SOCKET},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};
static const struct option queue_options[] = {
    {"socket", required_argument, NULL, OPTION_SOCKET},
    {"help", no_argument, NULL, OPTION_HELP},
    {"all", no_argument, NULL, OPTION_ALL},
    {NULL, 0, NULL, 0},
};

/* "+": behind the first argument there are no options, but in a text or a REF there may be dashes. */
static const struct known_options {
    const char *letters;
    const struct option *names;
} send_known = {"+s:hf:r:", send_options}, plain_known = {"+s:h", plain_options},
  queue_known = {"s:hc:o:", queue_options};

static const struct known_options *known_options(const struct subcommand *subcommand)
{
    if (subcommand->run == run_send) {
        return &send_known;
    }
    return subcommand->run == run_queue ? &queue_known : &plain_known;
}

enum verdict { VERDICT_RUN, VERDICT_HELP, VERDICT_USAGE };

/* Reads the options; optind is then the first argument. */
static enum verdict read_options(struct request *request, const struct known_options *known,
                                 int argc, char **argv)
{
    int letter, which = 0;
    optind = 0; /* glibc: begin anew, whoever used getopt before */
    while ((letter = getopt_long(argc, argv, known->letters, known->names, &which)) != -1) {
        switch (letter) {
        case OPTION_SOCKET:
            request->target = optarg;
            break;
        case OPTION_HELP:
            return VERDICT_HELP;
        case OPTION_FROM:
            request->from = optarg;
            break;
        case OPTION_REF:
            reply_value(&request->options, "REF", optarg);
            break;
        case OPTION_OTHER:
            reply_value(&request->options, known->names[which].name, optarg);
            request->may_take_long |= strcmp(known->names[which].name, "ack") == 0;
            break;
        case OPTION_FILE:
            request->file = optarg;
            break;
        case OPTION_OVERRIDE:
            request->overrides[request->override_count++] = optarg;
            break;
        case OPTION_ALL:
            request->exports_sent = true;
            break;
        default:
            return VERDICT_USAGE;
        }
    }
    return VERDICT_RUN;
}

static bool are_arguments_good(const struct subcommand *subcommand, int count, char **arguments)
{
    if (count < subcommand->min || (subcommand->max >= 0 && count > subcommand->max)) {
        return false;
    }
    /* The text of a message may have line breaks, what goes into a command may not. */
    int checked = subcommand->run == run_send ? 1 : count;
    for (int i = 0; i < checked; i++) {
        if (has_control_character(arguments[i])) {
            link_complain(EX_USAGE, "control character in an argument", "");
            return false;
        }
    }
    return true;
}

/* --- queue, where no relay answers ---------------------------------------------------------- */

static bool names_store(const struct request *request)
{
    return request->file != NULL || request->override_count > 0;
}

/* Is the relay asked, or only a store read? */
static bool asks_relay(const struct request *request, const struct client_queue *queue)
{
    return queue->kind != CLIENT_QUEUE_EXPORT && (request->target != NULL || !names_store(request));
}

static int read_store(const struct request *request, const struct client_queue *queue,
                      client_store_finder *find_store)
{
    char *path = find_store(request->file, request->overrides);
    int code = EX_CONFIG;
    if (path != NULL && path[0] == '\0') {
        code = link_complain(EX_NOINPUT, "no store to read: queue.path is not set", "");
    } else if (path != NULL) {
        code = client_queue_print(queue, path);
    }
    free(path);
    return code;
}

/* --- running -------------------------------------------------------------------------------- */

/* The relay does not answer: says so, and reads its store if that is what `queue` (or NULL) may do. */
static int do_without_relay(const struct link *link, const struct request *request,
                            const struct client_queue *queue, client_store_finder *find_store)
{
    int code = link_complain_unmade(link);
    if (queue == NULL || !link_is_absent(link) ||
        (request->target != NULL && !names_store(request))) {
        return code;
    }
    int store_code = read_store(request, queue, find_store);
    bool was_guessed =
        !names_store(request) && (store_code == EX_NOINPUT || store_code == EX_CONFIG);
    return was_guessed ? code : store_code;
}

/* Runs what was read of the command line; `queue` is NULL for all other subcommands. */
static int run(const struct subcommand *subcommand, const struct request *request,
               const struct client_queue *queue, client_store_finder *find_store, int argc,
               char **argv)
{
    struct link link;
    if (queue != NULL && !asks_relay(request, queue)) {
        return read_store(request, queue, find_store);
    }
    int code = link_open(&link, request->target, request->may_take_long);
    if (code == EX_OK) {
        code = subcommand->run(&link, request, argc, argv);
    } else if (link.reason != 0) {
        code = do_without_relay(&link, request, queue, find_store);
    }
    link_close(&link);
    return code;
}

/* Do the options of `queue` go with what it is asked for? Says what does not. */
static bool are_queue_options_good(const struct request *request, const struct client_queue *queue)
{
    bool exports = queue->kind == CLIENT_QUEUE_EXPORT;
    if (exports && request->target != NULL) {
        link_complain(EX_USAGE, "export reads a store, it asks no relay: no -s", "");
        return false;
    }
    return exports || !request->exports_sent;
}

int client_main(int argc, char **argv, client_store_finder *find_store)
{
    const struct subcommand *subcommand = subcommand_find(argv[0]);
    struct request request = {.options = BUFFER_EMPTY};
    if (subcommand == NULL) {
        return link_complain(EX_USAGE, "unknown subcommand", argv[0]);
    }
    bool is_queue = subcommand->run == run_queue;
    request.may_take_long = subcommand->run == run_watch;
    request.overrides = calloc((size_t)argc + 1, sizeof *request.overrides);
    if (request.overrides == NULL) {
        return link_complain(EX_OSERR, "no memory", "");
    }
    enum verdict verdict = read_options(&request, known_options(subcommand), argc, argv);
    int count = argc - optind;
    char **arguments = argv + optind;
    struct client_queue queue = client_queue_parse(count, arguments);
    queue.exports_sent = request.exports_sent;
    if (verdict == VERDICT_RUN && (!are_arguments_good(subcommand, count, arguments) ||
                                   (is_queue && !are_queue_options_good(&request, &queue)))) {
        verdict = VERDICT_USAGE;
    }
    int code;
    if (verdict == VERDICT_RUN) {
        /* The runners see the subcommand's name before its arguments, as a main() would. */
        argv[optind - 1] = argv[0];
        code = run(subcommand, &request, is_queue ? &queue : NULL, find_store, count + 1,
                   arguments - 1);
    } else {
        code = verdict == VERDICT_HELP ? print_help(subcommand) : print_usage(subcommand);
    }
    buffer_free(&request.options);
    free(request.overrides);
    return code;
}
