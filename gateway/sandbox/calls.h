/*
 * calls: the four calls of the simulated API.
 *
 * Owns what they accept, keep and answer. Leaves to api who may call, and what a fault makes of the
 * answer. Thread: the event base's.
 */
#ifndef GATEWAY_SANDBOX_CALLS_H
#define GATEWAY_SANDBOX_CALLS_H

#include "gateway/sandbox/parts.h"

/* One request while it is decided. */
struct sandbox_exchange {
    struct sandbox *sandbox;
    struct evhttp_request *http;
    struct sandbox_peer *peer;
    int64_t now_ms;
    const char *path; /* without the base path */
    const char *body;
    size_t body_len;
    const struct sandbox_fault *fault;
    bool takes;             /* are messages accepted? */
    struct evbuffer *reply; /* the body of the answer, or NULL */
    struct sandbox_answer answer;
    struct sandbox_request record;
};

/* Answers with a status and no body. */
void sandbox_answer_nothing(struct sandbox_exchange *x, int status);

/* Answers with JSON; takes ownership of the value. */
void sandbox_answer_json(struct sandbox_exchange *x, int status, json_t *value);

/* Answers with {"message":..}. */
void sandbox_answer_message(struct sandbox_exchange *x, int status, const char *message);

/* POST /sms and POST /sms/bulk: `request` is the body, any JSON value. */
void sandbox_post_single(struct sandbox_exchange *x, const json_t *request);
void sandbox_post_bulk(struct sandbox_exchange *x, const json_t *request);

/* GET /sms and GET /sms/{id}: `request` is NULL. */
void sandbox_get_history(struct sandbox_exchange *x, const json_t *request);
void sandbox_get_one(struct sandbox_exchange *x, const json_t *request);

#endif
