/* report: see report.h. */
#include "gateway/api/report.h"

#include "gateway/api/form.h"
#include "gateway/api/list.h"
#include "gateway/api/load.h"
#include "gateway/api/value.h"
#include "proto/session/option.h"

#include <stdlib.h>
#include <string.h>

/* A member's text, or "". */
static const char *member(const json_t *object, const char *name, char digits[API_DIGITS_SIZE])
{
    const char *text = api_value_text(json_object_get(object, name), digits);
    return text == NULL ? "" : text;
}

/* An opt-out may come without a text. Returns false on allocation failure. */
static bool add_stop(struct api_report *report)
{
    bool is_stop = report->text == NULL && report_status_is_stop(report->report.status);
    report->text = is_stop ? strdup("STOP") : report->text;
    return report->text != NULL || !is_stop;
}

static void read_client_id(const json_t *object, struct api_report *report)
{
    const json_t *value = api_value_client_id(object);
    report->has_client_id =
        json_is_string(value) &&
        ulid_parse(json_string_value(value), json_string_length(value), &report->client_id);
    bool is_none = value == NULL || json_is_null(value) ||
                   (json_is_string(value) && json_string_length(value) == 0);
    report->is_foreign = !report->has_client_id && !is_none;
}

/* The text of an inbound message, or NULL. An empty one beside a status is none: every report may
 * have that member. */
static const json_t *find_text(const json_t *object)
{
    const json_t *text = json_object_get(object, "message");
    const char *status = json_string_value(json_object_get(object, "status"));
    bool has_status = status != NULL && status[0] != '\0';
    return json_is_string(text) && (json_string_length(text) > 0 || !has_status) ? text : NULL;
}

/* Returns false on allocation failure. */
static bool read_members(const json_t *object, int64_t now_ms, struct api_report *report)
{
    char digits[API_DIGITS_SIZE];
    const char *at = json_string_value(json_object_get(object, "eventAt"));
    const json_t *text = find_text(object);
    read_client_id(object, report);
    api_value_report(object, &report->report);
    bool is_timed = at != NULL && option_parse_time(at, strlen(at), &report->report.event_ms);
    if (!is_timed) {
        /* Statuses without a time are ordered by rank, so a repeated one is recognised. Answers of
         * a phone need a time, for of two that are alike neither may be lost. */
        bool is_inbound = text != NULL || report_status_is_stop(report->report.status);
        report->report.event_ms = is_inbound ? now_ms : 0;
    }
    report->api_id = strdup(member(object, "id", digits));
    report->text = json_is_string(text) ? strdup(json_string_value(text)) : NULL;
    bool is_copied = report->api_id != NULL && (report->text != NULL || !json_is_string(text));
    return is_copied && add_stop(report);
}

/* --- calls ------------------------------------------------------------------------------------ */

enum reading { READ_ALL, READ_NONE, READ_NO_MEMORY };

/* Adds the report that an object is. */
static enum reading read_one(const json_t *object, int64_t now_ms, struct api_reports *reports)
{
    struct api_report report = {.has_client_id = false};
    if (!json_is_object(object)) {
        return READ_NONE;
    }
    if (!read_members(object, now_ms, &report)) {
        api_report_free(&report);
        return READ_NO_MEMORY;
    }
    bool names_message = report.has_client_id || report.is_foreign || report.api_id[0] != '\0';
    if (!names_message || (report.report.status[0] == '\0' && report.text == NULL)) {
        api_report_free(&report);
        return READ_NONE;
    }
    reports->list[reports->count++] = report;
    return READ_ALL;
}

/* Adds the report that an object is, or holds. */
static enum reading read_wrapped(const json_t *object, int64_t now_ms, struct api_reports *reports)
{
    static const char *const wraps[] = {"entity", "data", "event", "report"};
    enum reading reading = read_one(object, now_ms, reports);
    for (size_t i = 0; i < sizeof wraps / sizeof wraps[0] && reading == READ_NONE; i++) {
        reading = read_one(json_object_get(object, wraps[i]), now_ms, reports);
    }
    return reading;
}

static const json_t *find_reports(const json_t *root)
{
    static const char *const names[] = {"entities", "events", "reports"};
    const json_t *list = api_list_of(root);
    for (size_t i = 0; i < sizeof names / sizeof names[0] && list == NULL; i++) {
        list = api_list_of(json_object_get(root, names[i]));
    }
    return list;
}

static enum reading read_list(const json_t *list, int64_t now_ms, struct api_reports *reports)
{
    enum reading reading = READ_ALL;
    struct api_list_entry at = {0};
    while (reading != READ_NO_MEMORY && api_list_next(list, &at)) {
        reading = read_wrapped(at.value, now_ms, reports);
        reports->refused += reading == READ_NONE;
    }
    return reading == READ_NO_MEMORY ? READ_NO_MEMORY : READ_ALL;
}

static bool read_call(const json_t *root, int64_t now_ms, struct api_reports *reports)
{
    const json_t *list = find_reports(root);
    *reports = (struct api_reports){
        .list = calloc(api_list_size(list) + 1, sizeof(struct api_report)),
    };
    enum reading reading =
        reports->list == NULL ? READ_NO_MEMORY : read_wrapped(root, now_ms, reports);
    if (reading == READ_NONE) {
        reading = read_list(list, now_ms, reports);
    }
    if (reading == READ_NO_MEMORY || reports->count == 0) {
        api_reports_free(reports);
        return false;
    }
    return true;
}

bool api_reports_read(const char *body, size_t len, int64_t now_ms, struct api_reports *reports)
{
    static json_t *(*const loads[])(const char *body, size_t len) = {api_load, api_form_load};
    bool is_read = false;
    for (size_t i = 0; i < sizeof loads / sizeof loads[0] && !is_read; i++) {
        json_t *root = loads[i](body, len);
        is_read = read_call(root, now_ms, reports);
        json_decref(root);
    }
    return is_read;
}

void api_reports_free(struct api_reports *reports)
{
    for (size_t i = 0; i < reports->count; i++) {
        api_report_free(&reports->list[i]);
    }
    free(reports->list);
    *reports = (struct api_reports){NULL, 0, 0};
}

bool api_report_from_entry(struct api_report *report, const struct ulid *id,
                           const struct api_history_entry *entry)
{
    *report = (struct api_report){
        .has_client_id = true,
        .client_id = *id,
        .api_id = strdup(entry->id),
        .report = entry->report,
    };
    bool is_good = report->api_id != NULL && add_stop(report);
    if (!is_good) {
        api_report_free(report);
    } else if (report->text != NULL) {
        report->report.event_ms = ulid_time_ms(id);
    }
    return is_good;
}

void api_report_free(struct api_report *report)
{
    free(report->api_id);
    free(report->text);
    *report = (struct api_report){.has_client_id = false};
}
