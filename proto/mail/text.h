/*
 * text: the bytes of a text part -> what a person would have typed.
 *
 * Owns charsets and their wrong labels, format=flowed (RFC 3676), signatures and blank space.
 * Thread: any. Pure.
 */
#ifndef PROTO_MAIL_TEXT_H
#define PROTO_MAIL_TEXT_H

#include "proto/buffer.h"
#include "proto/mail/types.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Appends `s` as UTF-8 to `out`, without a byte order mark. `declared` is its label (NULL = none).
 * The label is believed unless the bytes are UTF-8 beyond coincidence, or mostly invalid in that
 * charset; then `fallback` is used (NULL = return false). Invalid bytes become U+FFFD, and are
 * counted in `repairs`.
 */
bool mail_text_to_utf8(const char *s, size_t len, const char *declared, const char *fallback,
                       struct buffer *out, struct mail_repairs *repairs);

/*
 * Removes the uuencoded files from a text with LF line ends, and appends their names to `names`
 * (NULL = not wanted), each ended by LF. `follows`: more of the text follows; the first line of a
 * file that has not ended is kept, so that the rest of the file is recognised.
 */
void mail_text_drop_files(struct buffer *text, bool follows, struct buffer *names);

/* Joins the lines of a format=flowed text (RFC 3676, 4): in place. `deletes_space` is DelSp=yes. */
void mail_text_unflow(struct buffer *text, bool deletes_space);

/*
 * Cuts off what stands behind the signature separator "-- " (RFC 3676, 4.3), unless there is
 * nothing before it.
 */
void mail_text_drop_signature(struct buffer *text);

/*
 * Takes out control characters but TAB and LF, white space at the end of each line, and blank
 * lines at both ends; and all of it where no character can be seen: Outlook's plain part next to
 * HTML is often a lone no-break space.
 */
void mail_text_trim(struct buffer *text);

#endif
