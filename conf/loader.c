/* loader: see the header. */
#include "conf/loader.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct conf_origin *conf_origin_of(struct conf_loader *l, const struct conf_key *key)
{
    return &l->origins[key - conf_keys];
}

void conf_origin_print(const struct conf_loader *l, const struct conf_origin *origin,
                       const struct conf_key *key, char *out, size_t size)
{
    const char *section = key != NULL ? key->section : "";
    const char *dot = key != NULL ? "." : "";
    const char *name = key != NULL ? key->name : "";
    switch (origin->source) {
    case CONF_FROM_DEFAULT:
        snprintf(out, size, "%s%s%s", section, dot, name);
        break;
    case CONF_FROM_FILE:
        snprintf(out, size, "%s:%d%s%s%s%s", l->name, origin->line, key != NULL ? ": " : "",
                 section, dot, name);
        break;
    case CONF_FROM_ENVIRONMENT:
        snprintf(out, size, "environment %.*s", (int)strcspn(origin->variable, "="),
                 origin->variable);
        break;
    case CONF_FROM_OVERRIDE:
        snprintf(out, size, "-o%s%s%s%s", key != NULL ? " " : "", section, dot, name);
        break;
    }
}

void conf_complain(struct conf_loader *l, const struct conf_origin *origin,
                   const struct conf_key *key, const char *format, ...)
{
    char where[1024], what[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    conf_origin_print(l, origin, key, where, sizeof where);
    conf_errors_add(l->errors, where, what);
}

void conf_warn(struct conf_loader *l, const struct conf_key *key, const char *what)
{
    char where[1024];
    conf_origin_print(l, conf_origin_of(l, key), key, where, sizeof where);
    conf_errors_warn(l->errors, where, what);
}

/* Quotes a name that does not exist, unless it does not look like one: it might be a secret. */
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

void conf_complain_of_name(struct conf_loader *l, const struct conf_origin *origin,
                           const char *section, const char *name)
{
    char shown[48];
    const char *quoted = name_shown(name, strlen(name), shown);
    const struct conf_removed *removed = conf_removed_find(section, name, NULL);
    const struct conf_key *meant = conf_key_nearest(section, name);
    if (removed != NULL) {
        conf_complain(l, origin, NULL, "%s.%s %s", removed->section, removed->name,
                      removed->advice);
    } else if (meant != NULL) {
        conf_complain(l, origin, NULL, "there is no setting%s in [%s]; did you mean %s.%s?", quoted,
                      section, meant->section, meant->name);
    } else {
        conf_complain(l, origin, NULL, "there is no setting%s in [%s]", quoted, section);
    }
}

void conf_complain_of_section(struct conf_loader *l, const struct conf_origin *origin,
                              const char *section)
{
    char shown[48];
    const char *quoted = name_shown(section, strlen(section), shown);
    const char *meant = conf_section_nearest(section);
    if (meant != NULL) {
        conf_complain(l, origin, NULL, "there is no section%s; did you mean %s?", quoted, meant);
    } else {
        conf_complain(l, origin, NULL, "there is no section%s", quoted);
    }
}

void conf_assign(struct conf_loader *l, const struct conf_key *key, struct conf_origin origin,
                 const char *value)
{
    char why[CONF_WHY_SIZE];
    if (!conf_key_set(key, l->conf, value, why)) {
        const struct conf_removed *removed = conf_removed_find(key->section, key->name, value);
        origin.is_refused = true;
        conf_complain(l, &origin, key, "%s", removed != NULL ? removed->advice : why);
    }
    *conf_origin_of(l, key) = origin;
}
