/*
 * json: the bodies of the API's answers.
 *
 * Reads every variant that the API's documentation leaves open, and never guesses: what cannot be
 * matched with certainty is UNKNOWN. Leaves to its parts: which message an entry is about (match),
 * what an error says (words), single values (value). Knows no HTTP. Thread: any. Pure.
 */
#ifndef GATEWAY_API_JSON_H
#define GATEWAY_API_JSON_H

#include "gateway/api/item.h"
#include "proto/message.h"
#include "proto/report.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Bodies are read as they were meant (see load.h), lists and single objects also where a member
 * `data` holds them, and lists also where they come as objects (see list.h). Where it matters
 * whether a body says nothing, or memory ran out: errno is ENOMEM then, else something else.
 */

/*
 * Reads the 2xx body of a POST /sms: {"id"}, {"entity": {"id"}}, or what answers a bulk of one.
 * Returns false when it is neither: then it is not known whether the message was taken.
 */
bool api_json_read_single(const char *body, size_t len, struct api_item *item);

/*
 * Reads the 2xx body of a POST /sms/bulk into `items`, one for each message. Entries are matched to
 * messages where that is certain (see match.h). An item that is both accepted and refused, or is
 * accepted twice or without an id, is UNKNOWN. Returns false, with every item UNKNOWN, when the
 * body has another shape, or on allocation failure.
 */
bool api_json_read_bulk(const char *body, size_t len, struct message *const *messages, size_t count,
                        struct api_item *items);

enum { API_FAULT_SIZE = 64 };
/* Says why a 2xx body cannot be read: where the JSON breaks, or what it lacks. Quotes nothing of it,
 * for it may repeat a message. */
void api_json_fault(const char *body, size_t len, char fault[API_FAULT_SIZE]);

/* What the body of a refusal (4xx, 5xx) says. */
struct api_refusal {
    bool is_unread;       /* on allocation failure: it may say anything */
    bool is_json;         /* a JSON object, as the API sends, not a proxy's page */
    bool names_field;     /* it speaks of a field of the message, not of the request */
    bool is_already_used; /* it says that the clientId was used before */
    char *reason; /* its words, at most 200 bytes of UTF-8; the caller's, malloc'ed; NULL = none */
};
/* Takes any body, also an empty one. */
void api_json_read_refusal(const char *body, size_t len, struct api_refusal *refusal);

/* A page of GET /sms. What GET /sms/{id} shows is a page with one entry. */
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
 * Reads {"entities": [..]}, {"data": [..]} or a bare list. Returns false, with nothing to free,
 * when the body is no page, when an entry is no object, or on allocation failure.
 */
bool api_json_read_history(const char *body, size_t len, struct api_history *page);
/* Reads one message: the object itself, {"entity": {..}}, {"data": {..}}, or a page. */
bool api_json_read_message(const char *body, size_t len, struct api_history *page);
/* Frees what a page holds that was read, or is all zero. */
void api_history_free(struct api_history *page);

#endif
