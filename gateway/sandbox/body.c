/* body: see body.h. */
#include "gateway/sandbox/body.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <stdlib.h>
#include <string.h>

const char *sandbox_body_of(struct evhttp_request *request, size_t *len)
{
    struct evbuffer *input = evhttp_request_get_input_buffer(request);

    *len = evbuffer_get_length(input);
    return (const char *)evbuffer_pullup(input, -1);
}

void sandbox_body_add(struct evbuffer *body, json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

    if (text != NULL) {
        evbuffer_add(body, text, strlen(text));
    }
    free(text);
    json_decref(value);
}

struct evbuffer *sandbox_body_json(struct evhttp_request *request, json_t *value)
{
    struct evbuffer *body = evbuffer_new();

    if (body == NULL) {
        json_decref(value);
        return NULL;
    }
    sandbox_body_add(body, value);
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
                      "application/json");
    return body;
}
