/*
 * line: chunks of bytes -> lines, in any split of the input.
 *
 * Owns the input that has not been used yet, and the rule of what ends a line. The first line of a
 * connection decides it: after a CRLF only CRLF ends a line, so that a bare LF inside a message's
 * content cannot smuggle in a second message; after a bare LF, LF does, and a CR before it is
 * dropped. Leaves to the session what a line means. Thread: the connection's. Pure.
 */
#ifndef PROTO_SESSION_LINE_H
#define PROTO_SESSION_LINE_H

#include "proto/buffer.h"

#include <stdbool.h>
#include <stddef.h>

enum line_ending { LINE_ENDING_UNKNOWN, LINE_ENDING_CRLF, LINE_ENDING_LF };

enum line_result {
    LINE_NONE,     /* the rest of the line has not arrived */
    LINE_WHOLE,    /* one line, without its ending */
    LINE_PIECE,    /* line_next_piece only: part of a line that goes on */
    LINE_TOO_LONG, /* given once for a line, with its start; the rest is discarded */
    LINE_CR        /* line_next only: the first line ends in CR alone. No line follows */
};

struct line {
    const char *bytes; /* borrowed until the next call with this reader */
    size_t len;
    bool is_start; /* false for the pieces of a line after the first */
};

struct line_reader {
    struct buffer in;
    size_t used;    /* bytes of `in` that lines were made of */
    size_t last;    /* where the line given last began */
    size_t scanned; /* bytes of `in` known to hold no line end */
    enum line_ending ending;
    bool is_discarding; /* the rest of an over-long line */
    bool is_mid_line;   /* a LINE_PIECE was given, the line goes on */
};

/* Frees what the reader holds. A zeroed struct is a new reader. */
void line_reader_free(struct line_reader *r);

/* Appends input. Returns false, with nothing appended, on allocation failure. */
bool line_feed(struct line_reader *r, const char *bytes, size_t len);

/* The next line of at most `max_len` bytes (its ending not counted). */
enum line_result line_next(struct line_reader *r, size_t max_len, struct line *line);

/*
 * The same for content, whose lines may be of any length: a long line is given in pieces as it
 * arrives, so that nobody has to hold all of it. A CR that may begin a CRLF is kept back.
 */
enum line_result line_next_piece(struct line_reader *r, struct line *line);

/* Puts the last line of line_next back, to be given again; nothing may have been fed in between. */
void line_unread(struct line_reader *r);

/* Does the pending input end in a CR, where nothing shows yet that an LF follows? */
bool line_awaits_lf(const struct line_reader *r);

/* Overwrites the line that was given last, which may hold a password. */
void line_wipe(struct line_reader *r);

/* Bytes that are not used yet: any number of lines, and the start of one. */
size_t line_pending(const struct line_reader *r);

/* Drops `len` pending bytes, which belong to no line. */
void line_skip(struct line_reader *r, size_t len);

/* The pending bytes, borrowed like a line. */
const char *line_peek(const struct line_reader *r);

#endif
