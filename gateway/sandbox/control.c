/* control: see control.h. */
#include "gateway/sandbox/control.h"

#include "gateway/base/clock.h"
#include "gateway/sandbox/body.h"
#include "gateway/sandbox/members.h"
#include "gateway/sandbox/parts.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* One control call while it is answered. */
struct control_exchange {
    struct sandbox *sandbox;
    struct evhttp_request *http;
    json_t *request; /* its body, NULL where it has none */
    int status;
    struct evbuffer *reply;
};

/* Takes ownership of the value. */
static void answer(struct control_exchange *x, int status, json_t *value)
{
    x->status = status;
    x->reply = sandbox_body_json(x->http, value);
}

static void answer_message(struct control_exchange *x, int status, const char *message)
{
    answer(x, status, json_pack("{s:s, s:[]}", "message", message, "unknown"));
}

/* --- faults and settings ---------------------------------------------------------------------- */

static void post_faults(struct control_exchange *x)
{
    json_t *indexes = json_array();
    json_t *problem = sandbox_faults_add(&x->sandbox->faults, x->request, indexes);

    if (problem != NULL) {
        answer(x, 400, problem);
    } else {
        answer(x, 201, json_pack("{s:O}", "added", indexes));
    }
    json_decref(indexes);
}

static void get_faults(struct control_exchange *x)
{
    answer(x, 200, sandbox_faults_show(&x->sandbox->faults));
}

static void delete_faults(struct control_exchange *x)
{
    sandbox_faults_clear(&x->sandbox->faults);
    answer(x, 200, json_object());
}

static void get_settings(struct control_exchange *x)
{
    answer(x, 200, sandbox_settings_show(&x->sandbox->settings));
}

static void put_settings(struct control_exchange *x)
{
    json_t *problem = sandbox_settings_merge(&x->sandbox->settings, x->request);

    if (problem != NULL) {
        answer(x, 400, problem);
        return;
    }
    sandbox_store_set_keep(&x->sandbox->store, (size_t)x->sandbox->settings.keep);
    get_settings(x);
}

/* --- the record ------------------------------------------------------------------------------- */

static json_t *show_request(const struct sandbox *sandbox, const void *entry, int64_t now_ms)
{
    const struct sandbox_request *request = entry;
    const char *query = strchr(request->target, '?');
    size_t path_len = query == NULL ? strlen(request->target) : (size_t)(query - request->target);

    (void)sandbox;
    (void)now_ms;
    return json_pack("{s:I, s:I, s:s, s:s%, s:s*, s:I, s:i, s:o, s:I, s:b, s:b}", "n",
                     (json_int_t)request->n, "at_ms", (json_int_t)request->at_ms, "method",
                     request->method, "path", request->target, path_len, "query",
                     query == NULL ? NULL : query + 1, "connection",
                     (json_int_t)request->connection, "status", request->status, "fault",
                     request->fault < 0 ? json_null() : json_integer(request->fault), "count",
                     (json_int_t)request->count, "authorized", (int)request->is_authorized,
                     "over_limit", (int)request->is_over_limit);
}

static json_t *show_item(const struct sandbox_message *message)
{
    const struct sandbox_item *item = &message->item;
    json_t *object = json_pack("{s:s*, s:s*, s:s*, s:s*, s:I, s:I}", "clientId", item->client_id,
                               "from", item->from, "to", item->to, "text", item->text, "request",
                               (json_int_t)message->request, "at_ms", (json_int_t)message->at_ms);

    if (item->unicode != SANDBOX_UNICODE_ABSENT) {
        json_object_set_new(object, "allowUnicode",
                            json_boolean(item->unicode == SANDBOX_UNICODE_YES));
    }
    return object;
}

static json_t *show_message(const struct sandbox *sandbox, const void *entry, int64_t now_ms)
{
    const struct sandbox_message *message = entry;
    json_t *object = show_item(message);
    char id[SANDBOX_ID_SIZE];

    sandbox_store_id(&sandbox->store, message->number, id);
    json_object_set_new(object, "id", json_string(id));
    json_object_set_new(object, "status",
                        json_string(sandbox_reports_status(sandbox->reports, message, now_ms)));
    return object;
}

static json_t *show_rejected(const struct sandbox *sandbox, const void *entry, int64_t now_ms)
{
    json_t *object = show_item(entry);

    (void)sandbox;
    (void)now_ms;
    json_object_set_new(object, "reason",
                        json_string(((const struct sandbox_message *)entry)->reason));
    return object;
}

typedef json_t *show_entry(const struct sandbox *sandbox, const void *entry, int64_t now_ms);

/* Entry by entry: a million messages would take a gigabyte as one JSON value. */
static void show_ring(struct control_exchange *x, const char *name, const struct sandbox_ring *ring,
                      show_entry *show)
{
    const int64_t now_ms = clock_unix_ms();

    evbuffer_add_printf(x->reply, "\"%s\":[", name);
    for (size_t i = 0; i < ring->count; i++) {
        if (i > 0) {
            evbuffer_add(x->reply, ",", 1);
        }
        sandbox_body_add(x->reply, show(x->sandbox, sandbox_ring_at(ring, i), now_ms));
    }
    evbuffer_add(x->reply, "]", 1);
}

static json_t *show_statuses(const struct sandbox_counts *counts)
{
    json_t *object = json_object();
    char name[8];

    for (int status = 0; status <= SANDBOX_MAX_STATUS; status++) {
        if (counts->status[status] == 0) {
            continue;
        }
        snprintf(name, sizeof name, "%d", status);
        json_object_set_new(object, name, json_integer((json_int_t)counts->status[status]));
    }
    return object;
}

static json_t *show_calls(const struct sandbox_counts *counts)
{
    const uint64_t *n = counts->requests;

    return json_pack("{s:I, s:I, s:I, s:I}", "single", (json_int_t)n[SANDBOX_CALL_SINGLE], "bulk",
                     (json_int_t)n[SANDBOX_CALL_BULK], "history",
                     (json_int_t)n[SANDBOX_CALL_HISTORY], "other",
                     (json_int_t)(n[SANDBOX_CALL_ONE] + n[SANDBOX_CALL_OTHER]));
}

static json_t *show_reports(const struct sandbox_report_counts *counts)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "delivered", (json_int_t)counts->delivered,
                     "failed", (json_int_t)counts->failed, "retried", (json_int_t)counts->retried,
                     "dropped", (json_int_t)counts->dropped, "waiting",
                     (json_int_t)counts->waiting);
}

static json_t *show_summary(const struct sandbox *sandbox)
{
    const struct sandbox_counts *counts = &sandbox->store.counts;

    return json_pack(
        "{s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:I, s:o}", "requests", show_calls(counts),
        "messages", (json_int_t)counts->messages, "rejected", (json_int_t)counts->rejected,
        "distinct_client_ids", (json_int_t)counts->distinct_client_ids, "repeated_client_ids",
        (json_int_t)counts->repeated_client_ids, "full_bulks", (json_int_t)counts->full_bulks,
        "over_limit", (json_int_t)counts->over_limit, "status", show_statuses(counts),
        "connections", (json_int_t)counts->connections, "reports",
        show_reports(sandbox_reports_counts(sandbox->reports)));
}

static void get_record(struct control_exchange *x)
{
    const struct sandbox_store *store = &x->sandbox->store;
    const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(x->http));

    if (query != NULL && strcmp(query, "summary=1") == 0) {
        answer(x, 200, show_summary(x->sandbox));
        return;
    }
    x->status = 200;
    x->reply = evbuffer_new();
    if (x->reply == NULL) {
        return;
    }
    evhttp_add_header(evhttp_request_get_output_headers(x->http), "Content-Type",
                      "application/json");
    evbuffer_add(x->reply, "{", 1);
    show_ring(x, "requests", &store->requests, show_request);
    evbuffer_add(x->reply, ",", 1);
    show_ring(x, "messages", &store->messages, show_message);
    evbuffer_add(x->reply, ",", 1);
    show_ring(x, "rejected", &store->rejected, show_rejected);
    evbuffer_add(x->reply, "}", 1);
}

static void delete_record(struct control_exchange *x)
{
    sandbox_reports_clear(x->sandbox->reports);
    sandbox_store_clear(&x->sandbox->store);
    memset(x->sandbox->windows, 0, sizeof x->sandbox->windows);
    answer(x, 200, json_object());
}

/* --- the newest messages ---------------------------------------------------------------------- */

enum { NEWEST = 50, NEWEST_MAX = 1000 };

/* The number in the query "newest=n". */
static size_t read_newest(const struct control_exchange *x)
{
    const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(x->http));
    unsigned long newest = NEWEST;

    if (query != NULL && strncmp(query, "newest=", strlen("newest=")) == 0) {
        newest = strtoul(query + strlen("newest="), NULL, 10);
    }
    return newest < NEWEST_MAX ? newest : NEWEST_MAX;
}

static void get_messages(struct control_exchange *x)
{
    const struct sandbox_ring *ring = &x->sandbox->store.messages;
    const int64_t now_ms = clock_unix_ms();
    const size_t newest = read_newest(x);
    json_t *messages = json_array();

    for (size_t i = 0; i < newest && i < ring->count; i++) {
        const struct sandbox_message *message = sandbox_ring_at(ring, ring->count - 1 - i);
        json_array_append_new(messages, show_message(x->sandbox, message, now_ms));
    }
    answer(x, 200,
           json_pack("{s:o, s:b}", "messages", messages, "webhook",
                     x->sandbox->settings.webhook != NULL));
}

/* --- reports ---------------------------------------------------------------------------------- */

struct report_order {
    char *id, *client_id, *status, *message;
    int64_t code;
};

#define AT(field) offsetof(struct report_order, field)

static const struct sandbox_member report_members[] = {
    {"id", SANDBOX_TEXT, AT(id), 0, 0, NULL},
    {"clientId", SANDBOX_TEXT, AT(client_id), 0, 0, NULL},
    {"status", SANDBOX_TEXT, AT(status), 0, 0, NULL},
    {"message", SANDBOX_TEXT, AT(message), 0, 0, NULL},
    {"code", SANDBOX_INTEGER, AT(code), INT_MIN, INT_MAX, NULL},
    {NULL, SANDBOX_FLAG, 0, 0, 0, NULL},
};

#undef AT

static struct sandbox_message *find_message(const struct sandbox_store *store,
                                            const struct report_order *report)
{
    if (report->id != NULL) {
        return sandbox_store_by_id(store, report->id);
    }
    if (report->client_id != NULL) {
        return sandbox_store_by_client_id(store, report->client_id);
    }
    return NULL;
}

static void send_report(struct control_exchange *x, struct report_order *report)
{
    const struct sandbox_store *store = &x->sandbox->store;
    struct sandbox_message *message = find_message(store, report);
    char id[SANDBOX_ID_SIZE];

    if (report->status == NULL) {
        answer_message(x, 400, "status: is missing");
    } else if (x->sandbox->settings.webhook == NULL) {
        answer_message(x, 409, "there is no webhook");
    } else if (message == NULL) {
        answer_message(x, 404, "no such message");
    } else {
        sandbox_store_id(store, message->number, id);
        sandbox_reports_send(x->sandbox->reports, message, id, report->status, (int)report->code,
                             report->message);
        if (report->message == NULL) {
            sandbox_store_set_status(message, report->status);
        }
        answer(x, 202, json_pack("{s:s}", "id", id));
    }
}

static void post_reports(struct control_exchange *x)
{
    struct report_order report = {0};
    json_t *problem = sandbox_members_check(report_members, x->request);

    if (problem != NULL) {
        answer(x, 400, problem);
    } else if (!sandbox_members_read(report_members, x->request, &report)) {
        answer_message(x, 500, "out of memory");
    } else {
        send_report(x, &report);
    }
    sandbox_members_free(report_members, &report);
}

/* --- the calls -------------------------------------------------------------------------------- */

static const struct control_call {
    const char *path;
    enum evhttp_cmd_type method;
    bool has_body;
    void (*carry_out)(struct control_exchange *x);
} calls[] = {
    {"/sandbox/faults", EVHTTP_REQ_POST, true, post_faults},
    {"/sandbox/faults", EVHTTP_REQ_GET, false, get_faults},
    {"/sandbox/faults", EVHTTP_REQ_DELETE, false, delete_faults},
    {"/sandbox/settings", EVHTTP_REQ_PUT, true, put_settings},
    {"/sandbox/settings", EVHTTP_REQ_GET, false, get_settings},
    {"/sandbox/record", EVHTTP_REQ_GET, false, get_record},
    {"/sandbox/record", EVHTTP_REQ_DELETE, false, delete_record},
    {"/sandbox/messages", EVHTTP_REQ_GET, false, get_messages},
    {"/sandbox/reports", EVHTTP_REQ_POST, true, post_reports},
};

/* Finds the call, or answers 404 or 405. */
static const struct control_call *find_call(struct control_exchange *x)
{
    const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(x->http));
    bool is_known = false;

    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (strcmp(calls[i].path, path) != 0) {
            continue;
        }
        if (calls[i].method == evhttp_request_get_command(x->http)) {
            return &calls[i];
        }
        is_known = true;
    }
    answer_message(x, is_known ? 405 : 404, is_known ? "method not allowed" : "not found");
    return NULL;
}

static void carry_out(struct control_exchange *x, const struct control_call *call)
{
    size_t len;
    const char *body = sandbox_body_of(x->http, &len);
    json_error_t error;

    if (call->has_body) {
        x->request = json_loadb(body == NULL ? "" : body, len, JSON_REJECT_DUPLICATES, &error);
        if (x->request == NULL) {
            answer_message(x, 400, error.text);
            return;
        }
    }
    call->carry_out(x);
    json_decref(x->request);
}

void sandbox_control_serve(struct sandbox *sandbox, struct evhttp_request *request,
                           struct sandbox_peer *peer)
{
    struct control_exchange x = {.sandbox = sandbox, .http = request};
    const struct control_call *call;

    if (!peer->is_loopback) {
        answer_message(&x, 403, "control calls come from loopback only");
    } else if ((call = find_call(&x)) != NULL) {
        carry_out(&x, call);
    }
    sandbox_http_answer(peer, request,
                        &(struct sandbox_answer){.status = x.status, .body = x.reply});
}
