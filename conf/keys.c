/* keys: the rows of the table of settings, used. See the header. Thread: any. */
#include "conf/keys.h"

#include "conf/value.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- finding rows ----------------------------------------------------------------------------- */

const struct conf_key *conf_key_find(const char *section, const char *name)
{
    for (size_t i = 0; i < conf_key_count; i++) {
        if (strcmp(conf_keys[i].section, section) == 0 && strcmp(conf_keys[i].name, name) == 0) {
            return &conf_keys[i];
        }
    }
    return NULL;
}

const struct conf_removed *conf_removed_find(const char *section, const char *name,
                                             const char *value)
{
    for (size_t i = 0; i < conf_removed_count; i++) {
        const struct conf_removed *row = &conf_removed[i];
        bool is_value = value == NULL ? row->value == NULL
                                      : row->value != NULL && strcasecmp(value, row->value) == 0;
        if (is_value && strcasecmp(section, row->section) == 0 &&
            strcasecmp(name, row->name) == 0) {
            return row;
        }
    }
    return NULL;
}

bool conf_section_exists(const char *section)
{
    for (size_t i = 0; i < conf_key_count; i++) {
        if (strcmp(conf_keys[i].section, section) == 0) {
            return true;
        }
    }
    return false;
}

enum { NAME_MAX_LEN = 40, FAR = INT_MAX };

static bool is_same_letter(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

static int min3(int a, int b, int c)
{
    int least = a < b ? a : b;
    return least < c ? least : c;
}

/*
 * How many letters must be inserted, deleted, changed or swapped with the next one to turn `a` into
 * `b` (the optimal string alignment distance), ignoring case; FAR for what is longer than any name.
 */
static int distance(const char *a, const char *b)
{
    int d[NAME_MAX_LEN + 1][NAME_MAX_LEN + 1]; /* [i][j]: of the first i and j letters */
    size_t a_len = strlen(a), b_len = strlen(b);
    if (a_len > NAME_MAX_LEN || b_len > NAME_MAX_LEN) {
        return FAR;
    }

    for (size_t i = 0; i <= a_len; i++) {
        for (size_t j = 0; j <= b_len; j++) {
            if (i == 0 || j == 0) {
                d[i][j] = (int)(i + j);
                continue;
            }
            int changed = d[i - 1][j - 1] + !is_same_letter(a[i - 1], b[j - 1]);
            d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1, changed);
            if (i > 1 && j > 1 && is_same_letter(a[i - 1], b[j - 2]) &&
                is_same_letter(a[i - 2], b[j - 1])) {
                d[i][j] = min3(d[i][j], d[i - 2][j - 2] + 1, FAR);
            }
        }
    }
    return d[a_len][b_len];
}

/* Up to a third of the letters may differ: more would be guessing. */
static bool is_near(int d, const char *name)
{
    return d != FAR && (size_t)d <= (strlen(name) + 2) / 3;
}

const struct conf_key *conf_key_nearest(const char *section, const char *name)
{
    const struct conf_key *nearest = NULL;
    int least = FAR;
    for (size_t i = 0; i < conf_key_count; i++) {
        const struct conf_key *key = &conf_keys[i];
        int d = distance(name, key->name);
        if (!is_near(d, key->name)) {
            continue;
        }
        d += strcmp(section, key->section) != 0; /* of two equally near, this section's */
        if (d < least) {
            least = d;
            nearest = key;
        }
    }
    return nearest;
}

const char *conf_section_nearest(const char *section)
{
    const char *nearest = NULL;
    int least = FAR;
    for (size_t i = 0; i < conf_key_count; i++) {
        int d = distance(section, conf_keys[i].section);
        if (d < least && is_near(d, conf_keys[i].section)) {
            least = d;
            nearest = conf_keys[i].section;
        }
    }
    return nearest;
}

void conf_key_variable(const struct conf_key *key, char out[CONF_VARIABLE_SIZE])
{
    snprintf(out, CONF_VARIABLE_SIZE, "SMSRELAY_%s_%s", key->section, key->name);
    for (char *c = out; *c != '\0'; c++) {
        *c = (char)toupper((unsigned char)*c);
    }
}

/* --- setting values --------------------------------------------------------------------------- */

static void *field(const struct conf_key *key, struct conf *conf)
{
    return (char *)conf + key->offset;
}

/* The start of a value, safe to print on a terminal. */
static const char *show(const char *value, char out[48])
{
    size_t n = 0;
    for (; *value != '\0' && n < 40; value++) {
        out[n++] = isprint((unsigned char)*value) ? *value : '?';
    }
    strcpy(out + n, *value != '\0' ? "..." : "");
    return out;
}

static bool refuse(char why[CONF_WHY_SIZE], const char *sentence)
{
    snprintf(why, CONF_WHY_SIZE, "%s", sentence);
    return false;
}

static bool set_string(const struct conf_key *key, struct conf *conf, const char *value,
                       char why[CONF_WHY_SIZE])
{
    const char *complaint = NULL;
    if (*value == '\0') {
        complaint = *key->initial != '\0' ? "must not be empty" : NULL;
    } else if (key->rule != NULL) {
        complaint = key->rule(value);
    }
    if (complaint != NULL) {
        return refuse(why, complaint);
    }
    char *copy = strdup(value);
    if (copy == NULL) {
        return refuse(why, "out of memory");
    }
    conf_key_clear(key, conf);
    *(char **)field(key, conf) = copy;
    return true;
}

bool conf_key_append(const struct conf_key *key, struct conf *conf, const char *value,
                     char why[CONF_WHY_SIZE])
{
    struct conf_list more = {NULL, 0};
    struct conf_list *list = field(key, conf);
    char shown[48];
    bool is_good = conf_list_append(&more, value);
    if (!is_good) {
        refuse(why, errno == ENOMEM
                        ? "out of memory"
                        : "must be words separated by commas or spaces, or \"in quotes\"");
    }
    for (size_t i = 0; is_good && i < more.count; i++) {
        const char *complaint = key->rule != NULL ? key->rule(more.items[i]) : NULL;
        if (complaint == NULL) {
            continue;
        }
        snprintf(why, CONF_WHY_SIZE, "\"%s\" %s", show(more.items[i], shown), complaint);
        is_good = false;
    }
    if (is_good && !conf_list_append(list, value)) {
        is_good = refuse(why, "out of memory");
    }
    conf_list_clear(&more);
    return is_good;
}

static bool set_list(const struct conf_key *key, struct conf *conf, const char *value,
                     char why[CONF_WHY_SIZE])
{
    struct conf_list *list = field(key, conf);
    struct conf_list old = *list;
    *list = (struct conf_list){NULL, 0};
    bool is_good = conf_key_append(key, conf, value, why);
    if (is_good) {
        conf_list_clear(&old);
    } else {
        *list = old;
    }
    return is_good;
}

static bool set_choice(const struct conf_key *key, struct conf *conf, const char *value,
                       char why[CONF_WHY_SIZE])
{
    char shown[48];
    size_t len = strlen(value);
    int index = 0;
    for (const char *word = key->words;; index++) {
        size_t word_len = strcspn(word, "|");
        if (len == word_len && strncasecmp(word, value, len) == 0) {
            *(int *)field(key, conf) = index;
            return true;
        }
        if (word[word_len] == '\0') {
            break;
        }
        word += word_len + 1;
    }
    snprintf(why, CONF_WHY_SIZE, "must be one of %s, not \"%s\"", key->words, show(value, shown));
    return false;
}

/* How the three types that have bounds are spelled. */
struct amount_type {
    const char *name;
    bool (*parse)(const char *s, int64_t *amount);
    void (*print)(int64_t amount, char out[CONF_AMOUNT_SIZE]);
    const char *units;
};

static void number_print(int64_t number, char out[CONF_AMOUNT_SIZE])
{
    snprintf(out, CONF_AMOUNT_SIZE, "%" PRId64, number);
}

static const struct amount_type amount_types[] = {
    [CONF_NUMBER] = {"number", conf_number_parse, number_print, ""},
    [CONF_TIME] = {"time", conf_time_parse, conf_time_print, " (ms, s, m, h, d; plain = seconds)"},
    [CONF_SIZE] = {"size", conf_size_parse, conf_size_print, " (k, m, g; plain = bytes)"},
};

void conf_key_bounds(const struct conf_key *key, char out[CONF_BOUNDS_SIZE])
{
    char min[CONF_AMOUNT_SIZE], max[CONF_AMOUNT_SIZE];
    amount_types[key->type].print(key->min, min);
    amount_types[key->type].print(key->max, max);
    snprintf(out, CONF_BOUNDS_SIZE, "%s to %s%s%s", min, max, key->words == NULL ? "" : ", or ",
             key->words == NULL ? "" : key->words);
}

static bool set_amount(const struct conf_key *key, struct conf *conf, const char *value,
                       char why[CONF_WHY_SIZE])
{
    const struct amount_type *type = &amount_types[key->type];
    int64_t amount = 0;
    bool is_word = key->words != NULL && strcasecmp(value, key->words) == 0;
    if (is_word || (type->parse(value, &amount) && amount >= key->min && amount <= key->max)) {
        if (key->type == CONF_NUMBER) {
            *(int *)field(key, conf) = (int)amount;
        } else {
            *(int64_t *)field(key, conf) = amount;
        }
        return true;
    }
    char bounds[CONF_BOUNDS_SIZE], shown[48];
    conf_key_bounds(key, bounds);
    snprintf(why, CONF_WHY_SIZE, "must be a %s from %s%s, not \"%s\"", type->name, bounds,
             type->units, show(value, shown));
    return false;
}

bool conf_key_set(const struct conf_key *key, struct conf *conf, const char *value,
                  char why[CONF_WHY_SIZE])
{
    for (const char *c = value; *c != '\0'; c++) {
        if (iscntrl((unsigned char)*c) && *c != '\t') {
            return refuse(why, "must not contain control characters");
        }
    }
    switch (key->type) {
    case CONF_STRING:
    case CONF_SECRET:
        return set_string(key, conf, value, why);
    case CONF_LIST:
        return set_list(key, conf, value, why);
    case CONF_NUMBER:
    case CONF_TIME:
    case CONF_SIZE:
        return set_amount(key, conf, value, why);
    case CONF_CHOICE:
        return set_choice(key, conf, value, why);
    }
    return refuse(why, "has no type");
}

static bool is_same_list(const struct conf_list *a, const struct conf_list *b)
{
    bool is_same = a->count == b->count;
    for (size_t i = 0; is_same && i < a->count; i++) {
        is_same = strcmp(a->items[i], b->items[i]) == 0;
    }
    return is_same;
}

bool conf_key_is_same(const struct conf_key *key, const struct conf *a, const struct conf *b)
{
    const void *x = (const char *)a + key->offset, *y = (const char *)b + key->offset;
    switch (key->type) {
    case CONF_STRING:
    case CONF_SECRET:
        return strcmp(*(char *const *)x, *(char *const *)y) == 0;
    case CONF_LIST:
        return is_same_list(x, y);
    case CONF_TIME:
    case CONF_SIZE:
        return *(const int64_t *)x == *(const int64_t *)y;
    case CONF_NUMBER:
    case CONF_CHOICE:
        return *(const int *)x == *(const int *)y;
    }
    return false;
}

void conf_key_clear(const struct conf_key *key, struct conf *conf)
{
    if (key->type == CONF_LIST) {
        conf_list_clear(field(key, conf));
    } else if (key->type == CONF_STRING || key->type == CONF_SECRET) {
        char **string = field(key, conf);
        if (key->type == CONF_SECRET && *string != NULL) {
            explicit_bzero(*string, strlen(*string));
        }
        free(*string);
        *string = NULL;
    }
}
