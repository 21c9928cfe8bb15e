/* submit: see submit.h. */
#include "gateway/submit/submit.h"

#include "gateway/base/http_listen.h"
#include "gateway/serve/relay.h"
#include "gateway/submit/call.h"
#include "gateway/submit/credential.h"
#include "gateway/submit/sms_get.h"
#include "gateway/submit/sms_post.h"
#include "gateway/users/login.h"
#include "proto/session/form.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    IDLE_SECONDS = 60,
    REQUEST_MS = 10000,
    MAX_BODY = 512 * 1024, /* 100 messages of 10 parts, each character escaped */
    CONNECTIONS_MAX = 256,
    STOPPING_SECONDS = 10, /* after which a client may try the relay that comes next */
    BUSY_SECONDS = 1
};

#define BASE "/transactional/v1"

struct submit {
    struct calls calls;
    struct submit_options options;
    struct http_listener *listener;
    bool is_stopping;
};

/* --- paths ------------------------------------------------------------------------------------ */

static const struct route {
    enum evhttp_cmd_type method;
    const char *path;
    bool is_prefix;      /* something must follow it */
    const char *command; /* for the log */
    unsigned rights;     /* of enum user_right; one of them */
    void (*carry_out)(struct call *call);
} ROUTES[] = {
    {EVHTTP_REQ_POST, BASE "/sms/bulk", false, "POST /sms/bulk", USER_SUBMITS, sms_post_bulk},
    {EVHTTP_REQ_POST, BASE "/sms", false, "POST /sms", USER_SUBMITS, sms_post_single},
    {EVHTTP_REQ_GET, BASE "/sms", false, "GET /sms", USER_ASKS | USER_CONTROLS, sms_get_list},
    {EVHTTP_REQ_GET, BASE "/sms/", true, "GET /sms/ID", USER_ASKS | USER_CONTROLS, sms_get_one},
};

static bool is_path_of(const struct route *route, const char *path)
{
    size_t len = strlen(route->path);
    return route->is_prefix ? strncmp(path, route->path, len) == 0 && path[len] != '\0'
                            : strcmp(path, route->path) == 0;
}

/* The route of a request; NULL = there is none: then `allow` names the methods that the path has, "" =
 * there is nothing at this path. */
static const struct route *find_route(struct evhttp_request *request, char allow[32])
{
    const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));
    enum evhttp_cmd_type method = evhttp_request_get_command(request);
    allow[0] = '\0';
    for (size_t i = 0; path != NULL && i < sizeof ROUTES / sizeof ROUTES[0]; i++) {
        if (!is_path_of(&ROUTES[i], path)) {
            continue;
        }
        if (ROUTES[i].method == method) {
            return &ROUTES[i];
        }
        const char *name = ROUTES[i].method == EVHTTP_REQ_GET ? "GET" : "POST";
        size_t len = strlen(allow);
        snprintf(allow + len, 32 - len, "%s%s", len == 0 ? "" : ", ", name);
        if (i == 0) { /* the path of a bulk would fit an id, too */
            break;
        }
    }
    return NULL;
}

/* --- who may ask ------------------------------------------------------------------------------ */

/* Is it an address, in digits? A web page's name is none, whatever it leads to. */
static bool is_address(const char *host, size_t len)
{
    char text[INET6_ADDRSTRLEN + 2];
    unsigned char address[sizeof(struct in6_addr)];
    if (len >= sizeof text) {
        return false;
    }
    memcpy(text, host, len);
    text[len] = '\0';
    if (text[0] == '[' && text[len - 1] == ']') {
        text[len - 1] = '\0';
        return inet_pton(AF_INET6, text + 1, address) == 1;
    }
    return inet_pton(AF_INET, text, address) == 1;
}

static bool names_us(const struct submit *submit, struct evhttp_request *request, bool is_local)
{
    const char *host = evhttp_find_header(evhttp_request_get_input_headers(request), "Host");
    bool has_target = evhttp_uri_get_host(evhttp_request_get_evhttp_uri(request)) != NULL;
    return http_hosts_match(&submit->options.hosts, request, is_local) ||
           (host != NULL && !has_target && is_address(host, http_host_len(host)));
}

/* Why the request is not even looked at; NULL = it is. */
static const char *find_fault(const struct submit *submit, struct evhttp_request *request)
{
    struct network_address from;
    bool is_local = http_is_local(request, &from);
    if (!is_local && !networks_contain(&submit->options.networks, &from)) {
        return "not from this address (submit.networks)";
    }
    return names_us(submit, request, is_local) ? NULL : "not a host of this relay (http.hosts)";
}

/* Says a POST that its body is JSON? The charset of JSON is UTF-8 (RFC 8259, 8.1). */
static bool is_json(struct evhttp_request *request)
{
    static const char TYPE[] = "application/json";
    const char *type =
        evhttp_find_header(evhttp_request_get_input_headers(request), "Content-Type");
    return type != NULL && strncasecmp(type, TYPE, strlen(TYPE)) == 0 &&
           (type[strlen(TYPE)] == '\0' || strchr("; \t", type[strlen(TYPE)]) != NULL);
}

/* --- what a user asks ------------------------------------------------------------------------- */

static void carry_out(struct call *call, const struct user *user)
{
    struct evhttp_request *request = call->request;
    const struct route *route = call->route;
    call->peer.owner = user->owner;
    call->user = &user->session;
    call->sees_all = (user->session.rights & USER_CONTROLS) != 0;
    call->key = evhttp_find_header(evhttp_request_get_input_headers(request), "Idempotency-Key");
    if ((user->session.rights & route->rights) == 0) {
        call_refuse(call, CALL_FORBIDDEN,
                    (route->rights & USER_SUBMITS) != 0 ? "this user needs the right submit"
                                                        : "this user needs the right ask");
    } else if (route->method == EVHTTP_REQ_POST && !is_json(request)) {
        call_refuse(call, CALL_BAD_TYPE, "the Content-Type must be application/json");
    } else {
        route->carry_out(call);
    }
}

static void on_login(struct call *call, const struct login_result *result)
{
    switch (result->verdict) {
    case LOGIN_RIGHT:
        carry_out(call, result->user);
        break;
    case LOGIN_WRONG:
        call_refuse(call, CALL_UNAUTHORIZED, "the token or password is wrong");
        break;
    case LOGIN_TOO_SOON:
        call_refuse_for_now(call, CALL_TOO_MANY, (result->wait_ms + 999) / 1000,
                            "too many wrong logins");
        break;
    case LOGIN_BUSY:
        call_refuse_for_now(call, HTTP_SERVUNAVAIL, BUSY_SECONDS, reply_text(REPLY_LOGIN_LATER));
        break;
    case LOGIN_PENDING:
        break;
    }
}

static void on_answered(void *client, uint32_t slot, enum login_verdict verdict,
                        const struct user *user)
{
    (void)slot;
    const struct login_result result = {.verdict = verdict, .user = user};
    on_login(client, &result);
}

/* The header's memory is not wiped when it is freed. */
static bool read_credential(struct evhttp_request *request, struct credential *credential)
{
    const char *header =
        evhttp_find_header(evhttp_request_get_input_headers(request), "Authorization");
    bool is_read = credential_read(header, credential);
    if (header != NULL) {
        explicit_bzero((void *)(uintptr_t)header, strlen(header));
    }
    return is_read;
}

/* What tells clients apart: an address of IPv4, or a /64 of IPv6, which one machine may have. */
static const void *source_of(const struct peer *peer, size_t *len)
{
    const uint8_t *v6 = peer->host.v6.s6_addr;
    bool is_v6 = peer->family == AF_INET6;
    bool is_mapped = is_v6 && IN6_IS_ADDR_V4MAPPED(&peer->host.v6);
    *len = is_v6 && !is_mapped ? 8 : sizeof peer->host.v4;
    return is_mapped ? v6 + 12 : v6;
}

static void log_in(struct call *call)
{
    struct credential credential;
    if (!read_credential(call->request, &credential)) {
        call_refuse(call, CALL_UNAUTHORIZED,
                    "no credential: send Authorization: Bearer TOKEN, or Basic with a password");
        return;
    }
    size_t source_len;
    const void *source = source_of(&call->peer, &source_len);
    const struct login_attempt attempt = {.source = source,
                                          .source_len = source_len,
                                          .name = credential.has_name ? credential.name : NULL,
                                          .secret = credential.secret,
                                          .answered = on_answered,
                                          .client = call};
    const struct login_result result = login_try(call->calls->relay->login, &attempt);
    explicit_bzero(&credential, sizeof credential);
    on_login(call, &result);
}

/* --- requests --------------------------------------------------------------------------------- */

static void refuse_path(struct call *call, const char *allow)
{
    if (allow[0] == '\0') {
        call_refuse(call, HTTP_NOTFOUND, "not found");
    } else {
        evhttp_add_header(evhttp_request_get_output_headers(call->request), "Allow", allow);
        call_refuse(call, HTTP_BADMETHOD, "method not allowed");
    }
}

static void on_request(struct evhttp_request *request, void *arg)
{
    struct submit *submit = arg;
    char allow[32];
    const struct route *route = find_route(request, allow);
    struct call *call = call_new(&submit->calls, request, route == NULL ? "HTTP" : route->command);
    if (call == NULL) {
        return;
    }
    call->route = route;
    const char *fault = find_fault(submit, request);
    if (fault != NULL) {
        call_refuse(call, CALL_FORBIDDEN, fault);
    } else if (route == NULL) {
        refuse_path(call, allow);
    } else if (submit->is_stopping) {
        evhttp_add_header(evhttp_request_get_output_headers(request), "Connection", "close");
        call_refuse_for_now(call, HTTP_SERVUNAVAIL, STOPPING_SECONDS, "the relay is stopping");
    } else {
        log_in(call);
    }
}

/* --- life ------------------------------------------------------------------------------------- */

static bool open_listener(struct submit *submit, char *error, size_t error_size)
{
    const struct http_listener_options listener = {
        .address = submit->options.address,
        .limit = {.max = CONNECTIONS_MAX,
                  .request_ms = REQUEST_MS,
                  .stats = submit->calls.relay->stats},
        .max_body = MAX_BODY,
        .idle_seconds = IDLE_SECONDS,
        .methods = EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST | EVHTTP_REQ_PUT |
                   EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH,
    };
    submit->listener = http_listener_new(submit->calls.relay->base, &listener, on_request, submit,
                                         error, error_size);
    return submit->listener != NULL;
}

struct submit *submit_new(const struct relay *relay, const struct submit_options *options,
                          char *error, size_t error_size)
{
    struct submit *submit = calloc(1, sizeof *submit);
    snprintf(error, error_size, "out of memory");
    if (submit == NULL) {
        return NULL;
    }
    submit->calls.relay = relay;
    submit->calls.form = form_new(relay->rules);
    submit->options = *options;
    if (submit->calls.form == NULL || !open_listener(submit, error, error_size)) {
        submit_free(submit);
        return NULL;
    }
    http_listener_log(submit->listener, "submit_listening");
    return submit;
}

void submit_stop(struct submit *submit)
{
    if (submit != NULL) {
        submit->is_stopping = true;
        http_listener_stop(submit->listener);
    }
}

bool submit_has_unsent(const struct submit *submit)
{
    return submit != NULL && http_listener_is_serving(submit->listener);
}

void submit_free(struct submit *submit)
{
    if (submit == NULL) {
        return;
    }
    calls_drop(&submit->calls);
    http_listener_free(submit->listener);
    form_free(submit->calls.form);
    free(submit);
}
