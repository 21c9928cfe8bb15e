/*
 * sandbox: see sandbox.h. Puts the parts together, and tells the API's calls from the control calls.
 */
#include "gateway/sandbox/sandbox.h"

#include "gateway/base/http_listen.h"
#include "gateway/sandbox/parts.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t sandbox_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

const char *sandbox_message_status(const struct sandbox *sandbox,
                                   const struct sandbox_message *message, int64_t now_ms)
{
    int64_t delay_ms = message->outcome->is_late ? sandbox->settings.report_late_ms
                                                 : sandbox->settings.report_delay_ms;

    if (message->status != NULL) {
        return message->status;
    }
    return now_ms - message->at_ms < delay_ms ? "accepted" : message->outcome->settled;
}

const char *sandbox_request_body(struct evhttp_request *request, size_t *len)
{
    struct evbuffer *input = evhttp_request_get_input_buffer(request);

    *len = evbuffer_get_length(input);
    return (const char *)evbuffer_pullup(input, -1);
}

struct evbuffer *sandbox_json_body(struct evhttp_request *request, json_t *value)
{
    struct evbuffer *body = evbuffer_new();
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

    json_decref(value);
    if (body != NULL && text != NULL) {
        evbuffer_add(body, text, strlen(text));
    }
    free(text);
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
                      "application/json");
    return body;
}

/*
 * Any web page may post to this machine, though it sees no answer: its browser says whose it is in
 * Origin. By a name of its own that leads here (DNS rebinding) it would see them: that is in Host.
 */
static bool is_of_web_page(struct evhttp_request *request)
{
    const struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
    const char *host = evhttp_find_header(headers, "Host");

    return evhttp_find_header(headers, "Origin") != NULL || host == NULL ||
           !http_is_loopback(host, http_host_len(host));
}

static void refuse(struct evhttp_request *request, struct sandbox_peer *peer)
{
    json_t *words = json_pack("{s:s}", "message", "not for web pages; Host must be loopback");

    sandbox_http_answer(
        peer, request,
        &(struct sandbox_answer){.status = 403, .body = sandbox_json_body(request, words)});
}

static void serve(struct evhttp_request *request, struct sandbox_peer *peer, void *arg)
{
    const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));

    if (is_of_web_page(request)) {
        refuse(request, peer);
    } else if (path != NULL && strncmp(path, "/sandbox/", strlen("/sandbox/")) == 0) {
        sandbox_control_serve(arg, request, peer);
    } else {
        sandbox_api_serve(arg, request, peer);
    }
}

static bool read_options(struct sandbox *sandbox, const struct sandbox_options *options,
                         char *error, size_t error_size)
{
    json_t *problem = sandbox_settings_init(&sandbox->settings, options);

    if (problem == NULL) {
        return true;
    }
    snprintf(error, error_size, "%s", json_string_value(json_object_get(problem, "message")));
    json_decref(problem);
    return false;
}

struct sandbox *sandbox_new(struct event_base *base, const struct sandbox_options *options,
                            char *error, size_t error_size)
{
    struct sandbox *sandbox = calloc(1, sizeof *sandbox);

    snprintf(error, error_size, "out of memory");
    if (sandbox == NULL) {
        return NULL;
    }
    if (!read_options(sandbox, options, error, error_size)) {
        goto fail;
    }
    sandbox_store_init(&sandbox->store, (size_t)sandbox->settings.keep, (uint32_t)time(NULL));
    sandbox->reports = sandbox_reports_new(base, &sandbox->settings);
    if (sandbox->reports == NULL) {
        goto fail;
    }
    sandbox->http =
        sandbox_http_new(base, options->host, options->port, serve, sandbox, error, error_size);
    if (sandbox->http == NULL) {
        goto fail;
    }
    return sandbox;
fail:
    sandbox_free(sandbox);
    return NULL;
}

uint16_t sandbox_port(const struct sandbox *sandbox)
{
    return sandbox_http_port(sandbox->http);
}

void sandbox_url(char url[SANDBOX_URL_SIZE], const char *host, uint16_t port)
{
    bool is_v6 = strchr(host, ':') != NULL;

    snprintf(url, SANDBOX_URL_SIZE,
             is_v6 ? "http://[%s]:%u" SANDBOX_BASE_PATH : "http://%s:%u" SANDBOX_BASE_PATH, host,
             port);
}

void sandbox_free(struct sandbox *sandbox)
{
    if (sandbox == NULL) {
        return;
    }
    sandbox_http_free(sandbox->http);
    sandbox_reports_free(sandbox->reports);
    sandbox_faults_clear(&sandbox->faults);
    sandbox_store_free(&sandbox->store);
    sandbox_settings_free(&sandbox->settings);
    free(sandbox);
}
