/* page_inbox: see page_inbox.h. */
#include "gateway/web/page_inbox.h"

#include "gateway/base/http_listen.h"
#include "gateway/base/log.h"
#include "gateway/web/page_answer.h"
#include "proto/text.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum {
    ASKS_MAX = 16, /* as many as pages can be open: more would be a fault */
    ANSWER_SECONDS = 5,
    ANSWER_MAX = 16 << 20,
    INBOUND_MAX = 160 /* bytes of a message from the phone */
};

/* A request of the page that waits for the simulator. */
struct ask {
    LIST_ENTRY(ask) entry;
    struct page_inbox *inbox;
    struct evhttp_request *request; /* the page's */
    void (*answer)(struct ask *ask, int status, json_t *content);
};

struct page_inbox {
    bool shows_all;
    struct evhttp_connection *connection; /* to the simulator */
    LIST_HEAD(asks, ask) asks;
    size_t ask_count;
};

/* --- asking the simulator --------------------------------------------------------------------- */

static void ask_free(struct ask *ask)
{
    LIST_REMOVE(ask, entry);
    ask->inbox->ask_count--;
    free(ask);
}

/* The simulator has answered, or will not. */
static void on_answer(struct evhttp_request *answer, void *arg)
{
    struct ask *ask = arg;
    int status = answer == NULL ? 0 : evhttp_request_get_response_code(answer);
    json_t *content = NULL;
    if (status != 0) {
        struct evbuffer *body = evhttp_request_get_input_buffer(answer);
        size_t len = evbuffer_get_length(body);
        content = json_loadb(len == 0 ? "" : (const char *)evbuffer_pullup(body, -1), len, 0, NULL);
    }
    if (content == NULL) {
        http_answer_line(ask->request, HTTP_SERVUNAVAIL, "the simulated API does not answer");
    } else {
        ask->answer(ask, status, content);
    }
    json_decref(content);
    ask_free(ask);
}

/* Sends the request to the simulator, a POST if it has a `body` (owned). Returns false on failure. */
static bool send_ask(struct ask *ask, const char *path, json_t *body)
{
    enum evhttp_cmd_type method = body == NULL ? EVHTTP_REQ_GET : EVHTTP_REQ_POST;
    struct evhttp_request *request = evhttp_request_new(on_answer, ask);
    char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    bool is_made = request != NULL && (method == EVHTTP_REQ_GET || text != NULL);
    if (is_made && text != NULL) {
        evbuffer_add(evhttp_request_get_output_buffer(request), text, strlen(text));
    }
    free(text);
    json_decref(body);
    if (!is_made) {
        if (request != NULL) {
            evhttp_request_free(request);
        }
        return false;
    }
    evhttp_add_header(evhttp_request_get_output_headers(request), "Host", "localhost");
    return evhttp_make_request(ask->inbox->connection, request, method, path) == 0;
}

static void ask_simulator(struct page_inbox *inbox, struct evhttp_request *request,
                          const char *path, json_t *body,
                          void (*answer)(struct ask *ask, int status, json_t *content))
{
    struct ask *ask = inbox->ask_count < ASKS_MAX ? calloc(1, sizeof *ask) : NULL;
    if (ask == NULL) {
        json_decref(body);
        http_answer_line(request, HTTP_SERVUNAVAIL, "too many requests at a time");
        return;
    }
    *ask = (struct ask){.inbox = inbox, .request = request, .answer = answer};
    LIST_INSERT_HEAD(&inbox->asks, ask, entry);
    inbox->ask_count++;
    if (!send_ask(ask, path, body)) {
        http_answer_line(request, HTTP_SERVUNAVAIL, "cannot call the simulated API");
        ask_free(ask);
    }
}

/* --- GET /inbox ------------------------------------------------------------------------------- */

static const char *member(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text == NULL ? "" : text;
}

/* The text, split into its parts. */
static json_t *split(const char *text, size_t len, unsigned count)
{
    size_t *ends = calloc(count, sizeof *ends);
    json_t *parts = json_array();
    if (ends != NULL) {
        text_split(text, len, ends, count);
    }
    for (size_t i = 0, from = 0; ends != NULL && i < count; from = ends[i++]) {
        json_array_append_new(parts, json_stringn(text + from, ends[i] - from));
    }
    free(ends);
    return parts;
}

static json_t *show_message(const json_t *message, bool shows_all)
{
    const char *text = member(message, "text"), *to = member(message, "to");
    struct text_size size = text_measure(text, strlen(text));
    char masked[LOG_MASKED_SIZE];
    log_mask_number(to, strlen(to), masked);
    return json_pack("{s:s, s:s, s:s, s:s, s:O?, s:s, s:s, s:i, s:o}", "id", member(message, "id"),
                     "message", member(message, "clientId"), "from", member(message, "from"), "to",
                     shows_all ? to : masked, "at", json_object_get(message, "at_ms"), "status",
                     member(message, "status"), "encoding", text_encoding_name(size.encoding),
                     "units", (int)size.units, "parts", split(text, strlen(text), size.parts));
}

static void answer_messages(struct ask *ask, int status, json_t *content)
{
    json_t *messages = json_array(), *message;
    size_t i;
    (void)status;
    json_array_foreach(json_object_get(content, "messages"), i, message)
    {
        json_array_append_new(messages, show_message(message, ask->inbox->shows_all));
    }
    page_answer_json(ask->request, HTTP_OK,
                     json_pack("{s:o, s:O?}", "messages", messages, "webhook",
                               json_object_get(content, "webhook")));
}

void page_inbox_show(struct page_inbox *inbox, struct evhttp_request *request)
{
    ask_simulator(inbox, request, "/sandbox/messages?newest=30", NULL, answer_messages);
}

/* --- POST /inbox/report ----------------------------------------------------------------------- */

static bool is_status(const char *word)
{
    static const char *const statuses[] = {"sent",     "accepted", "buffered", "delivered",
                                           "error",    "failed",   "expired",  "canceled",
                                           "rejected", "unknown",  "stop"};
    for (size_t i = 0; word != NULL && i < sizeof statuses / sizeof statuses[0]; i++) {
        if (strcmp(word, statuses[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* The body of the simulator's control call for the page's request, a new object; NULL = invalid. */
static json_t *read_report(struct evbuffer *body)
{
    size_t len = evbuffer_get_length(body);
    json_t *asked = json_loadb(len == 0 ? "" : (const char *)evbuffer_pullup(body, -1), len,
                               JSON_REJECT_DUPLICATES, NULL);
    const char *id = NULL, *status = NULL, *message = NULL;
    json_t *report = NULL;
    bool is_read = json_unpack(asked, "{s:s, s?s, s?s !}", "id", &id, "status", &status, "message",
                               &message) == 0;
    if (is_read && message == NULL && is_status(status)) {
        report = json_pack("{s:s, s:s}", "id", id, "status", status);
    } else if (is_read && status == NULL && message != NULL && strlen(message) <= INBOUND_MAX) {
        report = json_pack("{s:s, s:s, s:s}", "id", id, "status", "delivered", "message", message);
    }
    json_decref(asked);
    return report;
}

static void answer_report(struct ask *ask, int status, json_t *content)
{
    page_answer_json(ask->request, status, json_incref(content));
}

void page_inbox_report(struct page_inbox *inbox, struct evhttp_request *request)
{
    json_t *report = read_report(evhttp_request_get_input_buffer(request));
    if (report == NULL) {
        http_answer_line(request, HTTP_BADREQUEST, "expected an id, and a status or a message");
    } else {
        ask_simulator(inbox, request, "/sandbox/reports", report, answer_report);
    }
}

/* --- life ------------------------------------------------------------------------------------- */

struct page_inbox *page_inbox_new(struct event_base *base, const struct listen_address *sandbox,
                                  bool shows_all)
{
    struct page_inbox *inbox = calloc(1, sizeof *inbox);
    if (inbox == NULL) {
        return NULL;
    }
    inbox->shows_all = shows_all;
    LIST_INIT(&inbox->asks);
    inbox->connection = evhttp_connection_base_new(base, NULL, sandbox->host, sandbox->port);
    if (inbox->connection == NULL) {
        free(inbox);
        return NULL;
    }
    evhttp_connection_set_timeout(inbox->connection, ANSWER_SECONDS);
    evhttp_connection_set_max_body_size(inbox->connection, ANSWER_MAX);
    return inbox;
}

void page_inbox_free(struct page_inbox *inbox)
{
    struct ask *ask;
    if (inbox == NULL) {
        return;
    }
    evhttp_connection_free(inbox->connection); /* calls back nobody */
    while ((ask = LIST_FIRST(&inbox->asks)) != NULL) {
        /* evhttp frees only requests that still have a connection. */
        if (evhttp_request_get_connection(ask->request) == NULL) {
            evhttp_request_free(ask->request);
        }
        ask_free(ask);
    }
    free(inbox);
}
