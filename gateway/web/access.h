/*
 * access: who may ask over HTTP: from where, and under which name.
 *
 * A web page in somebody's browser can make requests wherever that browser can. So requests must name a
 * host of ours, lest a page gets here through a name of its own (DNS rebinding), and buttons are for our
 * page alone. Leaves which path needs what to http. Thread: any. Pure but for asking the socket.
 */
#ifndef GATEWAY_WEB_ACCESS_H
#define GATEWAY_WEB_ACCESS_H

#include "gateway/base/http_host.h"
#include "gateway/base/network.h"

#include <event2/http.h>
#include <stdbool.h>
#include <stddef.h>

struct access {
    struct http_hosts hosts;  /* besides loopback, from this machine; HTTP_HOST_ANY is for probes */
    struct networks networks; /* besides this machine; borrowed */
};

/* Does it come from this machine? */
bool access_is_local(struct evhttp_request *request);

/* Does it come from this machine, or from a network that may ask? */
bool access_is_inside(const struct access *access, struct evhttp_request *request);

/* Does it name hosts of ours, and no other? */
bool access_names_us(const struct access *access, struct evhttp_request *request);

/* Is "*" among the hosts? */
bool access_takes_any_host(const struct access *access);

/* Was it made by our page? */
bool access_is_own_origin(const struct access *access, struct evhttp_request *request);

/* Was it made by a page of another site? That could not read the answer, but could occupy all places for
 * listeners. */
bool access_is_from_other_page(struct evhttp_request *request);

#endif
