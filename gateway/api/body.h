/*
 * body: the JSON of POST /sms and POST /sms/bulk.
 *
 * Written by hand, for every message passes here; tests hold it against jansson's. Escapes what RFC
 * 8259, section 7, asks for and nothing else. Thread: any. Pure.
 */
#ifndef GATEWAY_API_BODY_H
#define GATEWAY_API_BODY_H

#include "proto/message.h"

#include <stddef.h>

/*
 * The bodies of POST /sms and POST /sms/bulk. malloc'ed, with a NUL that `len` leaves out; NULL on
 * allocation failure or when a string is not valid UTF-8. The clientId is always the message's ULID.
 */
char *api_body_single(const struct message *message, size_t *len);
char *api_body_bulk(struct message *const *messages, size_t count, size_t *len);

#endif
