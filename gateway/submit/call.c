/* call: see call.h. */
#include "gateway/submit/call.h"

#include "gateway/base/http_listen.h"
#include "gateway/base/stats.h"
#include "gateway/serve/relay.h"
#include "proto/message.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- life ------------------------------------------------------------------------------------- */

static struct peer peer_of(struct evhttp_request *request)
{
    struct evhttp_connection *connection = evhttp_request_get_connection(request);
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof address;
    getpeername(bufferevent_getfd(evhttp_connection_get_bufferevent(connection)),
                (struct sockaddr *)&address, &len);
    return peer_make((const struct sockaddr *)&address, OWNER_STRANGER);
}

struct call *call_new(struct calls *calls, struct evhttp_request *request, const char *command)
{
    struct call *call = calloc(1, sizeof *call);
    stats_add(calls->relay->stats, STAT_SUBMIT_REQUESTS, 1);
    if (call == NULL) {
        stats_add(calls->relay->stats, STAT_SUBMIT_REFUSED, 1);
        http_answer_line(request, HTTP_SERVUNAVAIL, "out of memory");
        return NULL;
    }
    call->calls = calls;
    call->request = request;
    call->command = command;
    call->peer = peer_of(request);
    LIST_INSERT_HEAD(&calls->open, call, entry);
    return call;
}

static void call_free(struct call *call)
{
    LIST_REMOVE(call, entry);
    json_decref(call->body);
    buffer_free(&call->entities);
    buffer_free(&call->errors);
    free(call);
}

void calls_drop(struct calls *calls)
{
    struct call *call;
    while ((call = LIST_FIRST(&calls->open)) != NULL) {
        /* evhttp frees only requests that still have a connection. */
        if (evhttp_request_get_connection(call->request) == NULL) {
            evhttp_request_free(call->request);
        }
        call_free(call);
    }
}

/* --- answers ---------------------------------------------------------------------------------- */

void call_answer(struct call *call, int status, const struct buffer *json)
{
    struct evbuffer *body = evbuffer_new();
    if (json->has_failed || body == NULL || evbuffer_add(body, json->data, json->len) != 0) {
        http_answer_line(call->request, HTTP_SERVUNAVAIL, "out of memory");
    } else {
        http_answer(call->request, status, "application/json", body);
    }
    if (body != NULL) {
        evbuffer_free(body);
    }
    call_free(call);
}

static void add_header(const struct call *call, const char *name, const char *value)
{
    evhttp_add_header(evhttp_request_get_output_headers(call->request), name, value);
}

void call_refuse(struct call *call, int status, const char *words)
{
    struct buffer json = BUFFER_EMPTY;
    stats_add(call->calls->relay->stats, STAT_SUBMIT_REFUSED, 1);
    journal_request_refused(&call->peer, call->command, status, words);
    if (status == CALL_UNAUTHORIZED) {
        /* Basic would have a browser ask for a password, and send it again by itself. */
        add_header(call, "WWW-Authenticate", "Bearer");
    }
    buffer_puts(&json, "{\"message\":");
    call_put_string(&json, words, strlen(words));
    buffer_putc(&json, '}');
    call_answer(call, status, &json);
    buffer_free(&json);
}

void call_refuse_for_now(struct call *call, int status, int64_t seconds, const char *words)
{
    char text[sizeof "9223372036854775807"];
    snprintf(text, sizeof text, "%" PRId64, seconds);
    add_header(call, "Retry-After", text);
    call_refuse(call, status, words);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static int append(const char *bytes, size_t len, void *out)
{
    buffer_append(out, bytes, len);
    return 0;
}

void call_put_json(struct buffer *out, const json_t *value)
{
    if (value == NULL ||
        json_dump_callback(value, append, out, JSON_COMPACT | JSON_ENCODE_ANY) != 0) {
        out->has_failed = true;
    }
}

/* How many bytes from `at` on stand for themselves (RFC 8259, 7). */
static size_t plain_len(const char *s, size_t at, size_t len)
{
    size_t i = at;
    while (i < len && (unsigned char)s[i] >= ' ' && s[i] != '"' && s[i] != '\\') {
        i++;
    }
    return i - at;
}

/* By itself, since jansson makes a table of its parents for each value that it writes. */
void call_put_string(struct buffer *out, const char *s, size_t len)
{
    buffer_putc(out, '"');
    for (size_t i = 0; i < len; i++) {
        size_t plain = plain_len(s, i, len);
        buffer_append(out, s + i, plain);
        i += plain;
        if (i < len && (unsigned char)s[i] >= ' ') {
            buffer_putc(out, '\\');
            buffer_putc(out, s[i]);
        } else if (i < len) {
            buffer_printf(out, "\\u%04x", (unsigned char)s[i]);
        }
    }
    buffer_putc(out, '"');
}

void call_put_member(struct buffer *out, const char *name, const char *s, size_t len)
{
    buffer_append(out, ",\"", 2);
    buffer_puts(out, name);
    buffer_append(out, "\":", 2);
    call_put_string(out, s, len);
}
