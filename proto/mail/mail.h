/*
 * mail: an Internet message (RFC 5322, MIME: RFC 2045 to 2047, 2231, 3676) -> subject and text.
 *
 * Written for the mails of devices and scripts, which are broken in every way and cannot be repaired: a
 * mail is read as a person would read it, or refused with a reason. Owns what is refused, the subject,
 * and the REF of a mail; the rest is done by tree (parts), head (headers), part (bodies) and pick (the
 * choice of a text).
 * Thread: any; a reader, one at a time. Pure, but for mail_init.
 */
#ifndef PROTO_MAIL_MAIL_H
#define PROTO_MAIL_MAIL_H

#include "proto/buffer.h"
#include "proto/mail/types.h"
#include "proto/message.h"

#include <stdbool.h>
#include <stddef.h>

/* Readies libxml2. Once, before a mail is read and before there are threads. */
void mail_init(void);

/* All empty (`{0}`) before it is read. */
struct mail {
    struct buffer subject; /* UTF-8, one line */
    struct buffer text;    /* UTF-8, lines that end in LF, no blank ones at its ends */
    struct buffer ignored; /* what attachments call themselves, UTF-8, a comma between */
    struct buffer start;   /* what the fields below borrow from */
    struct mail_field message_id, date;
    struct mail_option options[MAIL_OPTIONS_MAX];
    size_t option_count;
    struct mail_repairs repairs;
};

/* Reads one mail as it arrives, in memory that does not grow with it. */
struct mail_reader;

/* Returns a reader, or NULL on allocation failure. */
struct mail_reader *mail_reader_new(void);
void mail_reader_free(struct mail_reader *reader);

/* Takes in more of a content, in any split, with dots unstuffed. */
void mail_reader_feed(struct mail_reader *reader, const char *bytes, size_t len);

/*
 * The content has ended: fills `mail`, which the caller frees whatever the result. A content without
 * headers is text as it stands. The reader is of no use afterwards.
 */
enum mail_result mail_reader_end(struct mail_reader *reader, const struct mail_rules *rules,
                                 struct mail *mail);

/* Does all of this with a content that is there already. */
enum mail_result mail_read(const char *content, size_t len, const struct mail_rules *rules,
                           struct mail *mail);

/*
 * Writes the REF by which a mail that is submitted again is known: made of its Message-ID and Date,
 * of its sender and of its text as it will be sent. "" where it has no Message-ID; or no Date of this
 * century, since senders whose Message-ID never changes are those that have no clock.
 */
void mail_ref(const struct mail *mail, const char *from, const char *text, size_t len,
              char ref[REF_MAX + 1]);

/* Frees what mail_read has filled; it is empty and usable again. */
void mail_free(struct mail *mail);

#endif
