/*
 * client: the commands that ask a running relay; `queue` can also read the store of one that does not
 * run.
 *
 * Know the relay only by its line protocol, as any client does (proto/PROTOCOL.md). Answers go to
 * stdout, refusals and errors to stderr. Thread: the program's only one; blocking.
 */
#ifndef GATEWAY_CLI_CLIENT_H
#define GATEWAY_CLI_CLIENT_H

#include "gateway/cli/command.h"

/* For command_main. */
extern const struct command client_commands[];

#endif
