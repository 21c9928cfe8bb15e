/* calls: see calls.h. */
#include "gateway/sandbox/calls.h"

#include "gateway/sandbox/body.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DEFAULT_PER_PAGE = 50, MAX_PER_PAGE = 100 };

/* --- answers ---------------------------------------------------------------------------------- */

void sandbox_answer_nothing(struct sandbox_exchange *x, int status)
{
    x->answer.status = status;
    if (x->reply != NULL) {
        evbuffer_free(x->reply);
    }
    x->reply = NULL;
}

void sandbox_answer_json(struct sandbox_exchange *x, int status, json_t *value)
{
    sandbox_answer_nothing(x, status);
    evhttp_remove_header(evhttp_request_get_output_headers(x->http), "Content-Type");
    x->reply = sandbox_body_json(x->http, value);
}

void sandbox_answer_message(struct sandbox_exchange *x, int status, const char *message)
{
    sandbox_answer_json(x, status, json_pack("{s:s}", "message", message));
}

/* Answers with one message; takes ownership of it. */
static void answer_one(struct sandbox_exchange *x, int status, json_t *message)
{
    bool is_nested = x->sandbox->settings.single_style == SANDBOX_SINGLE_NESTED;

    sandbox_answer_json(x, status, is_nested ? json_pack("{s:o}", "entity", message) : message);
}

/* --- POST /sms and /sms/bulk ------------------------------------------------------------------ */

static void refuse_item(struct sandbox_exchange *x, const struct sandbox_item *item, json_t *errors)
{
    char *reason = sandbox_item_reason(errors);

    if (x->takes) {
        sandbox_store_refuse(&x->sandbox->store, item, reason == NULL ? "" : reason, x->now_ms);
    }
    free(reason);
}

static void accept_item(struct sandbox_exchange *x, const struct sandbox_item *item,
                        const struct sandbox_outcome *outcome, char id[SANDBOX_ID_SIZE])
{
    struct sandbox_store *store = &x->sandbox->store;
    const struct sandbox_message *message;

    if (!x->takes) {
        sandbox_store_id(store, sandbox_store_unkept_number(store), id);
        return;
    }
    message = sandbox_store_accept(store, item, outcome, x->now_ms);
    if (message == NULL) {
        abort(); /* a simulator that loses messages proves nothing */
    }
    sandbox_store_id(store, message->number, id);
    sandbox_reports_schedule(x->sandbox->reports, message, id);
}

/* Applies `duplicate_client_id`. Returns true if it decided the item: set its id, or an error. */
static bool is_repeated(struct sandbox_exchange *x, const struct sandbox_item *item,
                        json_t **errors, char id[SANDBOX_ID_SIZE])
{
    struct sandbox_store *store = &x->sandbox->store;
    const struct sandbox_message *earlier =
        item->client_id == NULL ? NULL : sandbox_store_by_client_id(store, item->client_id);

    if (earlier == NULL) {
        return false;
    }
    store->counts.repeated_client_ids += x->takes;
    switch ((enum sandbox_duplicate)x->sandbox->settings.duplicate_client_id) {
    case SANDBOX_DUPLICATE_NEW:
        return false;
    case SANDBOX_DUPLICATE_SAME:
        sandbox_store_id(store, earlier->number, id);
        return true;
    case SANDBOX_DUPLICATE_ERROR:
        *errors = sandbox_item_refuse(*errors, "clientId", "has already been used");
        return true;
    }
    return false;
}

/* Decides one item. Returns NULL and sets `id` if it is accepted, else its errors, a new object. */
static json_t *take(struct sandbox_exchange *x, const json_t *object, struct sandbox_item *item,
                    char id[SANDBOX_ID_SIZE])
{
    const struct sandbox_outcome *outcome;
    json_t *errors = sandbox_item_read(object, item);

    outcome = sandbox_outcome_of(x->sandbox->settings.outcomes ? item->to : NULL);
    if (errors == NULL && outcome->refusal != NULL) {
        errors = sandbox_item_refuse(NULL, "to", outcome->refusal);
    }
    if (errors == NULL && !is_repeated(x, item, &errors, id)) {
        accept_item(x, item, outcome, id);
    }
    if (errors != NULL) {
        refuse_item(x, item, errors);
    }
    return errors;
}

void sandbox_post_single(struct sandbox_exchange *x, const json_t *request)
{
    const struct sandbox_settings *settings = &x->sandbox->settings;
    struct sandbox_item item;
    char id[SANDBOX_ID_SIZE];
    json_t *errors;

    if (!json_is_object(request)) {
        sandbox_answer_message(x, 400, "expected one message object");
        return;
    }
    x->record.count = 1;
    errors = take(x, request, &item, id);
    if (errors != NULL) {
        sandbox_answer_json(x, 400,
                            json_pack("{s:s, s:o}", "message", "the message was refused", "errors",
                                      sandbox_item_errors(errors, &settings->style)));
        json_decref(errors);
        return;
    }
    answer_one(x, 201, sandbox_item_entity(&item, id, &settings->style));
}

static bool is_bulk(const json_t *request)
{
    if (json_array_size(request) < 1 || json_array_size(request) > SANDBOX_BULK_MAX) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(request); i++) {
        if (!json_is_object(json_array_get(request, i))) {
            return false;
        }
    }
    return true;
}

/* Puts an entry into a list of the answer, or into the object that stands for one. */
static void list_entry(json_t *list, size_t index, json_t *entry, bool is_first)
{
    char key[24];

    snprintf(key, sizeof key, "%zu", index);
    if (json_is_object(list)) {
        json_object_set_new(list, key, entry);
    } else if (is_first) {
        json_array_insert_new(list, 0, entry);
    } else {
        json_array_append_new(list, entry);
    }
}

static void take_item(struct sandbox_exchange *x, const json_t *object, size_t index,
                      json_t *entities, json_t *refused)
{
    const struct sandbox_settings *settings = &x->sandbox->settings;
    struct sandbox_item item;
    char id[SANDBOX_ID_SIZE];
    json_t *errors = take(x, object, &item, id);

    if (errors != NULL) {
        list_entry(refused, index, sandbox_item_error_entry(&item, index, errors, &settings->style),
                   false);
        json_decref(errors);
        return;
    }
    list_entry(entities, index, sandbox_item_entity(&item, id, &settings->style),
               settings->entities_order == SANDBOX_ORDER_REVERSED);
}

void sandbox_post_bulk(struct sandbox_exchange *x, const json_t *request)
{
    const int64_t reject_all_status = x->sandbox->settings.reject_all_bulk_status;
    const bool has_keys = x->sandbox->settings.lists_as == SANDBOX_LISTS_OBJECT;
    json_t *answer, *entities, *refused;

    if (json_is_array(request)) {
        x->record.count = json_array_size(request);
    }
    if (!is_bulk(request)) {
        sandbox_answer_message(x, 400, "expected an array of 1 to 100 message objects");
        return;
    }
    entities = has_keys ? json_object() : json_array();
    refused = has_keys ? json_object() : json_array();
    for (size_t i = 0; i < json_array_size(request); i++) {
        take_item(x, json_array_get(request, i), i, entities, refused);
    }
    answer = json_pack("{s:O, s:o}", "entities", entities, "errors", refused);
    if (json_array_size(entities) + json_object_size(entities) == 0 && reject_all_status != 0) {
        json_object_set_new(answer, "message", json_string("every message was refused"));
        sandbox_answer_json(x, (int)reject_all_status, answer);
    } else {
        sandbox_answer_json(x, 201, answer);
    }
    json_decref(entities);
}

/* --- GET /sms and /sms/{id} ------------------------------------------------------------------- */

static json_t *history_entry(const struct sandbox_exchange *x,
                             const struct sandbox_message *message)
{
    const struct sandbox_settings *settings = &x->sandbox->settings;
    time_t at = (time_t)(message->at_ms / 1000 + settings->date_offset_s);
    char id[SANDBOX_ID_SIZE], created[sizeof "2026-04-21T10:15:00Z"] = "";
    struct tm utc;

    sandbox_store_id(&x->sandbox->store, message->number, id);
    strftime(created, sizeof created, "%FT%TZ", gmtime_r(&at, &utc));
    return json_pack("{s:s, s:s*, s:s, s:s, s:s, s:s, s:s*}", "id", id, "clientId",
                     settings->history_client_id ? message->item.client_id : NULL, "from",
                     message->item.from, "to", message->item.to, "text", message->item.text,
                     "status", sandbox_reports_status(x->sandbox->reports, message, x->now_ms),
                     "createdAt", settings->history_time ? created : NULL);
}

/* A number in the query, 1 to max; `usual` if it is missing or invalid. */
static size_t query_number(struct evkeyvalq *query, const char *name, size_t usual, size_t max)
{
    const char *text = evhttp_find_header(query, name);
    unsigned long n = text == NULL ? 0 : strtoul(text, NULL, 10);

    if (n == 0) {
        return usual;
    }
    return n < max ? n : max;
}

void sandbox_get_history(struct sandbox_exchange *x, const json_t *request)
{
    const struct sandbox *sandbox = x->sandbox;
    const char *text = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(x->http));
    const int64_t stale_ms = x->fault == NULL ? 0 : x->fault->stale_ms;
    const size_t shown = sandbox_store_accepted_until(
        &sandbox->store, x->now_ms - sandbox->settings.history_delay_ms - stale_ms);
    size_t page = 1, per_page = MAX_PER_PAGE;
    json_t *entities;
    struct evkeyvalq query;

    (void)request;
    if (!sandbox->settings.history) {
        sandbox_answer_message(x, 404, "not found");
        return;
    }
    if (sandbox->settings.history_paging) {
        evhttp_parse_query_str(text == NULL ? "" : text, &query);
        page = query_number(&query, "page", 1, INT32_MAX);
        per_page = query_number(&query, "per_page", DEFAULT_PER_PAGE, MAX_PER_PAGE);
        evhttp_clear_headers(&query);
    }
    entities = json_array();
    for (size_t i = (page - 1) * per_page; i < page * per_page && i < shown; i++) {
        json_array_append_new(
            entities, history_entry(x, sandbox_ring_at(&sandbox->store.messages, shown - 1 - i)));
    }
    sandbox_answer_json(x, 200, json_pack("{s:o}", "entities", entities));
}

void sandbox_get_one(struct sandbox_exchange *x, const json_t *request)
{
    const struct sandbox *sandbox = x->sandbox;
    const struct sandbox_message *message =
        sandbox_store_by_id(&sandbox->store, x->path + strlen("/sms/"));

    (void)request;
    if (!sandbox->settings.history || message == NULL ||
        message->at_ms + sandbox->settings.history_delay_ms > x->now_ms) {
        sandbox_answer_message(x, 404, "not found");
    } else {
        answer_one(x, 200, history_entry(x, message));
    }
}
