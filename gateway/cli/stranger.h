/*
 * stranger: tells that whoever answers is not smsrelay, and what it is.
 *
 * Thread: any. Pure.
 */
#ifndef GATEWAY_CLI_STRANGER_H
#define GATEWAY_CLI_STRANGER_H

#include "proto/buffer.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Could these bytes, which may be a part of a line, begin a reply of the protocol? If not, appends to
 * `words` what they look like.
 */
bool stranger_may_be_reply(const char *bytes, size_t len, struct buffer *words);

/* Is this reply, all of it, the greeting of a relay? If not, appends what it looks like. */
bool stranger_is_greeting(const char *reply, size_t len, struct buffer *words);

#endif
