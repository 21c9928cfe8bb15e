/*
 * watch: `smsrelay watch`: follows messages, across connections.
 *
 * Thread: the program's only one; blocking.
 */
#ifndef GATEWAY_CLI_WATCH_H
#define GATEWAY_CLI_WATCH_H

#include "gateway/cli/command.h"

/*
 * Prints the relay's events until it is ended. When the connection is lost or the relay has become
 * silent, it connects again and catches up, or gives up after --timeout (EX_TEMPFAIL). Returns an exit
 * code, after saying what is wrong.
 */
int client_watch(const struct invocation *invocation);

#endif
