/*
 * call: a request to submit.address on its way to its answer. For the files of submit/ alone.
 *
 * A request may wait for a password to be compared, for the store or for other requests' transactions.
 * Meanwhile its client may leave: what it has submitted stays submitted, and the answer goes nowhere.
 * Owns the request until it is answered, and what answers look like. Leaves what is answered to the
 * doors (sms_post, sms_get). Thread: the loop's.
 */
#ifndef GATEWAY_SUBMIT_CALL_H
#define GATEWAY_SUBMIT_CALL_H

#include "gateway/serve/journal.h"
#include "proto/buffer.h"
#include "proto/reply.h"

#include <event2/http.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct form;
struct relay;
struct route; /* of submit.c */
struct session_user;

/* What a status is for; evhttp has no names for these. */
enum {
    CALL_CREATED = 201,
    CALL_UNAUTHORIZED = 401,
    CALL_FORBIDDEN = 403,
    CALL_BAD_TYPE = 415,
    CALL_TOO_MANY = 429
};

/* What all calls have together. */
struct calls {
    const struct relay *relay;
    struct form *form; /* of the item that is being read: none outlives a turn of the loop */
    LIST_HEAD(open_calls, call) open;
};

struct call {
    LIST_ENTRY(call) entry; /* of those that are open */
    struct calls *calls;
    struct evhttp_request *request;
    const char *command; /* for the log: method and path */
    struct peer peer;    /* its `owner` is the user's, once he is known */
    const struct route *route;
    const struct session_user *user; /* in the turn of the loop in which he is known */

    /* Of a submission. */
    json_t *body;
    const char *key;  /* Idempotency-Key; borrowed from the request; NULL = there is none */
    bool is_bulk;     /* the body is an array of items */
    size_t pending;   /* items without a verdict */
    size_t accepted;  /* items */
    size_t delayed;   /* items that may be accepted later, because of `delay` */
    enum reply delay; /* of the first of them */
    struct buffer entities, errors; /* of the answer: JSON, without the brackets around them */
    size_t first_len;               /* of the first entity */

    /* Of a question. */
    bool sees_all; /* also messages of others */
    size_t page, per_page;
};

/* Takes a request in. Returns NULL, and answers it, on allocation failure. */
struct call *call_new(struct calls *calls, struct evhttp_request *request, const char *command);

/* The relay ends: forgets every call; those that wait get no answer. */
void calls_drop(struct calls *calls);

/* --- answers: each ends the call ----------------------------------------------------------------- */

/* Answers with JSON, or 503 if `json` has failed. */
void call_answer(struct call *call, int status, const struct buffer *json);

/* Answers {"message": ...}, logs it and counts it. */
void call_refuse(struct call *call, int status, const char *words);

/* The same for one that may come again: with Retry-After (RFC 9110, 10.2.3), in seconds. */
void call_refuse_for_now(struct call *call, int status, int64_t seconds, const char *words);

/* --- JSON ---------------------------------------------------------------------------------------- */

/* Appends a value as JSON. */
void call_put_json(struct buffer *out, const json_t *value);

/* Appends a string of JSON; it is UTF-8, as jansson's are. */
void call_put_string(struct buffer *out, const char *s, size_t len);

/* Appends `,"name":` and a string. */
void call_put_member(struct buffer *out, const char *name, const char *s, size_t len);

#endif
