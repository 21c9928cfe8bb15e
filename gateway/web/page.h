/*
 * page: the page at "/", for people: what the relay is doing, or why it is doing nothing.
 *
 * Owns the page as it is served (page.html, embedded in the program) and the token that proves that a
 * button is ours. Leaves what it shows to page_events and page_inbox, and who may use it to http.
 * Thread: the loop's.
 */
#ifndef GATEWAY_WEB_PAGE_H
#define GATEWAY_WEB_PAGE_H

#include "gateway/base/listen.h"

#include <event2/http.h>
#include <stdbool.h>

struct page;
struct relay;

struct page_options {
    bool shows_all; /* whole numbers and the API's reasons; otherwise numbers are masked */
    /* Where the simulated API in this process listens, whose messages are the inbox; port 0 = the
     * API is not simulated. */
    struct listen_address sandbox;
};

/* `relay` must outlive it; options are copied. Returns NULL, with a sentence in `error`, on failure. */
struct page *page_new(const struct relay *relay, const struct page_options *options, char *error,
                      size_t error_size);
/* Releases its requests, which evhttp frees afterwards. NULL is fine. */
void page_free(struct page *page);

/* GET /: the page itself. Each of these answers the request, now or later. */
void page_show(struct page *page, struct evhttp_request *request);
/* GET /events: see page_events.h. */
void page_tell_events(struct page *page, struct evhttp_request *request);
/* GET /messages?find=..: the messages with this number, id or REF; see page_messages.h. */
void page_tell_messages(struct page *page, struct evhttp_request *request);
/* GET /message?id=..: one message and its life; 404 if it is unknown. */
void page_tell_message(struct page *page, struct evhttp_request *request);
/* GET /inbox: see page_inbox.h; 404 if the API is not simulated. */
void page_tell_inbox(struct page *page, struct evhttp_request *request);
/* POST /inbox/report, with the page's token: sends a delivery report of the user's choice. */
void page_take_report(struct page *page, struct evhttp_request *request);

#endif
