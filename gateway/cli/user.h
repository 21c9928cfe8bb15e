/*
 * user: the commands that change and show the users file.
 *
 * Leaves the file to users/edit, and what may be in it to users/table. Thread: the program's only one.
 */
#ifndef GATEWAY_CLI_USER_H
#define GATEWAY_CLI_USER_H

#include "gateway/cli/command.h"

/* For command_main. */
extern const struct command user_commands[];

#endif
