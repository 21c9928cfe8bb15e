/* notice: see notice.h. */
#include "gateway/notify/notice.h"

#include "gateway/queue/records.h"
#include "gateway/queue/reports.h"
#include "gateway/queue/types.h"
#include "proto/text.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TIME_SIZE = 40, USUAL_BYTES = 1024 };

/* --- members: those without a value are left out ------------------------------------------------ */

static bool put(json_t *object, const char *name, json_t *value)
{
    return json_object_set_new_nocheck(object, name, value) == 0;
}

/* JSON cannot hold invalid UTF-8, which a damaged file may: it counts as no value. */
static bool put_words(json_t *object, const char *name, const char *words)
{
    return words[0] == '\0' || !text_is_utf8(words, strlen(words)) ||
           put(object, name, json_string(words));
}

/* RFC 3339 in UTC, to the millisecond; 0 = no value. */
static bool put_time(json_t *object, const char *name, int64_t unix_ms)
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm utc;
    char text[TIME_SIZE];
    if (unix_ms == 0 || gmtime_r(&seconds, &utc) == NULL) {
        return true; /* or its year cannot be written */
    }
    size_t len = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text + len, sizeof text - len, ".%03dZ", (int)(unix_ms % 1000));
    return put(object, name, json_string_nocheck(text));
}

static const char *event_name(const struct queue_event *event)
{
    if (event->text != NULL) {
        return "inbound";
    }
    return event->report.status[0] != '\0' ? "report" : "state";
}

static bool put_subject(json_t *object, const struct queue_event *event, const char *api_id)
{
    char id[ULID_SIZE];
    ulid_format(&event->id, id);
    return put(object, "event", json_string_nocheck(event_name(event))) &&
           put(object, "id", json_string_nocheck(id)) && put_words(object, "ref", event->ref) &&
           put_words(object, "to", event->to) && put_words(object, "from", event->from) &&
           put_words(object, "api", api_id);
}

/* A number stays one, for programs that have always read numbers. */
static json_t *code_json(const char *code)
{
    int64_t number;
    return report_code_number(code, &number) ? json_integer(number) : json_string(code);
}

static bool put_what_is_new(json_t *object, const struct queue_event *event, const char *reason)
{
    const struct report *report = &event->report;
    if (event->text != NULL) {
        return put(object, "text", json_string(event->text)) &&
               put_time(object, "eventAt", report->event_ms);
    }
    if (report->status[0] != '\0') {
        return put_words(object, "status", report->status) &&
               put(object, "code", code_json(report->code)) &&
               put_time(object, "eventAt", report->event_ms);
    }
    return put(object, "state", json_string_nocheck(message_state_name(event->state))) &&
           put_words(object, "reason", reason);
}

/* --- notices ------------------------------------------------------------------------------------ */

static struct notice *notice_new(uint64_t number, size_t len)
{
    struct notice *notice = malloc(sizeof *notice + len + 1);
    if (notice != NULL) {
        notice->number = number;
        notice->len = len;
        notice->json[len] = '\0';
    }
    return notice;
}

struct notice *notice_copy(uint64_t number, const char *json, size_t len)
{
    struct notice *notice = notice_new(number, len);
    if (notice != NULL) {
        memcpy(notice->json, json, len);
    }
    return notice;
}

/* Takes `object`; `is_whole` = it has all its members. */
static struct notice *dump(uint64_t number, json_t *object, bool is_whole)
{
    char usual[USUAL_BYTES];
    struct notice *notice = NULL;
    size_t len = is_whole ? json_dumpb(object, usual, sizeof usual, JSON_COMPACT) : 0;
    if (len > 0 && len <= sizeof usual) {
        notice = notice_copy(number, usual, len);
    } else if (len > 0) {
        notice = notice_new(number, len);
        if (notice != NULL && json_dumpb(object, notice->json, len, JSON_COMPACT) != len) {
            free(notice);
            notice = NULL;
        }
    }
    json_decref(object);
    return notice;
}

/* `event` without its answer, which is `api_id` and `reason`. */
static struct notice *build(uint64_t number, const struct queue_event *event, int64_t at_ms,
                            const char *api_id, const char *reason)
{
    json_t *object = json_object();
    bool is_whole = put(object, "number", json_integer((json_int_t)number)) &&
                    put_time(object, "at", at_ms) && put_subject(object, event, api_id) &&
                    put_what_is_new(object, event, reason);
    return dump(number, object, is_whole);
}

struct notice *notice_of_record(uint64_t number, const struct queue_record *record,
                                const char *answer)
{
    const struct message *m = record->message; /* only what never changes is read */
    struct queue_event event = {.id = m->id, .state = record->state};
    memcpy(event.to, message_to(m), m->to_len + 1U);
    memcpy(event.from, message_from(m), m->from_len + 1U);
    memcpy(event.ref, message_ref(m), m->ref_len + 1U);
    return build(number, &event, record->updated_ms, message_answer_api_id(answer),
                 message_answer_reason(answer));
}

struct notice *notice_of_report(uint64_t number, const struct queue_report *report, int64_t at_ms)
{
    struct queue_event event = {
        .id = report->id, .report = report->report, .text = (char *)report->text};
    memcpy(event.to, report->to, sizeof event.to);
    memcpy(event.from, report->from, sizeof event.from);
    memcpy(event.ref, report->ref, sizeof event.ref);
    return build(number, &event, at_ms, report->api_id, "");
}

struct notice *notice_of_event(uint64_t number, const struct queue_event *event, int64_t at_ms)
{
    return build(number, event, at_ms, message_answer_api_id(event->answer),
                 message_answer_reason(event->answer));
}

void notices_clear(struct notices *notices)
{
    struct notice *notice;
    while ((notice = STAILQ_FIRST(notices)) != NULL) {
        STAILQ_REMOVE_HEAD(notices, entry);
        free(notice);
    }
}
