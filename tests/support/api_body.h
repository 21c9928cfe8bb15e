/*
 * api_body: the bodies of requests as jansson writes them, which ours are held against.
 */
#ifndef TESTS_SUPPORT_API_BODY_H
#define TESTS_SUPPORT_API_BODY_H

#include "proto/message.h"

#include <stddef.h>

/* What jansson makes of a message, or of a list of them; malloc'ed; NULL when a string is no UTF-8. */
char *jansson_single(const struct message *message);
char *jansson_bulk(struct message *const *messages, size_t count);

#endif
