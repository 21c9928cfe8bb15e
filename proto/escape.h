/*
 * escape: what of a text from outside must not be shown as it is, and how it is written instead. For
 * replies, the log, and the page.
 *
 * Unsafe are the control characters of ASCII, DEL and those from U+0080 to U+009F, which terminals
 * obey; the line ends U+2028 and U+2029; and the characters that turn the direction of what follows
 * (Unicode, UAX 9), so that a text looks like another one. Thread: any. Pure.
 */
#ifndef PROTO_ESCAPE_H
#define PROTO_ESCAPE_H

#include <stddef.h>

/* How many bytes the character at `s`, with `len` bytes of UTF-8 left, has if it is unsafe; 0 = it is not.
 * Bytes that are no UTF-8 are not. */
size_t escape_unsafe(const char *s, size_t len);

enum { ESCAPE_SIZE = sizeof "\\xHH\\xHH\\xHH\\xHH" };

/* Writes a character of up to four bytes as \n, or as \xHH for each byte, with a NUL. Returns the length. */
size_t escape_write(const char *s, size_t len, char text[ESCAPE_SIZE]);

#endif
