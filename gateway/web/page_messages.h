/*
 * page_messages: messages as the page shows them: the latest, those that are searched for, and one
 * with its life.
 *
 * Owns nothing: reads the recent events that the queue keeps, so that a flood costs no more than a
 * trickle. Thread: the loop's.
 */
#ifndef GATEWAY_WEB_PAGE_MESSAGES_H
#define GATEWAY_WEB_PAGE_MESSAGES_H

#include <jansson.h>
#include <stdbool.h>

struct queue;
struct ulid;

enum { PAGE_MESSAGES = 50 };

/*
 * The messages of recent events, at most PAGE_MESSAGES, the last submitted first: a new array of
 * {"id","at","to","state"}, with "dlr", "code" and "inbound" (true) if they have any, and, as long as
 * the queue has them, "parts", "attempts", "from" and "next" (when it is sent or tried again). Numbers
 * are masked, and "ref", "api" and the API's "reason" are left out, unless `shows_all`; texts are never
 * shown. Times are Unix ms. NULL on allocation failure.
 */
json_t *page_messages(struct queue *queue, bool shows_all);

/*
 * The same of the messages with this id, this REF, or whose recipient has these digits (at least two;
 * all of a masked number that is shown is compared, and nothing else).
 */
json_t *page_messages_find(struct queue *queue, const char *words, bool shows_all);

/*
 * One message, with its "life": its recent events, in order, each with "at", and with "state", with
 * "dlr" and "code", or with "inbound". NULL if it is unknown.
 */
json_t *page_message(struct queue *queue, const struct ulid *id, bool shows_all);

#endif
