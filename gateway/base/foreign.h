/*
 * foreign: hides what must not be shown of words from outside: of the API, a proxy, the receiver of the
 * webhook, or whoever answers in their place.
 *
 * Such words may repeat what they were sent. Owns copies of the secrets, which each part tells it as it
 * begins to use them. Leaves control characters to proto/escape. Threads: any.
 */
#ifndef GATEWAY_BASE_FOREIGN_H
#define GATEWAY_BASE_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>

enum foreign_owner { FOREIGN_TOKEN, FOREIGN_REPORTS, FOREIGN_WEBHOOK, FOREIGN_OWNERS };

enum { FOREIGN_KEPT = 8 }; /* secrets of an owner that are known at once: the last ones */

/*
 * From now on `secret` is hidden, which is copied. Those that the owner has told before stay hidden, for
 * an answer may still repeat them. A secret shorter than eight characters may be part of a word by chance:
 * it counts only as a word of its own. One shorter than six not at all: hiding it would spoil answers.
 * Returns false on allocation failure.
 */
bool foreign_know(enum foreign_owner owner, const char *secret);

/*
 * The same for each part of the URL's path and query that may be a secret: 16 or more characters. Its host
 * is none. Returns false on allocation failure.
 */
bool foreign_know_url(enum foreign_owner owner, const char *url);

/*
 * Replaces each known secret in the `len` bytes by "***", also as JSON, URLs and HTML write it, and where
 * lines are broken in it. Returns the new length, which is no larger.
 */
size_t foreign_hide_secrets(char *bytes, size_t len);

/* The same with a string. NULL is fine. */
void foreign_hide_secrets_of(char *words);

/* Replaces the digits of whatever may be a telephone number by asterisks. */
void foreign_hide_numbers(char *words);

#endif
