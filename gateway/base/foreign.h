/*
 * foreign: hides what must not be shown of words from outside: of the API, a proxy, or whoever answers in
 * their place.
 *
 * Such words may repeat what they were sent. Leaves control characters to proto/escape. Thread: any. Pure.
 */
#ifndef GATEWAY_BASE_FOREIGN_H
#define GATEWAY_BASE_FOREIGN_H

#include <stddef.h>

/*
 * Replaces each occurrence of `secret` in the `len` bytes by "***", also as JSON and URLs write it, and
 * returns the new length, which is no larger. A secret shorter than eight characters, which may be part
 * of a word by chance, counts only as a word of its own; one shorter than four not at all.
 */
size_t foreign_hide_secret(char *bytes, size_t len, const char *secret);

/* Replaces whatever may be a telephone number by asterisks. */
void foreign_hide_numbers(char *words);

#endif
