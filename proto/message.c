/*
 * message: see message.h. Owns the layout of a message in memory, and the words for states and
 * priorities. Leaves to the queue who may change one, and when. Pure; any thread.
 */
#include "proto/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

_Static_assert(sizeof(struct message) == 96, "every queued message pays for its header");
_Static_assert(sizeof(struct message) % _Alignof(struct message_ref) == 0,
               "message_ref follows the header");
_Static_assert(sizeof(struct message_ref) % _Alignof(struct message_row) == 0,
               "message_row follows the header or message_ref");

static const char *const state_names[MESSAGE_STATES] = {
    [MESSAGE_QUEUED] = "queued",         [MESSAGE_SCHEDULED] = "scheduled",
    [MESSAGE_SENDING] = "sending",       [MESSAGE_DEFERRED] = "deferred",
    [MESSAGE_UNRESOLVED] = "unresolved", [MESSAGE_RELAYED] = "relayed",
    [MESSAGE_REJECTED] = "rejected",     [MESSAGE_EXPIRED] = "expired",
    [MESSAGE_CANCELED] = "canceled",
};

static const char *const priority_names[MESSAGE_PRIORITIES] = {
    [PRIORITY_HIGH] = "high",
    [PRIORITY_NORMAL] = "normal",
    [PRIORITY_LOW] = "low",
};

/* Bytes between the header and the strings. */
static size_t ref_bytes(const struct message *m)
{
    return m->ref_len == 0 ? 0 : sizeof(struct message_ref);
}

static size_t row_bytes(const struct message *m)
{
    return m->is_durable ? sizeof(struct message_row) : 0;
}

/* Bytes of the four strings, each with its NUL. */
static size_t string_bytes(const struct message *m)
{
    return (size_t)m->to_len + m->from_len + m->ref_len + m->text_len + 4;
}

static char *append(char *to, const char *s, size_t len)
{
    memcpy(to, s, len);
    to[len] = '\0';
    return to + len + 1;
}

static void header_fill(struct message *m, const struct message_content *c)
{
    *m = (struct message){
        .heap_index = MESSAGE_NOT_IN_HEAP,
        .id = c->id,
        .expires_ms = c->expires_ms,
        .owner = c->owner,
        .text_len = (uint16_t)c->text_len,
        .to_len = (uint8_t)strlen(c->to),
        .from_len = (uint8_t)strlen(c->from),
        .ref_len = (uint8_t)strlen(c->ref),
        .parts = (uint8_t)(c->size.parts > UINT8_MAX ? UINT8_MAX : c->size.parts),
        .priority = c->priority & 3,
        .encoding = c->size.encoding & 1,
        .allow_unicode = c->allow_unicode,
        .has_ttl = c->has_ttl,
        .has_at = c->due_ms != 0,
        .is_durable = c->row != 0,
        .state = c->due_ms != 0 ? MESSAGE_SCHEDULED : MESSAGE_QUEUED,
        .due_ms = c->due_ms,
        .updated_ms = ulid_time_ms(&c->id),
    };
}

struct message *message_new(const struct message_content *content)
{
    struct message header;
    header_fill(&header, content);
    struct message *m =
        malloc(sizeof(*m) + ref_bytes(&header) + row_bytes(&header) + string_bytes(&header));
    if (m == NULL) {
        return NULL;
    }
    *m = header;
    if (m->ref_len != 0) {
        *message_ref_links(m) = (struct message_ref){0};
    }
    if (m->is_durable) {
        *message_row_links(m) = (struct message_row){.row = content->row};
    }
    char *end = (char *)(m + 1) + ref_bytes(m) + row_bytes(m);
    end = append(end, content->to, m->to_len);
    end = append(end, content->from, m->from_len);
    end = append(end, content->ref, m->ref_len);
    append(end, content->text, m->text_len);
    return m;
}

void message_free(struct message *m)
{
    if (m != NULL) {
        free(m->answer);
        free(m);
    }
}

/* Bytes of an answer: two strings, each with its NUL. */
static size_t answer_bytes(const char *answer)
{
    size_t api_id_bytes = strlen(answer) + 1;
    return api_id_bytes + strlen(answer + api_id_bytes) + 1;
}

size_t message_own_bytes(const struct message *m)
{
    return sizeof(*m) + ref_bytes(m) + row_bytes(m) + string_bytes(m);
}

size_t message_bytes(const struct message *m)
{
    return message_own_bytes(m) + (m->answer == NULL ? 0 : answer_bytes(m->answer)) +
           (m->has_report ? sizeof(struct report) : 0);
}

struct message_ref *message_ref_links(struct message *m)
{
    return (struct message_ref *)(void *)(m + 1);
}

struct message_row *message_row_links(struct message *m)
{
    return (struct message_row *)(void *)((char *)(m + 1) + ref_bytes(m));
}

const char *message_to(const struct message *m)
{
    return (const char *)(m + 1) + ref_bytes(m) + row_bytes(m);
}

const char *message_from(const struct message *m)
{
    return message_to(m) + m->to_len + 1;
}

const char *message_ref(const struct message *m)
{
    return message_from(m) + m->from_len + 1;
}

const char *message_text(const struct message *m)
{
    return message_ref(m) + m->ref_len + 1;
}

bool message_has_mail_ref(const struct message *m)
{
    return strncmp(message_ref(m), MESSAGE_MAIL_REF, strlen(MESSAGE_MAIL_REF)) == 0;
}

const char *message_answer_api_id(const char *answer)
{
    return answer == NULL ? "" : answer;
}

const char *message_answer_reason(const char *answer)
{
    return answer == NULL ? "" : answer + strlen(answer) + 1;
}

const char *message_api_id(const struct message *m)
{
    return message_answer_api_id(m->answer);
}

const char *message_reason(const struct message *m)
{
    return message_answer_reason(m->answer);
}

char *message_answer_new(const char *api_id, const char *reason)
{
    size_t api_id_len = api_id == NULL ? 0 : strlen(api_id);
    size_t reason_len = reason == NULL ? 0 : strlen(reason);
    char *answer = malloc(api_id_len + reason_len + 2);
    if (answer != NULL) {
        char *end = append(answer, api_id == NULL ? "" : api_id, api_id_len);
        append(end, reason == NULL ? "" : reason, reason_len);
    }
    return answer;
}

char *message_answer_copy(const char *answer)
{
    if (answer == NULL) {
        return NULL;
    }
    size_t bytes = answer_bytes(answer);
    char *copy = malloc(bytes);
    return copy == NULL ? NULL : memcpy(copy, answer, bytes);
}

struct report message_report(const struct message *m)
{
    struct report report = REPORT_NONE;
    if (m->has_report) { /* not aligned */
        memcpy(&report, m->answer + answer_bytes(m->answer), sizeof report);
    }
    return report;
}

bool message_set_report(struct message *m, const char *api_id, const char *reason,
                        const struct report *report)
{
    char *strings = message_answer_new(api_id, reason);
    size_t bytes = strings == NULL ? 0 : answer_bytes(strings);
    char *answer = strings == NULL ? NULL : realloc(strings, bytes + sizeof *report);
    if (answer == NULL) {
        free(strings);
        return false;
    }
    memcpy(answer + bytes, report, sizeof *report);
    free(m->answer);
    m->answer = answer;
    m->has_report = true;
    return true;
}

const char *message_state_name(enum message_state state)
{
    return state_names[state];
}

const char *message_priority_name(enum message_priority priority)
{
    return priority_names[priority];
}

bool message_state_parse(const char *word, enum message_state *state)
{
    for (int i = 0; i < MESSAGE_STATES; i++) {
        if (strcasecmp(state_names[i], word) == 0) {
            *state = (enum message_state)i;
            return true;
        }
    }
    return false;
}

bool message_state_is_failure(enum message_state state)
{
    return state == MESSAGE_REJECTED || state == MESSAGE_EXPIRED || state == MESSAGE_CANCELED;
}

bool message_frees_ref(const struct message *m)
{
    return message_state_is_failure((enum message_state)m->state) && !m->may_be_sent;
}

bool message_state_is_finished(enum message_state state)
{
    return state == MESSAGE_RELAYED || message_state_is_failure(state);
}

bool message_ended_unsent(enum message_state state, unsigned attempts, bool may_be_sent)
{
    return message_state_is_failure(state) && attempts == 0 && !may_be_sent;
}

bool message_state_is_settled(enum message_state state)
{
    return state == MESSAGE_UNRESOLVED || message_state_is_finished(state);
}

/* Copies a string, cut if it does not fit (intake refuses such ones). */
static void copy_string(char *to, size_t size, const char *s, size_t len)
{
    size_t n = len < size ? len : size - 1;
    memcpy(to, s, n);
    to[n] = '\0';
}

void message_status_copy(const struct message *m, struct message_status *status)
{
    *status = (struct message_status){
        .id = m->id,
        .state = (enum message_state)m->state,
        .attempts = m->attempts,
        .parts = m->parts,
        .may_be_sent = m->may_be_sent,
        .due_ms = m->due_ms,
        .updated_ms = m->updated_ms,
        .answer = message_answer_copy(m->answer),
        .report = message_report(m),
    };
    copy_string(status->to, sizeof(status->to), message_to(m), m->to_len);
    copy_string(status->from, sizeof(status->from), message_from(m), m->from_len);
    copy_string(status->ref, sizeof(status->ref), message_ref(m), m->ref_len);
}

void message_status_free(struct message_status *status)
{
    free(status->answer);
    status->answer = NULL;
}
