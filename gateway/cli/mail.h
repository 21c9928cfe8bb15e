/*
 * mail: the mail on stdin, made what DATA wants, and the recipients in its header.
 *
 * Owns reading stdin piece by piece, line ends, the dot (RFC 5321, 4.5.2) and the fields To, Cc and
 * Bcc. Knows no relay. Thread: the program's only one; blocking.
 */
#ifndef GATEWAY_CLI_MAIL_H
#define GATEWAY_CLI_MAIL_H

#include "proto/buffer.h"

#include <stdbool.h>
#include <stddef.h>

struct mail_source {
    bool ignores_dots; /* a lone "." is text and does not end the mail; the caller's choice */
    bool is_over;      /* the mail was read to its end, the "." that ends DATA included */
    int error;         /* errno: stdin could not be read; the mail is then incomplete */

    /* Of the line that is being read. */
    bool is_within;   /* it has begun */
    bool is_lone_dot; /* all of it so far is a ".", appended once */
    bool has_cr;      /* a CR is held back: it may belong to the line's end */
};

/*
 * Reads stdin until `out` holds `max` bytes or a little more, or the mail is over: lines ended by
 * CRLF, whatever they ended in, a dot at the start of one doubled, in the end the lone dot.
 */
void mail_source_read(struct mail_source *source, struct buffer *out, size_t max);

/* Reads stdin to its end and forgets it, so that who writes to us gets our exit code, no SIGPIPE. */
void mail_source_drain(const struct mail_source *source);

/*
 * Adds the addresses in To, Cc and Bcc to `recipients` (gateway/cli/addresses.h) and cuts the
 * Bcc fields, and a "From " line as mailboxes have it, out of `mail`: the start of a mail, as
 * mail_source_read gives it. Returns NULL, or what is wrong: the header does not end within `mail`
 * though the mail goes on (`is_over` false), or a list of addresses cannot be read.
 */
const char *mail_take_recipients(struct buffer *mail, bool is_over, struct buffer *recipients);

#endif
