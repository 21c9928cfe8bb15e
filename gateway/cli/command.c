/* command: see command.h. */
#include "gateway/cli/command.h"

#include "gateway/cli/complain.h"
#include "gateway/cli/exits.h"
#include "proto/session/option.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

/* --- options ---------------------------------------------------------------------------------- */

/* A lower-case letter is also the short form of an option; others only name it in the tables, but for F, which
 * is -f where there is no --from. */
static const struct known {
    char letter;
    const char *name;  /* the long form, or NULL */
    const char *value; /* what it is called in the help; NULL = it takes none */
    const char *help;
} OPTIONS[] = {
    {'f', "from", "SENDER", "1 to 11 letters and digits, or a number; default: the relay's"},
    {'t', "to", "NUMBER", "a recipient; may be repeated; then all arguments are the text"},
    {'r', "ref", "REF", "your reference; a message with a known one is not sent again"},
    {'L', "ttl", "TIME", "give up if it is not sent by then: 90s, 5m, 2h, 1d"},
    {'P', "priority", "P", "high, normal or low"},
    {'A', "at", "TIME", "not before: +15m, or 2026-04-21T10:15:00Z"},
    {'U', "unicode", "U", "auto, yes, or no: refuse what does not fit GSM-7"},
    {'K', "ack", "A", "queued, or relayed: wait for the API's answer"},
    {'X', "all", NULL, "export what may have been sent already, too; it may arrive twice"},
    {'J', "json", NULL, "print JSON"},
    {'F', "file", "FILE", "the users file"},
    {'R', "replace", NULL,
     "the user is there: give him another one, and keep the rest of his line"},
    {'N', "unit", NULL, "as the systemd unit has them"},
    {'c', NULL, "FILE", "a settings file other than the default one"},
    {'o', NULL, "SECTION.KEY=VALUE", "a setting, such as -o queue.path=PATH; may be repeated"},
    {'s', "socket", "TARGET", "where the relay is: a socket's PATH, or HOST:PORT"},
    {'W', "timeout", "TIME", "how long the relay may keep us waiting: 10s, 5m; default 30s"},
    {'h', "help", NULL, "this text"},
};
enum { OPTION_COUNT = sizeof OPTIONS / sizeof OPTIONS[0] };

/* 0 = there is none. */
static char short_form(const struct known *known)
{
    bool is_short = known->letter >= 'a' && known->letter <= 'z';
    return is_short ? known->letter : known->letter == 'F' ? 'f' : 0;
}

static const struct known *option_find(int letter)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (OPTIONS[i].letter == letter) {
            return &OPTIONS[i];
        }
    }
    return NULL;
}

/* A string of a row. */
static const char *text_of(const char *text)
{
    return text == NULL ? "" : text;
}

static bool takes_option(const struct command *command, char letter)
{
    return letter == 'h' || strchr(text_of(command->options), letter) != NULL;
}

bool command_has_option(const struct command *command, const char *word)
{
    size_t len = strcspn(word, "=");
    for (size_t i = 0; i < OPTION_COUNT && word[0] == '-'; i++) {
        const struct known *known = &OPTIONS[i];
        bool is_long = known->name != NULL && len > 3 && word[1] == '-' &&
                       strncmp(known->name, word + 2, len - 2) == 0;
        if (takes_option(command, known->letter) &&
            (is_long || (short_form(known) != 0 && word[1] == short_form(known)))) {
            return true;
        }
    }
    return false;
}

const char *invocation_option(const struct invocation *invocation, char letter)
{
    for (int i = invocation->given_count; i > 0; i--) {
        if (invocation->given[i - 1].letter == letter) {
            return invocation->given[i - 1].value;
        }
    }
    return NULL;
}

char **invocation_values(const struct invocation *invocation, char letter)
{
    char **values = calloc((size_t)invocation->given_count + 1, sizeof *values);
    size_t count = 0;
    for (int i = 0; values != NULL && i < invocation->given_count; i++) {
        if (invocation->given[i].letter == letter) {
            values[count++] = invocation->given[i].value;
        }
    }
    return values;
}

int64_t invocation_limit_ms(const struct invocation *invocation, int64_t otherwise_ms)
{
    const char *value = invocation_option(invocation, 'W');
    int64_t limit_ms = otherwise_ms;
    if (value != NULL) {
        option_parse_duration(value, strlen(value), &limit_ms);
    }
    return limit_ms;
}

/* --- help ------------------------------------------------------------------------------------- */

enum { COMMANDS_MAX = 64 };
static const struct command *commands[COMMANDS_MAX];
static size_t command_count;

/* Is it the command of that name, or one of a family of that name: "queue list"? */
static bool is_of_family(const struct command *command, const char *word)
{
    size_t len = strlen(word);
    return strncmp(command->name, word, len) == 0 &&
           (command->name[len] == '\0' || command->name[len] == ' ');
}

static void print_usage(const struct command *command, const char *before, FILE *out)
{
    const char *arguments = text_of(command->arguments);
    bool has_options = command->options != NULL;
    fprintf(out, "%s smsrelay %s%s%s%s\n", before, command->name, has_options ? " [OPTION...]" : "",
            arguments[0] != '\0' ? " " : "", arguments);
}

static void print_options(const struct command *command, FILE *out)
{
    fputs("\nOptions:\n", out);
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct known *known = &OPTIONS[i];
        char words[64];
        if (!takes_option(command, known->letter)) {
            continue;
        }
        bool is_short = short_form(known) != 0;
        snprintf(words, sizeof words, "%c%c%s%s%s %s", is_short ? '-' : ' ',
                 is_short ? short_form(known) : ' ',
                 is_short && known->name != NULL ? ", "
                 : is_short                      ? ""
                                                 : "  ",
                 known->name != NULL ? "--" : "", known->name != NULL ? known->name : "",
                 known->value != NULL ? known->value : "");
        fprintf(out, "  %-24s  %s\n", words, known->help);
    }
}

static void print_where(FILE *out)
{
    fputs(
        "\nWithout -s, the relay is at $SMSRELAY_SOCKET, or else where the settings file says\n"
        "(listen.unix, listen.address; if you may read it), or else at\n" LINK_DEFAULT_SOCKET
        " or " LINK_DEFAULT_ADDRESS ".\n"
        "With $SMSRELAY_USER it logs in, with the password or token in $SMSRELAY_PASSWORD_FILE.\n",
        out);
}

static int print_help_of(const struct command *command)
{
    print_usage(command, "usage:", stdout);
    for (size_t i = 0; i < command_count; i++) {
        if (commands[i] != command && is_of_family(commands[i], command->name)) {
            print_usage(commands[i], "      ", stdout);
        }
    }
    printf("\n%s: %s\n%s%s", command->name, command->summary, command->help != NULL ? "\n" : "",
           text_of(command->help));
    if (!command->has_own_flags) {
        print_options(command, stdout);
    }
    if (takes_option(command, 's')) {
        print_where(stdout);
    }
    printf("\nExample:\n\n");
    for (const char *line = command->example; *line != '\0';) {
        size_t len = strcspn(line, "\n");
        printf("    %.*s\n", (int)len, line);
        line += len + (line[len] == '\n' ? 1 : 0);
    }
    if (command->print_more != NULL) {
        command->print_more(stdout);
    }
    fputs("\nExit codes:\n", stdout);
    exits_print(stdout);
    return EX_OK;
}

static int print_commands(FILE *out, int code)
{
    fputs("smsrelay " SMSRELAY_VERSION ": a local SMS relay for the Instasent Transactional API\n\n"
          "usage: smsrelay COMMAND [OPTION...] [ARGUMENT...]\n\n",
          out);
    for (size_t i = 0; i < command_count; i++) {
        fprintf(out, "  %-14s  %s\n", commands[i]->name, commands[i]->summary);
    }
    fputs("\n`smsrelay help COMMAND` explains each, with an example.\n"
          "\nOf `serve` and the like: INSTASENT_TOKEN in the environment is the API's token;\n"
          "SMSRELAY_SECTION_KEY sets any other setting.\n",
          out);
    print_where(out);
    fputs("\nExit codes:\n", out);
    exits_print(out);
    return code;
}

int command_misused(const struct command *command, const char *format, ...)
{
    va_list args;
    char words[512];
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    complain(EX_USAGE, "%s", words);
    print_usage(command, "usage:", stderr);
    fprintf(stderr, "More: smsrelay help %s\n", command->name);
    return EX_USAGE;
}

/* --- which command ---------------------------------------------------------------------------- */

/* The command of one word or, if there is such a one, of two. NULL = none. */
static const struct command *command_find(const char *word, const char *second)
{
    const struct command *found = NULL;
    size_t len = strlen(word);
    for (size_t i = 0; i < command_count; i++) {
        const char *name = commands[i]->name;
        if (strcmp(name, word) == 0 && found == NULL) {
            found = commands[i];
        } else if (second != NULL && is_of_family(commands[i], word) && name[len] == ' ' &&
                   strcasecmp(name + len + 1, second) == 0) {
            found = commands[i];
        }
    }
    return found;
}

/* Some command whose name begins with the word, to say what goes on with it. */
static const struct command *command_find_any(const char *word)
{
    for (size_t i = 0; i < command_count; i++) {
        if (is_of_family(commands[i], word)) {
            return commands[i];
        }
    }
    return NULL;
}

/* Lists the commands whose first word this is. */
static int print_family(const char *word, FILE *out, int code)
{
    for (size_t i = 0; i < command_count; i++) {
        if (is_of_family(commands[i], word)) {
            print_usage(commands[i], "usage:", out);
            fprintf(out, "           %s\n", commands[i]->summary);
        }
    }
    fprintf(out, "More: smsrelay help %s ...\n", word);
    return code;
}

static int complain_of_word(const char *word, const char *second)
{
    complain_as("");
    if (command_find_any(word) == NULL) {
        return complain(EX_USAGE, "there is no command %s; `smsrelay help` lists them", word);
    }
    complain(EX_USAGE, "there is no command %s %s", word, second == NULL ? "alone" : second);
    return print_family(word, stderr, EX_USAGE);
}

/* Explains the command of one word or two, or what there is of that word. `second` may also be an
 * argument, unless `is_name`. */
static int explain(const char *word, const char *second, bool is_name)
{
    const struct command *command = command_find(word, second);
    bool is_whole = !is_name || second == NULL || (command != NULL && strchr(command->name, ' '));
    if (command != NULL && is_whole) {
        return print_help_of(command);
    }
    return second == NULL && command_find_any(word) != NULL ? print_family(word, stdout, EX_OK)
                                                            : complain_of_word(word, second);
}

/* --- reading the command line ----------------------------------------------------------------- */

enum { LETTERS_SIZE = 2 * OPTION_COUNT + 3 };

/* The options in getopt's terms: whoever takes which is seen later, when the command is known. */
static void describe_options(bool has_text, char letters[LETTERS_SIZE],
                             struct option names[OPTION_COUNT + 1])
{
    size_t used = 0;
    size_t name_count = 0;
    if (has_text) {
        letters[used++] = '+'; /* options end at the first argument */
    }
    letters[used++] = ':'; /* getopt tells a missing value from an unknown option */
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        bool has_value = OPTIONS[i].value != NULL;
        if (OPTIONS[i].letter == short_form(&OPTIONS[i])) { /* not F */
            letters[used++] = OPTIONS[i].letter;
            letters[used] = ':';
            used += has_value;
        }
        if (OPTIONS[i].name != NULL) {
            names[name_count++] =
                (struct option){OPTIONS[i].name, has_value ? required_argument : no_argument, NULL,
                                OPTIONS[i].letter};
        }
    }
    letters[used] = '\0';
    names[name_count] = (struct option){NULL, 0, NULL, 0};
}

/* The option that a letter stands for in this command. */
static char letter_of(const struct command *command, int letter)
{
    return letter == 'f' && takes_option(command, 'F') ? 'F' : (char)letter;
}

/* What getopt stumbled over. */
static int complain_of_option(const struct command *command, int verdict, const char *word)
{
    char letter[] = {'-', (char)optopt, '\0'};
    bool is_long = word[0] == '-' && word[1] == '-';
    return command_misused(command, verdict == ':' ? "%s takes a value" : "there is no option %s",
                           is_long || optopt == 0 ? word : letter);
}

/* Reads the options and finds what is left. Returns an exit code. */
static int read_options(struct invocation *invocation, int argc, char **argv, bool *wants_help)
{
    char letters[LETTERS_SIZE];
    struct option names[OPTION_COUNT + 1];
    int letter;
    describe_options(invocation->command->has_text, letters, names);
    optind = 0; /* resets glibc's getopt */
    opterr = 0;
    while ((letter = getopt_long(argc, argv, letters, names, NULL)) != -1) {
        if (letter == '?' || letter == ':') {
            return complain_of_option(invocation->command, letter, argv[optind - 1]);
        }
        if (letter == 'h') {
            *wants_help = true;
        } else {
            invocation->given[invocation->given_count++] = (struct given){
                letter_of(invocation->command, letter), optarg != NULL ? optarg : (char *)""};
        }
    }
    invocation->arguments = argv + optind;
    invocation->count = argc - optind;
    invocation->is_literal = optind > 0 && strcmp(argv[optind - 1], "--") == 0;
    return EX_OK;
}

static bool has_control_character(const char *s)
{
    while (*s != '\0' && (unsigned char)*s >= ' ' && *s != 0x7F) {
        s++;
    }
    return *s != '\0';
}

static int check_options(const struct invocation *invocation)
{
    for (int i = 0; i < invocation->given_count; i++) {
        const struct given *given = &invocation->given[i];
        const struct known *known = option_find(given->letter);
        int64_t ms;
        if (!takes_option(invocation->command, given->letter)) {
            return command_misused(invocation->command, "it takes no %s%s",
                                   known->name != NULL ? "--" : "-",
                                   known->name != NULL ? known->name : (char[]){known->letter, 0});
        }
        if (given->letter == 'W' &&
            !option_parse_duration(given->value, strlen(given->value), &ms)) {
            return command_misused(invocation->command,
                                   "--timeout takes seconds, or 10s, 5m, 2h; got %s", given->value);
        }
    }
    return EX_OK;
}

static int check_arguments(const struct invocation *invocation)
{
    const struct command *command = invocation->command;
    int count = invocation->count;
    if (command->max == 0 && count > 0) {
        return command_misused(command, "unexpected argument: %s", invocation->arguments[0]);
    }
    if (command->max >= 0 && count > command->max) {
        return command_misused(command, "too many arguments");
    }
    if (count < command->min) {
        return command_misused(command, "%s is missing", command->arguments);
    }
    /* A text may have line breaks, but not what goes into a command of the protocol. */
    for (int i = 0; i < (command->has_text ? 0 : count); i++) {
        if (has_control_character(invocation->arguments[i])) {
            return command_misused(command, "control character in an argument");
        }
    }
    return EX_OK;
}

/* Reads the command line, argv[0] being the command's first word, and runs the command. */
static int run_words(struct invocation *invocation, int argc, char **argv)
{
    bool wants_help = false;
    const struct command *any = command_find_any(argv[0]);
    invocation->command = any;
    complain_as(argv[0]);
    if (any == NULL) {
        return complain_of_word(argv[0], NULL);
    }
    if (any->has_own_flags) {
        invocation->arguments = argv;
        invocation->count = argc;
        bool asks = argc > 1 && strcmp(argv[1], "--help") == 0;
        return asks ? print_help_of(any) : any->run(invocation);
    }
    int code = read_options(invocation, argc, argv, &wants_help);
    if (code != EX_OK) {
        return code;
    }
    const char *second = invocation->count > 0 ? invocation->arguments[0] : NULL;
    const struct command *command = command_find(argv[0], second);
    if (wants_help) {
        return explain(argv[0], second, false);
    }
    if (command == NULL) {
        return complain_of_word(argv[0], second);
    }
    invocation->command = command;
    if (strchr(command->name, ' ') != NULL) {
        invocation->arguments++;
        invocation->count--;
    }
    complain_as(command->name);
    code = check_options(invocation);
    code = code == EX_OK ? check_arguments(invocation) : code;
    return code == EX_OK ? command->run(invocation) : code;
}

/* Whoever reads stdout has got all of it, or else that is an error. */
static int finish(int code)
{
    bool is_written = fflush(stdout) == 0;
    const char *why = is_written ? "cannot be written" : strerror(errno);
    if ((code == EX_OK || code == EX_IOERR) && (!is_written || ferror(stdout))) {
        return complain(EX_IOERR, "stdout: %s", why);
    }
    return code;
}

int command_main(const struct command *const *tables, const struct command_settings *settings,
                 int argc, char **argv)
{
    struct invocation invocation = {.settings = settings,
                                    .given = calloc((size_t)argc + 1, sizeof(struct given))};
    const char *word = argc > 1 ? argv[1] : "";
    int code;
    for (; *tables != NULL; tables++) {
        for (const struct command *row = *tables; row->name != NULL; row++) {
            commands[command_count++] = row;
        }
    }
    if (invocation.given == NULL) {
        return complain(EX_OSERR, "out of memory");
    }
    if (word[0] == '\0') {
        code = print_commands(stderr, EX_USAGE);
    } else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 ||
               strcmp(word, "help") == 0) {
        code = argc == 2 ? print_commands(stdout, EX_OK) : explain(argv[2], argv[3], true);
    } else if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        code = run_words(&invocation, 1, (char *[]){(char *)"version", NULL});
    } else {
        code = run_words(&invocation, argc - 1, argv + 1);
    }
    free(invocation.given);
    return finish(code);
}
