/*
 * value: what the values of MIME's fields mean (RFC 2045, 2183, 2231), however they are written.
 *
 * Quotes that are not closed, semicolons that are missing, comments and junk are passed over.
 * Thread: any. Pure.
 */
#ifndef PROTO_MAIL_VALUE_H
#define PROTO_MAIL_VALUE_H

#include "proto/buffer.h"
#include "proto/mail/span.h"

#include <stdbool.h>

/* The word that a value begins with: a type, an encoding. No quotes and no comments. */
struct span value_word(struct span value);

/* What a Content-Type stands for. */
enum media {
    MEDIA_PLAIN, /* any text that is not HTML, and what has no type */
    MEDIA_HTML,
    MEDIA_UNKNOWN, /* application/octet-stream and the like: may be text */
    MEDIA_OTHER,   /* pictures, archives, calendars: no text for people */
    MEDIA_MIXED,   /* multipart, of any other kind, too */
    MEDIA_ALTERNATIVE,
    MEDIA_RELATED,
    MEDIA_MESSAGE
};

enum media value_media(struct span type);

/* Does a part of this kind hold others? */
bool value_holds_parts(enum media media);

enum transfer { TRANSFER_NONE, TRANSFER_BASE64, TRANSFER_QUOTED, TRANSFER_UUENCODED };

/* An encoding that is not known is none. */
enum transfer value_transfer(struct span encoding);

/*
 * Appends the parameter `name` of a value to `out`, pieces joined (RFC 2231, 3). Of a value with a
 * charset of its own that charset is appended to `charset`, where not NULL. False: there is none.
 */
bool value_parameter(struct span value, const char *name, struct buffer *out,
                     struct buffer *charset);

/* The year that a Date names in four digits (RFC 5322, 3.3), 0 where it does not. */
int value_year(struct span date);

#endif
