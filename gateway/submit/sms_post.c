/* sms_post: see sms_post.h. */
#include "gateway/submit/sms_post.h"

#include "gateway/base/clock.h"
#include "gateway/base/siphash.h"
#include "gateway/serve/intake.h"
#include "gateway/serve/relay.h"
#include "gateway/submit/call.h"
#include "proto/session/form.h"
#include "proto/session/session.h"

#include <event2/buffer.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { RETRY_SECONDS = 5, KEY_REF_SIZE = sizeof "key-0123456789abcdef0123456789abcdef-99" };

/* Members that are options of a message. */
static const struct member {
    const char *name;
    const char *option;
} MEMBERS[] = {
    {"from", "FROM"}, {"clientId", "REF"}, {"ttl", "TTL"}, {"at", "AT"}, {"priority", "PRIORITY"}};

static json_t *item_at(const struct call *call, size_t index)
{
    return call->is_bulk ? json_array_get(call->body, index) : call->body;
}

/* --- what is wrong with an item ----------------------------------------------------------------- */

/* An item that is being read. */
struct reading {
    struct call *call;
    size_t index;
    json_t *object;
    json_t *errors; /* {"<member>": ["<sentence>"]}; NULL = none */
};

static void blame(struct reading *r, const char *member, const char *sentence)
{
    if (r->errors == NULL) {
        r->errors = json_object();
    }
    json_object_set_new(r->errors, member, json_pack("[s]", sentence));
}

/* The form has refused the member. */
static void blame_refused(struct reading *r, const char *member)
{
    const char *sentence;
    struct session_refusal refusal;
    form_refusal(r->call->calls->form, &sentence, &refusal);
    refusal.command = r->call->command;
    journal_refusal(&r->call->peer, &refusal);
    blame(r, member, sentence);
}

static void blame_type(struct reading *r, const char *member, const char *words)
{
    char named[64];
    const struct session_refusal refusal = {
        .command = r->call->command, .reply = REPLY_BAD_ARGUMENT, .words = named};
    snprintf(named, sizeof named, "%s %s", member, words);
    journal_refusal(&r->call->peer, &refusal);
    blame(r, member, words);
}

/* --- reading an item ---------------------------------------------------------------------------- */

/* A string, or NULL: then it is missing, or null, or was found to be something else. */
static const char *read_string(struct reading *r, const char *member, size_t *len)
{
    const json_t *value = json_object_get(r->object, member);
    if (value != NULL && !json_is_null(value) && !json_is_string(value)) {
        blame_type(r, member, "is not a string");
    }
    *len = json_string_length(value);
    return json_string_value(value);
}

static void set(struct reading *r, const struct member *member, const char *value, size_t len)
{
    if (!form_set(r->call->calls->form, member->option, value, len)) {
        blame_refused(r, member->name);
    }
}

/* Sets an option; a TTL may be a whole number of seconds, too. */
static void read_option(struct reading *r, const struct member *member)
{
    char digits[sizeof "-9223372036854775808"];
    const json_t *value = json_object_get(r->object, member->name);
    size_t len;
    if (json_is_integer(value) && strcmp(member->option, "TTL") == 0) {
        snprintf(digits, sizeof digits, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        set(r, member, digits, strlen(digits));
        return;
    }
    const char *text = read_string(r, member->name, &len);
    if (text != NULL) {
        set(r, member, text, len);
    }
}

static void read_unicode(struct reading *r)
{
    static const struct member UNICODE = {"allowUnicode", "UNICODE"};
    const json_t *value = json_object_get(r->object, UNICODE.name);
    if (json_is_boolean(value)) {
        const char *word = json_is_true(value) ? "yes" : "no";
        set(r, &UNICODE, word, strlen(word));
    } else if (value != NULL && !json_is_null(value)) {
        blame_type(r, UNICODE.name, "is not a boolean");
    }
}

/*
 * Idempotency-Key: an item without clientId gets a REF that is made of it, so that the same request again
 * is recognised as a clientId is, also after a restart.
 */
static void set_key(struct reading *r)
{
    static const uint64_t KEYS[2][2] = {{1, 2}, {3, 4}}; /* for a name, not for a secret */
    static const struct member KEY = {"clientId", "REF"};
    const json_t *client_id = json_object_get(r->object, KEY.name);
    char ref[KEY_REF_SIZE];
    if (r->call->key == NULL || r->call->key[0] == '\0' || json_is_string(client_id)) {
        return;
    }
    size_t len = strlen(r->call->key);
    int ref_len =
        snprintf(ref, sizeof ref, "key-%016" PRIx64 "%016" PRIx64,
                 siphash(KEYS[0], r->call->key, len), siphash(KEYS[1], r->call->key, len));
    if (r->call->is_bulk) {
        ref_len += snprintf(ref + ref_len, sizeof ref - (size_t)ref_len, "-%zu", r->index);
    }
    set(r, &KEY, ref, (size_t)ref_len);
}

static void read_recipient(struct reading *r)
{
    size_t len;
    const char *to = read_string(r, "to", &len);
    if (to != NULL && !form_add_recipient(r->call->calls->form, to, len)) {
        blame_refused(r, "to");
    } else if (to == NULL && json_object_get(r->errors, "to") == NULL) {
        blame_type(r, "to", "is missing");
    }
}

static const char *read_text(struct reading *r, size_t *len)
{
    const char *text = read_string(r, "text", len);
    if (json_object_get(r->errors, "text") == NULL && (text == NULL || *len == 0)) {
        blame_type(r, "text", text == NULL ? "is missing" : "is empty");
    }
    return text;
}

/* Reads an item into the form. True: `submission` may be submitted. */
static bool read_item(struct reading *r, struct submission *submission, int64_t now_ms)
{
    struct form *form = r->call->calls->form;
    size_t len;
    form_begin(form, r->call->user, now_ms);
    for (size_t i = 0; i < sizeof MEMBERS / sizeof MEMBERS[0]; i++) {
        read_option(r, &MEMBERS[i]);
    }
    read_unicode(r);
    set_key(r);
    if (json_object_get(r->errors, "from") == NULL && !form_check_sender(form)) {
        blame_refused(r, "from");
    }
    read_recipient(r);
    const char *text = read_text(r, &len);
    if (r->errors == NULL && !form_submit(form, text, len, submission)) {
        blame_refused(r, "text");
    }
    return r->errors == NULL;
}

/* --- the answer --------------------------------------------------------------------------------- */

/* An entry of `entities`: the item as it was given, and the id of its message. */
static void put_entity(struct call *call, size_t index, const struct session_receipt *receipt)
{
    static const char *const ECHOED[] = {"clientId", "from", "text"};
    struct buffer *out = &call->entities;
    const json_t *object = item_at(call, index);
    char id[ULID_SIZE];
    ulid_format(&receipt->id, id);
    buffer_puts(out, out->len > 0 ? ",{\"id\":\"" : "{\"id\":\"");
    buffer_append(out, id, ULID_LENGTH);
    buffer_putc(out, '"');
    call_put_member(out, "to", receipt->to, strlen(receipt->to));
    for (size_t i = 0; i < sizeof ECHOED / sizeof ECHOED[0]; i++) {
        const json_t *value = json_object_get(object, ECHOED[i]);
        if (json_is_string(value)) {
            call_put_member(out, ECHOED[i], json_string_value(value), json_string_length(value));
        }
    }
    buffer_putc(out, '}');
}

/* An entry of `errors`; takes the errors over. `status` 0 = the item is wrong, and stays so. */
static void put_error(struct call *call, size_t index, json_t *errors, int status)
{
    struct buffer *out = &call->errors;
    const json_t *client_id = json_object_get(item_at(call, index), "clientId");
    if (!call->is_bulk) {
        call_put_json(out, errors);
        json_decref(errors);
        return;
    }
    buffer_printf(out, "%s{\"index\":%zu", out->len > 0 ? "," : "", index);
    if (json_is_string(client_id)) {
        call_put_member(out, "clientId", json_string_value(client_id),
                        json_string_length(client_id));
    }
    if (status != 0) {
        buffer_printf(out, ",\"status\":%d", status);
    }
    buffer_puts(out, ",\"errors\":");
    call_put_json(out, errors);
    buffer_putc(out, '}');
    json_decref(errors);
}

static void answer_bulk(struct call *call)
{
    struct buffer json = BUFFER_EMPTY;
    json.has_failed = call->entities.has_failed || call->errors.has_failed;
    buffer_puts(&json, "{\"entities\":[");
    buffer_append(&json, call->entities.data, call->entities.len);
    buffer_puts(&json, "],\"errors\":[");
    buffer_append(&json, call->errors.data, call->errors.len);
    buffer_puts(&json, "]}");
    call_answer(call, CALL_CREATED, &json);
    buffer_free(&json);
}

/* An alias may stand for several recipients: then `entities` has them all. */
static void answer_single(struct call *call)
{
    size_t first_len = call->first_len;
    struct buffer json = BUFFER_EMPTY;
    json.has_failed = call->entities.has_failed || call->errors.has_failed;
    if (call->errors.len > 0) {
        buffer_puts(&json, "{\"message\":\"the message was refused\",\"errors\":");
        buffer_append(&json, call->errors.data, call->errors.len);
    } else {
        buffer_puts(&json, "{\"entity\":");
        buffer_append(&json, call->entities.data, first_len);
        if (call->entities.len > first_len) {
            buffer_puts(&json, ",\"entities\":[");
            buffer_append(&json, call->entities.data, call->entities.len);
            buffer_putc(&json, ']');
        }
    }
    buffer_putc(&json, '}');
    call_answer(call, call->errors.len > 0 ? HTTP_BADREQUEST : CALL_CREATED, &json);
    buffer_free(&json);
}

static int delay_status(enum reply reply)
{
    return reply == REPLY_CANNOT_STORE ? HTTP_SERVUNAVAIL : CALL_TOO_MANY;
}

/* Answers, if every item has its verdict. */
static void answer_if_done(struct call *call)
{
    if (call->pending > 0) {
        return;
    }
    if (call->accepted == 0 && call->delayed > 0) {
        call_refuse_for_now(call, delay_status(call->delay), RETRY_SECONDS,
                            reply_text(call->delay));
    } else if (call->is_bulk) {
        answer_bulk(call);
    } else {
        answer_single(call);
    }
}

/* --- verdicts ----------------------------------------------------------------------------------- */

/* The item may be accepted later, or can never be because of its clientId. */
static void refuse_item(struct call *call, size_t index, enum reply reply)
{
    bool is_final = reply == REPLY_REF_CONFLICT;
    if (!is_final) {
        call->delay = call->delayed++ == 0 ? reply : call->delay;
    }
    put_error(call, index, json_pack("{s:[s]}", is_final ? "clientId" : "queue", reply_text(reply)),
              is_final ? 0 : delay_status(reply));
}

static void journal_item(const struct call *call, enum reply reply, const char *to)
{
    const struct session_refusal refusal = {.command = call->command,
                                            .reply = reply,
                                            .words = reply_text(reply),
                                            .to = to,
                                            .to_len = to == NULL ? 0 : strlen(to)};
    journal_refusal(&call->peer, &refusal);
}

static void settle(const struct intake_verdict *verdict)
{
    struct call *call = verdict->client;
    call->pending--;
    if (verdict->is_accepted) {
        call->accepted++;
        journal_duplicates(&call->peer, call->command, verdict->receipts, verdict->count);
        for (size_t i = 0; i < verdict->count; i++) {
            put_entity(call, verdict->slot, &verdict->receipts[i]);
            call->first_len = call->first_len == 0 ? call->entities.len : call->first_len;
        }
    } else {
        journal_item(call, verdict->refusal, verdict->count > 0 ? verdict->receipts[0].to : NULL);
        refuse_item(call, verdict->slot, verdict->refusal);
    }
    answer_if_done(call);
}

static void take_item(struct call *call, size_t index, int64_t now_ms)
{
    const struct relay *relay = call->calls->relay;
    const struct intake_client client = {call, call->peer.owner, settle};
    struct reading reading = {.call = call, .index = index, .object = item_at(call, index)};
    struct submission submission;
    if (!read_item(&reading, &submission, now_ms)) {
        put_error(call, index, reading.errors, 0);
    } else if (intake_submit(relay->intake, &client, (uint32_t)index, &submission, now_ms)) {
        call->pending++;
        journal_losses(&call->peer, call->command, &submission, relay->stats);
    } else {
        journal_item(call, REPLY_CANNOT_STORE, submission.to[0]);
        refuse_item(call, index, REPLY_CANNOT_STORE);
    }
}

/* --- bodies ------------------------------------------------------------------------------------- */

/* Reads the body. Returns false, and answers, if it is no JSON. */
static bool read_body(struct call *call)
{
    struct evbuffer *input = evhttp_request_get_input_buffer(call->request);
    size_t len = evbuffer_get_length(input);
    const char *bytes = (const char *)evbuffer_pullup(input, -1);
    json_error_t where;
    call->body = json_loadb(len == 0 ? "" : bytes, len, JSON_REJECT_DUPLICATES, &where);
    if (call->body == NULL) {
        char words[64];
        snprintf(words, sizeof words, "the body is not JSON (at byte %d)", where.position);
        call_refuse(call, HTTP_BADREQUEST, words);
        return false;
    }
    return true;
}

void sms_post_single(struct call *call)
{
    if (!read_body(call)) {
        return;
    }
    if (!json_is_object(call->body)) {
        call_refuse(call, HTTP_BADREQUEST, "expected one message object");
        return;
    }
    take_item(call, 0, clock_unix_ms());
    answer_if_done(call);
}

static bool is_bulk(const json_t *body)
{
    size_t count = json_array_size(body), objects = 0;
    for (size_t i = 0; i < count && i < SMS_BULK_MAX; i++) {
        objects += json_is_object(json_array_get(body, i));
    }
    return count >= 1 && objects == count;
}

void sms_post_bulk(struct call *call)
{
    int64_t now_ms = clock_unix_ms();
    if (!read_body(call)) {
        return;
    }
    if (!is_bulk(call->body)) {
        call_refuse(call, HTTP_BADREQUEST, "expected an array of 1 to 100 message objects");
        return;
    }
    call->is_bulk = true;
    for (size_t i = 0; i < json_array_size(call->body); i++) {
        take_item(call, i, now_ms);
    }
    answer_if_done(call);
}
