/* plain: see plain.h. */
#include "gateway/api/plain.h"

#include "proto/text.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Numbers of more digits, and escapes other than these, are left to json. */
enum { LONGEST_NUMBER = 18, LONGEST_ID = 255, HEX_DIGITS = 4 };

/* Each reader takes what it expects and moves on, or returns false, after which nothing counts. */
struct reader {
    const char *at, *end;
    bool has_high; /* bytes above ASCII, in strings: still to be checked */
};

struct word {
    const char *start;
    size_t len;
    bool is_ascii; /* a string without escapes */
};

/* What a message's entry says. */
struct entry {
    char id[LONGEST_ID + 1]; /* "" = none yet */
    struct word client_id;   /* without start = none yet */
};

/* --- tokens ----------------------------------------------------------------------------------- */

static void skip_space(struct reader *r)
{
    while (r->at < r->end &&
           (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t')) {
        r->at++;
    }
}

/* What comes next, behind white space; NUL at the end. */
static char peek(struct reader *r)
{
    skip_space(r);
    return r->at < r->end ? *r->at : '\0';
}

static bool take(struct reader *r, char c)
{
    bool is_there = c == peek(r);
    r->at += is_there;
    return is_there;
}

/* \uXXXX, but for NUL and the halves of surrogate pairs. */
static bool take_unit(struct reader *r)
{
    unsigned unit = 0;
    if (r->end - r->at < HEX_DIGITS) {
        return false;
    }
    for (int i = 0; i < HEX_DIGITS; i++) {
        unsigned char c = (unsigned char)*r->at++;
        if (!isxdigit(c)) {
            return false;
        }
        unit = unit * 16 + (c <= '9' ? c - (unsigned)'0' : (c & 7u) + 9u);
    }
    return unit != 0 && (unit < 0xd800 || unit > 0xdfff);
}

static bool take_escape(struct reader *r)
{
    char c = r->at < r->end ? *r->at++ : '\0';
    return c == 'u' ? take_unit(r) : c != '\0' && strchr("\"\\/bfnrt", c) != NULL;
}

static bool take_string(struct reader *r, struct word *word)
{
    if (!take(r, '"')) {
        return false;
    }
    *word = (struct word){.start = r->at, .is_ascii = true};
    while (r->at < r->end && *r->at != '"') {
        unsigned char c = (unsigned char)*r->at++;
        if (c < ' ' || (c == '\\' && !take_escape(r))) {
            return false;
        }
        word->is_ascii = word->is_ascii && c < 0x7f && c != '\\';
        r->has_high = r->has_high || c >= 0x80;
    }
    word->len = (size_t)(r->at - word->start);
    return take(r, '"');
}

static bool word_is(const struct word *word, const char *text)
{
    return word->is_ascii && word->len == strlen(text) && memcmp(word->start, text, word->len) == 0;
}

static bool take_name(struct reader *r, const char *name)
{
    struct word word;
    return take_string(r, &word) && word_is(&word, name) && take(r, ':');
}

static size_t take_digits(struct reader *r)
{
    const char *start = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9') {
        r->at++;
    }
    return (size_t)(r->at - start);
}

/* A number without an exponent; `is_integer` tells whether without a fraction, too. */
static bool take_number(struct reader *r, struct word *word, bool *is_integer)
{
    *word = (struct word){.start = r->at};
    r->at += *r->at == '-';
    const char *digits = r->at;
    size_t count = take_digits(r);
    *is_integer = r->at == r->end || *r->at != '.';
    if (count == 0 || (*digits == '0' && count > 1)) {
        return false;
    }
    if (!*is_integer) {
        r->at++;
        if (take_digits(r) == 0) {
            return false;
        }
    }
    word->len = (size_t)(r->at - word->start);
    return word->len <= LONGEST_NUMBER;
}

static bool take_literal(struct reader *r, const char *literal)
{
    size_t len = strlen(literal);
    bool is_there = (size_t)(r->end - r->at) >= len && memcmp(r->at, literal, len) == 0;
    r->at += is_there ? len : 0;
    return is_there;
}

/* --- entries ---------------------------------------------------------------------------------- */

static bool note_id(struct entry *entry, const struct word *word)
{
    bool is_id = entry->id[0] == '\0' && word->len > 0 && word->len <= LONGEST_ID;
    if (is_id) {
        memcpy(entry->id, word->start, word->len);
        entry->id[word->len] = '\0';
    }
    return is_id;
}

static bool take_id(struct reader *r, struct entry *entry)
{
    struct word word;
    bool is_integer;
    char c = peek(r);
    if (c == '"') {
        return take_string(r, &word) && word.is_ascii && note_id(entry, &word);
    }
    return c >= '1' && c <= '9' && take_number(r, &word, &is_integer) && is_integer &&
           note_id(entry, &word);
}

static bool take_client_id(struct reader *r, struct entry *entry)
{
    return entry->client_id.start == NULL && take_string(r, &entry->client_id) &&
           entry->client_id.is_ascii;
}

/* A value that nobody needs. */
static bool pass_value(struct reader *r)
{
    struct word word;
    bool is_integer;
    char c = peek(r);
    if (c == '"') {
        return take_string(r, &word);
    }
    if (c == '-' || (c >= '0' && c <= '9')) {
        return take_number(r, &word, &is_integer);
    }
    return take_literal(r, "null") || take_literal(r, "true") || take_literal(r, "false");
}

static bool take_member(struct reader *r, struct entry *entry)
{
    struct word name;
    if (!take_string(r, &name) || !name.is_ascii || !take(r, ':')) {
        return false;
    }
    if (word_is(&name, "id")) {
        return take_id(r, entry);
    }
    return word_is(&name, "clientId") ? take_client_id(r, entry) : pass_value(r);
}

/* A flat object with an id. */
static bool take_entry(struct reader *r, struct entry *entry)
{
    entry->id[0] = '\0';
    entry->client_id = (struct word){0};
    if (!take(r, '{')) {
        return false;
    }
    do {
        if (!take_member(r, entry)) {
            return false;
        }
    } while (take(r, ','));
    return take(r, '}') && entry->id[0] != '\0';
}

static bool is_of(const struct entry *entry, const struct message *message)
{
    struct ulid id;
    return entry->client_id.start != NULL &&
           ulid_parse(entry->client_id.start, entry->client_id.len, &id) &&
           memcmp(&id, &message->id, sizeof id) == 0;
}

static struct api_item accepted(const struct entry *entry)
{
    return (struct api_item){API_ITEM_ACCEPTED, message_answer_new(entry->id, NULL)};
}

/* --- bodies ----------------------------------------------------------------------------------- */

/* json skips what stands before the body, such as a byte order mark. */
static bool is_whole(struct reader *r, const char *body, size_t len)
{
    return peek(r) == '\0' && r->at == r->end && (!r->has_high || text_is_utf8(body, len));
}

bool api_plain_read_single(const char *body, size_t len, struct api_item *item)
{
    struct reader r = {.at = body, .end = body + len};
    struct entry entry;
    bool is_read = take_entry(&r, &entry) && is_whole(&r, body, len);
    if (is_read) {
        *item = accepted(&entry);
    }
    return is_read;
}

/* Returns how many entries were taken, which stand in `items`. */
static size_t take_entries(struct reader *r, struct message *const *messages, size_t count,
                           struct api_item *items)
{
    size_t taken = 0;
    struct entry entry;
    while (taken < count && (taken == 0 || take(r, ',')) && take_entry(r, &entry) &&
           is_of(&entry, messages[taken])) {
        items[taken++] = accepted(&entry);
    }
    return taken;
}

bool api_plain_read_bulk(const char *body, size_t len, struct message *const *messages,
                         size_t count, struct api_item *items)
{
    struct reader r = {.at = body, .end = body + len};
    if (count == 0 || !take(&r, '{') || !take_name(&r, "entities") || !take(&r, '[')) {
        return false;
    }
    size_t taken = take_entries(&r, messages, count, items);
    bool is_read = taken == count && take(&r, ']') && take(&r, ',') && take_name(&r, "errors") &&
                   take(&r, '[') && take(&r, ']') && take(&r, '}') && is_whole(&r, body, len);
    for (size_t i = 0; i < taken && !is_read; i++) {
        free(items[i].answer);
        items[i] = (struct api_item){API_ITEM_UNKNOWN, NULL};
    }
    return is_read;
}
