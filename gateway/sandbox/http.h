/*
 * http: the HTTP server under the sandbox, and the ways in which an answer can go wrong.
 *
 * Owns evhttp, its connections and the answers that are still to be sent: late, lost or truncated.
 * Leaves their content to the caller. Thread: the event base's.
 */
#ifndef GATEWAY_SANDBOX_HTTP_H
#define GATEWAY_SANDBOX_HTTP_H

#include "gateway/base/listen.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct evbuffer;
struct event_base;
struct evhttp_connection;
struct evhttp_request;
struct sandbox_http;

/* A connection of a client. The fields from `is_doomed` on belong to api. */
struct sandbox_peer {
    uint64_t id; /* counts from 1 */
    struct evhttp_connection *connection;
    struct sandbox_http *http;
    int fd;
    bool is_loopback;
    bool is_doomed;       /* the next request gets no answer */
    bool is_doom_accepts; /* but its messages are accepted */
    int64_t doom_fault;   /* index of the fault that doomed it */
    uint32_t counted_in;  /* the generation of the record that counts it, plus one */
};

enum sandbox_ending {
    SANDBOX_ANSWER,   /* whole */
    SANDBOX_TRUNCATE, /* part of the body under the full length, then close */
    SANDBOX_DROP,     /* close without an answer */
    SANDBOX_RESET,    /* the same with RST instead of FIN */
    SANDBOX_HANG      /* do nothing until the client leaves */
};

struct sandbox_answer {
    int status;
    struct evbuffer *body; /* owned, or NULL */
    int64_t delay_ms;
    enum sandbox_ending ending;
    size_t truncate; /* bytes of the body to send */
};

/* Called for each request; must answer it with sandbox_http_answer, once. */
typedef void sandbox_http_serve(struct evhttp_request *request, struct sandbox_peer *peer,
                                void *arg);

/* Listens. Returns NULL, with a sentence in `error`, on failure. */
struct sandbox_http *sandbox_http_new(struct event_base *base, const struct listen_address *address,
                                      sandbox_http_serve *serve, void *arg, char *error,
                                      size_t error_size);

/* Where it listens. Borrowed. */
const struct listen_address *sandbox_http_address(const struct sandbox_http *http);

/* Closes every connection; drops answers that are still to be sent. NULL is fine. */
void sandbox_http_free(struct sandbox_http *http);

/*
 * Answers a request now, or after `delay_ms`; its output headers are set already. The request must
 * not be used afterwards. If the client leaves before that, nothing is sent.
 */
void sandbox_http_answer(struct sandbox_peer *peer, struct evhttp_request *request,
                         const struct sandbox_answer *answer);

/* Is this a numeric loopback address, or "localhost"? */
bool sandbox_is_loopback(const char *host);

#endif
