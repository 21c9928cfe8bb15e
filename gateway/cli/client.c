/* client: the subcommands of an invocation. See the header. Thread: the only one; blocking. */
#include "gateway/cli/client.h"

#include "gateway/cli/link.h"
#include "gateway/cli/offline.h"
#include "gateway/cli/send.h"
#include "proto/buffer.h"
#include "proto/reply.h"

#include <ctype.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

struct invocation;

struct subcommand {
    const char *name;
    int (*run)(struct link *link, const struct invocation *invocation);
    const struct known_options *known;
    int min, max; /* arguments; max -1 = any number */
    const char *syntax;
    const char *summary;
    const char *help; /* more about it; lines */
};

/* What the command line asks for. */
struct invocation {
    const struct subcommand *subcommand;
    char **arguments; /* `count` of them */
    int count;
    const char *target;       /* -s */
    bool may_take_long;       /* the relay waits for the API, or the user for events */
    struct send_options send; /* of send */

    /* Of queue. */
    const char *file; /* -c */
    char **overrides; /* -o; ended by NULL */
    size_t override_count;
    bool exports_sent; /* --all */
    struct offline_query query;
};

/* --- asking a relay --------------------------------------------------------------------------- */

/* One line, one reply: the subcommand's name is the verb. */
static int run_verb(struct link *link, const struct invocation *invocation)
{
    buffer_puts(&link->out, invocation->subcommand->name);
    for (int i = 0; i < invocation->count; i++) {
        buffer_printf(&link->out, " %s", invocation->arguments[i]);
    }
    link_end_line(link);
    int code = link_exchange(link);
    return code == EX_OK ? link_print_answer(link) : code;
}

static int run_watch(struct link *link, const struct invocation *invocation)
{
    int code = run_verb(link, invocation);
    while (code == EX_OK) {
        code = link_expect(link);
        if (code == EX_OK) {
            code = link_print_answer(link);
        }
    }
    return code;
}

static int run_send(struct link *link, const struct invocation *invocation)
{
    return send_message(link, &invocation->send, invocation->count, invocation->arguments);
}

/* --- the tables ------------------------------------------------------------------------------- */

/* What getopt returns. The options of SEND are long options of the same name. */
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

/* "+": options end at the first argument, for a text or a REF may begin with a dash. */
static const struct known_options {
    const char *letters;
    const struct option *names;
} send_known = {"+s:hf:r:", send_options}, plain_known = {"+s:h", plain_options},
  queue_known = {"s:hc:o:", queue_options};

static const char send_help[] =
    "Without TEXT, or with -, the text is read from stdin and may have several lines:\n"
    "\n"
    "    echo 'Backup done' | smsrelay send +34600000000\n"
    "    smsrelay send --from Acme --ttl 10m +34600000000,+34600000001 < text\n"
    "\n"
    "Prefer stdin: anybody on this machine can read the arguments of a process.\n"
    "If one of several numbers is refused, nobody gets the message.\n"
    "Options stand before TO. `--` ends them, before or after TO; it is no part of TEXT.\n"
    "\n"
    "  -f, --from SENDER       1 to 11 letters and digits, or a number; default: the relay's\n"
    "  -r, --ref REF           your reference; a message with a known one is not sent again\n"
    "      --ttl TIME          give up if it is not sent by then: 90s, 5m, 2h, 1d\n"
    "      --priority P        high, normal or low\n"
    "      --at TIME           not before: +15m, or 2026-04-21T10:15:00Z\n"
    "      --unicode U         auto, yes, or no: refuse what does not fit GSM-7\n"
    "      --ack A             queued, or relayed: wait for the API's answer\n";

static const char queue_help[] =
    "queue                   how many messages are in each state\n"
    "queue list [STATE] [N]  the messages, oldest first, at most N (100, up to 10000);\n"
    "                        needs control rights\n"
    "queue export            what a stopped relay has not relayed, as JSON\n"
    "\n"
    "queue asks the relay. If none answers, it reads the store of a relay that was stopped or\n"
    "killed, as that relay's user or root: every message in its last saved state. It changes\n"
    "nothing. The store is queue.path, found as `smsrelay serve` finds it (-o, environment,\n"
    "file), or else /var/lib/smsrelay/queue.db.\n"
    "\n"
    "  -c FILE                 a settings file other than the default one\n"
    "  -o SECTION.KEY=VALUE    a setting, such as -o queue.path=PATH\n"
    "                          With -c or -o, queue reads the store and asks no relay; with -s\n"
    "                          too, it asks the relay first. With -s alone, it reads no store.\n"
    "\n"
    "export never asks a relay: stop it first. It writes every unfinished message as a line of\n"
    "JSON, as the verb JSON takes it; ttl is the time that is left. Messages whose time is over\n"
    "are left out and counted on stderr, and so are those that may have been sent already (they\n"
    "were being sent, or the answer was lost):\n"
    "\n"
    "      --all               also export what may have been sent already; it may arrive twice\n"
    "\n"
    "To hand them to another relay:\n"
    "\n"
    "    smsrelay queue export > messages\n"
    "    (sed 's/^/JSON /' messages; echo QUIT) | nc localhost 2525\n"
    "\n"
    "The store still holds them: move it away before a relay starts on it again, or both relays\n"
    "send them.\n";

static const struct subcommand subcommands[] = {
    {"send", run_send, &send_known, 1, -1, "[OPTION...] TO[,TO...] [- | [--] TEXT...]",
     "send a message", send_help},
    {"status", run_verb, &plain_known, 1, -1, "ID|REF", "what became of a message", ""},
    {"queue", run_verb, &queue_known, 0, 3,
     "[-c FILE] [-o queue.path=PATH] [list [STATE] [N] | export [--all]]",
     "what is waiting; list, export: the messages themselves", queue_help},
    {"stats", run_verb, &plain_known, 0, 0, "", "the relay's counters", ""},
    {"optout", run_verb, &plain_known, 1, -1, "add NUMBER | remove NUMBER | list",
     "numbers that nothing is sent to",
     "list shows given=yes for numbers from policy.optout_file: remove does not take them off.\n"
     "Needs control rights.\n"},
    {"watch", run_watch, &plain_known, 0, 2, "[ID|REF] [since=EVENT]",
     "follow a message, or all of them, until Ctrl-C",
     "since= shows first what happened after that event: the number in the last line seen.\n"
     "Following all messages needs control rights.\n"},
    {"flush", run_verb, &plain_known, 0, 0, "", "try everything that is waiting, now",
     "Needs control rights.\n"},
    {"hold", run_verb, &plain_known, 0, 0, "", "stop relaying", "Needs control rights.\n"},
    {"release", run_verb, &plain_known, 0, 0, "", "resume relaying", "Needs control rights.\n"},
    {"retry", run_verb, &plain_known, 1, 1, "ID", "send an unresolved message again",
     "Needs control rights.\n"},
    {"cancel", run_verb, &plain_known, 1, -1, "ID|REF",
     "take back a message that has not been sent", ""},
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

/* --- reading the command line ----------------------------------------------------------------- */

enum verdict { VERDICT_RUN, VERDICT_HELP, VERDICT_USAGE };

/* Reads the options; optind is then the first argument. */
static enum verdict read_options(struct invocation *invocation, int argc, char **argv)
{
    const struct known_options *known = invocation->subcommand->known;
    int letter, which = 0;
    optind = 0; /* resets glibc's getopt */
    while ((letter = getopt_long(argc, argv, known->letters, known->names, &which)) != -1) {
        switch (letter) {
        case OPTION_SOCKET:
            invocation->target = optarg;
            break;
        case OPTION_HELP:
            return VERDICT_HELP;
        case OPTION_FROM:
            invocation->send.from = optarg;
            break;
        case OPTION_REF:
            reply_value(&invocation->send.options, "REF", optarg);
            break;
        case OPTION_OTHER:
            reply_value(&invocation->send.options, known->names[which].name, optarg);
            invocation->may_take_long |= strcmp(known->names[which].name, "ack") == 0;
            break;
        case OPTION_FILE:
            invocation->file = optarg;
            break;
        case OPTION_OVERRIDE:
            invocation->overrides[invocation->override_count++] = optarg;
            break;
        case OPTION_ALL:
            invocation->exports_sent = true;
            break;
        default:
            return VERDICT_USAGE;
        }
    }
    return VERDICT_RUN;
}

static bool has_control_character(const char *s)
{
    for (; *s != '\0'; s++) {
        if (iscntrl((unsigned char)*s)) {
            return true;
        }
    }
    return false;
}

static bool are_arguments_good(const struct invocation *invocation)
{
    const struct subcommand *subcommand = invocation->subcommand;
    int count = invocation->count;
    if (count < subcommand->min || (subcommand->max >= 0 && count > subcommand->max)) {
        return false;
    }
    /* The text of a message may have line breaks, but not what goes into a command. */
    int checked = subcommand->run == run_send ? 1 : count;
    for (int i = 0; i < checked; i++) {
        if (has_control_character(invocation->arguments[i])) {
            link_complain(EX_USAGE, "control character in an argument", "");
            return false;
        }
    }
    return true;
}

static bool is_queue(const struct invocation *invocation)
{
    return invocation->subcommand->known == &queue_known;
}

/* Reads what `queue` is asked for. Returns false, after saying why, if its options do not fit. */
static bool read_query(struct invocation *invocation)
{
    struct offline_query query = offline_query_parse(invocation->count, invocation->arguments);
    bool exports = query.kind == OFFLINE_EXPORT;
    query.exports_sent = invocation->exports_sent;
    invocation->query = query;
    if (exports && invocation->target != NULL) {
        link_complain(EX_USAGE, "export reads a store and asks no relay: it takes no -s", "");
        return false;
    }
    return exports || !query.exports_sent;
}

static enum verdict read_command_line(struct invocation *invocation, int argc, char **argv)
{
    enum verdict verdict = read_options(invocation, argc, argv);
    invocation->arguments = argv + optind;
    invocation->count = argc - optind;
    if (verdict != VERDICT_RUN) {
        return verdict;
    }
    return are_arguments_good(invocation) && (!is_queue(invocation) || read_query(invocation))
               ? VERDICT_RUN
               : VERDICT_USAGE;
}

/* --- running ---------------------------------------------------------------------------------- */

static bool names_store(const struct invocation *invocation)
{
    return invocation->file != NULL || invocation->override_count > 0;
}

/* Is a store read without asking a relay first? */
static bool reads_only_store(const struct invocation *invocation)
{
    return is_queue(invocation) && (invocation->query.kind == OFFLINE_EXPORT ||
                                    (names_store(invocation) && invocation->target == NULL));
}

static int read_store(const struct invocation *invocation, client_store_finder *find_store)
{
    char *path = find_store(invocation->file, invocation->overrides);
    int code = EX_CONFIG;
    if (path != NULL && path[0] == '\0') {
        code = link_complain(EX_NOINPUT, "no store to read: queue.path is not set", "");
    } else if (path != NULL) {
        code = offline_print(&invocation->query, path);
    }
    free(path);
    return code;
}

/* Says that the relay does not answer, and reads its store instead if this is a `queue` that may. */
static int do_without_relay(const struct link *link, const struct invocation *invocation,
                            client_store_finder *find_store)
{
    int code = link_complain_unmade(link);
    if (!is_queue(invocation) || !link_is_absent(link) ||
        (invocation->target != NULL && !names_store(invocation))) {
        return code;
    }
    int store_code = read_store(invocation, find_store);
    bool was_guessed =
        !names_store(invocation) && (store_code == EX_NOINPUT || store_code == EX_CONFIG);
    return was_guessed ? code : store_code;
}

static int run(const struct invocation *invocation, client_store_finder *find_store)
{
    struct link link;
    if (reads_only_store(invocation)) {
        return read_store(invocation, find_store);
    }
    int code = link_open(&link, invocation->target, invocation->may_take_long);
    if (code == EX_OK) {
        code = invocation->subcommand->run(&link, invocation);
    } else if (link.reason != 0) {
        code = do_without_relay(&link, invocation, find_store);
    }
    link_close(&link);
    return code;
}

int client_main(int argc, char **argv, client_store_finder *find_store)
{
    struct invocation invocation = {.subcommand = subcommand_find(argv[0]),
                                    .send.options = BUFFER_EMPTY};
    int code = EX_OK;
    if (invocation.subcommand == NULL) {
        return link_complain(EX_USAGE, "unknown subcommand", argv[0]);
    }
    invocation.may_take_long = invocation.subcommand->run == run_watch;
    invocation.overrides = calloc((size_t)argc + 1, sizeof *invocation.overrides);
    if (invocation.overrides == NULL) {
        return link_complain(EX_OSERR, "out of memory", "");
    }
    switch (read_command_line(&invocation, argc, argv)) {
    case VERDICT_RUN:
        code = run(&invocation, find_store);
        break;
    case VERDICT_HELP:
        code = print_help(invocation.subcommand);
        break;
    case VERDICT_USAGE:
        code = print_usage(invocation.subcommand);
        break;
    }
    buffer_free(&invocation.send.options);
    free(invocation.overrides);
    return code;
}
