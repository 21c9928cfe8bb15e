/*
 * send: submits a message, for `smsrelay send`.
 *
 * Owns where the text comes from, and whether it fits SEND or takes FROM, TO and DATA. Thread: the
 * program's only one; blocking.
 */
#ifndef GATEWAY_CLI_SEND_H
#define GATEWAY_CLI_SEND_H

#include "gateway/cli/link.h"

/* `from` may be NULL; `options` are " REF=x TTL=5m", as they are sent. */
struct send_options {
    const char *from;
    struct buffer options;
};

/*
 * Submits arguments[1...], or stdin if there is none or just "-", to arguments[0] (TO[,TO...]), and
 * prints what the relay answers. Returns an exit code, after saying what is wrong.
 */
int send_message(struct link *link, const struct send_options *options, int count,
                 char **arguments);

#endif
