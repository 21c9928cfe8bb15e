/*
 * receipt: the reply to a submission that was accepted. Thread: any. Pure.
 */
#ifndef PROTO_SESSION_RECEIPT_H
#define PROTO_SESSION_RECEIPT_H

#include "proto/buffer.h"
#include "proto/message.h"

#include <stdbool.h>
#include <stddef.h>

/* What became of one message of a submission. */
struct session_receipt {
    struct ulid id;
    char to[NUMBER_SIZE];
    unsigned parts;
    enum text_encoding encoding;
    enum message_state state;
    bool is_duplicate;
    bool tells_state;   /* ACK=relayed: the state is part of the reply */
    const char *answer; /* as in struct message; borrowed; NULL when there is none */
};

/* Appends one line for each recipient; `count` is at least 1. */
void receipt_reply(struct buffer *out, const struct session_receipt *receipts, size_t count);

/* Appends one line for all recipients: mail clients may hold no more than 512 bytes of a reply
 * (RFC 5321, 4.5.3.1.5). `is_cut`: only the start of the mail's text is sent. */
void receipt_reply_mail(struct buffer *out, const struct session_receipt *receipts, size_t count,
                        bool is_cut);

#endif
