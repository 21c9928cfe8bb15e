/*
 * sandbox: the Transactional API, simulated.
 *
 * Owns a small HTTP server that answers as the API does, remembers what it was given and misbehaves
 * on demand: people try the relay without a token, the end-to-end tests queue faults and read the
 * record. It knows nothing of the relay: only libevent, jansson and the sandbox_* files beside it
 * (settings, faults, store, outcomes, api, reports, http). Thread: the one that runs the event base
 * it was given; thread.h runs one of its own.
 *
 * THE API, below /transactional/v1
 *
 *   POST /sms           one message object      201 {"id":..}
 *   POST /sms/bulk      array of 1 to 100       201 {"entities":[..],"errors":[..]}
 *   GET  /sms           history, newest first   200 {"entities":[..]}  ?page=1&per_page=50 (<= 100)
 *   GET  /sms/{id}      one message             200 {"id":..,"status":..,..}, 404
 *
 * The checks come in this order: path (404), method (405 with Allow), `Authorization: Bearer`
 * (401), rate window (429, empty body), faults, size of the body (413), its shape (400), each item.
 * Errors carry {"message":..}. A single message that is refused gets 400
 * {"message":..,"errors":..}. A message is refused, its field named, when `from` is neither 1 to 11
 * characters nor 3 to 15 digits with or without "+", `to` is not "+" and 8 to 15 digits (no leading
 * 0), `text` is missing or empty, `clientId` has not 1 to 40 characters, `allowUnicode` is not a
 * boolean. An item that is no object, an empty array, an array over 100: 400 for the whole request.
 *
 * Rate windows are fixed, opened by the first request in them, one each for `single`, `bulk` and
 * `history` (both GETs); every authorised request counts, faulty ones too. All answers of these
 * four calls carry X-RateLimit-Limit, -Remaining and -Reset (Unix time in seconds, rounded up, so
 * that who waits for it finds the window open).
 *
 * What becomes of a message is chosen by the last four digits of `to` (`sandbox_outcomes_print`
 * prints the table of gateway/sandbox/outcomes.c):
 *
 *   9001  refused: a field error on `to`            9006  report `error`, code 30
 *   9002  report `failed`, code 21                  9007  report `rejected`, code 40
 *   9003  report `delivered`, but late              9008  reports `sent`, `buffered`, `delivered`
 *   9004  report `stop`                             9009  no report ever
 *   9005  report `expired`                          9010  report `delivered` twice, then `sent`
 *   else  report `delivered`, code 0
 *
 * Reports go to the webhook as POST {"id","clientId","status","code","eventAt"} after
 * `report_delay_ms`, late ones after `report_late_ms`; an answer that is not 2xx or takes longer
 * than 5 s is retried after `report_retry_ms`, then twice as long each time, ten times in all. The
 * reports of one message come one after the other, each `report_delay_ms` after the last. At most
 * 100,000 reports wait at once; what comes on top is dropped and counted. Without a webhook
 * nothing is sent, but `status` in GET /sms changes all the same.
 *
 * Web pages get 403: who sends Origin, or a Host that is not loopback.
 *
 * THE CONTROL CALLS, below /sandbox: from loopback only, no token, not in the record. Bodies are
 * JSON. A body that cannot be used gets 400 {"message":..,"unknown":[names]} and changes nothing.
 *
 * POST /sandbox/faults     a fault or an array of faults, appended; 201 {"added":[index,..]}
 * GET  /sandbox/faults     200 {"faults":[{"index":0,"used":0,"fault":{..}},..]}: those not used up
 * DELETE /sandbox/faults   200; forgets them all, indexes begin at 0 again
 *
 *   Looked at in order for each authorised request within the limit; the first that matches decides
 *   and is used up by one. All members are optional:
 *   on          "single", "bulk", "history" (GET /sms), "any" (default; GET /sms/{id} too)
 *   containing  text that must occur in the body of the request, byte for byte
 *   skip        let so many matching requests pass first (0); those go on to the next faults
 *   count       how often (1); -1 = for ever
 *   status      answer with this status
 *   body        a string (sent as it stands, "" = no body) or another JSON value (sent as JSON).
 *               Left out with `status`: {"message":..}; left out without: the usual answer
 *   content_type  of the answer (application/json, text/plain for a string)
 *   headers     {"Name":"value"}: added or replaced; null = left out
 *   accept      were the messages taken before the fault struck? Default: true where the usual
 *               answer goes out whole, however late; false with `status`, `body`, `drop`,
 *               `truncate`, `hang_ms` -1. With false and the usual answer, it lies.
 *   drop        true: close the connection without an answer; with `reset`: true by RST
 *   hang_ms     answer (or drop) only after so long, on top of the latency; -1 = never
 *   truncate    send only so many bytes of the body under the full Content-Length, then close
 *   no_rate_headers  true: without X-RateLimit-*
 *   rate        {"limit":..,"remaining":..,"reset":..}: values (number or string) to show instead;
 *               null = that header left out
 *   close_idle  true: this request is answered as usual; the next one on the same connection gets
 *               no answer, the connection closes instead. Here `accept` (default false) tells
 *               whether the messages of that next request are taken; this one's always are.
 *
 * PUT /sandbox/settings    merges what is given; 200 with all settings, as GET. All or none.
 * GET /sandbox/settings    200; `token` is never shown
 *
 *   limit 1200, window_ms 60000     per window; windows that are open get the new limit at once
 *   latency_ms 0                    before every answer of the API
 *   token                           null = any bearer token will do
 *   max_body 1048576                bytes; above: 413
 *   rate_headers true               false: X-RateLimit-* nowhere
 *   reset_style "unix"              or "seconds": X-RateLimit-Reset counts from now
 *   retry_after null                seconds: Retry-After on 429 and 503
 *   date_offset_s 0                 shifts Date and X-RateLimit-Reset: a clock that differs
 *   single_style "flat"             {"id":..,..}, or "nested": {"entity":{"id":..,..}}
 *   echo ["clientId","from","to","text"]  what entities repeat (single, bulk, and the errors below)
 *   entities_order "same"           or "reversed"
 *   errors_by "index"               {"index":n,"errors":..}; "clientId":
 *                                   {"clientId":..,"errors":..}; "fields": what `echo` names
 *                                   beside "errors"; "nested": the same under "item"; "none":
 *                                   "errors" alone
 *   errors_as "object"              {"to":["is not.."]}; "list":
 *                                   [{"field":"to","message":"is not.."}]; "string": "to: is not.."
 *   duplicate_client_id "new"       a clientId that was accepted before: a new message; "same": the
 *                                   id of the first one, nothing new; "error": a field error on
 *                                   clientId ("has already been used")
 *   reject_all_bulk_status 0        not 0: a bulk in which every item is refused gets this status
 *   history true                    false: GET /sms and GET /sms/{id} are 404
 *   history_client_id true          do entries carry `clientId`?
 *   history_time true               do entries carry `createdAt`?
 *   history_paging true             false: page and per_page are ignored, always the newest 100
 *   history_delay_ms 0              messages show in GET /sms and /sms/{id} only so long after
 *   outcomes true                   false: every message is accepted and delivered, whatever `to`
 *   webhook null                    http://127.0.0.1:PORT/path (loopback only) for reports
 *   report_delay_ms 100, report_late_ms 5000, report_retry_ms 1000
 *   keep 1000000                    messages (requests, refused items) in the record; the oldest
 *                                   are forgotten first, counts go on
 *
 * GET /sandbox/record      200
 *   {"requests":[{"n":1,"at_ms":<Unix time>,"method":"POST","path":"/sms/bulk","query":"..",
 *                 "connection":1,"status":201,"fault":null,"count":100,"authorized":true,
 *                 "over_limit":false},..],
 *    "messages":[{"id","clientId","from","to","text","allowUnicode","request":n,"at_ms",
 *                 "status"},..],
 *    "rejected":[{"clientId","from","to","text","allowUnicode","request":n,"at_ms","reason"},..]}
 *   Oldest first. `status` of a request is 0 where no answer is ever given; `path` lacks the base
 *   path; `query` is there only if the request had one; `fault` is the fault's index; `connection`
 *   counts connections from 1; `count` is the number of items in the body (0 if it could not be
 *   read). Members that an item did not have are left out.
 * GET /sandbox/record?summary=1   200, counts only
 *   {"requests":{"single":n,"bulk":n,"history":n,"other":n},"messages":n,"rejected":n,
 *    "distinct_client_ids":n,"repeated_client_ids":n,"full_bulks":n,"over_limit":n,
 *    "status":{"201":n,"0":n,..},"connections":n,
 *    "reports":{"delivered":n,"failed":n,"retried":n,"dropped":n,"waiting":n}}
 *   messages: accepted and new. distinct_client_ids: of those. repeated_client_ids: items whose
 *   clientId had been accepted before (within `keep`), whatever they were answered. full_bulks:
 *   bulk requests of 100 items. history counts GET /sms only, GET /sms/{id} is among other.
 * GET /sandbox/messages    200; the newest messages, newest first, as the record shows them
 *   ?newest=50             {"messages":[..],"webhook":true}; `newest` is 50 (at most 1000), `webhook`
 *                          tells whether there is one. Costs what it shows, however long the record.
 * DELETE /sandbox/record   200; forgets requests, messages, counts, rate windows, waiting reports
 *
 * POST /sandbox/reports    {"id":.. or "clientId":.., "status":.., "code":0, "message":".."}: sends
 *                          this report now; 202, 404 (no such message), 409 (no webhook). `message`
 *                          (optional) makes it an inbound message.
 */
#ifndef GATEWAY_SANDBOX_SANDBOX_H
#define GATEWAY_SANDBOX_SANDBOX_H

#include <stddef.h>
#include <stdint.h>

struct event_base;
struct sandbox;

enum { SANDBOX_URL_SIZE = 128 };

/* Where a sandbox listens and how it starts. Strings are copied. */
struct sandbox_options {
    const char *host;    /* a numeric address, "127.0.0.1" */
    uint16_t port;       /* 0 = any free one */
    const char *token;   /* the bearer token it wants; NULL or "" = any */
    int64_t latency_ms;  /* before every answer */
    int limit;           /* requests per window and endpoint; 0 = 1200 */
    int64_t window_ms;   /* 0 = 60,000 */
    const char *webhook; /* URL for delivery reports, or NULL */
};

/*
 * Binds and serves on `base` for as long as the base runs. The caller keeps the base and frees the
 * sandbox first. Thread: the base's.
 * Returns NULL, with a sentence in `error`, when it cannot bind, a setting is out of range or
 * memory is short.
 */
struct sandbox *sandbox_new(struct event_base *base, const struct sandbox_options *options,
                            char *error, size_t error_size);

/* The port it listens on. */
uint16_t sandbox_port(const struct sandbox *sandbox);

/* What api.url must be for a simulator at this (numeric) address. */
void sandbox_url(char url[SANDBOX_URL_SIZE], const char *host, uint16_t port);

/* Closes every connection, unanswered requests too. NULL is fine. */
void sandbox_free(struct sandbox *sandbox);

#endif
