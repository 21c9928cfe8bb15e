/*
 * api: the simulated API, as its clients see it.
 *
 * Owns the order of the checks, the headers, what a fault makes of an answer, and the record of
 * requests. Each request is decided, carried out (calls) and recorded at once; only its answer may
 * be late. Thread: the event base's.
 */
#ifndef GATEWAY_SANDBOX_API_H
#define GATEWAY_SANDBOX_API_H

struct evhttp_request;
struct sandbox;
struct sandbox_peer;

/* The base path of the simulated API. */
#define SANDBOX_BASE_PATH "/transactional/v1"

/* Answers a request of the simulated API. */
void sandbox_api_serve(struct sandbox *sandbox, struct evhttp_request *request,
                       struct sandbox_peer *peer);

#endif
