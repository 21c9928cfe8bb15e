/*
 * stdin: what the commands read there.
 *
 * Thread: the program's only one; blocking.
 */
#ifndef GATEWAY_CLI_STDIN_H
#define GATEWAY_CLI_STDIN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * As read(2), with EINTR tried again. At a terminal, Ctrl-D ends the input even within a line: then
 * `*is_over` is true although bytes were read. It is true at the end of any input, and must be false
 * before the first call.
 */
ssize_t stdin_read(char *bytes, size_t size, bool *is_over);

/* Is there something that nobody has read? Waits a moment for whoever has just opened a pipe. */
bool stdin_holds_data(void);

#endif
