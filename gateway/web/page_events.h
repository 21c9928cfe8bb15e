/*
 * page_events: keeps the open page up to date with server-sent events (HTML Living Standard, 9.2).
 * Their data is JSON:
 *
 *   hello      {"version","run","sandbox","full"}: first; `run` is another one after each start
 *   full       {"pages"}: no place is free; nothing follows. Only for browsers, others get 503
 *   now        {"relaying","held","reason","until","states":{"queued":n,..},
 *              "totals":{"accepted":n,..}}: each second, so that the page knows that the relay is there
 *   samples    [[..],..]: new ones, at first up to 900; see page_samples.h
 *   messages   [..]: after any event of a message; see page_messages.h
 *
 * Owns the samples, which it takes every second, with or without listeners; and the listeners. One
 * that has not read everything gets nothing more until it has, and then what it has missed, so that
 * no more than that is held for it. After LISTENER_SECONDS without reading it is cut off.
 * Thread: the loop's.
 */
#ifndef GATEWAY_WEB_PAGE_EVENTS_H
#define GATEWAY_WEB_PAGE_EVENTS_H

#include <event2/http.h>
#include <stdbool.h>

struct page_events;
struct relay;

enum { PAGE_LISTENERS = 16 }; /* at a time */

/*
 * `relay` must outlive it. `shows_all`: see page_options; `is_sandbox`: is the API simulated?
 * NULL on allocation failure.
 */
struct page_events *page_events_new(const struct relay *relay, bool shows_all, bool is_sandbox);
/* Before evhttp closes its connections. NULL is fine. */
void page_events_free(struct page_events *events);

/* Answers GET /events, and goes on with events. */
void page_events_open(struct page_events *events, struct evhttp_request *request);

#endif
