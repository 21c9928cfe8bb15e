/* log: see log.h. */
#include "gateway/base/log.h"

#include "gateway/base/clock.h"
#include "gateway/base/log_writer.h"
#include "gateway/base/owner_name.h"
#include "proto/escape.h"
#include "proto/message.h"
#include "proto/text.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum log_level log_threshold = LOG_INFO;
static enum log_format log_format = LOG_LOGFMT;
static enum log_privacy log_privacy = LOG_MASK;
static bool is_journal; /* stderr goes to systemd's journal */

static const char *level_name(enum log_level level)
{
    switch (level) {
    case LOG_ERROR:
        return "error";
    case LOG_WARN:
        return "warn";
    case LOG_INFO:
        return "info";
    case LOG_DEBUG:
        return "debug";
    }
    return "unknown";
}

/* sd-daemon(3): the priorities of syslog. */
static int journal_priority(enum log_level level)
{
    switch (level) {
    case LOG_ERROR:
        return 3;
    case LOG_WARN:
        return 4;
    case LOG_INFO:
        return 6;
    case LOG_DEBUG:
        return 7;
    }
    return 6;
}

/* systemd.exec(5): $JOURNAL_STREAM is device:inode; a program with its stderr redirected inherits it. */
static bool goes_to_journal(int fd)
{
    const char *stream = getenv("JOURNAL_STREAM");
    uintmax_t device, inode;
    struct stat st;
    return stream != NULL && sscanf(stream, "%ju:%ju", &device, &inode) == 2 &&
           fstat(fd, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void log_open(enum log_level level, enum log_format format, enum log_privacy privacy)
{
    log_threshold = level;
    log_format = format;
    log_privacy = privacy;
    is_journal = goes_to_journal(STDERR_FILENO);
}

/* --- fields --------------------------------------------------------------------------------- */

struct log_field log_string(const char *name, const char *s)
{
    const char *bytes = s != NULL ? s : "";
    return LOG_BYTES(name, bytes, strlen(bytes));
}

struct log_field log_number(const char *name, const char *s)
{
    struct log_field field = log_string(name, s);
    field.type = LOG_FIELD_NUMBER;
    return field;
}

struct log_field log_key(struct log_field field, size_t len)
{
    field.key_len = len;
    return field;
}

enum { STAMP_SIZE = 32, SCRATCH_SIZE = 128, MASK_HEAD = 3, MASK_TAIL = 2 };

size_t log_mask_number(const char *number, size_t len, char masked[LOG_MASKED_SIZE])
{
    if (len <= MASK_HEAD + MASK_TAIL) {
        return (size_t)snprintf(masked, LOG_MASKED_SIZE, "***");
    }
    return (size_t)snprintf(masked, LOG_MASKED_SIZE, "%.*s***%.*s", MASK_HEAD, number, MASK_TAIL,
                            number + len - MASK_TAIL);
}

static const char *time_as_text(int64_t unix_ms, char stamp[STAMP_SIZE])
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    size_t len = strftime(stamp, STAMP_SIZE, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(stamp + len, STAMP_SIZE - len, ".%03dZ", (int)(unix_ms % 1000));
    return stamp;
}

struct span {
    const char *bytes;
    size_t len;
};

/* A field as text, borrowed from the field or written to `scratch`. */
static struct span field_text(const struct log_field *field, char scratch[SCRATCH_SIZE])
{
    struct span text = {scratch, 0};
    switch (field->type) {
    case LOG_FIELD_END:
    case LOG_FIELD_NONE:
        break;
    case LOG_FIELD_STRING:
        text = (struct span){field->value.string.bytes, field->value.string.len};
        break;
    case LOG_FIELD_NUMBER:
        text = (struct span){field->value.string.bytes, field->value.string.len};
        if (log_privacy == LOG_MASK) {
            text = (struct span){scratch, log_mask_number(text.bytes, text.len, scratch)};
        }
        break;
    case LOG_FIELD_ID:
        ulid_format(field->value.id, scratch);
        text.len = ULID_LENGTH;
        break;
    case LOG_FIELD_ERRNO:
        text.bytes = strerror_r((int)field->value.integer, scratch, SCRATCH_SIZE);
        text.len = strlen(text.bytes);
        break;
    case LOG_FIELD_TIME:
        text.bytes = time_as_text(field->value.integer, scratch);
        text.len = strlen(text.bytes);
        break;
    case LOG_FIELD_OWNER:
        owner_name((int32_t)field->value.integer, scratch);
        text.len = strlen(text.bytes);
        break;
    case LOG_FIELD_INT:
        text.len = (size_t)snprintf(scratch, SCRATCH_SIZE, "%" PRId64, field->value.integer);
        break;
    case LOG_FIELD_BOOL:
        text.bytes = field->value.integer != 0 ? "yes" : "no";
        text.len = strlen(text.bytes);
        break;
    }
    return text;
}

/* --- one line ------------------------------------------------------------------------------- */

enum { LINE_RESERVE = 32 }; /* for the end of a line: "cut=yes", a brace, LF */

struct line {
    char text[LOG_LINE_MAX];
    size_t len;
    size_t size; /* of `text` that may be used now */
    bool is_full;
    bool has_fields;
};

static void line_put(struct line *line, const char *bytes, size_t len)
{
    if (line->is_full || len > line->size - line->len) {
        line->is_full = true;
        return;
    }
    memcpy(line->text + line->len, bytes, len);
    line->len += len;
}

static void line_puts(struct line *line, const char *s)
{
    line_put(line, s, strlen(s));
}

/* The length of a character of valid UTF-8. */
static size_t character_length(char lead)
{
    unsigned char byte = (unsigned char)lead;
    return byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

static bool is_ascii(char c)
{
    return (unsigned char)c < 0x80;
}

/* JSON has the number of a character: one of up to three bytes. */
static void put_escaped(struct line *line, const char *s, size_t len)
{
    char escape[ESCAPE_SIZE];
    const unsigned char *bytes = (const unsigned char *)s;
    if (log_format == LOG_JSON && *s != '\n') {
        unsigned number =
            len == 1   ? bytes[0]
            : len == 2 ? (bytes[0] & 0x1fU) << 6 | (bytes[1] & 0x3fU)
                       : (bytes[0] & 0xfU) << 12 | (bytes[1] & 0x3fU) << 6 | (bytes[2] & 0x3fU);
        snprintf(escape, sizeof escape, "\\u%04x", number);
    } else {
        escape_write(s, len, escape);
    }
    line_puts(line, escape);
}

static void put_quoted(struct line *line, struct span text, bool is_utf8)
{
    size_t len;
    line_puts(line, "\"");
    for (size_t i = 0; i < text.len; i += len) {
        const char *s = text.bytes + i;
        len = is_utf8 ? character_length(*s) : 1;
        if (*s == '"' || *s == '\\') {
            line_puts(line, *s == '"' ? "\\\"" : "\\\\");
        } else if (escape_unsafe(s, len) > 0 || (!is_utf8 && !is_ascii(*s))) {
            put_escaped(line, s, len);
        } else {
            line_put(line, s, len);
        }
    }
}

static bool needs_quotes(struct span text, bool is_utf8)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.bytes[i];
        if (c == ' ' || c == '"' || c == '\\' || c == '=' ||
            escape_unsafe(text.bytes + i, text.len - i) > 0) {
            return true;
        }
    }
    return text.len == 0 || !is_utf8;
}

static void put_text(struct line *line, struct span text)
{
    size_t whole = text.len;
    if (text.len > LOG_VALUE_MAX) {
        text.len = LOG_VALUE_MAX;
        while (text.len > 0 && ((unsigned char)text.bytes[text.len] & 0xc0) == 0x80) {
            text.len--; /* do not cut a character */
        }
    }
    bool is_utf8 = text_is_utf8(text.bytes, text.len);
    bool is_quoted = log_format == LOG_JSON || needs_quotes(text, is_utf8);
    if (is_quoted) {
        put_quoted(line, text, is_utf8);
    } else {
        line_put(line, text.bytes, text.len);
    }
    line_puts(line, text.len < whole ? "..." : "");
    line_puts(line, is_quoted ? "\"" : "");
}

static void put_value(struct line *line, const struct log_field *field)
{
    char scratch[SCRATCH_SIZE];
    struct span text = field_text(field, scratch);
    bool is_bare = field->type == LOG_FIELD_INT || field->type == LOG_FIELD_BOOL;
    if (!is_bare) {
        put_text(line, text);
    } else if (field->type == LOG_FIELD_BOOL && log_format == LOG_JSON) {
        line_puts(line, field->value.integer != 0 ? "true" : "false");
    } else {
        line_put(line, text.bytes, text.len);
    }
}

/* Adds a field whole, or leaves it out. */
static void line_add(struct line *line, struct log_field field)
{
    if (field.type == LOG_FIELD_NONE) {
        return;
    }
    bool is_json = log_format == LOG_JSON;
    size_t before = line->len;
    line_puts(line, !line->has_fields ? "" : is_json ? "," : " ");
    line_puts(line, is_json ? "\"" : "");
    line_puts(line, field.name);
    line_puts(line, is_json ? "\":" : "=");
    put_value(line, &field);
    if (line->is_full) {
        line->len = before;
    } else {
        line->has_fields = true;
    }
}

static void line_begin(struct line *line, enum log_level level, const char *event)
{
    line->len = 0;
    line->size = sizeof line->text - LINE_RESERVE;
    line->is_full = line->has_fields = false;
    if (is_journal) {
        char priority[sizeof "<7>"];
        snprintf(priority, sizeof priority, "<%d>", journal_priority(level));
        line_puts(line, priority);
    }
    line_puts(line, log_format == LOG_JSON ? "{" : "");
    if (!is_journal) {
        char stamp[STAMP_SIZE];
        line_add(line, LOG_STR("ts", time_as_text(clock_unix_ms(), stamp)));
    }
    line_add(line, LOG_STR("level", level_name(level)));
    line_add(line, LOG_STR("event", event));
}

static void line_end(struct line *line)
{
    line->size = sizeof line->text;
    if (line->is_full) {
        line->is_full = false;
        line_add(line, LOG_BOOL("cut", true));
    }
    line_puts(line, log_format == LOG_JSON ? "}\n" : "\n");
}

static void line_write(struct line *line)
{
    line_end(line);
    log_writer_put(line->text, line->len);
}

/* --- the writer ----------------------------------------------------------------------------- */

enum { FLUSH_MS = 1000 }; /* the longest wait for a reader at the end */

static size_t tell_dropped(char text[LOG_LINE_MAX], int64_t dropped)
{
    struct line line;
    line_begin(&line, LOG_WARN, "log_lines_dropped");
    line_add(&line, LOG_INT("lines", dropped));
    line_end(&line);
    memcpy(text, line.text, line.len);
    return line.len;
}

int log_start(void)
{
    return log_writer_start(tell_dropped);
}

void log_stop(void)
{
    log_writer_stop(FLUSH_MS);
}

/* --- repeats -------------------------------------------------------------------------------- */

/* A field of a key: its start, for the line that sums up. */
struct key {
    const char *name;
    char text[SCRATCH_SIZE];
    size_t len;
};

/* One kind of line: event and key. */
struct repeat {
    uint64_t hash; /* of both */
    int64_t since_ms;
    unsigned seen;
    int64_t left_out;
    enum log_level level;
    const char *event;
    struct key keys[LOG_KEYS_MAX];
    size_t key_count;
};

/* How often lines of one kind may be written. A slot with `event` NULL is free. When all are in use, the
 * oldest with nothing to sum up is used again; if there is none, further lines are not counted. */
struct repeats {
    struct repeat *slots; /* under the mutex */
    size_t size;
    unsigned max; /* within ... */
    int64_t window_ms;
};

enum { KEY_SLOTS = 64, OWNER_SLOTS = 64, EVENT_SLOTS = 128 };
static struct repeat key_slots[KEY_SLOTS], owner_slots[OWNER_SLOTS], event_slots[EVENT_SLOTS];
static const struct repeats by_key = {key_slots, KEY_SLOTS, LOG_REPEATS, LOG_REPEAT_MS};
static const struct repeats by_owner = {owner_slots, OWNER_SLOTS, LOG_OWNER_LINES, LOG_EVENT_MS};
static const struct repeats by_event = {event_slots, EVENT_SLOTS, LOG_EVENT_LINES, LOG_EVENT_MS};
static pthread_mutex_t repeats_mutex = PTHREAD_MUTEX_INITIALIZER;

/* FNV-1a. */
static uint64_t hash_bytes(uint64_t hash, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(1099511628211);
    }
    return hash;
}

/* Adds `max_len` bytes of a field to what tells repeats apart. */
static void add_key(struct repeat *repeat, const struct log_field *field, size_t max_len)
{
    char scratch[SCRATCH_SIZE];
    struct span text = field_text(field, scratch);
    struct key *key = &repeat->keys[repeat->key_count++];
    text.len = text.len < max_len ? text.len : max_len;
    repeat->hash = hash_bytes(repeat->hash, text.bytes, text.len);
    repeat->hash = hash_bytes(repeat->hash, "", 1);
    key->name = field->name;
    key->len = text.len < sizeof key->text ? text.len : sizeof key->text;
    memcpy(key->text, text.bytes, key->len);
}

/* The first field that tells lines apart, or the end. */
static const struct log_field *first_field(const struct log_field *fields)
{
    while (fields->type == LOG_FIELD_INT || fields->type == LOG_FIELD_BOOL ||
           fields->type == LOG_FIELD_OWNER || fields->type == LOG_FIELD_NONE) {
        fields++;
    }
    return fields;
}

/* Without a key. */
static struct repeat repeat_of_event(enum log_level level, const char *event, int64_t now_ms)
{
    struct repeat repeat = {.since_ms = now_ms, .level = level, .event = event};
    repeat.hash = hash_bytes(UINT64_C(14695981039346656037), event, strlen(event) + 1);
    return repeat;
}

static struct repeat repeat_make(enum log_level level, const char *event,
                                 const struct log_field *fields, int64_t now_ms)
{
    const struct log_field *first = first_field(fields);
    struct repeat repeat = repeat_of_event(level, event, now_ms);
    for (const struct log_field *field = fields; field->type != LOG_FIELD_END; field++) {
        if (field->key_len > 0 && repeat.key_count < LOG_KEYS_MAX) {
            add_key(&repeat, field, field->key_len);
        }
    }
    if (repeat.key_count == 0 && first->type != LOG_FIELD_END) {
        add_key(&repeat, first, SIZE_MAX);
    }
    return repeat;
}

static bool is_over(const struct repeats *repeats, const struct repeat *repeat, int64_t now_ms)
{
    return now_ms - repeat->since_ms >= repeats->window_ms;
}

/* The slot of this kind of line, else one that may be used for it, else NULL. */
static struct repeat *slot_find(const struct repeats *repeats, uint64_t hash)
{
    struct repeat *oldest = NULL;
    for (size_t i = 0; i < repeats->size; i++) {
        struct repeat *slot = &repeats->slots[i];
        if (slot->event != NULL && slot->hash == hash) {
            return slot;
        }
        if (slot->left_out == 0 && (oldest == NULL || slot->since_ms < oldest->since_ms)) {
            oldest = slot;
        }
    }
    return oldest;
}

/*
 * Counts a line. Returns whether it may be written. `ended` gets what has to be summed up first (its
 * `left_out` is 0 if nothing has).
 */
static bool repeat_count(const struct repeats *repeats, const struct repeat *now,
                         struct repeat *ended)
{
    bool is_allowed = true;
    ended->left_out = 0;
    pthread_mutex_lock(&repeats_mutex);
    struct repeat *slot = slot_find(repeats, now->hash);
    if (slot != NULL) {
        bool is_known = slot->event != NULL && slot->hash == now->hash;
        if (is_known && is_over(repeats, slot, now->since_ms)) {
            *ended = *slot;
        }
        if (!is_known || is_over(repeats, slot, now->since_ms)) {
            *slot = *now;
        }
        is_allowed = slot->seen < repeats->max;
        if (is_allowed) {
            slot->seen++;
        } else {
            slot->left_out++;
        }
    }
    pthread_mutex_unlock(&repeats_mutex);
    return is_allowed;
}

/* Takes one kind of line that has ended and has something to sum up. */
static bool repeat_take(const struct repeats *repeats, int64_t now_ms, struct repeat *ended)
{
    bool is_found = false;
    pthread_mutex_lock(&repeats_mutex);
    for (size_t i = 0; i < repeats->size && !is_found; i++) {
        struct repeat *slot = &repeats->slots[i];
        is_found = slot->left_out > 0 && is_over(repeats, slot, now_ms);
        if (is_found) {
            *ended = *slot;
            *slot = (struct repeat){0};
        }
    }
    pthread_mutex_unlock(&repeats_mutex);
    return is_found;
}

static void repeat_sum_up(const struct repeat *ended)
{
    struct line line;
    line_begin(&line, ended->level, ended->event);
    for (size_t i = 0; i < ended->key_count; i++) {
        line_add(&line, LOG_BYTES(ended->keys[i].name, ended->keys[i].text, ended->keys[i].len));
    }
    line_add(&line, LOG_INT("again", ended->left_out));
    line_write(&line);
}

void log_flush_repeats(int64_t now_ms)
{
    struct repeat ended;
    while (repeat_take(&by_key, now_ms, &ended) || repeat_take(&by_owner, now_ms, &ended) ||
           repeat_take(&by_event, now_ms, &ended)) {
        repeat_sum_up(&ended);
    }
}

/* --- events --------------------------------------------------------------------------------- */

/* Counts a line; false if it is one too many. */
static bool is_allowed(const struct repeats *repeats, const struct repeat *now)
{
    struct repeat ended;
    bool is_allowed = repeat_count(repeats, now, &ended);
    if (ended.left_out > 0) {
        repeat_sum_up(&ended);
    }
    return is_allowed;
}

/* Has the line's owner, if it has one, written as many of this event as it may? */
static bool is_owner_over(enum log_level level, const char *event, const struct log_field *fields,
                          int64_t now_ms)
{
    while (fields->type != LOG_FIELD_OWNER && fields->type != LOG_FIELD_END) {
        fields++;
    }
    if (fields->type == LOG_FIELD_END) {
        return false;
    }
    struct repeat of_owner = repeat_of_event(level, event, now_ms);
    add_key(&of_owner, fields, SIZE_MAX);
    return !is_allowed(&by_owner, &of_owner);
}

/* At the debug level, every line counts. */
static bool is_left_out(enum log_level level, const char *event, const struct log_field *fields)
{
    if (level == LOG_DEBUG) {
        return false;
    }
    int64_t now_ms = clock_monotonic_ms();
    struct repeat of_key = repeat_make(level, event, fields, now_ms);
    struct repeat of_event = repeat_of_event(level, event, now_ms);
    return !is_allowed(&by_key, &of_key) || is_owner_over(level, event, fields, now_ms) ||
           !is_allowed(&by_event, &of_event);
}

void log_event(enum log_level level, const char *event, const struct log_field *fields)
{
    int saved_errno = errno; /* a caller may still need it */
    if (!is_left_out(level, event, fields)) {
        struct line line;
        line_begin(&line, level, event);
        for (; fields->type != LOG_FIELD_END; fields++) {
            line_add(&line, *fields);
        }
        line_write(&line);
    }
    errno = saved_errno;
}
