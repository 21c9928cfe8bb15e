/*
 * addresses: the recipients that a mail's header or a command line names.
 *
 * Owns the syntax of address lists (RFC 5322, 3.4): names, comments, quotes, groups. What an
 * address means (a number, an alias, nobody) the relay decides. Written by hand, since a parser of
 * mail addresses skips what it does not know, and "+34 600 000 000" is none of its addresses:
 * here nothing is dropped, the relay refuses it by name. Thread: any. Pure.
 */
#ifndef GATEWAY_CLI_ADDRESSES_H
#define GATEWAY_CLI_ADDRESSES_H

#include "proto/buffer.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Appends the addresses of an unfolded list to `list`, each with a NUL behind it and without
 * brackets, as they may stand between "<" and ">" in an SMTP command. Commas and semicolons
 * separate; empty elements and "<>" are nobody. A comment of digits before anything else stays:
 * people write the calling code so, "(34) 600 000 000".
 * Returns false where a quote, bracket or comment does not end or an address holds a control
 * character, "<" or ">"; addresses before it may then be there already.
 */
bool addresses_parse(const char *s, size_t len, struct buffer *list);

/* The address after `address` in a list, or the first for NULL; NULL behind the last. */
const char *addresses_next(const struct buffer *list, const char *address);

#endif
