/*
 * main: the subcommands, and what they need from the command line and the settings.
 *
 * Threads: this one; daemon starts others.
 */
#include "conf/load.h"
#include "conf/reference.h"
#include "gateway/base/log.h"
#include "gateway/base/process.h"
#include "gateway/cli/client.h"
#include "gateway/cli/sendmail.h"
#include "gateway/daemon.h"
#include "gateway/sandbox/outcomes.h"
#include "gateway/sandbox/run.h"
#include "gateway/serve/aliases.h"
#include "gateway/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

extern char **environ;

/* The StateDirectory= of conf/smsrelay.service. */
#define SERVICE_STATE_DIRECTORY "/var/lib/smsrelay"

/* --- the command line and the settings -------------------------------------------------------- */

struct arguments {
    const char *file; /* -c; NULL = the default one */
    char **overrides; /* copies of those of -o, NULL-terminated; their secrets are wiped there */
    bool wants_help;
};

/* Copies an override, and wipes its secret where it was. */
static char *keep_override(char *argument)
{
    char *const one[] = {argument, NULL};
    char *kept = strdup(argument);
    conf_wipe_secrets(one);
    return kept;
}

static void free_overrides(char **overrides)
{
    if (overrides != NULL) {
        conf_wipe_secrets(overrides);
    }
    for (size_t i = 0; overrides != NULL && overrides[i] != NULL; i++) {
        free(overrides[i]);
    }
    free(overrides);
}

/* Reads -c and -o. Returns false after saying what is wrong. */
static bool read_arguments(int argc, char **argv, struct arguments *arguments)
{
    size_t count = 0;
    *arguments = (struct arguments){.overrides = calloc((size_t)argc + 1, sizeof(char *))};
    for (int i = 1; arguments->overrides != NULL && i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            arguments->wants_help = true;
        } else if (strcmp(argv[i], "-c") == 0 && i + 1 < argc) {
            arguments->file = argv[++i];
        } else if (strcmp(argv[i], "-o") == 0 && i + 1 < argc) {
            arguments->overrides[count++] = keep_override(argv[++i]);
        } else {
            fprintf(stderr, "smsrelay %s: unexpected argument: %s\n", argv[0], argv[i]);
            return false;
        }
    }
    return arguments->overrides != NULL;
}

/* Returns NULL after saying what is wrong. Only `check` looks at all that `serve` will need, and prints
 * warnings: `serve` logs them. */
static struct conf *load(const struct arguments *arguments, bool is_check)
{
    struct conf_errors errors = CONF_NO_ERRORS;
    struct conf *conf = conf_load(arguments->file, arguments->overrides, environ,
                                  is_check ? settings_judge_all : settings_judge, &errors);
    if (conf == NULL || is_check) {
        conf_errors_print(&errors, stderr);
    }
    conf_errors_free(&errors);
    if (conf != NULL) {
        log_open((enum log_level)conf->log.level, (enum log_format)conf->log.format,
                 (enum log_privacy)conf->log.privacy);
    }
    return conf;
}

/* For what never calls the API: its token may be missing, or unreadable for this user. */
static struct conf *load_without_api(const char *file, char *const *overrides)
{
    static const char *const no_api[] = {"api.url=sandbox", "api.token=", "api.token_file="};
    enum { NO_API = sizeof no_api / sizeof no_api[0] };
    size_t count = 0;
    while (overrides[count] != NULL) {
        count++;
    }
    char **more = calloc(count + NO_API + 1, sizeof *more);
    if (more == NULL) {
        fprintf(stderr, "smsrelay: out of memory\n");
        return NULL;
    }
    memcpy(more, overrides, count * sizeof *more);
    for (size_t i = 0; i < NO_API; i++) {
        more[count + i] = (char *)no_api[i];
    }
    struct conf *conf = load(&(struct arguments){.file = file, .overrides = more}, false);
    free(more);
    return conf;
}

/* Prints them, and frees them. */
static void print_errors(struct buffer *errors)
{
    if (errors->len > 0) {
        fwrite(errors->data, 1, errors->len, stderr);
    }
    buffer_free(errors);
}

/* Reads sms.aliases, if it is set. Returns false after saying what is wrong. */
static bool load_aliases(const struct conf *conf, struct alias_table **aliases)
{
    const char *path = conf->sms.aliases;
    struct buffer errors = BUFFER_EMPTY;
    *aliases = path[0] == '\0' ? NULL : aliases_read(path, conf->sms.default_country, &errors);
    print_errors(&errors);
    return path[0] == '\0' || *aliases != NULL;
}

/* Reads policy.optout_file, if it is set. Returns false after saying what is wrong. */
static bool check_optout(const struct conf *conf)
{
    struct optout_options options;
    struct buffer errors = BUFFER_EMPTY;
    settings_optout(conf, &options);
    bool is_good = options.file[0] == '\0' || optout_check_file(&options, &errors);
    print_errors(&errors);
    return is_good;
}

/* Finds the store for `smsrelay queue`: as `serve` would, or else where the service has it. */
static char *find_store(const char *file, char *const *overrides)
{
    struct store_options options;
    setenv("STATE_DIRECTORY", SERVICE_STATE_DIRECTORY, 0);
    struct conf *conf = load_without_api(file, overrides);
    char *path = NULL;
    conf_wipe_secrets(overrides);
    if (conf != NULL) {
        path = strdup(settings_store(conf, &options) ? options.path : "");
    }
    conf_free(conf);
    return path;
}

/* --- subcommands ------------------------------------------------------------------------------ */

static struct conf *load_again(void *arg, struct conf_errors *errors)
{
    const struct arguments *arguments = arg;
    return conf_load(arguments->file, arguments->overrides, environ, settings_judge, errors);
}

static int serve(const struct arguments *arguments)
{
    struct conf *conf = load(arguments, false);
    struct alias_table *aliases = NULL;
    bool is_sound = conf != NULL && load_aliases(conf, &aliases);
    int code = is_sound ? daemon_run(conf, aliases, load_again, (void *)arguments) : EX_CONFIG;
    conf_free(conf);
    return code;
}

static int check(const struct arguments *arguments)
{
    struct conf *conf = load(arguments, true);
    struct alias_table *aliases = NULL;
    bool is_sound = conf != NULL && load_aliases(conf, &aliases);
    is_sound = conf != NULL && check_optout(conf) && is_sound;
    alias_table_free(aliases);
    conf_free(conf);
    return is_sound ? EX_OK : EX_CONFIG;
}

/* Prints what conf/smsrelay.conf holds. */
static int settings(const struct arguments *arguments)
{
    if (arguments->file != NULL || arguments->overrides[0] != NULL) {
        fputs("smsrelay settings: it prints the defaults and takes no -c or -o\n", stderr);
        return EX_USAGE;
    }
    conf_reference_print(stdout);
    return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

static int sandbox(const struct arguments *arguments)
{
    struct sandbox_options options;
    struct conf *conf = load_without_api(arguments->file, arguments->overrides);
    if (conf == NULL) {
        return EX_CONFIG;
    }
    settings_sandbox(conf, &options);
    int code = sandbox_run(&options);
    conf_free(conf);
    return code;
}

static const struct subcommand {
    const char *word;
    int (*run)(const struct arguments *arguments);
    void (*print_more)(FILE *out); /* of its help; NULL = no more */
    const char *syntax;
    const char *summary;
} SUBCOMMANDS[] = {
    {"serve", serve, NULL, "[-c FILE] [-o section.key=value ...]", "run the relay"},
    {"check", check, NULL, "[-c FILE] [-o section.key=value ...]",
     "list what is wrong with settings"},
    {"settings", settings, NULL, "", "print every setting, explained"},
    {"sandbox", sandbox, sandbox_outcomes_print, "[-c FILE] [-o sandbox.key=value ...]",
     "run the simulated API alone"},
};
enum { SUBCOMMAND_COUNT = sizeof SUBCOMMANDS / sizeof SUBCOMMANDS[0] };

static int usage(FILE *out, int code)
{
    fputs("smsrelay " SMSRELAY_VERSION
          ": a local SMS relay for the Instasent Transactional API\n\n",
          out);
    for (size_t i = 0; i < SUBCOMMAND_COUNT; i++) {
        fprintf(out, "  smsrelay %-8s %-38s %s\n", SUBCOMMANDS[i].word, SUBCOMMANDS[i].syntax,
                SUBCOMMANDS[i].summary);
    }
    fputs("  smsrelay --version | -V | version | --help | -h | help\n"
          "\n"
          "Clients of a running relay; `smsrelay COMMAND --help` explains each:\n",
          out);
    client_print_commands(out);
    fputs(
        "  sendmail  submit the mail on stdin, as /usr/sbin/sendmail; so does a link of that name\n"
        "\n"
        "Without -c, the file is " CONF_DEFAULT_FILE ", if it exists. INSTASENT_TOKEN in the\n"
        "environment is the API's token; SMSRELAY_SECTION_KEY sets any other setting.\n",
        out);
    return code;
}

static int run_subcommand(const struct subcommand *subcommand, int argc, char **argv)
{
    struct arguments arguments;
    int code = EX_USAGE;
    if (read_arguments(argc, argv, &arguments)) {
        code = arguments.wants_help ? usage(stdout, EX_OK) : subcommand->run(&arguments);
        if (arguments.wants_help && subcommand->print_more != NULL) {
            subcommand->print_more(stdout);
        }
    }
    free_overrides(arguments.overrides);
    return code;
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    process_open_standard_files();
    if (argc > 0 && strcmp(basename(argv[0]), "sendmail") == 0) {
        return client_sendmail(argc, argv);
    }
    if (strcmp(word, "sendmail") == 0) {
        return client_sendmail(argc - 1, argv + 1);
    }
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0 || strcmp(word, "version") == 0) {
        puts("smsrelay " SMSRELAY_VERSION);
        return EX_OK;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        return usage(stdout, EX_OK);
    }
    if (client_knows(word)) {
        return client_main(argc - 1, argv + 1, find_store);
    }
    for (size_t i = 0; i < SUBCOMMAND_COUNT; i++) {
        if (strcmp(word, SUBCOMMANDS[i].word) == 0) {
            return run_subcommand(&SUBCOMMANDS[i], argc - 1, argv + 1);
        }
    }
    if (word[0] != '\0') {
        fprintf(stderr, "smsrelay: there is no command %s; smsrelay --help lists them\n", word);
        return EX_USAGE;
    }
    return usage(stderr, EX_USAGE);
}
