/*
 * parts: what a sandbox is made of, for its own files only.
 *
 * Thread: the event base's.
 */
#ifndef GATEWAY_SANDBOX_PARTS_H
#define GATEWAY_SANDBOX_PARTS_H

#include "gateway/sandbox/faults.h"
#include "gateway/sandbox/http.h"
#include "gateway/sandbox/reports.h"
#include "gateway/sandbox/settings.h"
#include "gateway/sandbox/store.h"
#include "gateway/sandbox/window.h"

/* GET /sms/{id} shares the history's window. */
enum { SANDBOX_WINDOWS = SANDBOX_CALL_HISTORY + 1 };

struct sandbox {
    struct sandbox_settings settings;
    struct sandbox_faults faults;
    struct sandbox_store store;
    struct sandbox_window windows[SANDBOX_WINDOWS];
    struct sandbox_reports *reports;
    struct sandbox_http *http;
};

/* Unix time in milliseconds. */
int64_t sandbox_now_ms(void);

/* The status that the history shows for a message at `now_ms`. */
const char *sandbox_message_status(const struct sandbox *sandbox,
                                   const struct sandbox_message *message, int64_t now_ms);

/* The body of a request in one piece; NULL where `*len` is 0. */
const char *sandbox_request_body(struct evhttp_request *request, size_t *len);

/* A JSON value as a body, with its Content-Type set; takes the value. */
struct evbuffer *sandbox_json_body(struct evhttp_request *request, json_t *value);

/* Answers a request of the simulated API. */
void sandbox_api_serve(struct sandbox *sandbox, struct evhttp_request *request,
                       struct sandbox_peer *peer);

/* Answers a control call. */
void sandbox_control_serve(struct sandbox *sandbox, struct evhttp_request *request,
                           struct sandbox_peer *peer);

#endif
