/*
 * file: reads a settings file. See the header.
 *
 * inih splits the file into sections, names and values. What it would silently ignore or cut is
 * refused before it sees it: a line longer than its buffer, text after a value that it takes for a
 * comment, a malformed or empty section. It does not tell line numbers, so next_line() counts lines.
 */
#include "conf/file.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <string.h>

enum { FILE_MAX = 1 << 20 }; /* bytes: a larger file is a mistake */

/* Replaces the name of a section that was refused, whose settings are ignored. */
#define REFUSED_SECTION "?"

struct conf_file {
    struct conf_loader *loader;
    FILE *file;
    size_t bytes; /* read so far */
    int line;
    bool is_awaited;            /* the last line must be a setting, and inih has not reported it */
    bool has_setting;           /* in this section: to inih, an indented line continues it */
    bool is_indented;           /* this line does */
    const struct conf_key *key; /* the setting that it continues; NULL = it was refused */
};

static struct conf_origin file_origin(const struct conf_file *f)
{
    return (struct conf_origin){.source = CONF_FROM_FILE, .line = f->line};
}

/* Reports what is wrong with the line as a whole; lines that continue it are ignored. */
static void refuse_line(struct conf_file *f, const char *why)
{
    struct conf_origin origin = file_origin(f);
    conf_complain(f->loader, &origin, NULL, "%s", why);
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
            *complaint = "contains a control character";
        } else if (len + 1 < size) {
            line[len++] = (char)c;
        } else {
            *complaint = "is too long: a list can go on in the next line, after a space; a token "
                         "can be kept in an api.token_file";
        }
    }
    line[len] = '\0';
    f->bytes += c == '\n';
    return c != EOF || len > 0 || *complaint != NULL;
}

/* Would inih, or a reader, see a comment after the value? */
static bool has_inline_comment(const char *line)
{
    for (const char *c = line; *c != '\0'; c++) {
        if (isblank((unsigned char)c[0]) && (c[1] == ';' || c[1] == '#')) {
            return true;
        }
    }
    return false;
}

/* Opens "[section]". A refused one is replaced, so that inih does not stay in the last one. */
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
        struct conf_origin origin = file_origin(f);
        conf_complain_of_section(f->loader, &origin, line + 1);
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
        complaint = "a comment must be on a line of its own; a value cannot contain a space "
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
    struct conf_origin origin = file_origin(f);
    if (f->key == NULL) {
        return;
    }
    if (f->key->type != CONF_LIST) {
        conf_complain(f->loader, &origin, f->key,
                      "an indented line continues the value before it, which must be a list; a "
                      "setting is not indented");
    } else if (!conf_key_append(f->key, f->loader->conf, value, why)) {
        conf_complain(f->loader, &origin, f->key, "%s", why);
    }
}

/* Takes a setting from inih. Always returns 1: what is wrong is in the list of errors. */
static int take_setting(void *user, const char *section, const char *name, const char *value)
{
    struct conf_file *f = user;
    struct conf_origin origin = file_origin(f);
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
        conf_complain(f->loader, &origin, NULL, "stands before the first [section]");
    } else if (f->key == NULL) {
        conf_complain_of_name(f->loader, &origin, section, name);
    } else if (conf_origin_of(f->loader, f->key)->source == CONF_FROM_FILE) {
        conf_complain(f->loader, &origin, f->key, "is already set in line %d",
                      conf_origin_of(f->loader, f->key)->line);
        f->key = NULL;
    } else {
        conf_assign(f->loader, f->key, origin, value);
    }
    return 1;
}

void conf_file_read(struct conf_loader *l, FILE *file)
{
    struct conf_file f = {.loader = l, .file = file};
    if (fileno(file) >= 0) {
        l->file_privacy = conf_secret_privacy(fileno(file));
    }

    size_t errors_before = l->errors->count;
    errno = 0;
    int line = ini_parse_stream(next_line, &f, take_setting, &f);
    if (ferror(file)) {
        conf_errors_add(l->errors, l->name, errno != 0 ? strerror(errno) : "cannot be read");
    } else if (line != 0 && l->errors->count == errors_before) {
        conf_errors_add(l->errors, l->name,
                        line < 0 ? "cannot be read: out of memory" : "cannot be understood");
    }
}
