/*
 * option: what a client may ask for besides the text: REF, TTL, PRIORITY, AT, UNICODE, ACK, FROM.
 *
 * One table serves `KEY=value` in SEND and FROM and the members of JSON. Thread: any. Pure: the
 * time is an argument.
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
    int64_t ttl_ms;         /* 0 = not given; counts from at_ms */
    int64_t at_ms;          /* Unix ms; 0 = at once */
    enum message_priority priority;
    enum text_unicode unicode;
    enum option_ack ack;
    unsigned given; /* one bit for each option set so far: none may be given twice */
};

/* Nothing asked for, `unicode` as the setting says. */
void options_init(struct options *options, enum text_unicode unicode);

/*
 * Sets one option by name (any case). `now_ms` is Unix time, for AT.
 * Returns true, or false with the whole reply to give appended to `error`.
 */
bool options_set(struct options *options, const char *name, size_t name_len, const char *value,
                 size_t value_len, int64_t now_ms, struct buffer *error);

/*
 * Cuts one `KEY=value` or `KEY="quoted value"` off the front of `*s`. Returns true and the parts,
 * the value unquoted into `value` (OPTION_VALUE_MAX); false when the next word has not that shape,
 * with `*s` as it was. A value that is broken or too long is given with `*value_len` = SIZE_MAX.
 */
bool option_next(const char **s, const char *end, const char **name, size_t *name_len,
                 char value[OPTION_VALUE_MAX], size_t *value_len);

/*
 * Reads a value, in quotes (which are undone) or up to the next space, and moves `*s` behind it.
 * Returns its length, or SIZE_MAX where it is broken or too long.
 */
size_t option_read_value(const char **s, const char *end, char value[OPTION_VALUE_MAX]);

/* Reads an RFC 3339 time ("2026-04-21T10:15:00Z", any offset); false for another shape. */
bool option_parse_time(const char *s, size_t len, int64_t *unix_ms);

/* Reads a sender: checks it, keeps it NUL-terminated. */
bool option_parse_sender(const char *s, size_t len, char sender[SENDER_SIZE]);

#endif
