/* unit: see unit.h. */
#include "gateway/unit.h"

#include "conf/loader.h"
#include "conf/trust.h"
#include "gateway/base/file.h"
#include "gateway/judge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define TOKEN_FILE        "/etc/smsrelay/token"
#define ENVIRONMENT_FILE  "/etc/smsrelay/environment"
#define RUNTIME_DIRECTORY "/run/smsrelay"

/* Drops quotes around a value. */
static char *unquote(char *value)
{
    size_t len = strlen(value);
    if (len >= 2 && strchr("\"'", value[0]) != NULL && value[len - 1] == value[0]) {
        value[len - 1] = '\0';
        return value + 1;
    }
    return value;
}

/* Sets the variables of a file of NAME=value lines. What systemd.exec(5) says of EnvironmentFile= beyond
 * comments and quotes around a value is left out. */
static void set_variables(char *text)
{
    char *rest = NULL;
    for (char *line = strtok_r(text, "\r\n", &rest); line != NULL;
         line = strtok_r(NULL, "\r\n", &rest)) {
        line += strspn(line, " \t");
        char *equals = strchr(line, '=');
        if (equals != NULL && strchr("#;", *line) == NULL) {
            *equals = '\0';
            setenv(line, unquote(equals + 1), 1);
        }
    }
}

/* Without such a file there are no variables. */
static bool read_variables(void)
{
    struct buffer text = BUFFER_EMPTY;
    struct stat status;
    const char *fault = NULL;
    if (stat(ENVIRONMENT_FILE, &status) == 0 || errno != ENOENT) {
        fault = file_read(ENVIRONMENT_FILE, &text);
    }
    if (fault == NULL && text.len > 0) {
        buffer_putc(&text, '\0');
        set_variables(text.data);
        explicit_bzero(text.data, text.len);
    } else if (fault != NULL) {
        fprintf(stderr, ENVIRONMENT_FILE ": %s\n", fault);
    }
    buffer_free(&text);
    return fault == NULL;
}

/* A directory of the unit that is not there yet is made when it starts. */
static void set_directory(const char *variable, const char *path)
{
    struct stat status;
    if (stat(path, &status) == 0) {
        setenv(variable, path, 1);
    }
}

bool unit_enter(void)
{
    struct stat state;
    clearenv();
    setenv("SMSRELAY_API_TOKEN_FILE", TOKEN_FILE, 1);
    set_directory("STATE_DIRECTORY", UNIT_STATE_DIRECTORY);
    set_directory("RUNTIME_DIRECTORY", RUNTIME_DIRECTORY);
    if (stat(UNIT_STATE_DIRECTORY, &state) == 0) {
        conf_trust_user(state.st_uid);
    }
    return read_variables();
}

/* The user of the unit is not known before it runs: what everybody can read, it can. */
static bool is_readable(const char *path)
{
    struct stat status;
    return stat(path, &status) != 0 || (status.st_mode & S_IROTH) != 0;
}

void unit_judge(const struct conf *conf, struct conf_loader *loader)
{
    const struct {
        const char *section, *name, *path;
    } rows[] = {
        {"sms", "aliases", conf->sms.aliases},
        {"policy", "optout_file", conf->policy.optout_file},
        {"api", "ca_file", conf->api.ca_file},
        {"reports", "webhook_ca_file", conf->reports.webhook_ca_file},
        {"tls", "certificate", conf->tls.certificate},
    };
    if (!is_readable(loader->name)) {
        conf_errors_add(loader->errors, loader->name,
                        "cannot be read by the unit's user: chmod 644, with secrets in "
                        "SMSRELAY_SECTION_KEY=... lines of " ENVIRONMENT_FILE);
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].path[0] != '\0' && !is_readable(rows[i].path)) {
            conf_refuse(loader, rows[i].section, rows[i].name,
                        "\"%.200s\" cannot be read by the unit's user: chmod 644", rows[i].path);
        }
    }
    judge_all(conf, loader);
}
