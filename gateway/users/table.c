/* table: see table.h. */
#include "gateway/users/table.h"

#include "proto/session/option.h"
#include "proto/word.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { FAULTS_MAX = 20, SENDERS_MAX = 32 };

/* The senders of a user: a list that ends in NULL, of the strings behind it. */
struct senders {
    const char *list[SENDERS_MAX + 1];
    char text[SENDERS_MAX][SENDER_SIZE];
};

struct user_table {
    struct buffer users;  /* of struct user, sorted by name */
    struct buffer tokens; /* of pointers to those who have one, sorted by hash */
};

size_t user_table_count(const struct user_table *table)
{
    return table->users.len / sizeof(struct user);
}

static struct user *users_of(const struct user_table *table)
{
    return (struct user *)(void *)table->users.data;
}

struct user *user_table_at(const struct user_table *table, size_t i)
{
    return &users_of(table)[i];
}

void user_table_free(struct user_table *table)
{
    if (table == NULL) {
        return;
    }
    for (size_t i = 0; i < user_table_count(table); i++) {
        free(users_of(table)[i].senders);
    }
    if (table->users.data != NULL) {
        explicit_bzero(table->users.data, table->users.len);
    }
    buffer_free(&table->users);
    buffer_free(&table->tokens);
    free(table);
}

/* --- names ------------------------------------------------------------------------------------ */

const char user_name_rule[] = "1 to 64 ASCII letters, digits and ._@-, begun with a letter or "
                              "digit, with a letter among them; "
                              "not local, network, stranger, others or unknown";
_Static_assert(USER_NAME_MAX == 64, "user_name_rule");

/* Is it a word that stands for owners who are no users? */
static bool is_taken(const char *name)
{
    static const char *const TAKEN[] = {"local", "network", "stranger", "others", "unknown"};
    for (size_t i = 0; i < sizeof TAKEN / sizeof TAKEN[0]; i++) {
        if (strcmp(name, TAKEN[i]) == 0) {
            return true;
        }
    }
    return false;
}

bool user_name_read(const char *word, size_t len, char name[USER_NAME_MAX + 1])
{
    bool has_letter = false;
    if (len == 0 || len > USER_NAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        char c = word[i] >= 'A' && word[i] <= 'Z' ? (char)(word[i] | 0x20) : word[i];
        bool is_letter = c >= 'a' && c <= 'z';
        bool is_digit = c >= '0' && c <= '9';
        bool is_sign = c != '\0' && strchr("._@-", c) != NULL;
        if (!is_letter && !is_digit && (!is_sign || i == 0)) {
            return false;
        }
        has_letter = has_letter || is_letter;
        name[i] = c;
    }
    name[len] = '\0';
    return has_letter && !is_taken(name);
}

static int compare_name(const void *name, const void *user)
{
    return strcmp(name, ((const struct user *)user)->name);
}

struct user *user_table_find(const struct user_table *table, const char *word)
{
    char name[USER_NAME_MAX + 1];
    if (table->users.len == 0 || !user_name_read(word, strlen(word), name)) {
        return NULL;
    }
    return bsearch(name, users_of(table), user_table_count(table), sizeof(struct user),
                   compare_name);
}

/* --- tokens ------------------------------------------------------------------------------------- */

static int compare_tokens(const void *a, const void *b)
{
    const struct user *const *first = a, *const *second = b;
    return strcmp((*first)->hash, (*second)->hash);
}

static int compare_hash(const void *hash, const void *user)
{
    const struct user *const *with_token = user;
    return strcmp(hash, (*with_token)->hash);
}

/* Once the users are sorted: they stay where they are. */
static void sort_tokens(struct user_table *table)
{
    for (size_t i = 0; i < user_table_count(table); i++) {
        const struct user *user = user_table_at(table, i);
        if (user->kind == HASH_TOKEN) {
            buffer_append(&table->tokens, &user, sizeof user);
        }
    }
    if (table->tokens.len > 0) {
        qsort(table->tokens.data, table->tokens.len / sizeof(struct user *), sizeof(struct user *),
              compare_tokens);
    }
}

struct user *user_table_find_token(const struct user_table *table, const char *token)
{
    char hash[HASH_SIZE];
    if (token[0] == '\0' || table->tokens.len == 0) {
        return NULL;
    }
    hash_token(token, hash);
    struct user **found =
        bsearch(hash, table->tokens.data, table->tokens.len / sizeof(struct user *),
                sizeof(struct user *), compare_hash);
    return found == NULL ? NULL : *found;
}

/* --- the file --------------------------------------------------------------------------------- */

struct reader {
    struct user_table *table;
    const char *file;
    const char *const *allowed;
    struct buffer *errors;
    unsigned line;
    unsigned faults;
};

static bool __attribute__((format(printf, 3, 4)))
complain(struct reader *r, unsigned line, const char *format, ...)
{
    va_list args;
    buffer_printf(r->errors, "%s:%u: ", r->file, line);
    va_start(args, format);
    buffer_vprintf(r->errors, format, args);
    va_end(args);
    buffer_putc(r->errors, '\n');
    r->faults++;
    return false;
}

static bool is_allowed(const char *const *allowed, const char *sender)
{
    bool is_listed = allowed == NULL || *allowed == NULL;
    for (; !is_listed && *allowed != NULL; allowed++) {
        is_listed = strcasecmp(*allowed, sender) == 0;
    }
    return is_listed;
}

/* Reads one sender into the next place. */
static bool read_sender(struct reader *r, const struct user *user, size_t i, const char *s,
                        size_t len)
{
    char *sender = user->senders->text[i];
    if (!option_parse_sender(s, len, sender)) {
        return complain(r, r->line,
                        "sender %zu of %s cannot be one: 1 to 11 letters, digits, spaces or .-_& "
                        "with a letter among them, or 3 to 15 digits",
                        i + 1, user->name);
    }
    if (!is_allowed(r->allowed, sender)) {
        return complain(r, r->line, "sender %zu of %s is not in sms.senders", i + 1, user->name);
    }
    user->senders->list[i] = sender;
    return true;
}

/* senders=Acme,Shop */
static bool read_senders(struct reader *r, struct user *user, const char *value, size_t len)
{
    const char *end = value + len;
    user->senders = calloc(1, sizeof *user->senders);
    if (user->senders == NULL) {
        return complain(r, r->line, "out of memory");
    }
    user->session.senders = user->senders->list;
    for (size_t i = 0;; i++) {
        const char *comma = memchr(value, ',', (size_t)(end - value));
        const char *stop = comma == NULL ? end : comma;
        if (i == SENDERS_MAX) {
            return complain(r, r->line, "%s has more than %d senders", user->name, SENDERS_MAX);
        }
        word_trim(&value, &stop);
        if (!read_sender(r, user, i, value, (size_t)(stop - value))) {
            return false;
        }
        if (comma == NULL) {
            return true;
        }
        value = comma + 1;
    }
}

static unsigned right_of(const char *word, size_t len)
{
    static const struct {
        const char *word;
        unsigned right;
    } RIGHTS[] = {{"submit", USER_SUBMITS}, {"ask", USER_ASKS}, {"control", USER_CONTROLS}};
    for (size_t i = 0; i < sizeof RIGHTS / sizeof RIGHTS[0]; i++) {
        if (word_is(word, len, RIGHTS[i].word)) {
            return RIGHTS[i].right;
        }
    }
    return 0;
}

/* rights=submit,ask,control */
static bool read_rights(struct reader *r, struct user *user, const char *value, size_t len)
{
    const char *end = value + len;
    user->session.rights = 0;
    for (;;) {
        const char *comma = memchr(value, ',', (size_t)(end - value));
        const char *stop = comma == NULL ? end : comma;
        word_trim(&value, &stop);
        unsigned right = right_of(value, (size_t)(stop - value));
        if (right == 0) {
            return complain(r, r->line, "%s: the rights are submit, ask and control", user->name);
        }
        user->session.rights |= right;
        if (comma == NULL) {
            return true;
        }
        value = comma + 1;
    }
}

/* The third field. A key that is written wrong must not give more than was meant. */
static bool read_keys(struct reader *r, struct user *user, const char *s, const char *end)
{
    static const struct {
        const char *name;
        bool (*read)(struct reader *r, struct user *user, const char *value, size_t len);
    } KEYS[] = {{"senders", read_senders}, {"rights", read_rights}};
    char value[OPTION_VALUE_MAX];
    const char *name;
    size_t name_len, value_len;
    unsigned given = 0;
    s = word_skip_spaces(s, end);
    while (option_next(&s, end, &name, &name_len, value, &value_len)) {
        size_t i = 0;
        while (i < sizeof KEYS / sizeof KEYS[0] && !word_is(name, name_len, KEYS[i].name)) {
            i++;
        }
        if (i == sizeof KEYS / sizeof KEYS[0]) {
            return complain(r, r->line,
                            "%s has an unknown key: there are senders= and rights=", user->name);
        }
        if ((given & 1U << i) != 0 || value_len == SIZE_MAX) {
            return complain(r, r->line, "%s: %s= %s", user->name, KEYS[i].name,
                            value_len == SIZE_MAX ? "is malformed or too long" : "stands twice");
        }
        given |= 1U << i;
        if (!KEYS[i].read(r, user, value, value_len)) {
            return false;
        }
    }
    if (word_skip_spaces(s, end) < end) {
        return complain(r, r->line, "%s: behind the hash stand key=value, separated by spaces",
                        user->name);
    }
    return true;
}

/* `name:hash[:key=value ...]` */
static bool read_user(struct reader *r, struct user *user, const char *s, const char *end)
{
    const char *colon = memchr(s, ':', (size_t)(end - s));
    const char *name_end = colon == NULL ? end : colon;
    word_trim(&s, &name_end);
    if (colon == NULL) {
        return complain(r, r->line, "must be name:hash, and perhaps :key=value ...");
    }
    if (!user_name_read(s, (size_t)(name_end - s), user->name)) {
        return complain(r, r->line, "a name is %s", user_name_rule);
    }
    const char *hash = colon + 1;
    colon = memchr(hash, ':', (size_t)(end - hash));
    const char *hash_end = colon == NULL ? end : colon;
    word_trim(&hash, &hash_end);
    size_t len = (size_t)(hash_end - hash);
    const char *fault = len < HASH_SIZE ? hash_read(hash, len, &user->kind) : "is too long";
    if (fault != NULL) {
        return complain(r, r->line, "the hash of %s %s; `smsrelay user add` makes one", user->name,
                        fault);
    }
    memcpy(user->hash, hash, len);
    return colon == NULL || read_keys(r, user, colon + 1, end);
}

static void read_line(struct reader *r, const char *s, const char *end)
{
    struct user user = {.line = r->line, .session.rights = USER_SUBMITS | USER_ASKS};
    word_trim(&s, &end);
    if (s == end || *s == '#') {
        return;
    }
    if (read_user(r, &user, s, end)) {
        buffer_append(&r->table->users, &user, sizeof user);
    } else {
        free(user.senders);
    }
    explicit_bzero(&user, sizeof user);
}

static void read_lines(struct reader *r, const char *text, size_t len)
{
    const char *end = text + len;
    while (text < end && r->faults < FAULTS_MAX) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *line_end = newline == NULL ? end : newline;
        r->line++;
        read_line(r, text, line_end > text && line_end[-1] == '\r' ? line_end - 1 : line_end);
        if (user_table_count(r->table) > USERS_MAX) {
            complain(r, r->line, "there are more than %d users", USERS_MAX);
            return;
        }
        text = newline == NULL ? end : newline + 1;
    }
}

/* By name, then by line. */
static int compare_users(const void *a, const void *b)
{
    const struct user *first = a, *second = b;
    int order = strcmp(first->name, second->name);
    return order != 0 ? order : (first->line > second->line) - (first->line < second->line);
}

static void sort_users(struct reader *r)
{
    struct user *users = users_of(r->table);
    size_t count = user_table_count(r->table);
    if (count == 0) {
        return;
    }
    qsort(users, count, sizeof *users, compare_users);
    for (size_t i = 1; i < count && r->faults < FAULTS_MAX; i++) {
        if (strcmp(users[i].name, users[i - 1].name) == 0) {
            complain(r, users[i].line, "%s stands in line %u already", users[i].name,
                     users[i - 1].line);
        }
    }
}

struct user_table *user_table_read(const char *file, const char *text, size_t len,
                                   const char *const *allowed, struct buffer *errors)
{
    struct reader r = {
        .table = calloc(1, sizeof *r.table), .file = file, .allowed = allowed, .errors = errors};
    if (r.table == NULL) {
        complain(&r, 0, "out of memory");
        return NULL;
    }
    read_lines(&r, text, len);
    if (!r.table->users.has_failed) {
        sort_users(&r);
        sort_tokens(r.table);
    }
    if (r.table->users.has_failed || r.table->tokens.has_failed) {
        complain(&r, r.line, "out of memory");
    }
    if (r.faults > 0) {
        user_table_free(r.table);
        return NULL;
    }
    return r.table;
}
