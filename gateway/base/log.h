/*
 * log: one event, one line on stderr.
 *
 * Owns the format of a line and how often it may repeat. Leaves to callers what is worth a line, to
 * log_writer to write it without waiting for a reader, and to that reader to store and rotate lines.
 *
 *     ts=2026-11-23T18:50:01.123Z level=info event=listening address=127.0.0.1:2525
 *     {"ts":"2026-11-23T18:50:01.123Z","level":"info","event":"listening","address":"[::1]:2525"}
 *
 * Under systemd ($JOURNAL_STREAM names our stderr) the journal records the time: the line then starts
 * with its priority instead of "ts", as in sd-daemon(3): "<6>level=info ...".
 *
 * Text from outside is always escaped: values that are empty, are not UTF-8 or contain spaces, quotes,
 * "=" or unsafe characters (proto/escape.h) are written "..." with \" \\ \n \xHH (in JSON \uHHHH). A value
 * longer than LOG_VALUE_MAX ends in "..."; fields that do not fit the line are left out, and
 * "cut=yes" says so. Message texts and tokens must never be fields.
 *
 * Repeats: of lines with the same event and key at most LOG_REPEATS are written within LOG_REPEAT_MS.
 * The rest are counted, and one line sums them up afterwards: event, key, "again=37". The key is the
 * first field (LOG_INT and LOG_BOOL do not count), or those marked by log_key. Of one event, whatever
 * the keys, at most LOG_EVENT_LINES are written within LOG_EVENT_MS, and LOG_OWNER_LINES of those with the
 * same LOG_OWNER, so that one owner leaves some to others. The rest are summed up, too, with their owner
 * or without a key. Lines at the debug level are never suppressed.
 *
 * Thread: any, but log_open, log_start and log_stop are for the main thread, the first two before
 * there are others. No lock is held while writing.
 */
#ifndef GATEWAY_BASE_LOG_H
#define GATEWAY_BASE_LOG_H

#include "gateway/base/log_writer.h"
#include "proto/ulid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the order of the settings `log.level`, `log.format` and `log.privacy`. */
enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_LOGFMT, LOG_JSON };
enum log_privacy { LOG_MASK, LOG_FULL };

enum {
    LOG_LINE_MAX = LOG_WRITER_LINE_MAX, /* bytes, with the line end */
    LOG_VALUE_MAX = 512,                /* bytes, before escaping */
    LOG_MASKED_SIZE = 16,
    LOG_KEYS_MAX = 3, /* fields marked by log_key in a line */
    LOG_REPEATS = 5,
    LOG_REPEAT_MS = 10000,
    LOG_EVENT_LINES = 100,
    LOG_OWNER_LINES = LOG_EVENT_LINES / 2,
    LOG_EVENT_MS = 1000
};

/*
 * Sets what is written from now on, and how. Until the first call it is LOG_INFO, LOG_LOGFMT,
 * LOG_MASK. May be called again while only one thread logs.
 */
void log_open(enum log_level level, enum log_format format, enum log_privacy privacy);

/*
 * From now on, lines are written in a thread of their own: when nobody reads stderr, lines are dropped
 * and counted, and logging does not wait. Before, each line is written by its caller. Returns 0 or an
 * errno value.
 */
int log_start(void);

/* Writes what is left, for up to a second, and ends that thread. */
void log_stop(void);

extern enum log_level log_threshold; /* set by log_open, read by log_is_on */

static inline bool log_is_on(enum log_level level)
{
    return level <= log_threshold;
}

/* Made by the LOG_ macros below; valid within their LOG(). */
struct log_field {
    enum log_field_type {
        LOG_FIELD_END,
        LOG_FIELD_NONE,
        LOG_FIELD_STRING, /* NULL is written as an empty string */
        LOG_FIELD_NUMBER,
        LOG_FIELD_ID,
        LOG_FIELD_ERRNO,
        LOG_FIELD_TIME,
        LOG_FIELD_OWNER,
        LOG_FIELD_INT,
        LOG_FIELD_BOOL
    } type;
    const char *name; /* a literal in lower case, with underscores and the unit: "wait_ms" */
    union {
        struct {
            const char *bytes;
            size_t len;
        } string;
        const struct ulid *id;
        int64_t integer;
    } value;
    size_t key_len; /* see log_key; 0 = it is not marked */
};

/* clang-format off */
/* A string that ends in NUL. */
#define LOG_STR(n, s) log_string((n), (s))
/* `len` bytes of any content. */
#define LOG_BYTES(n, s, length) \
    ((struct log_field){LOG_FIELD_STRING, (n), {.string = {(s), (length)}}, 0})
/* The same of what may be a telephone number, masked like one. */
#define LOG_NUMBER_BYTES(n, s, length) \
    ((struct log_field){LOG_FIELD_NUMBER, (n), {.string = {(s), (length)}}, 0})
/* A telephone number that ends in NUL: "+34***00" unless the privacy is LOG_FULL. */
#define LOG_NUMBER(n, s) log_number((n), (s))
/* A const struct ulid *. */
#define LOG_ID(n, i) ((struct log_field){LOG_FIELD_ID, (n), {.id = (i)}, 0})
/* An errno value: error="Permission denied". */
#define LOG_ERRNO(e) ((struct log_field){LOG_FIELD_ERRNO, "error", {.integer = (e)}, 0})
/* Nothing, in the place of a field that is not always there. */
#define LOG_NONE ((struct log_field){LOG_FIELD_NONE, NULL, {.integer = 0}, 0})
/* Unix ms, written as "ts" is. */
#define LOG_TIME(n, t) ((struct log_field){LOG_FIELD_TIME, (n), {.integer = (t)}, 0})
/* The owner that a line is about (proto/message.h): a uid, or "local". Not a key unless marked. */
#define LOG_OWNER(o) ((struct log_field){LOG_FIELD_OWNER, "owner", {.integer = (o)}, 0})
/* Any integer that fits an int64_t. */
#define LOG_INT(n, i) ((struct log_field){LOG_FIELD_INT, (n), {.integer = (int64_t)(i)}, 0})
/* "yes" or "no"; in JSON true or false. */
#define LOG_BOOL(n, b) ((struct log_field){LOG_FIELD_BOOL, (n), {.integer = (b) ? 1 : 0}, 0})

/*
 * LOG(level, "event", fields...) writes one line. The event is a literal of the form "noun_verb". The
 * first field is an id, or else the one that tells repeats apart. While the level is off, nothing
 * but `level` is evaluated.
 *
 *     LOG(LOG_INFO, "listening", LOG_STR("address", address));
 *     LOG(LOG_DEBUG, "message_relayed", LOG_ID("id", &m->id), LOG_NUMBER("to", message_to(m)));
 */
#define LOG(level, ...) LOG_FIELDS_(level, __VA_ARGS__, {LOG_FIELD_END, NULL, {.integer = 0}, 0})
#define LOG_FIELDS_(level, event, ...)                                             \
    do {                                                                           \
        if (log_is_on(level))                                                      \
            log_event((level), (event), (const struct log_field[]){__VA_ARGS__});  \
    } while (0)
/* clang-format on */

struct log_field log_string(const char *name, const char *s);
struct log_field log_number(const char *name, const char *s);

/*
 * The same field, of whose text the first `len` bytes (SIZE_MAX = all) tell repeats apart: of a
 * client's address, all but the port.
 */
struct log_field log_key(struct log_field field, size_t len);

/* What LOG() calls: `event` must outlive the program, `fields` ends in a LOG_FIELD_END. */
void log_event(enum log_level level, const char *event, const struct log_field *fields);

/*
 * Writes a telephone number of `len` bytes as LOG_NUMBER masks it, "+34***00", for other places that
 * show numbers. Returns the length.
 */
size_t log_mask_number(const char *number, size_t len, char masked[LOG_MASKED_SIZE]);

/*
 * Sums up the repeats that have ended at `now_ms` (monotonic). A timer calls it at least every
 * LOG_REPEAT_MS; INT64_MAX sums up all.
 */
void log_flush_repeats(int64_t now_ms);

#endif
