/*
 * send: submits a message, for `smsrelay send`.
 *
 * Owns whose number and whose text the arguments are, where the text comes from, and whether it fits
 * SEND or takes FROM, TO and DATA. Thread: the program's only one; blocking.
 */
#ifndef GATEWAY_CLI_SEND_H
#define GATEWAY_CLI_SEND_H

#include "gateway/cli/command.h"

/*
 * Submits the text in the arguments, or on stdin if there is none or just "-", and prints what the
 * relay answers. What may not be meant as it stands is wrong usage, unless "--" says that it is the
 * text: a second number, an option behind the number, a stdin with something in it while there is a
 * text. Returns an exit code, after saying what is wrong.
 */
int client_send(const struct invocation *invocation);

#endif
