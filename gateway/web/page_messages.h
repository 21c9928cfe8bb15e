/*
 * page_messages: the last messages, as the page lists them.
 *
 * Reads them from the last changes that the queue keeps, so that a flood costs no more than a
 * trickle: nothing is owned, nothing is old. Thread: the loop's.
 */
#ifndef GATEWAY_WEB_PAGE_MESSAGES_H
#define GATEWAY_WEB_PAGE_MESSAGES_H

#include <jansson.h>
#include <stdbool.h>

struct queue;

enum { PAGE_MESSAGES = 50 };

/*
 * The last messages of which something has changed, PAGE_MESSAGES at the most, the last submitted
 * first: a new array of {"id","at","to","state"} with "dlr", "code" and "inbound" (true) where there
 * is such a thing. Numbers are masked, and an API's reason ("reason") is left out, unless
 * `shows_all`; texts are never told. NULL without memory.
 */
json_t *page_messages(struct queue *queue, bool shows_all);

#endif
