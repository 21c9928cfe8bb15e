/*
 * page_answer: what the page's requests are answered with. Thread: the loop's.
 */
#ifndef GATEWAY_WEB_PAGE_ANSWER_H
#define GATEWAY_WEB_PAGE_ANSWER_H

#include <event2/http.h>
#include <jansson.h>

/* Answers with a value, which it takes; NULL = there was no memory for it. */
void page_answer_json(struct evhttp_request *request, int status, json_t *value);

/* Words from outside, without what is unsafe to show (proto/escape.h). NULL on allocation failure. */
json_t *page_words(const char *words);

#endif
