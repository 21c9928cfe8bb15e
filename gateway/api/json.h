/*
 * json: the API's bodies; with its parts (api_json_match, _words, _value) the only user of
 * jansson on the API's wire format.
 *
 * Writes requests, reads answers in every variant that the API's documentation leaves open, and
 * never guesses: what cannot be matched with certainty is UNKNOWN. Knows no HTTP.
 * Thread: any. Pure.
 */
#ifndef GATEWAY_API_JSON_H
#define GATEWAY_API_JSON_H

#include "proto/message.h"
#include "proto/report.h"

#include <stdbool.h>
#include <stddef.h>

/* What an answer says about one message of a request. */
enum api_item_outcome {
    API_ITEM_UNKNOWN,     /* not mentioned, or not with certainty */
    API_ITEM_ACCEPTED,    /* the API has it */
    API_ITEM_REJECTED,    /* an error of its own */
    API_ITEM_ALREADY_USED /* rejected because its clientId was used before */
};
struct api_item {
    enum api_item_outcome outcome;
    char *answer; /* message_answer_new(API id, reason); the caller's; NULL when there is none */
};

/*
 * The body of POST /sms, resp. of POST /sms/bulk. malloc'ed, `len` without NUL; NULL without memory
 * or when a text is no valid UTF-8. The clientId is always the message's ULID.
 */
char *api_json_single(const struct message *message, size_t *len);
char *api_json_bulk(struct message *const *messages, size_t count, size_t *len);

/*
 * Reads the 2xx body of a POST /sms ({"id"} or {"entity": {"id"}}). Returns false when it is not
 * that: whether the message was taken is then not known.
 */
bool api_json_read_single(const char *body, size_t len, struct api_item *item);

/*
 * Reads the 2xx body of a POST /sms/bulk into `items`, one for each message. Entries are matched by
 * clientId, then index, then echoed fields, then order, and only while that is certain. Told to be
 * both accepted and refused, or accepted twice or without an id, an item is UNKNOWN.
 * Returns false when the body is not of that shape at all, or without memory; every item is then
 * UNKNOWN.
 */
bool api_json_read_bulk(const char *body, size_t len, struct message *const *messages, size_t count,
                        struct api_item *items);

/* What the body of a refusal (4xx, 5xx) says. `reason` is the caller's. */
struct api_refusal {
    bool is_json;         /* a JSON object, as the API sends; not a proxy's page */
    bool names_field;     /* it speaks of a field of the message, not of the request */
    bool is_already_used; /* it says that the clientId was used before */
    char *reason; /* its words, at most 200 bytes of UTF-8; malloc'ed; NULL when there are none */
};
/* Anything may be given, also an empty body. Without memory there is no reason, or no JSON. */
void api_json_read_refusal(const char *body, size_t len, struct api_refusal *refusal);

/* One page of GET /sms, or what GET /sms/{id} shows: a page with one entry. */
struct api_history_entry {
    char *id;             /* the API's id; never NULL, "" when the entry has none */
    char *client_id;      /* NULL when the entry has none */
    struct report report; /* its status, "" when the entry has none; without a time */
};
struct api_history {
    struct api_history_entry *entries;
    size_t count;
};
/*
 * Reads {"entities": [..]}, {"data": [..]} or a bare array. Returns false when the body is not a
 * page, an entry in it is no object, or without memory; nothing is to be freed then.
 */
bool api_json_read_history(const char *body, size_t len, struct api_history *page);
/* The same of one message: the object itself, or {"entity": {..}}, {"data": {..}}; or a page. */
bool api_json_read_message(const char *body, size_t len, struct api_history *page);
/* Frees what the page holds; a page that was read or is all zero. */
void api_history_free(struct api_history *page);

#endif
