/*
 * head: the headers of a mail or of a part of it.
 *
 * Owns where headers begin and end, which in the mails of devices is often not where it should be,
 * and which fields are kept. Leaves the meaning of their values to value and words.
 * Thread: any. Pure.
 */
#ifndef PROTO_MAIL_HEAD_H
#define PROTO_MAIL_HEAD_H

#include "proto/mail/span.h"
#include "proto/mail/types.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The values are spans of what was read: white space at their ends left out, folded lines as they
 * came. */
struct head {
    struct span subject, type, encoding, disposition, auto_submitted, message_id, date;
    struct mail_option options[MAIL_OPTIONS_MAX]; /* X-SMS-... */
    size_t option_count;
    size_t count;     /* fields */
    unsigned known;   /* of them: those that are known */
    uint32_t seen;    /* which of those; what a bit stands for is head's own */
    bool is_sure;     /* there is one that stands in no text */
    bool may_be_text; /* there is none, and most of them are not known */
    unsigned hops;    /* Received fields */
};

enum head_place { HEAD_OF_MAIL, HEAD_OF_PART };

/*
 * May a line stand in front of the headers of a mail, without being one of them? Empty lines, and the
 * `From ` of a mailbox file.
 */
bool head_is_before(struct span line);

/* Has a line the shape of a header? */
bool head_is_field(struct span line);

/* Is it a field of MIME (RFC 2045)? */
bool head_is_mime_field(struct span line);

/*
 * Reads the headers in `block`: the lines up to and with the first empty one (`is_ended`), or up to
 * the end of the mail or of the part where there is none. Returns how much of it they are, the empty
 * line counted in; 0 where it has none, and is text.
 *
 * Of a mail, they are headers if each line has the shape of one and at least one is a known field.
 * Behind two known fields (of a part: one; with a field of MIME among them: none) other lines are left
 * out while known fields follow, and end the headers where none does.
 */
size_t head_read(struct span block, bool is_ended, enum head_place place, struct head *head);

#endif
