/*
 * address: a mail address as devices and people write it, with names, comments and brackets around.
 *
 * Owns quoted strings and comments (RFC 5322, 3.2), and where in a path (RFC 5321, 4.1.2) its local
 * part is. It is liberal where the address is clear: device firmware writes its display name into
 * the envelope. Leaves lists of addresses to their caller, and what a local part means. Nothing is
 * copied. Thread: any. Pure.
 */
#ifndef PROTO_ADDRESS_H
#define PROTO_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

/* Both start at the opening character and return what follows the closing one; NULL if there is
 * none before `end`. */
const char *address_skip_quoted(const char *s, const char *end);
const char *address_skip_comment(const char *s, const char *end);

/* Borrowed from what it was read from. */
struct address {
    const char *local; /* without domain, quotes, comments and the route in front */
    size_t local_len;
    const char *rest; /* what follows the address: parameters */
};

/*
 * Reads `Name <a@b>`, or the same within brackets, from the front of `s`; `>` may be missing where a
 * space or the end follows. Returns false if there are no brackets before the parameters (`KEY=`).
 */
bool address_in_brackets(const char *s, const char *end, struct address *address);

/* Reads an address without brackets, up to the next space; false if there is none. */
bool address_bare(const char *s, const char *end, struct address *address);

/* Takes all of `s` as one address without brackets: its spaces belong to it. */
void address_whole(const char *s, const char *end, struct address *address);

#endif
