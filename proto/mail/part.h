/*
 * part: the body of one part of a mail, as it arrives: decoded, and so much of it kept as is read.
 *
 * Owns the room that a text may take, and what does not count against it: pictures are dropped on
 * the way, and so are, where room gets short, style sheets, scripts, `data:` URIs and uuencoded files.
 * Leaves headers to its owner, and charsets and what is shown to those that read the text.
 * Thread: any, one at a time. Pure.
 */
#ifndef PROTO_MAIL_PART_H
#define PROTO_MAIL_PART_H

#include "proto/buffer.h"
#include "proto/mail/transfer.h"
#include "proto/mail/value.h"

#include <stdbool.h>
#include <stddef.h>

struct part {
    bool is_kept; /* it may be text */
    bool is_html;
    bool is_wide;       /* its charset has two bytes or more for each character */
    bool may_be_binary; /* then it is no text, and not kept */
    enum transfer transfer;
    size_t room;         /* bytes of text that may be kept */
    struct buffer text;  /* decoded, in its own charset */
    struct buffer raw;   /* what has arrived and is not decoded yet */
    struct base64 carry; /* of TRANSFER_BASE64, between two pieces */
    bool is_uu_open;     /* of TRANSFER_UUENCODED */
    bool has_begun;      /* something has been decoded */
    bool is_cut;         /* there was more text than room */
    bool is_mislabelled; /* it is not in its transfer encoding, at least not to its end */
};

/* Takes in more of the body; its lines end in LF. */
void part_append(struct part *part, const char *s, size_t len);

/* The body has ended: `text` is complete. */
void part_end(struct part *part);

void part_free(struct part *part);

#endif
