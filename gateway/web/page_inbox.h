/*
 * page_inbox: the messages that the simulated API in this process has accepted, as a phone would show
 * them, and the reports that the page's buttons send.
 *
 * Asks the simulator through its control calls (SANDBOX.md), over loopback, since it runs in a thread of
 * its own; if it is slow, only the page waits. The page gets:
 *
 *   {"messages":[{"id","message","from","to","at","status","encoding","units","parts":["..",..]},..],
 *    "webhook":true}
 *
 * newest first, with each text split into its parts; `message` is the relay's id;
 * `webhook`: can reports be sent?
 * Owns the connection to the simulator and the requests that wait for an answer. Thread: the loop's.
 */
#ifndef GATEWAY_WEB_PAGE_INBOX_H
#define GATEWAY_WEB_PAGE_INBOX_H

#include "gateway/base/listen.h"

#include <event2/http.h>
#include <stdbool.h>

struct page_inbox;

/* `sandbox` is where the simulator listens. `shows_all`: see page_options. NULL on allocation failure. */
struct page_inbox *page_inbox_new(struct event_base *base, const struct listen_address *sandbox,
                                  bool shows_all);
/* Before evhttp frees its requests. NULL is fine. */
void page_inbox_free(struct page_inbox *inbox);

/* Answers GET /inbox. */
void page_inbox_show(struct page_inbox *inbox, struct evhttp_request *request);

/*
 * Answers POST /inbox/report, {"id":"..","status":".."} or {"id":"..","message":".."}: has the
 * simulator send that report, or that message from the phone. 202, 400, or the simulator's answer.
 */
void page_inbox_report(struct page_inbox *inbox, struct evhttp_request *request);

#endif
