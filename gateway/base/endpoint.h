/*
 * endpoint: the API's endpoints and how a request to one can end, below HTTP.
 *
 * Here rather than in api because stats counts by both and does not know the API. Thread: any. Pure.
 */
#ifndef GATEWAY_BASE_ENDPOINT_H
#define GATEWAY_BASE_ENDPOINT_H

/* POST /sms, POST /sms/bulk, GET /sms and GET /sms/{id}. Each has a rate limit of its own. */
enum api_endpoint { API_SINGLE, API_BULK, API_HISTORY, API_MESSAGE };
enum { API_ENDPOINTS = API_MESSAGE + 1 };

/* "sms", "sms/bulk", "history" or "message": a label in metrics and logs. */
const char *api_endpoint_name(enum api_endpoint endpoint);

enum api_transport {
    API_ANSWERED, /* a whole HTTP response was read (of a refusal, at least its status) */
    API_NOT_SENT, /* certainly nothing of it reached the API: it may be sent again */
    API_NO_ANSWER /* it may have arrived: timeout, reset, truncated body, ... */
};

#endif
