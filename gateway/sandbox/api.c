/* api: see api.h. */
#include "gateway/sandbox/api.h"

#include "gateway/base/clock.h"
#include "gateway/sandbox/body.h"
#include "gateway/sandbox/calls.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static struct evkeyvalq *headers_of(const struct sandbox_exchange *x)
{
    return evhttp_request_get_output_headers(x->http);
}

static void set_header(const struct sandbox_exchange *x, const char *name, const char *value)
{
    evhttp_remove_header(headers_of(x), name);
    if (value != NULL) {
        evhttp_add_header(headers_of(x), name, value);
    }
}

static void set_number_header(const struct sandbox_exchange *x, const char *name, int64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRId64, value);
    set_header(x, name, text);
}

/* --- the calls -------------------------------------------------------------------------------- */

static const struct api_call {
    enum evhttp_cmd_type method;
    const char *path; /* below the base path */
    bool is_prefix;   /* something must follow it */
    bool has_body;
    void (*carry_out)(struct sandbox_exchange *x, const json_t *request);
} calls[] = {
    [SANDBOX_CALL_SINGLE] = {EVHTTP_REQ_POST, "/sms", false, true, sandbox_post_single},
    [SANDBOX_CALL_BULK] = {EVHTTP_REQ_POST, "/sms/bulk", false, true, sandbox_post_bulk},
    [SANDBOX_CALL_HISTORY] = {EVHTTP_REQ_GET, "/sms", false, false, sandbox_get_history},
    [SANDBOX_CALL_ONE] = {EVHTTP_REQ_GET, "/sms/", true, false, sandbox_get_one},
};

static bool is_path_of(const struct api_call *call, const char *path)
{
    size_t len = strlen(call->path);

    if (call->is_prefix) {
        return strncmp(path, call->path, len) == 0 && path[len] != '\0';
    }
    return strcmp(path, call->path) == 0;
}

/* Finds the call, or answers 404 or 405. */
static bool find_call(struct sandbox_exchange *x)
{
    const enum evhttp_cmd_type method = evhttp_request_get_command(x->http);
    char allow[16] = "";

    for (int i = 0; i < SANDBOX_CALL_OTHER && x->path != NULL; i++) {
        const char *name = calls[i].method == EVHTTP_REQ_GET ? "GET" : "POST";

        /* The path of a bulk would fit an id, too. */
        if (!is_path_of(&calls[i], x->path) ||
            (i == SANDBOX_CALL_ONE && is_path_of(&calls[SANDBOX_CALL_BULK], x->path))) {
            continue;
        }
        x->record.call = (enum sandbox_call)i;
        if (calls[i].method == method) {
            return true;
        }
        snprintf(allow + strlen(allow), sizeof allow - strlen(allow), "%s%s",
                 *allow == '\0' ? "" : ", ", name);
    }
    x->record.call = SANDBOX_CALL_OTHER;
    if (*allow == '\0') {
        sandbox_answer_message(x, 404, "not found");
    } else {
        set_header(x, "Allow", allow);
        sandbox_answer_message(x, 405, "method not allowed");
    }
    return false;
}

/* Checks the token, or answers 401. */
static bool is_authorized(struct sandbox_exchange *x)
{
    const char *given =
        evhttp_find_header(evhttp_request_get_input_headers(x->http), "Authorization");
    const char *wanted = x->sandbox->settings.token;
    const char scheme[] = "Bearer ";

    x->record.is_authorized = given != NULL && strncasecmp(given, scheme, strlen(scheme)) == 0 &&
                              given[strlen(scheme)] != '\0' &&
                              (wanted == NULL || strcmp(given + strlen(scheme), wanted) == 0);
    if (!x->record.is_authorized) {
        sandbox_answer_message(x, 401, "the token is missing or invalid");
    }
    return x->record.is_authorized;
}

static struct sandbox_window *window_of(const struct sandbox_exchange *x)
{
    bool is_shared = x->sandbox->settings.shared_window && x->record.call == SANDBOX_CALL_BULK;
    return &x->sandbox->windows[is_shared ? SANDBOX_CALL_SINGLE : x->record.call];
}

/* Counts the request in its window, or answers 429. */
static bool is_within_limit(struct sandbox_exchange *x)
{
    const struct sandbox_settings *settings = &x->sandbox->settings;
    struct sandbox_window *window = window_of(x);

    x->record.is_over_limit =
        !sandbox_window_take(window, x->now_ms, settings->limit, settings->window_ms);
    if (x->record.is_over_limit) {
        sandbox_answer_nothing(x, 429);
    }
    return !x->record.is_over_limit;
}

/* Reads the body and lets the call answer. */
static void carry_out(struct sandbox_exchange *x)
{
    const struct api_call *call = &calls[x->record.call];
    json_t *request = NULL;

    if (call->has_body && x->body_len > (size_t)x->sandbox->settings.max_body) {
        sandbox_answer_message(x, 413, "the request is too large");
        return;
    }
    if (call->has_body) {
        request = json_loadb(x->body == NULL ? "" : x->body, x->body_len, 0, NULL);
    }
    if (call->has_body && request == NULL) {
        sandbox_answer_message(x, 400, "the body is not JSON");
    } else {
        call->carry_out(x, request);
    }
    json_decref(request);
}

/* --- headers ---------------------------------------------------------------------------------- */

static void set_rate_headers(const struct sandbox_exchange *x)
{
    const struct sandbox_settings *settings = &x->sandbox->settings;
    const struct sandbox_window *window = window_of(x);
    int64_t reset_s = sandbox_window_reset_s(window, x->now_ms, settings->window_ms);

    if (settings->reset_style == SANDBOX_RESET_SECONDS) {
        reset_s -= x->now_ms / 1000;
    } else {
        reset_s += settings->date_offset_s;
    }
    set_number_header(x, "X-RateLimit-Limit", settings->limit);
    set_number_header(x, "X-RateLimit-Remaining",
                      sandbox_window_remaining(window, x->now_ms, settings->limit));
    set_number_header(x, "X-RateLimit-Reset", reset_s);
}

static void set_date(const struct sandbox_exchange *x)
{
    time_t now = (time_t)(x->now_ms / 1000 + x->sandbox->settings.date_offset_s);
    char text[64];
    struct tm utc;

    strftime(text, sizeof text, "%a, %d %b %Y %T GMT", gmtime_r(&now, &utc));
    set_header(x, "Date", text);
}

static void set_usual_headers(const struct sandbox_exchange *x)
{
    const struct sandbox_settings *settings = &x->sandbox->settings;

    set_date(x);
    if (settings->rate_headers && x->record.call != SANDBOX_CALL_OTHER) {
        set_rate_headers(x);
    }
    if (settings->retry_after >= 0 && (x->answer.status == 429 || x->answer.status == 503)) {
        set_number_header(x, "Retry-After", settings->retry_after);
    }
}

/* --- faults ----------------------------------------------------------------------------------- */

/* Sets a header to a value from a control call: a string, a number, or null for none. */
static void override_header(const struct sandbox_exchange *x, const char *name, const json_t *value)
{
    if (value == NULL) {
        return;
    }
    if (json_is_integer(value)) {
        set_number_header(x, name, json_integer_value(value));
    } else {
        set_header(x, name, json_string_value(value));
    }
}

static void fault_headers(const struct sandbox_exchange *x)
{
    const struct sandbox_fault *fault = x->fault;
    void *i;

    override_header(x, "X-RateLimit-Limit", json_object_get(fault->rate, "limit"));
    override_header(x, "X-RateLimit-Remaining", json_object_get(fault->rate, "remaining"));
    override_header(x, "X-RateLimit-Reset", json_object_get(fault->rate, "reset"));
    if (fault->no_rate_headers) {
        set_header(x, "X-RateLimit-Limit", NULL);
        set_header(x, "X-RateLimit-Remaining", NULL);
        set_header(x, "X-RateLimit-Reset", NULL);
    }
    if (fault->content_type != NULL) {
        set_header(x, "Content-Type", fault->content_type);
    }
    for (i = json_object_iter(fault->headers); i != NULL;
         i = json_object_iter_next(fault->headers, i)) {
        override_header(x, json_object_iter_key(i), json_object_iter_value(i));
    }
}

static void answer_text(struct sandbox_exchange *x, int status, const char *text, size_t len)
{
    sandbox_answer_nothing(x, status);
    set_header(x, "Content-Type", len == 0 ? NULL : "text/plain");
    x->reply = evbuffer_new();
    if (x->reply != NULL) {
        evbuffer_add(x->reply, text, len);
    }
}

static void fault_answer(struct sandbox_exchange *x)
{
    const struct sandbox_fault *fault = x->fault;
    int status = fault->status != 0 ? (int)fault->status : x->answer.status;

    if (json_is_string(fault->body)) {
        answer_text(x, status, json_string_value(fault->body), json_string_length(fault->body));
    } else if (fault->body != NULL) {
        sandbox_answer_json(x, status, json_incref(fault->body));
    } else if (status == 204 || status == 304) {
        answer_text(x, status, "", 0);
    } else if (fault->status != 0) {
        sandbox_answer_message(x, status, "injected fault");
    }
}

static void fault_ending(struct sandbox_exchange *x)
{
    const struct sandbox_fault *fault = x->fault;

    if (fault->hang_ms > 0) {
        x->answer.delay_ms += fault->hang_ms;
    }
    if (fault->hang_ms < 0) {
        x->answer.ending = SANDBOX_HANG;
    } else if (fault->drop) {
        x->answer.ending = fault->reset ? SANDBOX_RESET : SANDBOX_DROP;
    } else if (fault->truncate >= 0) {
        x->answer.ending = SANDBOX_TRUNCATE;
        x->answer.truncate = (size_t)fault->truncate;
    }
    if (fault->close_idle) {
        x->peer->is_doomed = true;
        x->peer->is_doom_accepts = fault->accept;
        x->peer->doom_fault = fault->index;
    }
}

/* --- a request -------------------------------------------------------------------------------- */

/* Which fault strikes, if any, and whether messages are accepted nonetheless. */
static void meet_fault(struct sandbox_exchange *x)
{
    if (x->peer->is_doomed) {
        x->record.fault = x->peer->doom_fault;
        x->takes = x->peer->is_doom_accepts;
        return;
    }
    x->fault = sandbox_faults_match(&x->sandbox->faults, x->record.call, x->body, x->body_len);
    if (x->fault == NULL) {
        return;
    }
    x->record.fault = x->fault->index;
    x->takes = x->fault->accept || x->fault->close_idle;
}

static void decide(struct sandbox_exchange *x)
{
    if (!find_call(x) || !is_authorized(x) || !is_within_limit(x)) {
        return;
    }
    meet_fault(x);
    carry_out(x);
    if (x->fault != NULL) {
        fault_answer(x);
        fault_ending(x);
    }
}

static bool is_answered(const struct sandbox_exchange *x)
{
    return x->answer.ending == SANDBOX_ANSWER || x->answer.ending == SANDBOX_TRUNCATE;
}

static const char *method_name(enum evhttp_cmd_type method)
{
    static const struct {
        enum evhttp_cmd_type method;
        const char *name;
    } names[] = {
        {EVHTTP_REQ_GET, "GET"},       {EVHTTP_REQ_POST, "POST"}, {EVHTTP_REQ_PUT, "PUT"},
        {EVHTTP_REQ_DELETE, "DELETE"}, {EVHTTP_REQ_HEAD, "HEAD"}, {EVHTTP_REQ_PATCH, "PATCH"},
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].method == method) {
            return names[i].name;
        }
    }
    return "OPTIONS";
}

static void record(struct sandbox_exchange *x)
{
    struct sandbox_store *store = &x->sandbox->store;
    const char *uri = evhttp_request_get_uri(x->http);
    size_t base_len = strlen(SANDBOX_BASE_PATH);

    x->record.n = store->next_request;
    x->record.at_ms = x->now_ms;
    x->record.connection = x->peer->id;
    x->record.method = method_name(evhttp_request_get_command(x->http));
    x->record.target = x->path != NULL && *uri == '/' ? uri + base_len : uri;
    x->record.status = is_answered(x) ? x->answer.status : 0;
    if (x->peer->counted_in != store->generation + 1) {
        x->peer->counted_in = store->generation + 1;
        store->counts.connections++;
    }
    sandbox_store_add_request(store, &x->record);
}

/* The path below the base path, or NULL. */
static const char *path_of(struct evhttp_request *request)
{
    const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));
    size_t base_len = strlen(SANDBOX_BASE_PATH);

    if (path == NULL || strncmp(path, SANDBOX_BASE_PATH "/", base_len + 1) != 0) {
        return NULL;
    }
    return path + base_len;
}

void sandbox_api_serve(struct sandbox *sandbox, struct evhttp_request *request,
                       struct sandbox_peer *peer)
{
    const bool was_doomed = peer->is_doomed;
    struct sandbox_exchange x = {
        .sandbox = sandbox,
        .http = request,
        .peer = peer,
        .now_ms = clock_unix_ms(),
        .path = path_of(request),
        .takes = true,
        .answer = {.delay_ms = sandbox->settings.latency_ms},
        .record = {.fault = -1},
    };

    x.body = sandbox_body_of(request, &x.body_len);
    decide(&x);
    if (was_doomed) {
        x.answer.ending = SANDBOX_DROP;
        x.answer.delay_ms = 0;
    }
    set_usual_headers(&x);
    if (x.fault != NULL) {
        fault_headers(&x);
    }
    record(&x);
    if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD) {
        sandbox_answer_nothing(&x, x.answer.status);
    }
    x.answer.body = x.reply;
    sandbox_http_answer(peer, request, &x.answer);
}
