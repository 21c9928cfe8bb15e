/* load: where settings come from. See the header. */
#include "conf/load.h"

#include "conf/check.h"
#include "conf/file.h"
#include "conf/loader.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void assign_defaults(struct conf_loader *l)
{
    for (size_t i = 0; i < conf_key_count; i++) {
        conf_assign(l, &conf_keys[i], (struct conf_origin){.source = CONF_FROM_DEFAULT},
                    conf_keys[i].initial);
    }
}

/* --- environment and command line ------------------------------------------------------------- */

/* The "NAME=value" of a variable, or NULL. */
static const char *variable_find(char *const *environment, const char *name)
{
    size_t len = strlen(name);
    for (; environment != NULL && *environment != NULL; environment++) {
        if (strncmp(*environment, name, len) == 0 && (*environment)[len] == '=') {
            return *environment;
        }
    }
    return NULL;
}

static const struct conf_key *key_of_variable(const char *variable)
{
    char name[CONF_VARIABLE_SIZE];
    for (size_t i = 0; i < conf_key_count; i++) {
        conf_key_variable(&conf_keys[i], name);
        if (strncmp(variable, name, strlen(name)) == 0 && variable[strlen(name)] == '=') {
            return &conf_keys[i];
        }
    }
    return NULL;
}

/*
 * A variable that begins like a section's but names no setting is a mistake. Others that begin with
 * SMSRELAY_ have their own reasons (SMSRELAY_SOCKET, a container manager's).
 */
static void refuse_variable(struct conf_loader *l, const struct conf_origin *origin,
                            const char *name)
{
    char section[CONF_VARIABLE_SIZE], key[CONF_VARIABLE_SIZE];
    size_t len = strcspn(name, "=");
    const char *underscore = memchr(name, '_', len);
    if (underscore == NULL || len >= sizeof section) {
        return;
    }
    snprintf(section, sizeof section, "%.*s", (int)(underscore - name), name);
    snprintf(key, sizeof key, "%.*s", (int)(name + len - underscore - 1), underscore + 1);
    for (char *c = section; *c != '\0'; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
    if (conf_section_exists(section)) {
        conf_complain_of_name(l, origin, section, key);
    }
}

static void read_environment(struct conf_loader *l, char *const *environment)
{
    static const char prefix[] = "SMSRELAY_";
    for (char *const *v = environment; v != NULL && *v != NULL; v++) {
        struct conf_origin origin = {.source = CONF_FROM_ENVIRONMENT, .variable = *v};
        const char *value = strchr(*v, '=');
        if (value == NULL || strncmp(*v, prefix, strlen(prefix)) != 0) {
            continue;
        }
        const struct conf_key *key = key_of_variable(*v);
        if (key != NULL) {
            conf_assign(l, key, origin, value + 1);
        } else {
            refuse_variable(l, &origin, *v + strlen(prefix));
        }
    }

    const char *token = variable_find(environment, "INSTASENT_TOKEN");
    if (token != NULL && strchr(token, '=')[1] != '\0') {
        struct conf_origin origin = {.source = CONF_FROM_ENVIRONMENT, .variable = token};
        conf_assign(l, conf_key_find("api", "token"), origin, strchr(token, '=') + 1);
    }
}

/* The directories that systemd makes for the service: each has the file that a setting defaults to. */
static const struct directory {
    const char *variable, *section, *name, *file, *meaning;
} directories[] = {
    {"RUNTIME_DIRECTORY", "listen", "unix", "smsrelay.sock", "the socket's path"},
    {"STATE_DIRECTORY", "queue", "path", "queue.db", "the store's path"},
};

static void read_directory(struct conf_loader *l, char *const *environment,
                           const struct directory *d)
{
    const char *variable = variable_find(environment, d->variable);
    const char *paths = variable != NULL ? strchr(variable, '=') + 1 : "";
    const struct conf_key *key = conf_key_find(d->section, d->name);
    char *path, why[CONF_WHY_SIZE] = "cannot be kept: out of memory";
    int first = (int)strcspn(paths, ":"); /* a unit may have several */
    if (first == 0) {
        return;
    }
    if (asprintf(&path, "%.*s/%s", first, paths, d->file) < 0) {
        path = NULL;
    }
    if (path == NULL || !conf_key_set(key, l->conf, path, why)) {
        struct conf_origin origin = {.source = CONF_FROM_ENVIRONMENT, .variable = variable};
        conf_complain(l, &origin, key, "%s %s", d->meaning, why);
    }
    free(path);
}

static void read_directories(struct conf_loader *l, char *const *environment)
{
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
        read_directory(l, environment, &directories[i]);
    }
}

/* Splits "section.key=value". Returns the value, or NULL if `text` is not of that form. */
static const char *split_override(const char *text, char section[CONF_VARIABLE_SIZE],
                                  char name[CONF_VARIABLE_SIZE])
{
    const char *equals = strchr(text, '=');
    const char *dot = equals != NULL ? memchr(text, '.', (size_t)(equals - text)) : NULL;
    if (dot == NULL || equals - text >= CONF_VARIABLE_SIZE) {
        return NULL;
    }
    snprintf(section, CONF_VARIABLE_SIZE, "%.*s", (int)(dot - text), text);
    snprintf(name, CONF_VARIABLE_SIZE, "%.*s", (int)(equals - dot - 1), dot + 1);
    return equals + 1;
}

static void read_override(struct conf_loader *l, const char *text)
{
    struct conf_origin origin = {.source = CONF_FROM_OVERRIDE};
    char section[CONF_VARIABLE_SIZE], name[CONF_VARIABLE_SIZE];
    const char *value = split_override(text, section, name);
    if (value == NULL) {
        conf_complain(l, &origin, NULL, "must be followed by section.key=value");
        return;
    }
    const struct conf_key *key = conf_key_find(section, name);
    if (key != NULL) {
        conf_assign(l, key, origin, value);
    } else if (conf_section_exists(section)) {
        conf_complain_of_name(l, &origin, section, name);
    } else {
        conf_complain_of_section(l, &origin, section);
    }
}

void conf_wipe_secrets(char *const *overrides)
{
    char section[CONF_VARIABLE_SIZE], name[CONF_VARIABLE_SIZE];
    for (; *overrides != NULL; overrides++) {
        const char *value = split_override(*overrides, section, name);
        const struct conf_key *key = value == NULL ? NULL : conf_key_find(section, name);
        if (key != NULL && key->type == CONF_SECRET) {
            explicit_bzero(*overrides + (value - *overrides), strlen(value));
        }
    }
}

/* --- loading ---------------------------------------------------------------------------------- */

/* Paths begin with a slash of their own. */
static void drop_last_slashes(char *url)
{
    size_t len = strlen(url);
    while (len > 0 && url[len - 1] == '/') {
        url[--len] = '\0';
    }
}

struct conf *conf_read(FILE *file, const char *name, char *const *overrides,
                       char *const *environment, struct conf_errors *errors)
{
    size_t errors_before = errors->count;
    struct conf_loader l = {
        .conf = calloc(1, sizeof *l.conf),
        .errors = errors,
        .name = name,
        .origins = calloc(conf_key_count, sizeof *l.origins),
    };
    if (l.conf == NULL || l.origins == NULL) {
        conf_errors_add(errors, "settings", "out of memory");
        goto out;
    }

    assign_defaults(&l);
    if (errors->count > errors_before) { /* out of memory; checks need every default */
        goto out;
    }
    read_directories(&l, environment);
    if (file != NULL) {
        conf_file_read(&l, file);
    }
    read_environment(&l, environment);
    for (; overrides != NULL && *overrides != NULL; overrides++) {
        read_override(&l, *overrides);
    }
    conf_check(&l);
    drop_last_slashes(l.conf->api.url);

out:
    free(l.origins);
    if (errors->count > errors_before) {
        conf_free(l.conf);
        return NULL;
    }
    return l.conf;
}

struct conf *conf_load(const char *path, char *const *overrides, char *const *environment,
                       struct conf_errors *errors)
{
    const char *name = path != NULL ? path : CONF_DEFAULT_FILE;
    FILE *file = fopen(name, "re");
    if (file == NULL && (path != NULL || errno != ENOENT)) {
        char why[256];
        snprintf(why, sizeof why, "cannot be opened: %s", strerror(errno));
        conf_errors_add(errors, name, why);
        return NULL;
    }
    struct conf *conf = conf_read(file, name, overrides, environment, errors);
    if (file != NULL) {
        fclose(file);
    }
    return conf;
}

void conf_free(struct conf *conf)
{
    if (conf == NULL) {
        return;
    }
    for (size_t i = 0; i < conf_key_count; i++) {
        conf_key_clear(&conf_keys[i], conf);
    }
    free(conf);
}
