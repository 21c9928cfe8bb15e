/*
 * page_events: what the page is told while it is open, as server-sent events (HTML Living Standard,
 * 9.2). Each event's data is JSON:
 *
 *   hello      {"version","run","sandbox","full"}: first; `run` differs from start to start
 *   now        {"relaying","held","reason","until","states":{"queued":n,..},
 *              "totals":{"accepted":n,..}}: each second
 *   samples    [[..],..]: those that were not told yet, at first up to 900; see page_samples.h
 *   messages   [..]: when some have changed; see page_messages.h
 *
 * Owns the samples, which are taken every second whether anybody listens or not, and the listeners.
 * One that has not read what it was sent is told no more until it has, then what it has missed; so
 * no more than that is ever held for it. After LISTENER_SECONDS without a byte read it is cut off.
 * Thread: the loop's.
 */
#ifndef GATEWAY_WEB_PAGE_EVENTS_H
#define GATEWAY_WEB_PAGE_EVENTS_H

#include <event2/http.h>
#include <stdbool.h>

struct page_events;
struct relay;

enum { PAGE_LISTENERS = 16 }; /* at once; more get 503 */

/*
 * `relay` must outlive it. `shows_all`: see page_options; `is_sandbox`: is the API the simulated one?
 * NULL on allocation failure.
 */
struct page_events *page_events_new(const struct relay *relay, bool shows_all, bool is_sandbox);
/* Before evhttp closes its connections. NULL is fine. */
void page_events_free(struct page_events *events);

/* Answers GET /events: from now on it is told. */
void page_events_open(struct page_events *events, struct evhttp_request *request);

#endif
