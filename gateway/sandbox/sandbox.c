/*
 * sandbox: see sandbox.h. Puts the parts together, and tells the API's calls from the control calls.
 */
#include "gateway/sandbox/sandbox.h"

#include "gateway/base/http_host.h"
#include "gateway/base/http_listen.h"
#include "gateway/sandbox/api.h"
#include "gateway/sandbox/body.h"
#include "gateway/sandbox/control.h"
#include "gateway/sandbox/parts.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/*
 * Any web page may post to this machine, although it cannot read the answer: its browser then sends
 * Origin. Through a name of its own that resolves to loopback (DNS rebinding) it could read answers:
 * Host shows that name.
 */
static bool is_from_web_page(struct evhttp_request *request)
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
        &(struct sandbox_answer){.status = 403, .body = sandbox_body_json(request, words)});
}

static void serve(struct evhttp_request *request, struct sandbox_peer *peer, void *arg)
{
    const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));

    if (is_from_web_page(request)) {
        refuse(request, peer);
    } else if (path != NULL && strncmp(path, "/sandbox/", strlen("/sandbox/")) == 0) {
        sandbox_control_serve(arg, request, peer);
    } else {
        sandbox_api_serve(arg, request, peer);
    }
}

static json_t *text_or_null(const char *text)
{
    return text == NULL || *text == '\0' ? json_null() : json_string(text);
}

/* The settings that the options change, a new object. */
static json_t *changes_of(const struct sandbox_options *options)
{
    json_t *changes =
        json_pack("{s:I, s:o, s:o}", "latency_ms", (json_int_t)options->latency_ms, "token",
                  text_or_null(options->token), "webhook", text_or_null(options->webhook));

    if (options->limit != 0) {
        json_object_set_new(changes, "limit", json_integer(options->limit));
    }
    if (options->window_ms != 0) {
        json_object_set_new(changes, "window_ms", json_integer(options->window_ms));
    }
    return changes;
}

static bool read_options(struct sandbox *sandbox, const struct sandbox_options *options,
                         char *error, size_t error_size)
{
    json_t *changes = changes_of(options);
    json_t *problem;

    sandbox_settings_init(&sandbox->settings);
    problem = sandbox_settings_merge(&sandbox->settings, changes);
    json_decref(changes);
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
    sandbox->http = sandbox_http_new(base, &options->address, serve, sandbox, error, error_size);
    if (sandbox->http == NULL) {
        goto fail;
    }
    return sandbox;
fail:
    sandbox_free(sandbox);
    return NULL;
}

const struct listen_address *sandbox_address(const struct sandbox *sandbox)
{
    return sandbox_http_address(sandbox->http);
}

void sandbox_url(const struct listen_address *address, char url[SANDBOX_URL_SIZE])
{
    char text[LISTEN_TEXT_SIZE];

    listen_format(address, text);
    snprintf(url, SANDBOX_URL_SIZE, "http://%s" SANDBOX_BASE_PATH, text);
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
