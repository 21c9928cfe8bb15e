/*
 * faults: what goes wrong next, queued by a control call.
 *
 * Owns the list and which fault strikes which request; what a fault does to an answer is
 * sandbox_api's work. The members are described in gateway/sandbox/sandbox.h. Thread: the sandbox's. Pure.
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
    int64_t index; /* how many were added before it */
    int on;        /* enum sandbox_call, or the index of "any" */
    char *containing;
    int64_t skip, count, used;
    int64_t status; /* 0 = as usual */
    json_t *body;   /* NULL = as usual, or a message for `status` */
    char *content_type;
    json_t *headers;
    bool accept;
    bool drop, reset;
    int64_t hang_ms;  /* -1 = never answered */
    int64_t truncate; /* bytes, -1 = none */
    bool no_rate_headers;
    json_t *rate;
    bool close_idle;
    json_t *source;             /* as it was given */
    struct sandbox_fault *next; /* in the list */
};

struct sandbox_faults {
    struct sandbox_fault *first;
    struct sandbox_fault *spent; /* the last one used up: its user still looks at it */
    int64_t added;               /* the next one's index */
};

/*
 * Appends a fault, or each of an array. Returns NULL and appends their indexes to `indexes`, or a
 * new {"message":.., "unknown":[..]}, and then nothing was added.
 */
json_t *sandbox_faults_add(struct sandbox_faults *faults, const json_t *value, json_t *indexes);

/*
 * The fault that strikes this request, counted as used; NULL if none does. It is good until the
 * next call of a function here. `body` may be NULL where `len` is 0.
 */
const struct sandbox_fault *sandbox_faults_match(struct sandbox_faults *faults,
                                                 enum sandbox_call call, const void *body,
                                                 size_t len);

/* The list, not used up, as a new {"faults":[..]}. */
json_t *sandbox_faults_show(const struct sandbox_faults *faults);

/* Forgets them all; indexes begin at 0 again. */
void sandbox_faults_clear(struct sandbox_faults *faults);

#endif
