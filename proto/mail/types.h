/*
 * types: what the parts of proto/mail and its users hand one another.
 */
#ifndef PROTO_MAIL_TYPES_H
#define PROTO_MAIL_TYPES_H

#include <stdbool.h>
#include <stddef.h>

enum mail_result {
    MAIL_OK,
    MAIL_NO_TEXT,     /* it has parts, and none of them is text */
    MAIL_BAD_CHARSET, /* its bytes are not what its charset says, and nothing else is to be tried */
    MAIL_TOO_COMPLEX, /* more headers, parts or levels than any real mail has */
    MAIL_AUTOMATIC,   /* a bounce or an auto-reply (RFC 3834, RFC 6522) */
    MAIL_LOOP,        /* it has gone through too many hosts (RFC 5321, 6.3) */
    MAIL_NO_MEMORY
};

struct mail_rules {
    const char *charset;  /* of text that is not UTF-8 and says nothing true of itself; NULL = none:
                            * it is refused */
    bool keeps_signature; /* what stands behind a line of "-- " is text too */
    bool takes_automatic; /* MAIL_AUTOMATIC is not looked for */
};

/* A piece of a mail; it is borrowed. */
struct mail_field {
    const char *value; /* not NUL-terminated; NULL = there is none */
    size_t len;
};

/* What a header `X-SMS-<name>` asks for, as option <name> does. */
struct mail_option {
    const char *name;
    struct mail_field field;
};

/* More of them than there are, so that a repeated one is seen. */
enum { MAIL_OPTIONS_MAX = 8 };

enum { MAIL_LABEL_MAX = 31 };

/* What reading a mail had to replace or leave out, counted for the log. All zero: nothing. */
struct mail_repairs {
    size_t replaced; /* bytes that are not valid in their charset: U+FFFD now */
    char
        charset[MAIL_LABEL_MAX + 1]; /* what the first such text is labelled, as the mail writes it;
                                       * "" = it has no label */
    unsigned unreadable;             /* texts that could not be read, wholly or in part */
    bool is_cut;                     /* more text than is kept of a mail: the rest was left out */
};

#endif
