/*
 * mail: an Internet message (RFC 5322, MIME: RFC 2045 to 2047, 2231, 3676) -> subject and text.
 *
 * Owns the rule of what is a header and what is text already, which part of a message is its text,
 * and what is refused before anything costly looks at it. GMime decodes; nothing of it is seen
 * outside. Thread: any. Pure, but for mail_init.
 */
#ifndef PROTO_MAIL_MAIL_H
#define PROTO_MAIL_MAIL_H

#include "proto/buffer.h"
#include "proto/mail/repairs.h"
#include "proto/message.h"

#include <stdbool.h>
#include <stddef.h>

/* Readies GMime and libxml2. Once, before mail_read and before there are threads. */
void mail_init(void);

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

/* A part of the content that was read; it is borrowed. */
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

/* All empty (`{0}`) before mail_read. */
struct mail {
    struct buffer subject; /* UTF-8, one line */
    struct buffer text;    /* UTF-8, lines that end in LF, no blank ones at its ends */
    struct buffer ignored; /* what attachments call themselves, UTF-8, a comma between */
    struct mail_field message_id, date;
    struct mail_option options[MAIL_OPTIONS_MAX];
    size_t option_count;
    struct mail_repairs repairs;
};

/*
 * Reads a content whose lines end in LF, with dots unstuffed, into `mail`. A content without
 * headers is text as it stands: the lines before the first empty one are headers only if each has
 * the shape of one and at least one is a known field. Its text is the first part that is text/plain,
 * attachments left out; "" where there is none but a subject. The
 * caller frees `mail` whatever the result.
 */
enum mail_result mail_read(const char *content, size_t len, const struct mail_rules *rules,
                           struct mail *mail);

/*
 * Writes the REF by which a mail that is submitted again is known: made of its Message-ID and Date,
 * of its sender and of its text as it will be sent; "" where it has no Message-ID.
 */
void mail_ref(const struct mail *mail, const char *from, const char *text, size_t len,
              char ref[REF_MAX + 1]);

/* Frees what mail_read has filled; it is empty and usable again. */
void mail_free(struct mail *mail);

#endif
