/*
 * types: shared by the files of proto/mail and its users.
 */
#ifndef PROTO_MAIL_TYPES_H
#define PROTO_MAIL_TYPES_H

#include <stdbool.h>
#include <stddef.h>

enum mail_result {
    MAIL_OK,
    MAIL_NO_TEXT,     /* it has parts, and none of them is text */
    MAIL_BAD_CHARSET, /* not valid in its charset, and no other charset to try */
    MAIL_TOO_COMPLEX, /* more headers, parts or levels than any real mail has */
    MAIL_AUTOMATIC,   /* a bounce or an auto-reply (RFC 3834, RFC 6522) */
    MAIL_LOOP,        /* it has gone through too many hosts (RFC 5321, 6.3) */
    MAIL_NO_MEMORY
};

struct mail_rules {
    const char *charset;  /* of text that is not UTF-8 and has no true label; NULL = refuse it */
    bool keeps_signature; /* keep what follows a line of "-- " */
    bool takes_automatic; /* take bounces and automatic replies */
};

/* A piece of a mail, borrowed. */
struct mail_field {
    const char *value; /* not NUL-terminated; NULL = there is none */
    size_t len;
};

/* A header `X-SMS-<name>`, which sets option <name>. */
struct mail_option {
    const char *name;
    struct mail_field field;
};

/* More than there are options, so that a repeated one is noticed. */
enum { MAIL_OPTIONS_MAX = 8 };

enum { MAIL_LABEL_MAX = 31 };

/* What had to be replaced or dropped, for the log. All zero: nothing. `charset` is the label of the
 * first text with invalid bytes; "" = it has none. */
struct mail_repairs {
    size_t replaced; /* bytes invalid in their charset, now U+FFFD */
    char charset[MAIL_LABEL_MAX + 1];
    unsigned unreadable; /* texts that were read only in part, or not as labelled */
    bool is_cut;         /* there was more text than is kept of a mail */
};

#endif
