/*
 * password: asks for a password that is not on the command line.
 *
 * Thread: the program's only one; blocking.
 */
#ifndef GATEWAY_CLI_PASSWORD_H
#define GATEWAY_CLI_PASSWORD_H

#include <stddef.h>

/*
 * Reads a new password: asked for twice, without echo, if stdin is a terminal; else the line that stdin holds.
 * `size` counts its NUL. Returns NULL, or what is wrong; then nothing is left of it. Wipe it after use.
 */
const char *password_read(char *password, size_t size);

#endif
