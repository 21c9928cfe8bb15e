/*
 * http: the HTTP server under the sandbox, with the ways in which an answer can go wrong.
 *
 * Owns evhttp, its connections and the answers that are not out yet: late ones, lost ones,
 * truncated ones. What an answer says is the business of who gives it. Thread: the event base's.
 */
#ifndef GATEWAY_SANDBOX_HTTP_H
#define GATEWAY_SANDBOX_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct evbuffer;
struct event_base;
struct evhttp_connection;
struct evhttp_request;
struct sandbox_http;

/* A connection of a client. The fields from `is_doomed` on are for who answers. */
struct sandbox_peer {
    uint64_t id; /* counts from 1 */
    struct evhttp_connection *connection;
    struct sandbox_http *http;
    int fd;
    bool is_loopback;
    bool is_doomed;       /* the next request gets no answer */
    bool is_doom_accepts; /* but its messages are taken */
    int64_t doom_fault;   /* the fault that said so */
    uint32_t counted_in;  /* the record's generation that has counted it, plus one */
};

enum sandbox_ending {
    SANDBOX_ANSWER,   /* as HTTP wants it */
    SANDBOX_TRUNCATE, /* part of the body under the full length, then close */
    SANDBOX_DROP,     /* close without an answer */
    SANDBOX_RESET,    /* the same with RST instead of FIN */
    SANDBOX_HANG      /* neither, until the client leaves */
};

struct sandbox_answer {
    int status;
    struct evbuffer *body; /* given away, or NULL */
    int64_t delay_ms;
    enum sandbox_ending ending;
    size_t truncate; /* bytes of the body to send */
};

/* Called for each request; must answer it with sandbox_http_answer, once. */
typedef void sandbox_http_serve(struct evhttp_request *request, struct sandbox_peer *peer,
                                void *arg);

/* Listens on a numeric address. NULL, with a sentence in `error`, when it cannot. */
struct sandbox_http *sandbox_http_new(struct event_base *base, const char *host, uint16_t port,
                                      sandbox_http_serve *serve, void *arg, char *error,
                                      size_t error_size);

/* The port it listens on. */
uint16_t sandbox_http_port(const struct sandbox_http *http);

/* Closes every connection; answers that are not out are forgotten. NULL is fine. */
void sandbox_http_free(struct sandbox_http *http);

/*
 * Answers a request now, or when `delay_ms` is over; its output headers are set already. The
 * request must not be touched afterwards. If the client goes away meanwhile, nothing happens.
 */
void sandbox_http_answer(struct sandbox_peer *peer, struct evhttp_request *request,
                         const struct sandbox_answer *answer);

/* Is this numeric address, or "localhost", on this machine alone? */
bool sandbox_is_loopback(const char *host);

#endif
