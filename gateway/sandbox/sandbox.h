/*
 * sandbox: the Transactional API, simulated.
 *
 * Owns a small HTTP server that answers as the API does, records what it is sent and fails on
 * demand: people try the relay without a token; the end-to-end tests queue faults and read the
 * record. It knows nothing of the relay. Thread: that of the event base it is given; thread.h
 * starts one of its own.
 *
 * THE API, below /transactional/v1
 *
 *   POST /sms           one message object      201 {"id":..}
 *   POST /sms/bulk      array of 1 to 100       201 {"entities":[..],"errors":[..]}
 *   GET  /sms           history, newest first   200 {"entities":[..]}  ?page=1&per_page=50 (<= 100)
 *   GET  /sms/{id}      one message             200 {"id":..,"status":..,..}, 404
 *
 * Checks are made in this order: path (404), method (405 with Allow), `Authorization: Bearer`
 * (401), rate window (429, empty body), faults, size of the body (413), its shape (400), each item.
 * Errors carry {"message":..}. A single message that is refused gets 400
 * {"message":..,"errors":..}, which names the field at fault:
 *   from          1 to 11 characters, or 3 to 15 digits with or without "+"
 *   to            "+" and 8 to 15 digits without a leading 0
 *   text          required, not empty
 *   clientId      optional, 1 to 40 characters
 *   allowUnicode  optional, a boolean
 * An item that is not an object, an empty array or an array of more than 100: 400 for the whole
 * request.
 *
 * Rate windows are fixed. There is one each for `single`, `bulk` and `history` (both GETs); its
 * first request opens it. Every authorised request counts, faulty ones too. All answers of these
 * four calls carry X-RateLimit-Limit, -Remaining and -Reset (Unix time in seconds, rounded up, so
 * that a client that waits until then finds the window open).
 *
 * The last four digits of `to` choose what becomes of a message (`smsrelay sandbox --help` prints
 * the table of outcomes.c):
 *
 *   9001  refused: a field error on `to`            9006  report `error`, code 30
 *   9002  report `failed`, code 21                  9007  report `rejected`, code 40
 *   9003  report `delivered`, but late              9008  reports `sent`, `buffered`, `delivered`
 *   9004  report `stop`                             9009  no report ever
 *   9005  report `expired`                          9010  report `delivered` twice, then `sent`
 *   else  report `delivered`, code 0
 *
 * Reports go to the webhook as POST {"id","clientId","status","code","eventAt"} after
 * `report_delay_ms`, late ones after `report_late_ms`. One that gets no 2xx within 5 s is sent again
 * after `report_retry_ms`, then after twice as long each time, ten times in all. The reports of a
 * message follow one another, `report_delay_ms` apart. At most 100,000 reports wait at a time; more
 * are dropped and counted. Without a webhook nothing is sent, but `status` in GET /sms still
 * changes.
 *
 * Web pages get 403: requests with an Origin, or with a Host that is not loopback.
 *
 * THE CONTROL CALLS, below /sandbox: from loopback only, without a token, not recorded. Bodies are
 * JSON. An invalid body gets 400 {"message":..,"unknown":[names]} and changes nothing.
 *
 * POST /sandbox/faults     a fault or an array of faults, appended; 201 {"added":[index,..]}
 * GET  /sandbox/faults     200 {"faults":[{"index":0,"used":0,"fault":{..}},..]}: those left
 * DELETE /sandbox/faults   200; deletes them all, indexes start at 0 again
 *
 *   Each authorised request within the limit is compared with the faults in order; the first that
 *   matches strikes, and is used up by one. All members are optional:
 *   on          "single", "bulk", "history" (GET /sms), "any" (default; GET /sms/{id} too)
 *   containing  text that must occur in the body of the request, byte for byte
 *   skip        let this many matching requests pass (0); they go on to the next faults
 *   count       how often it strikes (1); -1 = always
 *   status      answer with this status
 *   body        a string (sent as it is, "" = no body) or another JSON value (sent as JSON).
 *               By default {"message":..} with `status`, the usual answer without
 *   content_type  of the answer (application/json, text/plain for a string)
 *   headers     {"Name":"value"}: added or replaced; null = left out
 *   accept      were the messages accepted before the fault struck? True by default where the
 *               usual answer is sent whole, however late; false with `status`, `body`, `drop`,
 *               `truncate`, `hang_ms` -1. If false with the usual answer, that answer is a lie.
 *   drop        true: close the connection without an answer; by RST with `reset`: true
 *   hang_ms     wait this long, on top of the latency, before answering or dropping; -1 = for ever
 *   truncate    send only this many bytes of the body under the full Content-Length, then close
 *   no_rate_headers  true: no X-RateLimit-*
 *   rate        {"limit":..,"remaining":..,"reset":..}: values (number or string) to send instead;
 *               null = leave that header out
 *   close_idle  true: answer this request as usual, and close the connection without an answer to
 *               the next one on it. `accept` (default false) then tells whether the messages of
 *               that next request are accepted; those of this one always are.
 *
 * PUT /sandbox/settings    changes the settings given, all or none; 200 with all, as GET
 * GET /sandbox/settings    200; never shows `token`
 *
 *   limit 1200, window_ms 60000     per window; open windows get a new limit at once
 *   latency_ms 0                    before every answer of the API
 *   token                           null = accept any bearer token
 *   max_body 1048576                bytes; larger: 413
 *   rate_headers true               false: no X-RateLimit-* at all
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
 *   duplicate_client_id "new"       a clientId that was accepted before makes a new message;
 *                                   "same": gets the first one's id, no new message; "error": gets
 *                                   a field error on clientId ("has already been used")
 *   reject_all_bulk_status 0        not 0: the status of a bulk of which every item is refused
 *   history true                    false: GET /sms and GET /sms/{id} are 404
 *   history_client_id true          do entries carry `clientId`?
 *   history_time true               do entries carry `createdAt`?
 *   history_paging true             false: page and per_page are ignored, always the newest 100
 *   history_delay_ms 0              messages appear in GET /sms and /sms/{id} this long after
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
 *   Oldest first. `status` of a request is 0 if it was never answered; `path` is without the base
 *   path; `query` is there only if the request had one; `fault` is the fault's index; `connection`
 *   counts connections from 1; `count` is the number of items in the body (0 if it could not be
 *   read). Members that an item did not have are left out.
 * GET /sandbox/record?summary=1   200, counts only
 *   {"requests":{"single":n,"bulk":n,"history":n,"other":n},"messages":n,"rejected":n,
 *    "distinct_client_ids":n,"repeated_client_ids":n,"full_bulks":n,"over_limit":n,
 *    "status":{"201":n,"0":n,..},"connections":n,
 *    "reports":{"delivered":n,"failed":n,"retried":n,"dropped":n,"waiting":n}}
 *   messages: accepted, new ones only; distinct_client_ids: of those. repeated_client_ids: items
 *   whose clientId had been accepted before (within `keep`), whatever their answer. full_bulks: bulk
 *   requests of 100 items. history counts GET /sms only; GET /sms/{id} is among other.
 * GET /sandbox/messages    200; the newest messages, newest first, as in the record
 *   ?newest=50             {"messages":[..],"webhook":true}; `newest` is 50 (at most 1000), `webhook`
 *                          tells whether there is one. Costs the same however long the record is.
 * DELETE /sandbox/record   200; deletes requests, messages, counts, rate windows, waiting reports
 *
 * POST /sandbox/reports    {"id":.. or "clientId":.., "status":.., "code":0, "message":".."}: sends
 *                          this report now; 202, 404 (no such message), 409 (no webhook). `message`
 *                          (optional) makes it an inbound message.
 */
#ifndef GATEWAY_SANDBOX_SANDBOX_H
#define GATEWAY_SANDBOX_SANDBOX_H

#include "gateway/base/listen.h"

#include <stddef.h>
#include <stdint.h>

struct event_base;
struct sandbox;

enum { SANDBOX_URL_SIZE = 128 };

/* Where a sandbox listens and how it starts. Strings are copied. */
struct sandbox_options {
    struct listen_address address;
    const char *token;   /* the bearer token it wants; NULL or "" = any */
    int64_t latency_ms;  /* before every answer */
    int limit;           /* requests per window and endpoint; 0 = 1200 */
    int64_t window_ms;   /* 0 = 60,000 */
    const char *webhook; /* URL for delivery reports, or NULL */
};

/*
 * Binds, and serves while `base` runs. The base must outlive the sandbox. Thread: the base's.
 * Returns NULL, with a sentence in `error`, when it cannot bind, an option is out of range or on
 * allocation failure.
 */
struct sandbox *sandbox_new(struct event_base *base, const struct sandbox_options *options,
                            char *error, size_t error_size);

/* Where it listens. Borrowed. */
const struct listen_address *sandbox_address(const struct sandbox *sandbox);

/* What api.url must be for a sandbox at this address. */
void sandbox_url(const struct listen_address *address, char url[SANDBOX_URL_SIZE]);

/* Closes every connection, unanswered requests too. NULL is fine. */
void sandbox_free(struct sandbox *sandbox);

#endif
