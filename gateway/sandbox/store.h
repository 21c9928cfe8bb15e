/*
 * store: the record of the simulated API: requests, messages, refused items, counts.
 *
 * Owns the record and its bounds: O(1) per message, however many; beyond `keep` it forgets the
 * oldest, while counts go on. Thread: the sandbox's. No I/O.
 */
#ifndef GATEWAY_SANDBOX_STORE_H
#define GATEWAY_SANDBOX_STORE_H

#include "gateway/sandbox/faults.h"
#include "gateway/sandbox/item.h"
#include "gateway/sandbox/outcomes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SANDBOX_ID_SIZE = 24 + 1,
    SANDBOX_MAX_STATUS = 599,
    SANDBOX_BULK_MAX = 100 /* messages that one bulk call takes */
};

/* An item with its strings in the same allocation. */
struct sandbox_message {
    struct sandbox_message *next; /* in its hash bucket */
    uint64_t number;              /* in its id; 0 for a refused item */
    uint64_t request;
    int64_t at_ms; /* Unix time */
    const struct sandbox_outcome *outcome;
    char *status;       /* of a report sent by a control call, owned; or NULL */
    const char *reason; /* why it was refused, or NULL */
    struct sandbox_item item;
    char strings[];
};

struct sandbox_request {
    uint64_t n;
    int64_t at_ms;
    uint64_t connection;
    int64_t fault; /* its index, -1 = none */
    size_t count;
    const char *method; /* static */
    enum sandbox_call call;
    int status; /* 0 = no answer */
    bool is_authorized, is_over_limit;
    const char *target; /* path?query */
};

struct sandbox_counts {
    uint64_t requests[SANDBOX_CALL_OTHER + 1];
    uint64_t messages, rejected, distinct_client_ids, repeated_client_ids;
    uint64_t full_bulks, over_limit, connections;
    uint64_t status[SANDBOX_MAX_STATUS + 1];
};

/* Pointers, oldest first: sandbox_ring_at(ring, 0) .. ring->count - 1. */
struct sandbox_ring {
    void **slots;
    size_t size, first, count;
};

void *sandbox_ring_at(const struct sandbox_ring *ring, size_t i);

struct sandbox_store {
    struct sandbox_ring requests; /* struct sandbox_request */
    struct sandbox_ring messages; /* struct sandbox_message, accepted */
    struct sandbox_ring rejected; /* struct sandbox_message, refused */
    struct sandbox_counts counts;
    struct sandbox_message **buckets; /* by clientId: the first message with it */
    size_t buckets_size, buckets_used;
    size_t keep;           /* entries a ring holds */
    uint64_t next_request; /* the `n` of the next request */
    uint64_t next_number;  /* in the next id; never reused */
    uint64_t next_unkept;  /* in the next id of a message that is not kept */
    uint32_t epoch;        /* makes the ids of two runs differ */
    uint32_t generation;   /* how often it was cleared */
};

/* Makes an empty store. Every id starts with `epoch`. */
void sandbox_store_init(struct sandbox_store *store, size_t keep, uint32_t epoch);

/* Forgets everything; ids are not reused. */
void sandbox_store_clear(struct sandbox_store *store);

/* Frees everything. */
void sandbox_store_free(struct sandbox_store *store);

/* Sets how many entries are kept, and forgets those above. */
void sandbox_store_set_keep(struct sandbox_store *store, size_t keep);

/* Adds a copy of a request; its `n` must be `next_request`. Counts it by call, status and limit. */
void sandbox_store_add_request(struct sandbox_store *store, const struct sandbox_request *request);

/*
 * Keeps an accepted item of the current request. Copies its strings. NULL on allocation failure.
 */
struct sandbox_message *sandbox_store_accept(struct sandbox_store *store,
                                             const struct sandbox_item *item,
                                             const struct sandbox_outcome *outcome, int64_t at_ms);

/* Keeps a refused item and the reason. Copies both. */
void sandbox_store_refuse(struct sandbox_store *store, const struct sandbox_item *item,
                          const char *reason, int64_t at_ms);

/* The first message that was accepted with this clientId, or NULL. */
struct sandbox_message *sandbox_store_by_client_id(const struct sandbox_store *store,
                                                   const char *client_id);

/* The message with this id, or NULL. */
struct sandbox_message *sandbox_store_by_id(const struct sandbox_store *store, const char *id);

/* Sets the status that a message shows from now on. Copies it. */
void sandbox_store_set_status(struct sandbox_message *message, const char *status);

/* Writes a message's id. */
void sandbox_store_id(const struct sandbox_store *store, uint64_t number, char id[SANDBOX_ID_SIZE]);

/* A number for the id of a message that is not kept: a fault that lies needs ids, too. */
uint64_t sandbox_store_unkept_number(struct sandbox_store *store);

/* How many messages, the oldest ones, were accepted at or before `at_ms`. */
size_t sandbox_store_accepted_until(const struct sandbox_store *store, int64_t at_ms);

#endif
