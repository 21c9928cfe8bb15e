/*
 * complain: how the commands tell what is wrong: "smsrelay send: no text".
 *
 * Thread: the program's only one.
 */
#ifndef GATEWAY_CLI_COMPLAIN_H
#define GATEWAY_CLI_COMPLAIN_H

/* From here on, it is this command that complains: "send", "optout add". Borrowed; "" = none. */
void complain_as(const char *command);

/* Writes "smsrelay COMMAND: ..." and a line end to stderr. Returns `code`. */
int complain(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
