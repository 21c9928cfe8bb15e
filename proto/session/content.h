/*
 * content: what follows DATA, up to the line that holds only a dot.
 *
 * Owns dots, and how much of a content is kept: a text up to a limit, a mail as far as its reader
 * wants it. Leaves lines to line, and their meaning to data.
 * Thread: the session's. Pure.
 */
#ifndef PROTO_SESSION_CONTENT_H
#define PROTO_SESSION_CONTENT_H

#include "proto/buffer.h"
#include "proto/mail/mail.h"
#include "proto/session/line.h"

#include <stdbool.h>
#include <stddef.h>

/* Bytes of a text that are kept; the rest is only counted, since no text is that long. */
enum { CONTENT_KEPT_MAX = 256 * 1024 };

/* Finds a dot alone between two bare LFs, in any split of the input. */
struct dot_search {
    bool is_in_line; /* the byte before was no LF */
    bool is_at_dot;  /* the byte before was a dot behind an LF */
    bool has_found;
};

/* All zero: none is open. */
struct content {
    bool is_open;
    bool is_mail;
    struct buffer kept;         /* lines, each ended by LF, dots unstuffed (RFC 5321, 4.5.2) */
    struct mail_reader *mail;   /* what was kept before and has been read; NULL = nothing */
    size_t received;            /* bytes, also those that were not kept */
    struct dot_search bare_dot; /* LF . LF from a CRLF client, which may take it for the end */
};

/* Starts a content, after DATA. The caller has freed what was kept of an earlier one. */
void content_open(struct content *content, bool is_mail);

/* Frees what was kept. */
void content_free(struct content *content);

/* Takes the pending lines. Returns true at the end of the content. */
bool content_read(struct content *content, struct line_reader *reader);

/* The reader that has been fed with a whole mail; `content` owns it. NULL on allocation failure. */
struct mail_reader *content_mail(struct content *content);

/* Did the client send LF . LF within a content that only CRLF . CRLF ends? Then it may be waiting
 * for the reply. */
bool content_is_at_bare_dot(struct content *content, const struct line_reader *reader);

#endif
