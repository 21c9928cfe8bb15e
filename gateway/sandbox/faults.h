/*
 * faults: what goes wrong next, queued by control calls.
 *
 * Owns the list, and decides which fault strikes which request; api applies it to the answer.
 * SANDBOX.md describes the members. Thread: the sandbox's. Pure.
 */
#ifndef GATEWAY_SANDBOX_FAULTS_H
#define GATEWAY_SANDBOX_FAULTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which call a request is; the first three are what `on` can name. */
enum sandbox_call {
    SANDBOX_CALL_SINGLE,
    SANDBOX_CALL_BULK,
    SANDBOX_CALL_HISTORY,
    SANDBOX_CALL_ONE,  /* GET /sms/{id} */
    SANDBOX_CALL_OTHER /* no call of the API */
};

struct sandbox_fault {
    int64_t index; /* counts from 0 in the order of addition */
    int on;        /* enum sandbox_call, or the index of "any" */
    char *containing;
    int64_t skip, count, used;
    int64_t status; /* 0 = as usual */
    json_t *body;   /* NULL = as usual, or a message for `status` */
    char *content_type;
    json_t *headers;
    bool accept;
    bool drop, reset;
    int64_t hang_ms;  /* -1 = never answer */
    int64_t truncate; /* bytes, -1 = none */
    bool no_rate_headers;
    json_t *rate;
    bool close_idle;
    int64_t stale_ms;
    json_t *source; /* as given */
    struct sandbox_fault *next;
};

struct sandbox_faults {
    struct sandbox_fault *first;
    struct sandbox_fault *spent; /* the last one used up: a caller still reads it */
    int64_t added;               /* the next index */
};

/*
 * Appends a fault, or each of an array. Returns NULL and appends their indexes to `indexes`; or
 * returns a new {"message":.., "unknown":[..]} and adds nothing.
 */
json_t *sandbox_faults_add(struct sandbox_faults *faults, const json_t *value, json_t *indexes);

/*
 * The fault that strikes this request, counted as used; NULL if none does. Valid until the next call
 * of a function here. `body` may be NULL where `len` is 0.
 */
const struct sandbox_fault *sandbox_faults_match(struct sandbox_faults *faults,
                                                 enum sandbox_call call, const void *body,
                                                 size_t len);

/* The faults left, as a new {"faults":[..]}. */
json_t *sandbox_faults_show(const struct sandbox_faults *faults);

/* Deletes them all; indexes start at 0 again. */
void sandbox_faults_clear(struct sandbox_faults *faults);

#endif
