/*
 * pick: the tree of a mail -> the text that a person would have written.
 *
 * Owns which parts are the text, and the order of its steps: charset, HTML, flowed lines,
 * signature. Thread: any. Pure.
 */
#ifndef PROTO_MAIL_PICK_H
#define PROTO_MAIL_PICK_H

#include "proto/buffer.h"
#include "proto/mail/tree.h"
#include "proto/mail/types.h"

/*
 * Appends the text to `text`: UTF-8, LF line ends, no blank lines at either end. Appends the names
 * of the attachments to `ignored`, separated by commas.
 *
 * The text is that of all text parts, in order; of alternatives, that of the plain one unless it
 * says nothing. If there is none, it is that of a forwarded mail; else that of the only body, if
 * that is text, whatever its type.
 */
enum mail_result pick_text(struct tree *tree, const struct mail_rules *rules, struct buffer *text,
                           struct buffer *ignored, struct mail_repairs *repairs);

/* Appends the charset label of the first text, and a NUL, to `label`: a guess for raw headers. */
void pick_label(const struct tree *tree, struct buffer *label);

#endif
