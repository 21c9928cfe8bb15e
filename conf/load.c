/* load: where settings come from. See the header. */
#include "conf/load.h"

#include "conf/check.h"
#include "conf/file.h"
#include "conf/loader.h"

#include <ctype.h>
#include <errno.h>
#include <regex.h>
#include <stdarg.h>
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
 * Does Kubernetes make this variable of a Service whose name begins with
 * smsrelay? SMSRELAY_API_PORT_443_TCP_ADDR=... tells of smsrelay-api, and sets nothing here.
 */
static bool is_of_service(const char *variable)
{
    static const char pattern[] = "^SMSRELAY_([A-Z0-9_]+_)?"
                                  "(SERVICE_HOST=|SERVICE_PORT(_[A-Z0-9_]+)?=|PORT=[a-z]+://|"
                                  "PORT_[0-9]+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?=)";
    regex_t regex;
    if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0) {
        return false;
    }
    bool is_match = regexec(&regex, variable, 0, NULL, 0) == 0;
    regfree(&regex);
    return is_match;
}

static void lower(char *s)
{
    for (; *s != '\0'; s++) {
        *s = (char)tolower((unsigned char)*s);
    }
}

/*
 * A variable that begins like a section's but names no setting is a mistake, and so is a setting of a
 * misspelled section. Others that begin with SMSRELAY_ have their own reasons (SMSRELAY_SOCKET, a
 * container manager's).
 */
static void refuse_variable(struct conf_loader *l, const struct conf_origin *origin,
                            const char *name)
{
    char section[CONF_VARIABLE_SIZE], key[CONF_VARIABLE_SIZE], setting[CONF_VARIABLE_SIZE];
    size_t len = strcspn(name, "=");
    const char *underscore = memchr(name, '_', len);
    if (underscore == NULL || len >= sizeof section) {
        return;
    }
    snprintf(section, sizeof section, "%.*s", (int)(underscore - name), name);
    snprintf(key, sizeof key, "%.*s", (int)(name + len - underscore - 1), underscore + 1);
    strcpy(setting, key);
    lower(section);
    lower(setting);
    const char *meant = conf_section_nearest(section);
    if (conf_section_exists(section)) {
        conf_complain_of_name(l, origin, section, key);
    } else if (meant != NULL && conf_key_find(meant, setting) != NULL) {
        conf_complain_of_section(l, origin, section);
    }
}

/* Gives a setting the value of a variable, without the line ends that a secret's file has left. */
static void assign_variable(struct conf_loader *l, const struct conf_key *key, const char *variable)
{
    struct conf_origin origin = {.source = CONF_FROM_ENVIRONMENT, .variable = variable};
    const char *value = strchr(variable, '=') + 1;
    size_t len = strlen(value);
    while (len > 0 && strchr("\r\n", value[len - 1]) != NULL) {
        len--;
    }
    char *copy = len == 0 ? NULL : strndup(value, len);
    if (copy != NULL) {
        conf_assign(l, key, origin, copy);
        explicit_bzero(copy, len);
    } else if (len > 0) {
        conf_complain(l, &origin, key, "out of memory");
    }
    free(copy);
}

/* An empty variable counts as unset. */
static void read_environment(struct conf_loader *l, char *const *environment)
{
    static const char prefix[] = "SMSRELAY_";
    for (char *const *v = environment; v != NULL && *v != NULL; v++) {
        struct conf_origin origin = {.source = CONF_FROM_ENVIRONMENT, .variable = *v};
        const char *value = strchr(*v, '=');
        if (value == NULL || value[1] == '\0' || strncmp(*v, prefix, strlen(prefix)) != 0) {
            continue;
        }
        const struct conf_key *key = key_of_variable(*v);
        if (key != NULL) {
            assign_variable(l, key, *v);
        } else if (!is_of_service(*v)) {
            refuse_variable(l, &origin, *v + strlen(prefix));
        }
    }

    const char *token = variable_find(environment, "INSTASENT_TOKEN");
    if (token != NULL) {
        assign_variable(l, conf_key_find("api", "token"), token);
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
    struct conf_origin origin = {.source = CONF_FROM_ENVIRONMENT, .variable = variable};
    *conf_origin_of(l, key) = origin;
    if (path == NULL || !conf_key_set(key, l->conf, path, why)) {
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

void conf_refuse(struct conf_loader *loader, const char *section, const char *name,
                 const char *format, ...)
{
    const struct conf_key *key = conf_key_find(section, name);
    char what[CONF_WHY_SIZE * 2];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    conf_complain(loader, conf_origin_of(loader, key), key, "%s", what);
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

/* Gives every setting its value; `l` is new but for `errors` and `name`. Returns false on allocation
 * failure: checks need every default. */
static bool read_all(struct conf_loader *l, FILE *file, char *const *overrides,
                     char *const *environment)
{
    size_t errors_before = l->errors->count;
    l->conf = calloc(1, sizeof *l->conf);
    l->origins = calloc(conf_key_count, sizeof *l->origins);
    if (l->conf == NULL || l->origins == NULL) {
        conf_errors_add(l->errors, "settings", "out of memory");
        return false;
    }
    assign_defaults(l);
    if (l->errors->count > errors_before) {
        return false;
    }
    read_directories(l, environment);
    if (file != NULL) {
        conf_file_read(l, file);
    }
    read_environment(l, environment);
    for (; overrides != NULL && *overrides != NULL; overrides++) {
        read_override(l, *overrides);
    }
    return true;
}

struct conf *conf_read(FILE *file, const char *name, char *const *overrides,
                       char *const *environment, conf_judge *judge, struct conf_errors *errors)
{
    size_t errors_before = errors->count;
    struct conf_loader l = {.errors = errors, .name = name};
    if (read_all(&l, file, overrides, environment)) {
        if (judge != NULL) {
            judge(l.conf, &l);
        }
        conf_check(&l);
        drop_last_slashes(l.conf->api.url);
    }
    free(l.origins);
    if (errors->count > errors_before) {
        conf_free(l.conf);
        return NULL;
    }
    return l.conf;
}

struct conf *conf_glance(const char *path, char *const *environment)
{
    struct conf_errors errors = CONF_NO_ERRORS;
    struct conf_loader l = {.errors = &errors, .name = path};
    FILE *file = fopen(path, "re");
    bool is_read = read_all(&l, file, NULL, environment);
    if (file != NULL) {
        fclose(file);
    }
    free(l.origins);
    conf_errors_free(&errors);
    if (!is_read) {
        conf_free(l.conf);
        return NULL;
    }
    return l.conf;
}

struct conf *conf_load(const char *path, char *const *overrides, char *const *environment,
                       conf_judge *judge, struct conf_errors *errors)
{
    const char *name = path != NULL ? path : CONF_DEFAULT_FILE;
    FILE *file = fopen(name, "re");
    if (file == NULL && (path != NULL || errno != ENOENT)) {
        char why[256];
        snprintf(why, sizeof why, "cannot be opened: %s", strerror(errno));
        conf_errors_add(errors, name, why);
        return NULL;
    }
    struct conf *conf = conf_read(file, name, overrides, environment, judge, errors);
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
