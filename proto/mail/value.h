/*
 * value: the values of MIME's fields (RFC 2045, 2183, 2231), as broken as devices write them.
 *
 * Tolerates unclosed quotes, missing semicolons, comments and junk.
 * Thread: any. Pure.
 */
#ifndef PROTO_MAIL_VALUE_H
#define PROTO_MAIL_VALUE_H

#include "proto/buffer.h"
#include "proto/mail/span.h"

#include <stdbool.h>

/* The first word of a value, a type or an encoding, without quotes and comments. */
struct span value_word(struct span value);

/* The kinds of Content-Type. */
enum media {
    MEDIA_PLAIN,   /* text other than HTML, or without a type */
    MEDIA_HTML,    /* and XML */
    MEDIA_UNKNOWN, /* application/octet-stream and others: may be text */
    MEDIA_OTHER,   /* pictures, calendars, signatures: no text for people */
    MEDIA_MIXED,   /* multipart of any kind but the next two */
    MEDIA_ALTERNATIVE,
    MEDIA_RELATED,
    MEDIA_MESSAGE
};

enum media value_media(struct span type);

/* Does a part of this kind hold others? */
bool value_holds_parts(enum media media);

enum transfer { TRANSFER_NONE, TRANSFER_BASE64, TRANSFER_QUOTED, TRANSFER_UUENCODED };

/* An unknown encoding is TRANSFER_NONE. */
enum transfer value_transfer(struct span encoding);

/*
 * Appends the parameter `name` of a value to `out`, its pieces joined (RFC 2231, 3), and the
 * charset that it names for itself to `charset` (NULL = not wanted). Returns false if there is
 * none.
 */
bool value_parameter(struct span value, const char *name, struct buffer *out,
                     struct buffer *charset);

/* The year of a Date (RFC 5322, 3.3), if it has four digits; else 0. */
int value_year(struct span date);

#endif
