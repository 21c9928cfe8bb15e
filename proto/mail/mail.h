/*
 * mail: an Internet message (RFC 5322, MIME: RFC 2045 to 2047, 2231, 3676) -> subject and text.
 *
 * Reads what devices and scripts send, which nobody can repair, as a person would; or refuses it
 * with a reason. Owns refusals, the subject, and the REF of a mail. Leaves parts to tree and mend,
 * headers to head, bodies to part, and the choice of a text to pick. Thread: any; a reader, one at
 * a time. Pure, but for mail_init.
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

/* All empty (`{0}`) at first. */
struct mail {
    struct buffer subject; /* UTF-8, one line */
    struct buffer text;    /* UTF-8, lines that end in LF, no blank ones at its ends */
    struct buffer ignored; /* names of attachments, UTF-8, separated by commas */
    struct buffer start;   /* the headers that the fields below borrow from */
    struct mail_field message_id, date;
    struct mail_option options[MAIL_OPTIONS_MAX];
    size_t option_count;
    size_t ignored_options; /* for the session: of these, those that it does not obey */
    bool is_relayed;        /* a mail server has passed it on: it has a Received field */
    struct mail_repairs repairs;
};

/* Reads one mail as it arrives, in bounded memory. */
struct mail_reader;

/* Returns a reader, or NULL on allocation failure. */
struct mail_reader *mail_reader_new(void);
void mail_reader_free(struct mail_reader *reader);

/* Appends to the content, in any split, without dot-stuffing. */
void mail_reader_feed(struct mail_reader *reader, const char *bytes, size_t len);

/*
 * Ends the content and fills `mail`, which the caller frees whatever the result. A content without
 * headers is plain text. The reader cannot be used again.
 */
enum mail_result mail_reader_end(struct mail_reader *reader, const struct mail_rules *rules,
                                 struct mail *mail);

/* Reads a complete content. */
enum mail_result mail_read(const char *content, size_t len, const struct mail_rules *rules,
                           struct mail *mail);

/*
 * Writes the REF by which a resent mail is recognised: a hash of its Message-ID, Date, sender and
 * text. It is "" without a Message-ID, and without a Date of this century: devices that always send
 * the same Message-ID have no clock either.
 */
void mail_ref(const struct mail *mail, const char *from, const char *text, size_t len,
              char ref[REF_MAX + 1]);

/* Frees what reading has filled; the struct is empty and usable again. */
void mail_free(struct mail *mail);

#endif
