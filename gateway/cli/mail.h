/*
 * mail: the mail on stdin, as DATA wants it, and the recipients in its header.
 *
 * Owns reading stdin in pieces, line ends, the dot (RFC 5321, 4.5.2) and the fields To, Cc and Bcc.
 * Knows no relay. Thread: the program's only one; blocking.
 */
#ifndef GATEWAY_CLI_MAIL_H
#define GATEWAY_CLI_MAIL_H

#include "proto/buffer.h"

#include <stdbool.h>
#include <stddef.h>

struct mail_source {
    bool ignores_dots; /* set by the caller: a lone "." is text and does not end the mail */
    bool is_over;      /* the mail has been read, with the "." that ends DATA */
    int error;         /* errno: reading stdin failed, and the mail is incomplete */

    bool has_ended; /* stdin has */

    /* The line that is being read. */
    bool is_within;   /* it has begun */
    bool is_lone_dot; /* so far it is a ".", appended once */
    bool has_cr;      /* a CR is held back: it may be part of the line end */
};

/*
 * Reads stdin until `out` holds `max` bytes or slightly more, or the mail is over. Turns line ends
 * into CRLF, doubles a dot at the start of a line, and adds the lone dot at the end.
 */
void mail_source_read(struct mail_source *source, struct buffer *out, size_t max);

/* Reads stdin to its end and drops it, so that the writer gets our exit code instead of SIGPIPE. */
void mail_source_drain(const struct mail_source *source);

/*
 * Adds the addresses in To, Cc and Bcc to `recipients` (gateway/cli/addresses.h), and removes the Bcc
 * fields, and the "From " line of a mailbox, from `mail`: the start of a mail, from mail_source_read.
 * Returns NULL, or what is wrong: the header does not end within `mail` although the mail goes on
 * (`is_over` is false), or a list of addresses is malformed.
 */
const char *mail_take_recipients(struct buffer *mail, bool is_over, struct buffer *recipients);

#endif
