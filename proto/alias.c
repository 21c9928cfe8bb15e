/* alias: see alias.h. */
#include "proto/alias.h"

#include "proto/recipients.h"
#include "proto/word.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    char name[ALIAS_NAME_MAX + 1]; /* in lower case */
    uint32_t line;
    uint32_t first; /* index of its first number */
    uint32_t count;
};

struct alias_table {
    struct buffer entries; /* struct entry, sorted by name */
    struct buffer numbers; /* char[NUMBER_SIZE] */
};

static struct entry *entries_of(const struct alias_table *table)
{
    return (struct entry *)(void *)table->entries.data;
}

size_t alias_table_count(const struct alias_table *table)
{
    return table->entries.len / sizeof(struct entry);
}

size_t alias_table_numbers(const struct alias_table *table)
{
    return table->numbers.len / NUMBER_SIZE;
}

void alias_table_free(struct alias_table *table)
{
    if (table != NULL) {
        buffer_free(&table->entries);
        buffer_free(&table->numbers);
        free(table);
    }
}

/* --- names ------------------------------------------------------------------------------------ */

static char to_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Copies a name in lower case; false if it is not valid. */
static bool read_name(const char *s, size_t len, char name[ALIAS_NAME_MAX + 1])
{
    bool has_letter = false;
    if (len > ALIAS_NAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        char c = to_lower(s[i]);
        bool is_letter = c >= 'a' && c <= 'z';
        bool is_digit = c >= '0' && c <= '9';
        if (!is_letter && !is_digit && c != '.' && c != '_' && c != '-') {
            return false;
        }
        has_letter = has_letter || is_letter;
        name[i] = c;
    }
    name[len] = '\0';
    return has_letter;
}

/* By name, then by line. */
static int compare_entries(const void *a, const void *b)
{
    const struct entry *first = a;
    const struct entry *second = b;
    int order = strcmp(first->name, second->name);
    return order != 0 ? order : (first->line > second->line) - (first->line < second->line);
}

static int compare_name(const void *name, const void *entry)
{
    return strcmp(name, ((const struct entry *)entry)->name);
}

bool alias_find(const struct alias_table *table, const char *word, size_t len, struct alias *alias)
{
    char name[ALIAS_NAME_MAX + 1];
    if (table == NULL || table->entries.len == 0 || !read_name(word, len, name)) {
        return false;
    }
    const struct entry *entry =
        bsearch(name, entries_of(table), alias_table_count(table), sizeof *entry, compare_name);
    if (entry == NULL) {
        return false;
    }
    alias->members = (const char(*)[NUMBER_SIZE])table->numbers.data + entry->first;
    alias->count = entry->count;
    alias->position = (size_t)(entry - entries_of(table));
    return true;
}

/* --- the file --------------------------------------------------------------------------------- */

struct reader {
    struct alias_table *table;
    const char *file;
    const char *country_code;
    struct buffer *errors;
    struct recipients members; /* of the current line */
    uint32_t line;
    unsigned faults;
};

static void __attribute__((format(printf, 3, 4)))
complain(struct reader *r, uint32_t line, const char *format, ...)
{
    va_list args;
    buffer_puts(r->errors, r->file);
    buffer_printf(r->errors, ":%u: ", line);
    va_start(args, format);
    buffer_vprintf(r->errors, format, args);
    va_end(args);
    buffer_putc(r->errors, '\n');
    r->faults++;
}

/* Adds one number to r->members, or complains about it and returns false. */
static bool read_member(struct reader *r, const char *name, size_t position, const char *s,
                        const char *end)
{
    char e164[NUMBER_SIZE];
    word_trim(&s, &end);
    if (!number_parse(s, (size_t)(end - s), r->country_code, e164)) {
        char fault[NUMBER_FAULT_SIZE];
        number_explain(s, (size_t)(end - s), r->country_code, fault);
        complain(r, r->line, "number %zu of %s is not a telephone number%s%s", position, name,
                 fault[0] != '\0' ? ": " : "", fault);
        return false;
    }
    if (r->members.count == ALIAS_MEMBERS_MAX && !recipients_has(&r->members, e164)) {
        complain(r, r->line, "%s has more than %d numbers", name, ALIAS_MEMBERS_MAX);
        return false;
    }
    if (!recipients_add(&r->members, e164)) {
        complain(r, r->line, "out of memory for the numbers of %s", name);
        return false;
    }
    return true;
}

/* Reads the numbers after the colon into r->members. */
static bool read_members(struct reader *r, const char *name, const char *s, const char *end)
{
    recipients_clear(&r->members);
    for (size_t position = 1;; position++) {
        const char *comma = memchr(s, ',', (size_t)(end - s));
        if (!read_member(r, name, position, s, comma == NULL ? end : comma)) {
            return false;
        }
        if (comma == NULL) {
            return true;
        }
        s = comma + 1;
    }
}

static void read_line(struct reader *r, const char *s, const char *end)
{
    word_trim(&s, &end);
    if (s == end || *s == '#') {
        return;
    }
    const char *colon = memchr(s, ':', (size_t)(end - s));
    if (colon == NULL) {
        complain(r, r->line, "must be a name, a colon, and numbers separated by commas");
        return;
    }
    struct entry entry = {.line = r->line, .first = (uint32_t)alias_table_numbers(r->table)};
    const char *name_end = colon;
    word_trim(&s, &name_end);
    if (!read_name(s, (size_t)(name_end - s), entry.name)) {
        complain(r, r->line,
                 "the name must be 1 to %d ASCII letters, digits and ._-, at least one a letter",
                 ALIAS_NAME_MAX);
        return;
    }
    if (read_members(r, entry.name, colon + 1, end)) {
        entry.count = (uint32_t)r->members.count;
        buffer_append(&r->table->entries, &entry, sizeof entry);
        buffer_append(&r->table->numbers, r->members.numbers,
                      entry.count * sizeof *r->members.numbers);
    }
}

static void read_lines(struct reader *r, const char *text, size_t len)
{
    static const char MARK[] = "\xEF\xBB\xBF"; /* some editors begin files with it */
    const char *end = text + len;
    if (len >= strlen(MARK) && memcmp(text, MARK, strlen(MARK)) == 0) {
        text += strlen(MARK);
    }
    while (text < end && r->faults < ALIAS_FAULTS_MAX) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *line_end = newline == NULL ? end : newline;
        r->line++;
        read_line(r, text, line_end > text && line_end[-1] == '\r' ? line_end - 1 : line_end);
        if (alias_table_numbers(r->table) > ALIAS_NUMBERS_MAX) {
            complain(r, r->line, "all aliases together have more than %d numbers",
                     ALIAS_NUMBERS_MAX);
            return;
        }
        text = newline == NULL ? end : newline + 1;
    }
}

/* Sorts the names, and complains about duplicates. */
static void sort_entries(struct reader *r)
{
    struct entry *entries = entries_of(r->table);
    size_t count = alias_table_count(r->table);
    if (count == 0) {
        return;
    }
    qsort(entries, count, sizeof *entries, compare_entries);
    for (size_t i = 1; i < count && r->faults < ALIAS_FAULTS_MAX; i++) {
        if (strcmp(entries[i].name, entries[i - 1].name) == 0) {
            complain(r, entries[i].line, "%s is already defined in line %u", entries[i].name,
                     entries[i - 1].line);
        }
    }
}

struct alias_table *alias_table_read(const char *file, const char *text, size_t len,
                                     const char *country_code, struct buffer *errors)
{
    struct reader r = {.table = calloc(1, sizeof *r.table),
                       .file = file,
                       .country_code = country_code,
                       .errors = errors};
    if (r.table == NULL) {
        complain(&r, r.line, "out of memory");
        return NULL;
    }
    read_lines(&r, text, len);
    recipients_free(&r.members);
    if (r.table->entries.has_failed || r.table->numbers.has_failed) {
        complain(&r, r.line, "out of memory");
    } else {
        sort_entries(&r);
    }
    if (r.faults > 0) {
        alias_table_free(r.table);
        return NULL;
    }
    return r.table;
}
