/*
 * head: the headers of a mail or of one of its parts.
 *
 * Owns where headers begin and end, which devices often get wrong, and which fields are kept.
 * Leaves their values to value and words. Thread: any. Pure.
 */
#ifndef PROTO_MAIL_HEAD_H
#define PROTO_MAIL_HEAD_H

#include "proto/mail/span.h"
#include "proto/mail/types.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Values are spans of the block that was read: trimmed, with folded lines as they are. */
struct head {
    struct span subject, type, encoding, disposition, auto_submitted, message_id, date;
    struct mail_option options[MAIL_OPTIONS_MAX]; /* X-SMS-... */
    size_t option_count;
    size_t count;     /* fields */
    unsigned known;   /* of them, known fields */
    uint32_t seen;    /* which known fields, as bits; compare with another head's only */
    bool is_sure;     /* has a field that no text contains */
    bool may_be_text; /* has none, and most fields are unknown */
    unsigned hops;    /* Received fields */
};

enum head_place { HEAD_OF_MAIL, HEAD_OF_PART };

/* Is this a line to skip before the headers of a mail: empty, or the `From ` of a mailbox file? */
bool head_is_before(struct span line);

/* Does a line have the shape of a header? */
bool head_is_field(struct span line);

/* Is it a field of MIME (RFC 2045)? */
bool head_is_mime_field(struct span line);

/*
 * Reads the headers in `block`: the lines up to and including the first empty one (`is_ended`), or,
 * if there is none, all lines of the mail or part. Returns their length with the empty line; 0 if
 * `block` is text without headers.
 *
 * A mail has headers if each line has the shape of one and at least one is a known field. After two
 * known fields (in a part, one; with a field of MIME in the block, none), lines of another shape
 * are dropped as long as a known field follows; otherwise the text begins there.
 */
size_t head_read(struct span block, bool is_ended, enum head_place place, struct head *head);

#endif
