/*
 * content: what follows DATA, up to the line that holds only a dot.
 *
 * Owns dots, and how much of a content is kept; lines are line's, their meaning the dialects'.
 * Thread: the session's. Pure.
 */
#ifndef PROTO_SESSION_CONTENT_H
#define PROTO_SESSION_CONTENT_H

#include "proto/buffer.h"
#include "proto/session/line.h"

#include <stdbool.h>
#include <stddef.h>

/* Only this much of a content is kept; the rest is swallowed (a text is never that long). */
enum { CONTENT_KEPT_MAX = 256 * 1024 };

/* Looks for a dot alone between two LFs, in any split of the input. */
struct dot_search {
    bool is_in_line; /* the byte before was no LF */
    bool is_at_dot;  /* the byte before was a dot behind an LF */
    bool has_found;
};

/* All zero: none is open. */
struct content {
    bool is_open;
    struct buffer kept;         /* lines, each ended by LF, dots unstuffed (RFC 5321, 4.5.2) */
    size_t received;            /* bytes, also those that were not kept */
    struct dot_search bare_dot; /* did a CRLF client send LF . LF? It may think that it has ended */
};

/* DATA was said. What was kept of an earlier content has been freed. */
void content_open(struct content *content);

/* Takes what has arrived. Returns true when the content has ended with it. */
bool content_read(struct content *content, struct line_reader *reader);

/* Tells whether the client waits for the answer to a content that ended, as it thinks, in LF .
 * LF. */
bool content_is_at_bare_dot(struct content *content, const struct line_reader *reader);

#endif
