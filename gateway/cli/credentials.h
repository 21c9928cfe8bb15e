/*
 * credentials: the user that the commands log in as, if they are to.
 *
 * $SMSRELAY_USER names him, and $SMSRELAY_PASSWORD_FILE a private file with his password or token: neither
 * stands on a command line. Thread: the program's only one; blocking.
 */
#ifndef GATEWAY_CLI_CREDENTIALS_H
#define GATEWAY_CLI_CREDENTIALS_H

#include "proto/buffer.h"

#include <stdbool.h>

/* Is there a user to log in as? */
bool credentials_are_set(void);

/*
 * Appends AUTH with his name and password, without a line end: to be wiped once it was sent. Returns NULL, or what
 * is wrong: a string valid until the next call.
 */
const char *credentials_write(struct buffer *out);

/* Can nobody else read what is sent on this socket? It is a Unix socket, or both its ends are on loopback. */
bool credentials_are_safe(int fd);

#endif
