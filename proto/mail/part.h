/*
 * part: the body of one part of a mail, decoded as it arrives.
 *
 * Owns how much of a text is kept. Only text counts: pictures are never kept, and when space runs
 * out, style sheets, scripts, `data:` URIs and uuencoded files go. Leaves headers to tree, charsets
 * and HTML to pick. Thread: any, one at a time. Pure.
 */
#ifndef PROTO_MAIL_PART_H
#define PROTO_MAIL_PART_H

#include "proto/base64.h"
#include "proto/buffer.h"
#include "proto/mail/transfer.h"
#include "proto/mail/value.h"

#include <stdbool.h>
#include <stddef.h>

struct part {
    bool is_kept; /* it is or may be text */
    bool is_html;
    bool is_wide;       /* each character has two bytes or more */
    bool may_be_binary; /* look for bytes that prove that it is no text */
    enum transfer transfer;
    size_t room;         /* bytes of text to keep at most */
    struct buffer text;  /* decoded, in its own charset */
    struct buffer raw;   /* not decoded yet */
    struct base64 carry; /* TRANSFER_BASE64: between two pieces */
    bool is_uu_open;     /* TRANSFER_UUENCODED: within a file */
    bool has_begun;      /* the first piece is decoded */
    bool is_cut;         /* there was more text than room */
    bool is_mislabelled; /* its transfer encoding is not the one of its header, or not to its end */
};

/* Appends to the body; its lines end in LF. */
void part_append(struct part *part, const char *s, size_t len);

/* Ends the body: completes `text`. */
void part_end(struct part *part);

void part_free(struct part *part);

#endif
