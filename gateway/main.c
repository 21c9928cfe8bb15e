/*
 * main: the commands that need the settings; those that only ask a relay are in cli/client.
 *
 * Threads: this one; daemon starts others.
 */
#include "conf/load.h"
#include "conf/reference.h"
#include "gateway/base/log.h"
#include "gateway/base/process.h"
#include "gateway/cli/client.h"
#include "gateway/cli/user.h"
#include "gateway/daemon.h"
#include "gateway/judge.h"
#include "gateway/sandbox/outcomes.h"
#include "gateway/sandbox/run.h"
#include "gateway/serve/aliases.h"
#include "gateway/settings.h"
#include "gateway/unit.h"
#include "gateway/user_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

extern char **environ;

/* --- the command line and the settings -------------------------------------------------------- */

struct arguments {
    const char *file; /* -c; NULL = the default one */
    char **overrides; /* copies of those of -o, NULL-terminated; their secrets are wiped there */
    bool is_of_unit;  /* --unit */
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

/* Reads -c and -o. Returns false on allocation failure. */
static bool read_arguments(const struct invocation *invocation, struct arguments *arguments)
{
    char **values = invocation_values(invocation, 'o');
    size_t count = 0;
    while (values != NULL && values[count] != NULL) {
        values[count] = keep_override(values[count]);
        if (values[count] != NULL) {
            count++;
        }
    }
    *arguments = (struct arguments){.file = invocation_option(invocation, 'c'),
                                    .overrides = values,
                                    .is_of_unit = invocation_option(invocation, 'N') != NULL};
    return values != NULL;
}

/* Returns NULL after saying what is wrong. Only `check` looks at all that `serve` will need, and prints
 * warnings: `serve` logs them. */
static struct conf *load(const struct arguments *arguments, conf_judge *judge)
{
    struct conf_errors errors = CONF_NO_ERRORS;
    struct conf *conf = conf_load(arguments->file, arguments->overrides, environ, judge, &errors);
    if (conf == NULL || judge == judge_all || judge == unit_judge) {
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
    struct conf *conf = load(&(struct arguments){.file = file, .overrides = more}, judge_values);
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

/* Reads auth.users, if it is set. Returns false after saying what is wrong. */
static bool check_users(const struct conf *conf)
{
    struct buffer errors = BUFFER_EMPTY;
    bool has_users = conf->auth.users[0] != '\0';
    struct user_table *users = has_users ? user_file_read(conf, &errors) : NULL;
    bool is_good = !has_users || users != NULL;
    print_errors(&errors);
    user_table_free(users);
    return is_good;
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
    setenv("STATE_DIRECTORY", UNIT_STATE_DIRECTORY, 0);
    struct conf *conf = load_without_api(file, overrides);
    char *path = NULL;
    conf_wipe_secrets(overrides);
    if (conf != NULL) {
        path = strdup(settings_store(conf, &options) ? options.path : "");
    }
    conf_free(conf);
    return path;
}

/* Finds the users file for `smsrelay user`, where `serve` would. */
static char *find_users(const char *file, char *const *overrides)
{
    struct conf *conf = load_without_api(file, overrides);
    conf_wipe_secrets(overrides);
    char *path = conf == NULL ? NULL : strdup(conf->auth.users);
    conf_free(conf);
    return path;
}

/* Where the relay of the settings file listens, for whoever may read it. */
static void find_listeners(struct link_listeners *listeners)
{
    struct conf *conf = conf_glance(CONF_DEFAULT_FILE, environ);
    if (conf == NULL) {
        return;
    }
    const struct conf_list *addresses = &conf->listen.address;
    const char *address = addresses->count > 0 ? addresses->items[0] : "";
    if (conf->listen.unix_path[0] != '\0') {
        snprintf(listeners->socket, sizeof listeners->socket, "%s", conf->listen.unix_path);
    }
    snprintf(listeners->address, sizeof listeners->address, "%s", address);
    conf_free(conf);
}

/* --- the commands ----------------------------------------------------------------------------- */

static struct conf *load_again(void *arg, struct conf_errors *errors)
{
    const struct arguments *arguments = arg;
    return conf_load(arguments->file, arguments->overrides, environ, judge_again, errors);
}

static int serve(const struct arguments *arguments)
{
    struct conf *conf = load(arguments, judge_start);
    struct alias_table *aliases = NULL;
    bool is_sound = conf != NULL && check_users(conf);
    is_sound = conf != NULL && load_aliases(conf, &aliases) && is_sound;
    if (!is_sound) {
        alias_table_free(aliases);
    }
    int code = is_sound ? daemon_run(conf, aliases, load_again, (void *)arguments) : EX_CONFIG;
    conf_free(conf);
    return code;
}

static int check(const struct arguments *arguments)
{
    if (arguments->is_of_unit && !unit_enter()) {
        return EX_CONFIG;
    }
    struct conf *conf = load(arguments, arguments->is_of_unit ? unit_judge : judge_all);
    struct alias_table *aliases = NULL;
    bool is_sound = conf != NULL && load_aliases(conf, &aliases);
    is_sound = conf != NULL && check_users(conf) && is_sound;
    is_sound = conf != NULL && check_optout(conf) && is_sound;
    alias_table_free(aliases);
    conf_free(conf);
    return is_sound ? EX_OK : EX_CONFIG;
}

/* Prints what conf/smsrelay.conf holds. */
static int run_settings(const struct invocation *invocation)
{
    (void)invocation;
    conf_reference_print(stdout);
    return EX_OK;
}

static int run_version(const struct invocation *invocation)
{
    (void)invocation;
    puts("smsrelay " SMSRELAY_VERSION);
    return EX_OK;
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

/* Runs a command with what -c and -o say. */
static int run_with(int (*run)(const struct arguments *), const struct invocation *invocation)
{
    struct arguments arguments;
    int code = EX_OSERR;
    if (read_arguments(invocation, &arguments)) {
        code = run(&arguments);
    }
    free_overrides(arguments.overrides);
    return code;
}

static int run_serve(const struct invocation *invocation)
{
    return run_with(serve, invocation);
}

static int run_check(const struct invocation *invocation)
{
    return run_with(check, invocation);
}

static int run_sandbox(const struct invocation *invocation)
{
    return run_with(sandbox, invocation);
}

static const struct command commands[] = {
    {.name = "serve",
     .options = "co",
     .run = run_serve,
     .summary = "run the relay",
     .help = "Settings come from the file (default: " CONF_DEFAULT_FILE ", if it exists), from\n"
             "the environment (SMSRELAY_SECTION_KEY, INSTASENT_TOKEN), and from -o; the later "
             "beats the\n"
             "earlier. The log goes to stderr. SIGTERM ends it, SIGHUP has it read files again.\n",
     .example = "smsrelay serve -c /etc/smsrelay/smsrelay.conf\n"},
    {.name = "check",
     .options = "coN",
     .run = run_check,
     .summary = "list what is wrong with settings",
     .help =
         "Reads them as `smsrelay serve` does, opens what that will need, and prints every "
         "mistake\n"
         "with its file and line. Exit code 78 if there is one; warnings do not count.\n"
         "Where systemd runs the relay, --unit adds what conf/smsrelay.service sets, and leaves "
         "out the\n"
         "variables of this shell.\n",
     .example = "sudo smsrelay check --unit\n"},
    {.name = "settings",
     .run = run_settings,
     .summary = "print every setting, explained",
     .help = "The output is a settings file in which everything has its default.\n",
     .example = "smsrelay settings > smsrelay.conf\n"},
    {.name = "sandbox",
     .options = "co",
     .run = run_sandbox,
     .summary = "run the simulated API alone",
     .example = "smsrelay sandbox -o sandbox.address=127.0.0.1:8080\n",
     .print_more = sandbox_outcomes_print},
    {.name = "version",
     .run = run_version,
     .summary = "print the version; so do -V and --version",
     .example = "smsrelay version\n"},
    {.name = NULL},
};

int main(int argc, char **argv)
{
    static const struct command *const tables[] = {commands, user_commands, client_commands, NULL};
    static const struct command_settings settings = {find_store, find_listeners, find_users};
    process_open_standard_files();
    if (argc > 0 && strcmp(basename(argv[0]), "sendmail") == 0) {
        char **words = calloc((size_t)argc + 2, sizeof *words);
        if (words == NULL) {
            return EX_OSERR;
        }
        words[0] = argv[0];
        words[1] = (char *)"sendmail";
        memcpy(words + 2, argv + 1, ((size_t)argc - 1) * sizeof *words);
        int code = command_main(tables, &settings, argc + 1, words);
        free(words);
        return code;
    }
    return command_main(tables, &settings, argc, argv);
}
