/* page_answer: see page_answer.h. */
#include "gateway/web/page_answer.h"

#include "gateway/base/http_listen.h"

#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

void page_answer_json(struct evhttp_request *request, int status, json_t *value)
{
    struct evbuffer *body = evbuffer_new();
    char *text = json_dumps(value, JSON_COMPACT);
    if (body == NULL || text == NULL) {
        http_answer_line(request, HTTP_SERVUNAVAIL, "out of memory");
    } else {
        evbuffer_add(body, text, strlen(text));
        http_answer(request, status, "application/json", body);
    }
    free(text);
    if (body != NULL) {
        evbuffer_free(body);
    }
    json_decref(value);
}
