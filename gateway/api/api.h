/*
 * api: HTTP to the Transactional API; the only user of libcurl.
 *
 * Owns connections, request and response bytes and the token in memory. Knows endpoints and
 * headers, not what a body means (api_json) nor what to do about an answer (retry).
 * Thread: the forwarding thread, except api_wakeup. curl_global_init is daemon's, before any thread.
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
    unsigned connections; /* kept open at the most; one more for history */
};

/* X-RateLimit-*, Retry-After and Date as they were sent. */
struct api_rate {
    bool is_present;                 /* Limit, Remaining and Reset were all there and numbers */
    int64_t limit, remaining, reset; /* reset in seconds, as it stands in the header */
    int64_t retry_after_s;           /* -1 = none */
    int64_t date_s;                  /* Unix time of the Date header, 0 = none */
};

struct api_answer {
    enum api_endpoint endpoint;
    enum api_transport transport;
    int status; /* HTTP status when ANSWERED, else 0 */
    char *body; /* NUL-terminated; owned by the answer; "" when empty */
    size_t body_len;
    bool is_body_cut; /* it was longer than 4 MiB; only a refusal is ANSWERED then */
    struct api_rate rate;
    const char *error; /* for a log, in curl's words; "" when ANSWERED */
    void *tag;         /* the sender's */
    int64_t latency_us;
};

struct api;

/*
 * Returns NULL without memory, when curl refuses an option or when the token holds a line end (a
 * word to stderr is daemon's). The environment's proxy is used, but not for an API on loopback.
 */
struct api *api_new(const struct api_options *options);
/* Breaks off requests under way, without answers, and frees all. NULL is fine. */
void api_free(struct api *api);

/*
 * From now on requests carry this token. Copied; the old one is wiped as soon as no request under
 * way needs it. Without memory, or with a line end in the token, the old one stays.
 * Returns whether it is another one than before.
 */
bool api_set_token(struct api *api, const char *token);

/*
 * Starts POST /sms or POST /sms/bulk with a JSON body, which is malloc'ed and handed over.
 * `tag` comes back with the answer. Returns false (body freed) without memory: nothing was sent.
 */
bool api_post(struct api *api, enum api_endpoint endpoint, char *body, size_t len, void *tag);

/* Starts GET /sms?page=..&per_page=.. (page from 1). Returns false as above. */
bool api_get_history(struct api *api, unsigned page, unsigned per_page, void *tag);
/* Starts GET /sms/{id} of the message with this API id, in the window of the history. Returns false as
 * above. */
bool api_get_message(struct api *api, const char *id, void *tag);

/*
 * Carries transfers on until one has ended, api_wakeup is called or `timeout_ms` passes (-1 = no
 * limit). What was posted is written at the first call. Returns at once while an answer is there.
 */
void api_wait(struct api *api, int64_t timeout_ms);

/* The next ended request, or NULL. The caller frees it; it may outlive the api. */
struct api_answer *api_next_answer(struct api *api);
/* NULL is fine. */
void api_answer_free(struct api_answer *answer);

/* Ends api_wait at once, or the next one if there is none. Any thread. */
void api_wakeup(struct api *api);

#endif
