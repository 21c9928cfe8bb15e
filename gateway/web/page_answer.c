/* page_answer: see page_answer.h. */
#include "gateway/web/page_answer.h"

#include "gateway/base/http_listen.h"
#include "proto/buffer.h"
#include "proto/escape.h"

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

json_t *page_words(const char *words)
{
    char escape[ESCAPE_SIZE];
    struct buffer text = BUFFER_EMPTY;
    size_t len = strlen(words);
    for (size_t i = 0; i < len;) {
        size_t unsafe = escape_unsafe(words + i, len - i);
        if (unsafe > 0) {
            buffer_append(&text, escape, escape_write(words + i, unsafe, escape));
            i += unsafe;
        } else {
            buffer_putc(&text, words[i++]);
        }
    }
    json_t *string = text.has_failed ? NULL : json_stringn(buffer_bytes(&text), text.len);
    buffer_free(&text);
    return string;
}
