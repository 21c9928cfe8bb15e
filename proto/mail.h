/*
 * mail: an Internet message (RFC 5322) -> subject and text.
 *
 * Owns the rule of what is a header and what is text already. Understands plain text in 7bit and
 * 8bit; everything else that MIME can express is refused as MAIL_NOT_TEXT, until a
 * MIME library stands behind this header. Thread: any. Pure.
 */
#ifndef PROTO_MAIL_H
#define PROTO_MAIL_H

#include "proto/buffer.h"

#include <stddef.h>

enum mail_result {
    MAIL_OK,
    MAIL_NOT_TEXT,    /* a content type or transfer encoding that is not understood */
    MAIL_BAD_CHARSET, /* its bytes are not what its charset says */
    MAIL_NO_MEMORY
};

/*
 * Reads a content whose lines end in LF, with dots unstuffed. Appends its subject and its text,
 * in UTF-8 and without trailing blank lines, to `subject` and `text`. A content without headers
 * is text as it stands: the lines before the first empty one are headers only if each has the
 * shape of one and at least one is a known field. `charset` is for text that says nothing of its
 * own and is not valid UTF-8; NULL = refuse it.
 */
enum mail_result mail_read(const char *content, size_t len, const char *charset,
                           struct buffer *subject, struct buffer *text);

#endif
