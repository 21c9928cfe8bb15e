/*
 * answer: what the commands print of a reply: its words as they are, or as JSON.
 *
 * Thread: any.
 */
#ifndef GATEWAY_CLI_ANSWER_H
#define GATEWAY_CLI_ANSWER_H

#include "proto/buffer.h"

#include <stdbool.h>
#include <stdio.h>

enum answer_shape {
    ANSWER_MESSAGES, /* a message a line: {"messages":[...]}, and "more" */
    ANSWER_OBJECT,   /* all lines are about one thing: an object */
    ANSWER_COUNTERS, /* the same; all but "version" are numbers */
    ANSWER_EVENTS    /* an object a line */
};

/*
 * Writes the words of a reply (lines without codes, each ended by LF) to `out`, as JSON if `is_json`.
 * In JSON, a bare word at the start of a line is "result", and others are true; counts are numbers,
 * yes and no are booleans. Returns false on allocation failure. Whether `out` took it is for the
 * caller to see.
 */
bool answer_print(const struct buffer *words, enum answer_shape shape, bool is_json, FILE *out);

#endif
