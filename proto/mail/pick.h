/*
 * pick: the parts of a mail -> the text that a person would have written.
 *
 * Owns which parts are its text, and their reading: charset, HTML, flowed lines, signatures. Leaves
 * what is kept of them to tree.
 * Thread: any. Pure.
 */
#ifndef PROTO_MAIL_PICK_H
#define PROTO_MAIL_PICK_H

#include "proto/buffer.h"
#include "proto/mail/tree.h"
#include "proto/mail/types.h"

/*
 * Appends the text to `text`, in UTF-8 with LFs, no blank lines at its ends, and to `ignored` what the
 * attachments call themselves, a comma between. All parts that are text are, one behind the other;
 * of alternatives it is the plain one, where that says something. Where there is none a mail that
 * was forwarded counts, and then a body of another type or an attachment, if it is alone and is text.
 */
enum mail_result pick_text(struct tree *tree, const struct mail_rules *rules, struct buffer *text,
                           struct buffer *ignored, struct mail_repairs *repairs);

/*
 * Appends the charset that the first text is labelled with, and a NUL, to `label`: what headers are in
 * that say nothing of themselves.
 */
void pick_label(const struct tree *tree, struct buffer *label);

#endif
