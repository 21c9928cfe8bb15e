/*
 * main: subcommands, and what they need of the command line and the settings; nothing else.
 *
 * Threads: this one; daemon starts others.
 */
#include "conf/keys.h"
#include "conf/load.h"
#include "conf/reference.h"
#include "gateway/base/log.h"
#include "gateway/cli/client.h"
#include "gateway/cli/sendmail.h"
#include "gateway/daemon.h"
#include "gateway/sandbox/outcomes.h"
#include "gateway/sandbox/sandbox.h"
#include "gateway/serve/aliases.h"
#include "gateway/settings.h"

#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

extern char **environ;

/* What conf/smsrelay.service makes of StateDirectory=. */
#define SERVICE_STATE_DIRECTORY "/var/lib/smsrelay"

enum { ERROR_SIZE = 512 };

/* --- before anything runs --------------------------------------------------------------------- */

/* What is opened must not become standard error, on which lines are logged and which a program
 * inherits: where a descriptor of the three is missing, it leads nowhere. */
static void open_standard_files(void)
{
    int fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO) {
        fd = open("/dev/null", O_RDWR);
    }
    if (fd >= 0) {
        close(fd);
    }
}

struct arguments {
    const char *file; /* -c, NULL = the default one */
    char **overrides; /* -o, NULL-terminated */
    bool wants_help;
};

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
            arguments->overrides[count++] = argv[++i];
        } else {
            fprintf(stderr, "smsrelay %s: unexpected argument: %s\n", argv[0], argv[i]);
            return false;
        }
    }
    return arguments->overrides != NULL;
}

/* Does a "section.key=value" set a secret? */
static bool sets_secret(const char *override)
{
    char start[CONF_VARIABLE_SIZE];
    for (size_t i = 0; i < conf_key_count; i++) {
        const struct conf_key *key = &conf_keys[i];
        int len = snprintf(start, sizeof start, "%s.%s=", key->section, key->name);
        if (key->type == CONF_SECRET && strncmp(override, start, (size_t)len) == 0) {
            return true;
        }
    }
    return false;
}

/* Everybody can read arguments in the list of processes: a token does not stay in one. */
static void wipe_secrets(char *const *overrides)
{
    for (; *overrides != NULL; overrides++) {
        if (sets_secret(*overrides)) {
            char *value = strchr(*overrides, '=') + 1;
            explicit_bzero(value, strlen(value));
        }
    }
}

static struct conf *load(const struct arguments *arguments)
{
    struct conf_errors errors = CONF_NO_ERRORS;
    struct conf *conf = conf_load(arguments->file, arguments->overrides, environ, &errors);
    conf_errors_print(&errors, stderr);
    conf_errors_free(&errors);
    wipe_secrets(arguments->overrides);
    if (conf != NULL && !settings_check(conf, stderr)) {
        conf_free(conf);
        return NULL;
    }
    if (conf != NULL) {
        log_open((enum log_level)conf->log.level, (enum log_format)conf->log.format,
                 (enum log_privacy)conf->log.privacy);
    }
    return conf;
}

/* The aliases, where the settings name a file of them. Returns false after saying what is wrong. */
static bool load_aliases(const struct conf *conf, struct alias_table **aliases)
{
    const char *path = conf->sms.aliases;
    struct buffer errors = BUFFER_EMPTY;
    *aliases = path[0] == '\0' ? NULL : aliases_read(path, conf->sms.default_country, &errors);
    if (errors.len > 0) {
        fwrite(errors.data, 1, errors.len, stderr);
    }
    buffer_free(&errors);
    return path[0] == '\0' || *aliases != NULL;
}

/* --- subcommands ------------------------------------------------------------------------------ */

static int serve(const struct arguments *arguments)
{
    struct conf *conf = load(arguments);
    struct alias_table *aliases = NULL;
    bool is_sound = conf != NULL && load_aliases(conf, &aliases);
    int code = is_sound ? daemon_run(conf, aliases) : EX_CONFIG;
    conf_free(conf);
    return code;
}

static int check(const struct arguments *arguments)
{
    struct conf *conf = load(arguments);
    struct alias_table *aliases = NULL;
    bool is_sound = conf != NULL && load_aliases(conf, &aliases);
    alias_table_free(aliases);
    conf_free(conf);
    return is_sound ? EX_OK : EX_CONFIG;
}

/* Prints what conf/smsrelay.conf holds. */
static int print_settings(const struct arguments *arguments)
{
    (void)arguments;
    conf_reference_print(stdout);
    return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

static void end_loop(evutil_socket_t signal_number, short what, void *arg)
{
    (void)signal_number;
    (void)what;
    event_base_loopexit(arg, NULL);
}

/* For what never calls the API: its token may be missing, or somebody else's to read. */
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
        fprintf(stderr, "smsrelay: no memory\n");
        return NULL;
    }
    memcpy(more, overrides, count * sizeof *more);
    for (size_t i = 0; i < NO_API; i++) {
        more[count + i] = (char *)no_api[i];
    }
    struct conf *conf = load(&(struct arguments){.file = file, .overrides = more});
    free(more);
    return conf;
}

/* Where `smsrelay queue` finds the store: where `serve` would, or where the service has it. */
static char *find_store(const char *file, char *const *overrides)
{
    struct store_options options;
    setenv("STATE_DIRECTORY", SERVICE_STATE_DIRECTORY, 0);
    struct conf *conf = load_without_api(file, overrides);
    char *path = NULL;
    if (conf != NULL) {
        path = strdup(settings_store(conf, &options) ? options.path : "");
    }
    conf_free(conf);
    return path;
}

/* The simulated API alone. It has no settings but its own. */
static int run_sandbox(const struct arguments *arguments)
{
    struct conf *conf = load_without_api(arguments->file, arguments->overrides);
    if (conf == NULL) {
        return EX_CONFIG;
    }
    char host[SETTINGS_HOST_SIZE];
    char error[ERROR_SIZE] = "";
    struct sandbox_options options;
    settings_sandbox(conf, host, &options);
    signal(SIGPIPE, SIG_IGN);
    struct event_base *base = event_base_new();
    struct sandbox *sandbox = sandbox_new(base, &options, error, sizeof error);
    int code = sandbox == NULL ? EX_UNAVAILABLE : EX_OK;
    if (sandbox == NULL) {
        LOG(LOG_ERROR, "start_failed", LOG_STR("reason", error));
    } else {
        struct event *on_term = evsignal_new(base, SIGTERM, end_loop, base);
        struct event *on_int = evsignal_new(base, SIGINT, end_loop, base);
        event_add(on_term, NULL);
        event_add(on_int, NULL);
        char url[SANDBOX_URL_SIZE];
        sandbox_url(url, host, sandbox_port(sandbox));
        LOG(LOG_INFO, "sandbox_listening", LOG_STR("url", url));
        event_base_dispatch(base);
        event_free(on_term);
        event_free(on_int);
    }
    sandbox_free(sandbox);
    event_base_free(base);
    conf_free(conf);
    return code;
}

static int usage(FILE *out, int code)
{
    fputs(
        "smsrelay " SMSRELAY_VERSION ": a local SMS relay for the Instasent Transactional API\n"
        "\n"
        "  smsrelay serve [-c FILE] [-o section.key=value ...]   run the relay, in the foreground\n"
        "  smsrelay check [-c FILE] [-o section.key=value ...]   say what is wrong with settings\n"
        "  smsrelay settings                                     print every setting, explained\n"
        "  smsrelay sandbox [-c FILE] [-o sandbox.key=value ...] run the simulated API alone\n"
        "  smsrelay --version | --help\n"
        "\n"
        "Clients of a running relay; `smsrelay COMMAND --help` tells more:\n",
        out);
    client_print_commands(out);
    fputs(
        "  sendmail  submit the mail on stdin, as /usr/sbin/sendmail; so does a link of that name\n"
        "\nWithout -c the file is " CONF_DEFAULT_FILE ", if there is one. INSTASENT_TOKEN in the\n"
        "environment gives the API's token; every setting can be given as SMSRELAY_SECTION_KEY.\n",
        out);
    return code;
}

static const struct {
    const char *word;
    int (*run)(const struct arguments *arguments);
} SUBCOMMANDS[] = {
    {"serve", serve}, {"check", check}, {"settings", print_settings}, {"sandbox", run_sandbox}};

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    open_standard_files();
    if (argc > 0 && strcmp(basename(argv[0]), "sendmail") == 0) {
        return client_sendmail(argc, argv);
    }
    if (strcmp(word, "sendmail") == 0) {
        return client_sendmail(argc - 1, argv + 1);
    }
    if (strcmp(word, "--version") == 0) {
        puts("smsrelay " SMSRELAY_VERSION);
        return EX_OK;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        return usage(stdout, EX_OK);
    }
    if (client_knows(word)) {
        return client_main(argc - 1, argv + 1, find_store);
    }
    for (size_t i = 0; i < sizeof SUBCOMMANDS / sizeof SUBCOMMANDS[0]; i++) {
        if (strcmp(word, SUBCOMMANDS[i].word) != 0) {
            continue;
        }
        struct arguments arguments;
        int code = EX_USAGE;
        if (read_arguments(argc - 1, argv + 1, &arguments)) {
            code = arguments.wants_help ? usage(stdout, EX_OK) : SUBCOMMANDS[i].run(&arguments);
            if (arguments.wants_help && SUBCOMMANDS[i].run == run_sandbox) {
                sandbox_outcomes_print(stdout);
            }
        }
        free(arguments.overrides);
        return code;
    }
    if (word[0] != '\0') {
        fprintf(stderr, "smsrelay: there is no command %s; smsrelay --help lists them\n", word);
        return EX_USAGE;
    }
    return usage(stderr, EX_USAGE);
}
