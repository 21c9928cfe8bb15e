/* judge: see judge.h. */
#include "gateway/judge.h"

#include "conf/loader.h"
#include "conf/trust.h"
#include "gateway/certificate.h"
#include "gateway/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- values ----------------------------------------------------------------------------------- */

static void judge_sender(struct conf_loader *loader, const char *key, const char *sender)
{
    if (!sender_is_valid(sender, strlen(sender))) {
        conf_refuse(loader, "sms", key,
                    "\"%s\" cannot be a sender: 1 to 11 letters, digits, spaces or .-_& with a "
                    "letter among them, or 3 to 15 digits",
                    sender);
    }
}

static void judge_number(struct conf_loader *loader, const char *number, const char *country_code)
{
    char e164[NUMBER_SIZE];
    char fault[NUMBER_FAULT_SIZE];
    if (number_parse(number, strlen(number), country_code, e164)) {
        return;
    }
    number_explain(number, strlen(number), country_code, fault);
    conf_refuse(loader, "policy", "never_optout", "\"%s\" is not a telephone number%s%s", number,
                fault[0] != '\0' ? ": " : "", fault);
}

void judge_values(const struct conf *conf, struct conf_loader *loader)
{
    const char *country_code = conf->sms.default_country;
    if (conf->sms.default_from[0] != '\0') {
        judge_sender(loader, "default_from", conf->sms.default_from);
    }
    if (country_code[0] != '\0' && !number_country_is_known(country_code)) {
        conf_refuse(loader, "sms", "default_country", "no country has the calling code +%s",
                    country_code);
    }
    for (size_t i = 0; i < conf->policy.never_optout.count; i++) {
        judge_number(loader, conf->policy.never_optout.items[i], country_code);
    }
    for (size_t i = 0; i < conf->sms.senders.count; i++) {
        judge_sender(loader, "senders", conf->sms.senders.items[i]);
    }
}

/* --- who could have written the files ---------------------------------------------------------- */

static void judge_trust(struct conf_loader *loader, const char *section, const char *name,
                        const char *path)
{
    char fault[CONF_TRUST_SIZE];
    if (path[0] != '\0' && !conf_trust(path, fault)) {
        conf_refuse(loader, section, name, "\"%.200s\" %s", path, fault);
    }
}

/* SQLite takes what lies beside its file for a part of it. */
static void judge_trust_in_store(const struct conf *conf, struct conf_loader *loader)
{
    static const char *const parts[] = {"", "-wal", "-synced"};
    struct store_options options;
    char path[PATH_MAX], fault[CONF_TRUST_SIZE];
    bool is_trusted = true;
    if (!settings_store(conf, &options)) {
        return;
    }
    for (size_t i = 0; is_trusted && i < sizeof parts / sizeof parts[0]; i++) {
        snprintf(path, sizeof path, "%s%s", options.path, parts[i]);
        is_trusted = conf_trust(path, fault);
    }
    if (!is_trusted) {
        conf_refuse(loader, "queue", "path", "\"%.200s\" %s", path, fault);
    }
}

/* reports.exec runs within what systemd or its user allows; who can replace it acts as the relay. */
static void judge_trust_in_program(const struct conf *conf, struct conf_loader *loader)
{
    char path[PATH_MAX];
    const char *command = conf->reports.exec;
    snprintf(path, sizeof path, "%.*s", (int)strcspn(command, " "), command);
    judge_trust(loader, "reports", "exec", path);
}

void judge_again(const struct conf *conf, struct conf_loader *loader)
{
    char fault[CONF_TRUST_SIZE];
    judge_values(conf, loader);
    if (!conf_trust(loader->name, fault)) {
        conf_errors_add(loader->errors, loader->name, fault);
    }
    judge_trust(loader, "sms", "aliases", conf->sms.aliases);
    judge_trust(loader, "policy", "optout_file", conf->policy.optout_file);
    judge_trust_in_store(conf, loader);
    judge_trust_in_program(conf, loader);
}

void judge_start(const struct conf *conf, struct conf_loader *loader)
{
    judge_again(conf, loader);
    certificate_judge(conf, loader);
}

/* --- what a start will need --------------------------------------------------------------------- */

const char *judge_unit_hint(const char *variable, const char *path)
{
    const char *directory = getenv(variable);
    size_t len = directory == NULL ? 0 : strcspn(directory, ":");
    if (len == 0) {
        return "";
    }
    return strncmp(path, directory, len) == 0
               ? "; the unit sets this path"
               : "; the unit sets this path, if the setting does not";
}

/* Returns 0, or why this user cannot make files in the directory of `path`: an errno value. The final
 * "/." keeps out what is no directory. */
static int try_directory(const char *path, char directory[PATH_MAX])
{
    char within[PATH_MAX + sizeof "/."];
    const char *slash = strrchr(path, '/');
    int len = slash == NULL ? 1 : (int)(slash - path);
    snprintf(directory, PATH_MAX, "%.*s", len, slash == NULL ? "." : path);
    snprintf(within, sizeof within, "%s/.", directory);
    return faccessat(AT_FDCWD, within, W_OK | X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

static void judge_directory(struct conf_loader *loader, const char *section, const char *name,
                            const char *path, const char *hint)
{
    char directory[PATH_MAX];
    int reason = try_directory(path, directory);
    if (reason != 0) {
        conf_refuse(loader, section, name, "the directory \"%.200s\" cannot be used: %s%s",
                    directory, strerror(reason), hint);
    }
}

/* May this user write the store, if it is there? */
static void judge_store(struct conf_loader *loader, const char *path)
{
    struct stat file;
    const char *hint = judge_unit_hint("STATE_DIRECTORY", path);
    if (stat(path, &file) != 0) {
        judge_directory(loader, "queue", "path", path, hint);
    } else if (!S_ISREG(file.st_mode)) {
        conf_refuse(loader, "queue", "path", "is not a regular file");
    } else if (faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) != 0) {
        conf_refuse(loader, "queue", "path", "cannot be used: %s%s", strerror(errno), hint);
    } else {
        judge_directory(loader, "queue", "path", path, hint);
    }
}

/* Could this user listen there? A socket may be there, of a relay that runs or has been killed. */
static void judge_socket(struct conf_loader *loader, const char *path)
{
    struct stat file;
    if (path[0] == '\0') {
        return;
    }
    if (lstat(path, &file) == 0 && !S_ISSOCK(file.st_mode)) {
        conf_refuse(loader, "listen", "unix", "\"%.107s\" is there and is not a socket", path);
    } else {
        judge_directory(loader, "listen", "unix", path, judge_unit_hint("RUNTIME_DIRECTORY", path));
    }
}

static void judge_group(struct conf_loader *loader, const char *name)
{
    /* Nothing else runs yet. */
    /* cppcheck-suppress getgrnamCalled */
    if (name[0] != '\0' && getgrnam(name) == NULL) {
        conf_refuse(loader, "listen", "control_group", "there is no group %s", name);
    }
}

static void warn_of_no_country(const struct conf *conf, struct conf_loader *loader)
{
    const struct conf_key *country = conf_key_find("sms", "default_country");
    if (conf->sms.default_country[0] == '\0' && !conf_origin_of(loader, country)->is_refused) {
        conf_warn(loader, country, "is not set: numbers without + are taken as international");
    }
}

void judge_all(const struct conf *conf, struct conf_loader *loader)
{
    struct store_options options;
    judge_start(conf, loader);
    warn_of_no_country(conf, loader);
    if (settings_store(conf, &options)) {
        judge_store(loader, options.path);
    }
    judge_socket(loader, conf->listen.unix_path);
    judge_group(loader, conf->listen.control_group);
    certificate_judge_all(conf, loader);
}
