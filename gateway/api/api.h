/*
 * api: HTTP to the Transactional API.
 *
 * Owns connections, the bytes of requests and responses, and the token in memory. Knows endpoints
 * and headers, not what a body means (json) nor what to do about an answer (retry). Thread: the
 * forwarding thread, except api_wakeup. daemon calls curl_global_init before any thread.
 */
#ifndef GATEWAY_API_API_H
#define GATEWAY_API_API_H

#include "gateway/base/endpoint.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct api_options {
    const char *url;     /* base URL, without a trailing slash; strings are copied */
    const char *token;   /* Bearer token; copied, wiped on free */
    const char *ca_file; /* NULL = the system's */
    int64_t timeout_ms, connect_timeout_ms;
    unsigned connections; /* kept open at most; history has one more */
};

/* X-RateLimit-*, Retry-After and Date, as sent. */
struct api_rate {
    bool is_present;                 /* Limit, Remaining and Reset are there, all three numbers */
    int64_t limit, remaining, reset; /* reset as in the header, in seconds */
    int64_t retry_after_s;           /* -1 = none */
    int64_t date_s;                  /* Date as Unix time, 0 = none */
};

enum { API_REQUEST_ID_SIZE = 65 };

struct api_answer {
    enum api_endpoint endpoint;
    enum api_transport transport;
    int status; /* HTTP status when ANSWERED, else 0 */
    char *body; /* decompressed, NUL-terminated; owned by the answer; "" when empty */
    size_t body_len;
    bool is_body_cut;         /* it was longer than 4 MiB; then only a refusal is ANSWERED */
    bool is_sent_whole;       /* the request's body left whole: the API may act on it */
    const char *content_type; /* of the answer; "" = none; valid as long as the answer */
    char
        request_id[API_REQUEST_ID_SIZE]; /* by which the API's support finds it; "" = it has none */
    struct api_rate rate;
    const char *error; /* for the log, in curl's words; "" when ANSWERED, unless the body could not
                           * be decompressed, and is left out */
    const char *location; /* where a 3xx leads; "" = nowhere */
    void *tag;            /* the sender's */
    int64_t latency_us;
};

struct api;

/*
 * Returns NULL on allocation failure, when curl refuses an option, or when the token has a line
 * end. The proxy in the environment is used, but not for an API on loopback.
 */
struct api *api_new(const struct api_options *options);
/* Breaks off requests under way, which get no answer. NULL is fine. */
void api_free(struct api *api);

/* The proxy that requests go through, without its password; "" = none. */
const char *api_proxy(const struct api *api);

/*
 * From now on requests carry this token. It is copied; the old one is wiped as soon as no request
 * under way needs it. On allocation failure, or if the token has a line end, the old one stays.
 * Returns whether the token has changed.
 */
bool api_set_token(struct api *api, const char *token);

/*
 * Starts POST /sms or POST /sms/bulk with a JSON body, which is malloc'ed and taken over. `tag`
 * comes back with the answer. Returns false on allocation failure: nothing was sent.
 */
bool api_post(struct api *api, enum api_endpoint endpoint, char *body, size_t len, void *tag);

/* Starts GET /sms?page=..&per_page=.., with pages from 1. Returns as api_post. */
bool api_get_history(struct api *api, unsigned page, unsigned per_page, void *tag);
/* Starts GET /sms/{id} for this API id. Returns as api_post. */
bool api_get_message(struct api *api, const char *id, void *tag);

/*
 * Runs transfers until one has ended, api_wakeup is called or `timeout_ms` has passed (-1 = no
 * limit). Requests that were started are written here. Returns at once while an answer is there.
 */
void api_wait(struct api *api, int64_t timeout_ms);

/* The next answer, or NULL. The caller frees it; it may outlive the api. */
struct api_answer *api_next_answer(struct api *api);
/* NULL is fine. */
void api_answer_free(struct api_answer *answer);

/* Ends the api_wait under way, or else the next one, at once. Any thread. */
void api_wakeup(struct api *api);

#endif
