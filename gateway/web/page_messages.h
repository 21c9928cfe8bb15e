/*
 * page_messages: the latest messages, as the page lists them.
 *
 * Owns nothing: reads the recent events that the queue keeps, so that a flood costs no more than a
 * trickle. Thread: the loop's.
 */
#ifndef GATEWAY_WEB_PAGE_MESSAGES_H
#define GATEWAY_WEB_PAGE_MESSAGES_H

#include <jansson.h>
#include <stdbool.h>

struct queue;

enum { PAGE_MESSAGES = 50 };

/*
 * The messages of recent events, at most PAGE_MESSAGES, the last submitted first: a new array of
 * {"id","at","to","state"}, with "dlr", "code" and "inbound" (true) if they have any. Numbers are
 * masked and the API's reason ("reason") is left out unless `shows_all`; texts are never shown. NULL
 * on allocation failure.
 */
json_t *page_messages(struct queue *queue, bool shows_all);

#endif
