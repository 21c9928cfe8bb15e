/*
 * submit: the listener submit.address, by which programs submit over HTTP.
 *
 * Owns the listener, the paths, and who may use them: requests must name a host of this machine, and
 * carry the credential of a user. Nothing is sent along by a browser of its own accord, no other site is
 * allowed to ask (CORS), and a POST must say that it is JSON, so that no web page can submit. Leaves what
 * requests say to the doors: sms_post, sms_get.
 *
 * It is evhttp, as the relay's other listeners are, and not libmicrohttpd: base/http_listen has its guards
 * already (requests that can be read in two ways, slow clients, places, descriptors), its TLS is OpenSSL's
 * as everywhere in the relay, and it lives in the loop. What libmicrohttpd has instead, to look at a head
 * before its body is read, would spare memory of strangers only, which the number of places bounds.
 * Thread: the loop's.
 */
#ifndef GATEWAY_SUBMIT_SUBMIT_H
#define GATEWAY_SUBMIT_SUBMIT_H

#include "gateway/base/http_host.h"
#include "gateway/base/listen.h"
#include "gateway/base/network.h"

#include <stdbool.h>
#include <stddef.h>

struct relay;
struct submit;

struct submit_options {
    struct listen_address address;
    struct http_hosts hosts;  /* besides loopback and addresses */
    struct networks networks; /* from where they may submit, besides this machine; borrowed */
};

/*
 * Listens. `relay`, which has a login, and what the options point to must outlive it. Returns NULL, with a
 * sentence in `error`, on failure.
 */
struct submit *submit_new(const struct relay *relay, const struct submit_options *options,
                          char *error, size_t error_size);

/* The relay is stopping: accepts no more connections, and refuses what comes on those that there are. NULL
 * is fine. */
void submit_stop(struct submit *submit);

/* Is there an answer that has still to leave? NULL is fine. */
bool submit_has_unsent(const struct submit *submit);

/* Closes every connection. Nothing calls back any more: the login, the intake and the store have ended. NULL
 * is fine. */
void submit_free(struct submit *submit);

#endif
