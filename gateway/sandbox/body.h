/*
 * body: the bodies of requests and answers.
 *
 * Owns no state: turns what evhttp holds into one piece, and JSON into what evhttp sends.
 * Thread: any.
 */
#ifndef GATEWAY_SANDBOX_BODY_H
#define GATEWAY_SANDBOX_BODY_H

#include <jansson.h>
#include <stddef.h>

struct evbuffer;
struct evhttp_request;

/* The body of a request in one piece; NULL where `*len` is 0. */
const char *sandbox_body_of(struct evhttp_request *request, size_t *len);

/* Appends a JSON value, compact; takes the value. */
void sandbox_body_add(struct evbuffer *body, json_t *value);

/*
 * A JSON value as a new body for `request` (to be answered or sent), whose Content-Type it sets;
 * takes the value. NULL on allocation failure.
 */
struct evbuffer *sandbox_body_json(struct evhttp_request *request, json_t *value);

#endif
