/* requests_client: who asks, for requests. */
#ifndef GATEWAY_SERVE_REQUESTS_CLIENT_H
#define GATEWAY_SERVE_REQUESTS_CLIENT_H

#include "gateway/serve/watch.h"
#include "proto/buffer.h"

#include <stdbool.h>
#include <stdint.h>

struct late;
struct walk;

/* What is not set below starts all zero. */
struct requests_client {
    struct watcher watcher; /* names the client */
    /* Takes a reply that had to wait for the store. */
    void (*answered)(void *client, uint32_t slot, const struct buffer *reply);
    /* The same of a part of one: the reply goes on with requests_go_on. */
    void (*paused)(void *client, uint32_t slot, const struct buffer *reply);
    int32_t owner;
    bool has_control;
    /* What goes on; for requests alone. */
    struct walk *walk;
    struct late *late;
    bool unwatches;
};

#endif
