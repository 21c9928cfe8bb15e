/*
 * load: where settings come from, what must hold between them, and what is wrong with them.
 * See the header. Thread: the main thread at start-up.
 *
 * inih splits the file into sections, keys and values. What it would pass over in silence is
 * refused before it sees it: a line longer than its buffer, text behind a value that it takes for a
 * comment, a broken or empty section. It knows no line numbers, so next_line() counts for it.
 */
#include "conf/load.h"

#include "conf/keys.h"
#include "conf/secret.h"
#include "conf/value.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    FILE_MAX = 1 << 20,  /* bytes of a file: whatever is larger was not meant */
    ERRORS_SHOWN = 1000, /* the others are counted */
};

enum source { SOURCE_DEFAULT, SOURCE_FILE, SOURCE_ENVIRONMENT, SOURCE_OVERRIDE };

/* Where a setting got its value. */
struct origin {
    enum source source;
    int line;             /* in the file */
    const char *variable; /* "NAME=value" in the environment */
    bool is_refused;      /* the value was not allowed: checks against others would mislead */
};

struct loader {
    struct conf *conf;
    struct conf_errors *errors;
    const char *name;                    /* of the file */
    enum conf_secret_fault file_privacy; /* may the file hold a secret? */
    struct origin *origins;              /* one for each row of conf_keys */
};

/* --- errors ----------------------------------------------------------------------------------- */

static void errors_add(struct conf_errors *errors, const char *where, const char *what)
{
    if (errors->count++ >= ERRORS_SHOWN) {
        return;
    }
    size_t size = strlen(where) + strlen(": ") + strlen(what) + strlen("\n") + 1;
    char *text = realloc(errors->text, errors->len + size);
    if (text == NULL) {
        return;
    }
    errors->text = text;
    errors->len += (size_t)snprintf(text + errors->len, size, "%s: %s\n", where, what);
}

void conf_errors_print(const struct conf_errors *errors, FILE *out)
{
    if (errors->count > 0) {
        fputs(errors->text != NULL ? errors->text : "no memory to say what is wrong\n", out);
    }
    if (errors->count > ERRORS_SHOWN) {
        fprintf(out, "and %zu errors more\n", errors->count - ERRORS_SHOWN);
    }
}

void conf_errors_free(struct conf_errors *errors)
{
    free(errors->text);
    *errors = (struct conf_errors)CONF_NO_ERRORS;
}

/* "smsrelay.conf:12: api.url", "environment SMSRELAY_API_URL", "-o api.url", "api.url" */
static void origin_print(const struct loader *l, const struct origin *origin,
                         const struct conf_key *key, char *out, size_t size)
{
    const char *section = key != NULL ? key->section : "";
    const char *dot = key != NULL ? "." : "";
    const char *name = key != NULL ? key->name : "";
    switch (origin->source) {
    case SOURCE_DEFAULT:
        snprintf(out, size, "%s%s%s", section, dot, name);
        break;
    case SOURCE_FILE:
        snprintf(out, size, "%s:%d%s%s%s%s", l->name, origin->line, key != NULL ? ": " : "",
                 section, dot, name);
        break;
    case SOURCE_ENVIRONMENT:
        snprintf(out, size, "environment %.*s", (int)strcspn(origin->variable, "="),
                 origin->variable);
        break;
    case SOURCE_OVERRIDE:
        snprintf(out, size, "-o%s%s%s%s", key != NULL ? " " : "", section, dot, name);
        break;
    }
}

static void complain(struct loader *l, const struct origin *origin, const struct conf_key *key,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));

static void complain(struct loader *l, const struct origin *origin, const struct conf_key *key,
                     const char *format, ...)
{
    char where[1024], what[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    origin_print(l, origin, key, where, sizeof where);
    errors_add(l->errors, where, what);
}

/* A name that somebody wrote, if it looks like one: what is no name might be a secret. */
static const char *name_shown(const char *name, size_t len, char out[48])
{
    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char)name[i]) && strchr("_.-", name[i]) == NULL) {
            len = 0;
        }
    }
    if (len == 0 || len > 32) {
        return "";
    }
    snprintf(out, 48, " \"%.*s\"", (int)len, name);
    return out;
}

static void complain_of_name(struct loader *l, const struct origin *origin, const char *section,
                             const char *name)
{
    char shown[48];
    const char *quoted = name_shown(name, strlen(name), shown);
    const struct conf_removed *removed = conf_removed_find(section, name, NULL);
    const struct conf_key *meant = conf_key_nearest(section, name);
    if (removed != NULL) {
        complain(l, origin, NULL, "%s.%s %s", removed->section, removed->name, removed->advice);
    } else if (meant != NULL) {
        complain(l, origin, NULL, "there is no setting%s in [%s]; did you mean %s.%s?", quoted,
                 section, meant->section, meant->name);
    } else {
        complain(l, origin, NULL, "there is no setting%s in [%s]", quoted, section);
    }
}

static void complain_of_section(struct loader *l, const struct origin *origin, const char *section)
{
    char shown[48];
    const char *quoted = name_shown(section, strlen(section), shown);
    const char *meant = conf_section_nearest(section);
    if (meant != NULL) {
        complain(l, origin, NULL, "there is no section%s; did you mean %s?", quoted, meant);
    } else {
        complain(l, origin, NULL, "there is no section%s", quoted);
    }
}

/* --- settings --------------------------------------------------------------------------------- */

static struct origin *origin_of(struct loader *l, const struct conf_key *key)
{
    return &l->origins[key - conf_keys];
}

static void assign(struct loader *l, const struct conf_key *key, struct origin origin,
                   const char *value)
{
    char why[CONF_WHY_SIZE];
    if (!conf_key_set(key, l->conf, value, why)) {
        const struct conf_removed *removed = conf_removed_find(key->section, key->name, value);
        origin.is_refused = true;
        complain(l, &origin, key, "%s", removed != NULL ? removed->advice : why);
    }
    *origin_of(l, key) = origin;
}

static void assign_defaults(struct loader *l)
{
    for (size_t i = 0; i < conf_key_count; i++) {
        assign(l, &conf_keys[i], (struct origin){.source = SOURCE_DEFAULT}, conf_keys[i].initial);
    }
}

/* --- the file --------------------------------------------------------------------------------- */

/* Stands in for a section that was refused: its settings are passed over, they were not asked
 * of. */
#define REFUSED_SECTION "?"

struct conf_file {
    struct loader *loader;
    FILE *file;
    size_t bytes; /* read so far */
    int line;
    bool is_awaited;            /* inih has a line that must be a setting and gave none back yet */
    bool has_setting;           /* in this section: inih takes an indented line for more of it */
    bool is_indented;           /* this line is such a line */
    const struct conf_key *key; /* whose value it goes on with; NULL = of one that was refused */
};

static struct origin file_origin(const struct conf_file *f)
{
    return (struct origin){.source = SOURCE_FILE, .line = f->line};
}

/* Reports what is wrong with the line as a whole; lines that would go on with it are passed
 * over. */
static void refuse_line(struct conf_file *f, const char *why)
{
    struct origin origin = file_origin(f);
    complain(f->loader, &origin, NULL, "%s", why);
    f->key = NULL;
}

/*
 * Reads a line without its end into `line`; `*complaint` gets what is wrong with its bytes. Returns
 * false at the end of the file.
 */
static bool read_line(struct conf_file *f, char *line, size_t size, const char **complaint)
{
    size_t len = 0;
    int c;
    *complaint = NULL;
    while ((c = getc(f->file)) != EOF && c != '\n' && f->bytes < FILE_MAX) {
        f->bytes++;
        if (iscntrl(c) && c != '\t' && c != '\r') {
            *complaint = "holds a control character";
        } else if (len + 1 < size) {
            line[len++] = (char)c;
        } else {
            *complaint = "is too long: a list may go on in the next line, after a space; a token "
                         "may stand in api.token_file";
        }
    }
    line[len] = '\0';
    f->bytes += c == '\n';
    return c != EOF || len > 0 || *complaint != NULL;
}

/* Tells whether inih would see a comment behind a value, or a reader take it for one. */
static bool has_inline_comment(const char *line)
{
    for (const char *c = line; *c != '\0'; c++) {
        if (isblank((unsigned char)c[0]) && (c[1] == ';' || c[1] == '#')) {
            return true;
        }
    }
    return false;
}

/* Opens "[section]"; one that is refused is replaced, so that inih does not stay in the old one. */
static void open_section(struct conf_file *f, char *line)
{
    char *end = strchr(line, ']');
    f->has_setting = false;
    if (end == NULL || end[1 + strspn(end + 1, " \t\r")] != '\0') {
        refuse_line(f, "must be [section], alone on its line");
        strcpy(line, "[" REFUSED_SECTION "]");
        return;
    }
    *end = '\0';
    if (conf_section_exists(line + 1)) {
        *end = ']';
    } else {
        struct origin origin = file_origin(f);
        complain_of_section(f->loader, &origin, line + 1);
        strcpy(line, "[" REFUSED_SECTION "]");
    }
}

/* The line before this one must have become a setting by now. */
static void settle_line(struct conf_file *f)
{
    if (f->is_awaited) {
        refuse_line(f, "must be key = value, [section] or a comment");
    }
    f->is_awaited = false;
}

/* Drops what inih must not see: a byte order mark, and indentation where it means nothing. */
static void strip_start(struct conf_file *f, char *line)
{
    static const char mark[] = "\xEF\xBB\xBF";
    const char *start = line;
    if (f->line == 1 && strncmp(line, mark, strlen(mark)) == 0) {
        start += strlen(mark);
    }
    f->is_indented = f->has_setting && isblank((unsigned char)*start);
    if (!f->is_indented) {
        start += strspn(start, " \t\r");
    }
    memmove(line, start, strlen(start) + 1);
}

/* Gives inih the next line, or an empty one for a line that was refused. Like fgets(). */
static char *next_line(char *line, int size, void *stream)
{
    struct conf_file *f = stream;
    const char *complaint;

    settle_line(f);
    if (!read_line(f, line, (size_t)size, &complaint)) {
        return NULL;
    }
    f->line++;
    if (f->bytes >= FILE_MAX) {
        refuse_line(f, "the file is larger than 1 MiB");
        return NULL;
    }
    strip_start(f, line);

    char first = line[strspn(line, " \t\r")];
    bool is_comment = first == '\0' || first == ';' || first == '#';
    if (complaint == NULL && !is_comment && has_inline_comment(line)) {
        complaint = "a comment must stand on a line of its own; a value cannot hold a space "
                    "followed by ; or #";
    }
    if (complaint != NULL) {
        refuse_line(f, complaint);
        *line = '\0';
    } else if (line[0] == '[') {
        open_section(f, line);
    } else {
        f->is_awaited = !is_comment;
    }
    return line;
}

static void append_value(struct conf_file *f, const char *value)
{
    char why[CONF_WHY_SIZE];
    struct origin origin = file_origin(f);
    if (f->key == NULL) {
        return;
    }
    if (f->key->type != CONF_LIST) {
        complain(f->loader, &origin, f->key,
                 "an indented line goes on with the value before it, which only a list may; a "
                 "setting begins at the margin");
    } else if (!conf_key_append(f->key, f->loader->conf, value, why)) {
        complain(f->loader, &origin, f->key, "%s", why);
    }
}

/* Takes a setting from inih. Returns 1 always: what is wrong is in the list of errors. */
static int take_setting(void *user, const char *section, const char *name, const char *value)
{
    struct conf_file *f = user;
    struct origin origin = file_origin(f);
    f->is_awaited = false;
    f->has_setting = true;
    if (strcmp(section, REFUSED_SECTION) == 0) {
        return 1;
    }
    if (f->is_indented) {
        append_value(f, value);
        return 1;
    }

    f->key = conf_key_find(section, name);
    if (*section == '\0') {
        complain(f->loader, &origin, NULL, "stands before the first [section]");
    } else if (f->key == NULL) {
        complain_of_name(f->loader, &origin, section, name);
    } else if (origin_of(f->loader, f->key)->source == SOURCE_FILE) {
        complain(f->loader, &origin, f->key, "is set already, in line %d",
                 origin_of(f->loader, f->key)->line);
        f->key = NULL;
    } else {
        assign(f->loader, f->key, origin, value);
    }
    return 1;
}

static void read_file(struct loader *l, FILE *file)
{
    struct conf_file f = {.loader = l, .file = file};
    struct stat status;
    if (fileno(file) >= 0 && fstat(fileno(file), &status) == 0) {
        l->file_privacy = conf_secret_privacy(&status);
    }

    size_t errors_before = l->errors->count;
    errno = 0;
    int line = ini_parse_stream(next_line, &f, take_setting, &f);
    if (ferror(file)) {
        errors_add(l->errors, l->name, errno != 0 ? strerror(errno) : "cannot be read");
    } else if (line != 0 && l->errors->count == errors_before) {
        errors_add(l->errors, l->name, line < 0 ? "no memory to read it" : "cannot be understood");
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
 * A variable that is no setting but begins like one is a slip. Others may have their own reasons to
 * begin with SMSRELAY_ (SMSRELAY_SOCKET, or those of a container's manager).
 */
static void refuse_variable(struct loader *l, const struct origin *origin, const char *name)
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
        complain_of_name(l, origin, section, key);
    }
}

static void read_environment(struct loader *l, char *const *environment)
{
    static const char prefix[] = "SMSRELAY_";
    for (char *const *v = environment; v != NULL && *v != NULL; v++) {
        struct origin origin = {.source = SOURCE_ENVIRONMENT, .variable = *v};
        const char *value = strchr(*v, '=');
        if (value == NULL || strncmp(*v, prefix, strlen(prefix)) != 0) {
            continue;
        }
        const struct conf_key *key = key_of_variable(*v);
        if (key != NULL) {
            assign(l, key, origin, value + 1);
        } else {
            refuse_variable(l, &origin, *v + strlen(prefix));
        }
    }

    const char *token = variable_find(environment, "INSTASENT_TOKEN");
    if (token != NULL && strchr(token, '=')[1] != '\0') {
        struct origin origin = {.source = SOURCE_ENVIRONMENT, .variable = token};
        assign(l, conf_key_find("api", "token"), origin, strchr(token, '=') + 1);
    }
}

/* The directories that systemd makes for the service; a setting defaults to a file in each. */
static const struct directory {
    const char *variable, *section, *name, *file, *meaning;
} directories[] = {
    {"RUNTIME_DIRECTORY", "listen", "unix", "smsrelay.sock", "the socket's path"},
    {"STATE_DIRECTORY", "queue", "path", "queue.db", "the store's path"},
};

static void read_directory(struct loader *l, char *const *environment, const struct directory *d)
{
    const char *variable = variable_find(environment, d->variable);
    const char *paths = variable != NULL ? strchr(variable, '=') + 1 : "";
    const struct conf_key *key = conf_key_find(d->section, d->name);
    char *path, why[CONF_WHY_SIZE] = "does not fit in memory";
    int first = (int)strcspn(paths, ":"); /* a unit may have several */
    if (first == 0) {
        return;
    }
    if (asprintf(&path, "%.*s/%s", first, paths, d->file) < 0) {
        path = NULL;
    }
    if (path == NULL || !conf_key_set(key, l->conf, path, why)) {
        struct origin origin = {.source = SOURCE_ENVIRONMENT, .variable = variable};
        complain(l, &origin, key, "%s %s", d->meaning, why);
    }
    free(path);
}

static void read_directories(struct loader *l, char *const *environment)
{
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
        read_directory(l, environment, &directories[i]);
    }
}

/* Splits "section.key=value" at its dot and "="; returns the value, or NULL if that is not its form. */
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

static void read_override(struct loader *l, const char *text)
{
    struct origin origin = {.source = SOURCE_OVERRIDE};
    char section[CONF_VARIABLE_SIZE], name[CONF_VARIABLE_SIZE];
    const char *value = split_override(text, section, name);
    if (value == NULL) {
        complain(l, &origin, NULL, "must be followed by section.key=value");
        return;
    }
    const struct conf_key *key = conf_key_find(section, name);
    if (key != NULL) {
        assign(l, key, origin, value);
    } else if (conf_section_exists(section)) {
        complain_of_name(l, &origin, section, name);
    } else {
        complain_of_section(l, &origin, section);
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

/* --- what must hold between settings ---------------------------------------------------------- */

/* Complains about a setting where it was set. */
#define COMPLAIN(l, key, ...) complain(l, origin_of(l, key), key, __VA_ARGS__)

static bool is_given(struct loader *l, const struct conf_key *key, const char *value)
{
    return *value != '\0' || origin_of(l, key)->is_refused;
}

static void check_token(struct loader *l)
{
    const struct conf_key *token = conf_key_find("api", "token");
    const struct conf_key *token_file = conf_key_find("api", "token_file");
    bool has_token = is_given(l, token, l->conf->api.token);
    bool has_file = is_given(l, token_file, l->conf->api.token_file);
    bool needs_one = strcmp(l->conf->api.url, "sandbox") != 0;

    if (has_token && has_file) {
        char where[256];
        origin_print(l, origin_of(l, token), token, where, sizeof where);
        COMPLAIN(l, token_file, "cannot stand beside a token (%s): keep one of them", where);
    }
    if (needs_one && !has_token && !has_file) {
        COMPLAIN(l, token,
                 "is missing: set api.token_file, api.token or INSTASENT_TOKEN in the "
                 "environment (or, to try without one, api.url = sandbox)");
    }
    if (has_token && origin_of(l, token)->source == SOURCE_FILE &&
        l->file_privacy != CONF_SECRET_GOOD) {
        COMPLAIN(l, token, "stands in a file that %s; or use api.token_file",
                 conf_secret_fault_name(l->file_privacy));
    }
}

static void check_program(struct loader *l)
{
    const char *command = l->conf->reports.exec;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%.*s", (int)strcspn(command, " "), command);
    if (*path != '\0' && access(path, X_OK) != 0) {
        COMPLAIN(l, conf_key_find("reports", "exec"), "\"%.200s\" cannot be run: %s", path,
                 strerror(errno));
    }
}

/* A file that cannot be used is better found now than by the first message. */
static void check_files(struct loader *l)
{
    const char *token_file = l->conf->api.token_file;
    if (*token_file != '\0') {
        struct conf_secret *secret;
        enum conf_secret_fault fault = conf_secret_read(token_file, &secret);
        if (fault != CONF_SECRET_GOOD) {
            COMPLAIN(l, conf_key_find("api", "token_file"), "\"%.200s\" %s", token_file,
                     conf_secret_fault_name(fault));
        }
        conf_secret_free(secret);
    }
    check_program(l);
    const char *ca_file = l->conf->api.ca_file;
    if (*ca_file != '\0' && access(ca_file, R_OK) != 0) {
        COMPLAIN(l, conf_key_find("api", "ca_file"), "\"%.200s\" cannot be read: %s", ca_file,
                 strerror(errno));
    }
}

static void check_waits(struct loader *l)
{
    const struct conf_key *min = conf_key_find("relay", "retry_min");
    const struct conf_key *max = conf_key_find("relay", "retry_max");
    if (l->conf->relay.retry_min_ms <= l->conf->relay.retry_max_ms) {
        return;
    }
    const struct conf_key *set = origin_of(l, max)->source != SOURCE_DEFAULT ? max : min;
    COMPLAIN(l, set, "relay.retry_min must not be above relay.retry_max");
}

static void check_sender(struct loader *l)
{
    const struct conf_key *from = conf_key_find("sms", "default_from");
    const struct conf_list *senders = &l->conf->sms.senders;
    if (*l->conf->sms.default_from == '\0' || senders->count == 0 ||
        origin_of(l, conf_key_find("sms", "senders"))->is_refused) {
        return;
    }
    for (size_t i = 0; i < senders->count; i++) {
        if (strcmp(senders->items[i], l->conf->sms.default_from) == 0) {
            return;
        }
    }
    COMPLAIN(l, from, "must be one of sms.senders");
}

static void check_listeners(struct loader *l)
{
    const struct conf_key *address = conf_key_find("listen", "address");
    if (l->conf->listen.address.count == 0 && *l->conf->listen.unix_path == '\0' &&
        !origin_of(l, address)->is_refused) {
        COMPLAIN(l, address, "must not be empty where there is no listen.unix either");
    }
}

static void conf_check(struct loader *l)
{
    check_listeners(l);
    check_token(l);
    check_files(l);
    check_waits(l);
    check_sender(l);
}

/* --- loading ---------------------------------------------------------------------------------- */

/* Paths are put behind the URL with a slash of their own. */
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
    struct loader l = {
        .conf = calloc(1, sizeof *l.conf),
        .errors = errors,
        .name = name,
        .origins = calloc(conf_key_count, sizeof *l.origins),
    };
    if (l.conf == NULL || l.origins == NULL) {
        errors_add(errors, "settings", "no memory for them");
        goto out;
    }

    assign_defaults(&l);
    if (errors->count > errors_before) { /* a default missing: nothing can be checked against it */
        goto out;
    }
    read_directories(&l, environment);
    if (file != NULL) {
        read_file(&l, file);
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
        errors_add(errors, name, why);
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
