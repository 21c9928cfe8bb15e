/* api_body: see api_body.h. */
#include "tests/support/api_body.h"

#include <jansson.h>
#include <stdlib.h>

static json_t *object_of(const struct message *m)
{
    char client_id[ULID_SIZE];
    ulid_format(&m->id, client_id);
    json_t *object = json_pack(
        "{s:o, s:o, s:o, s:s}", "from", json_stringn_nocheck(message_from(m), m->from_len), "to",
        json_stringn_nocheck(message_to(m), m->to_len), "text",
        json_stringn_nocheck(message_text(m), m->text_len), "clientId", client_id);
    if (m->allow_unicode) {
        json_object_set_new(object, "allowUnicode", json_true());
    }
    return object;
}

static char *dump(json_t *body)
{
    char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    return text;
}

char *jansson_single(const struct message *message)
{
    return dump(object_of(message));
}

char *jansson_bulk(struct message *const *messages, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, object_of(messages[i]));
    }
    return dump(list);
}
