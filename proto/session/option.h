/*
 * option: the options of a submission: REF, TTL, PRIORITY, AT, UNICODE, ACK, FROM.
 *
 * One table serves `KEY=value` in SEND and FROM, the members of JSON and the headers of mails.
 * Thread: any. Pure: the time is an argument.
 */
#ifndef PROTO_SESSION_OPTION_H
#define PROTO_SESSION_OPTION_H

#include "proto/message.h"
#include "proto/reply.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* When the reply to a submission is given. */
enum option_ack { ACK_QUEUED, ACK_RELAYED };

enum { OPTION_MAX_AHEAD_DAYS = 30, OPTION_VALUE_MAX = 256 };

struct options {
    char from[SENDER_SIZE]; /* "" = not given */
    char ref[REF_MAX + 1];  /* "" = not given */
    int64_t ttl_ms;         /* 0 = not given; counted from at_ms */
    int64_t at_ms;          /* Unix ms; 0 = at once */
    enum message_priority priority;
    enum text_unicode unicode;
    enum option_ack ack;
    unsigned given; /* one bit per option, so that none is given twice */
};

/* No option is given; `unicode` is the default. */
void options_init(struct options *options, enum text_unicode unicode);

/*
 * Sets one option by name (any case). `now_ms` is Unix time, for AT.
 * Returns true, or false with the refusal appended to `error`, a whole reply.
 */
bool options_set(struct options *options, const char *name, size_t name_len, const char *value,
                 size_t value_len, int64_t now_ms, struct buffer *error);

/*
 * Takes one `KEY=value` or `KEY="quoted value"` off the front of `*s`: true, with the name and the
 * value, unquoted. Returns false, with `*s` as it was, if the next word has no such shape. A value
 * that is malformed or too long has `*value_len` = SIZE_MAX.
 */
bool option_next(const char **s, const char *end, const char **name, size_t *name_len,
                 char value[OPTION_VALUE_MAX], size_t *value_len);

/*
 * Reads a value, in quotes or up to the next space, and moves `*s` past it. Returns its length
 * without the quotes, or SIZE_MAX if it is malformed or too long.
 */
size_t option_read_value(const char **s, const char *end, char value[OPTION_VALUE_MAX]);

/* Reads "90", "90s", "5m", "2h" or "1d" as ms, at least 1 s and at most OPTION_MAX_AHEAD_DAYS. */
bool option_parse_duration(const char *s, size_t len, int64_t *ms);

/* Reads an RFC 3339 time ("2026-04-21T10:15:00Z", any offset); false if it is none. */
bool option_parse_time(const char *s, size_t len, int64_t *unix_ms);

/* Copies a sender if it is valid. */
bool option_parse_sender(const char *s, size_t len, char sender[SENDER_SIZE]);

#endif
