/*
 * exits: what the exit codes mean (sysexits.h), and which reply gives which.
 *
 * Thread: any. Pure, but for exits_print.
 */
#ifndef GATEWAY_CLI_EXITS_H
#define GATEWAY_CLI_EXITS_H

#include <stdio.h>

/* The exit code for a reply; lines end in LF. EX_PROTOCOL for what is none. */
int exits_of_reply(const char *answer, size_t len);

/* What sendmail returns where another command returns `code`: its callers expect other words. */
int exits_of_mail(int code);

/* Writes the table, a line each. */
void exits_print(FILE *out);

#endif
