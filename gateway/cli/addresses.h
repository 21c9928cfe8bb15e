/*
 * addresses: the recipients that a mail's header or a command line names.
 *
 * Owns the syntax of address lists (RFC 5322, 3.4): names, comments, quotes, groups. The relay
 * decides what an address means: a number, an alias, nobody. Written by hand because a parser of mail
 * addresses skips what it does not know, such as "+34 600 000 000". Here nothing is dropped: the relay
 * refuses it by name. Thread: any. Pure.
 */
#ifndef GATEWAY_CLI_ADDRESSES_H
#define GATEWAY_CLI_ADDRESSES_H

#include "proto/buffer.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Appends the addresses of an unfolded list to `list`, each followed by a NUL and without brackets,
 * fit for "<" and ">" in an SMTP command. Commas and semicolons separate; empty elements and "<>" are
 * skipped. A comment of digits before anything else is kept: "(34) 600 000 000" is how people write
 * the calling code.
 * Returns false for an unclosed quote, bracket or comment, or an address with a control character,
 * "<" or ">"; `list` may then have the addresses before it.
 */
bool addresses_parse(const char *s, size_t len, struct buffer *list);

/* The address after `address` in a list; the first for NULL; NULL after the last. */
const char *addresses_next(const struct buffer *list, const char *address);

#endif
