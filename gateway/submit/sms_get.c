/* sms_get: see sms_get.h. */
#include "gateway/submit/sms_get.h"

#include "gateway/queue/ask.h"
#include "gateway/serve/relay.h"
#include "gateway/store/store.h"
#include "gateway/submit/call.h"
#include "proto/session/user.h"

#include <event2/keyvalq_struct.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PER_PAGE = 50, PER_PAGE_MAX = 100, PAGE_MAX = 100, RETRY_SECONDS = 5 };

/* --- an entry --------------------------------------------------------------------------------- */

/* The API's word for where a message is, which it had or would have said itself. */
static const char *status_word(const struct message_status *status)
{
    switch (status->state) {
    case MESSAGE_QUEUED:
    case MESSAGE_SCHEDULED:
    case MESSAGE_SENDING:
    case MESSAGE_DEFERRED:
        return "accepted";
    case MESSAGE_UNRESOLVED:
        return "unknown";
    case MESSAGE_RELAYED:
        return "sent";
    case MESSAGE_REJECTED:
        return "rejected";
    case MESSAGE_EXPIRED:
        return "expired";
    case MESSAGE_CANCELED:
        return "canceled";
    }
    return "unknown";
}

static void put_if_any(struct buffer *out, const char *name, const char *words)
{
    if (words[0] != '\0') {
        call_put_member(out, name, words, strlen(words));
    }
}

static void put_time(struct buffer *out, int64_t unix_ms)
{
    static const char LEAD[] = " createdAt=";
    struct buffer time = BUFFER_EMPTY;
    reply_time(&time, "createdAt", unix_ms);
    buffer_puts(out, ",\"createdAt\":\"");
    buffer_append(out, time.data + strlen(LEAD), time.len - strlen(LEAD));
    buffer_putc(out, '"');
    out->has_failed = out->has_failed || time.has_failed;
    buffer_free(&time);
}

/* Appends the entry of a message. `status` is freed. */
static void put_entry(struct buffer *out, struct message_status *status)
{
    char id[ULID_SIZE];
    int64_t code;
    bool is_reported = status->report.status[0] != '\0';
    ulid_format(&status->id, id);
    buffer_printf(out, "{\"id\":\"%s\"", id);
    put_if_any(out, "clientId", status->ref);
    put_if_any(out, "from", status->from);
    put_if_any(out, "to", status->to);
    put_if_any(out, "status", is_reported ? status->report.status : status_word(status));
    if (is_reported && report_code_number(status->report.code, &code)) {
        buffer_printf(out, ",\"code\":%" PRId64, code);
    } else if (is_reported) {
        put_if_any(out, "code", status->report.code);
    }
    put_time(out, ulid_time_ms(&status->id));
    put_if_any(out, "state", message_state_name(status->state));
    put_if_any(out, "apiId", message_answer_api_id(status->answer));
    put_if_any(out, "reason", message_answer_reason(status->answer));
    buffer_printf(out, ",\"parts\":%u}", status->parts);
    message_status_free(status);
}

/* --- one message ------------------------------------------------------------------------------ */

static void answer_one(struct call *call, struct message_status *status)
{
    struct buffer json = BUFFER_EMPTY;
    buffer_puts(&json, "{\"entity\":");
    put_entry(&json, status);
    buffer_putc(&json, '}');
    call_answer(call, HTTP_OK, &json);
    buffer_free(&json);
}

static void refuse_unread(struct call *call)
{
    call_refuse_for_now(call, HTTP_SERVUNAVAIL, RETRY_SECONDS, "the store cannot be read now");
}

static void on_found(void *arg, const struct store_question *question)
{
    struct call *call = arg;
    struct message_status status;
    if (question->has_failed) {
        refuse_unread(call);
    } else if (question->count == 0 ||
               (question->messages[0]->owner != call->peer.owner && !call->sees_all)) {
        call_refuse(call, HTTP_NOTFOUND, "not found");
    } else {
        message_status_copy(question->messages[0], &status);
        answer_one(call, &status);
    }
}

static void ask(struct call *call, struct store_question *question,
                void (*answered)(void *arg, const struct store_question *question))
{
    question->answered = answered;
    question->arg = call;
    if (!store_ask(call->calls->relay->store, question)) {
        refuse_unread(call);
    }
}

void sms_get_one(struct call *call)
{
    const struct relay *relay = call->calls->relay;
    const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(call->request));
    const char *word = strrchr(path, '/') + 1;
    struct store_question question = {.kind = STORE_ASK_ID};
    struct message_status status;
    if (!ulid_parse(word, strlen(word), &question.id)) {
        call_refuse(call, HTTP_NOTFOUND, "not found");
    } else if (queue_status(relay->queue, &question.id, call->peer.owner, call->sees_all,
                            &status)) {
        answer_one(call, &status);
    } else if (relay->store != NULL) {
        ask(call, &question, on_found);
    } else {
        call_refuse(call, HTTP_NOTFOUND, "not found");
    }
}

/* --- the history ------------------------------------------------------------------------------ */

static void begin_list(struct buffer *json)
{
    *json = (struct buffer)BUFFER_EMPTY;
    buffer_puts(json, "{\"entities\":[");
}

static void add_to_list(struct buffer *json, struct message_status *status, bool is_first)
{
    if (!is_first) {
        buffer_putc(json, ',');
    }
    put_entry(json, status);
}

static void end_list(struct call *call, struct buffer *json)
{
    buffer_puts(json, "]}");
    call_answer(call, HTTP_OK, json);
    buffer_free(json);
}

/* Of what is in memory, memory knows more than the store. */
static void on_listed(void *arg, const struct store_question *question)
{
    struct call *call = arg;
    struct queue *queue = call->calls->relay->queue;
    struct buffer json;
    if (question->has_failed) {
        refuse_unread(call);
        return;
    }
    begin_list(&json);
    for (size_t i = 0; i < question->count; i++) {
        const struct message *m = question->messages[i];
        struct message_status status;
        if (!queue_status(queue, &m->id, m->owner, false, &status)) {
            message_status_copy(m, &status);
        }
        add_to_list(&json, &status, i == 0);
    }
    end_list(call, &json);
}

static void list_from_memory(struct call *call)
{
    struct queue *queue = call->calls->relay->queue;
    size_t skip = (call->page - 1) * call->per_page;
    size_t count;
    struct buffer json;
    struct ulid *ids = queue_list_owner(queue, call->peer.owner, skip + call->per_page, &count);
    begin_list(&json);
    size_t listed = 0;
    for (size_t i = skip; i < count; i++) {
        struct message_status status;
        if (queue_status(queue, &ids[i], call->peer.owner, false, &status)) {
            add_to_list(&json, &status, listed++ == 0);
        }
    }
    free(ids);
    end_list(call, &json);
}

/* A number in the query, 1 to max; `usual` if it is missing or none. */
static size_t query_number(struct evkeyvalq *query, const char *name, size_t usual, size_t max)
{
    const char *text = evhttp_find_header(query, name);
    unsigned long n = text == NULL ? 0 : strtoul(text, NULL, 10);
    return n == 0 ? usual : n < max ? n : max;
}

static void read_query(struct call *call)
{
    const char *text = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(call->request));
    struct evkeyvalq query = {0};
    TAILQ_INIT(&query);
    evhttp_parse_query_str(text == NULL ? "" : text, &query);
    call->page = query_number(&query, "page", 1, PAGE_MAX);
    call->per_page = query_number(&query, "per_page", PER_PAGE, PER_PAGE_MAX);
    evhttp_clear_headers(&query);
}

void sms_get_list(struct call *call)
{
    struct store_question question = {.kind = STORE_ASK_OWNER, .owner = call->peer.owner};
    read_query(call);
    question.max = call->per_page;
    question.skip = (call->page - 1) * call->per_page;
    if (call->calls->relay->store != NULL) {
        ask(call, &question, on_listed);
    } else {
        list_from_memory(call);
    }
}
