/* api_json_report: see api_json_report.h. */
#include "gateway/api_json_report.h"

#include "gateway/api_json_value.h"
#include "proto/option.h"

#include <stdlib.h>
#include <string.h>

/* A member's text, or "". */
static const char *member(const json_t *object, const char *name, char digits[API_DIGITS_SIZE])
{
    const char *text = api_value_text(json_object_get(object, name), digits);
    return text == NULL ? "" : text;
}

/* Numbers may come as strings; a code that does not fit is none. */
static int32_t read_code(const json_t *value)
{
    long long code = json_is_string(value) ? strtoll(json_string_value(value), NULL, 10)
                                           : json_integer_value(value);
    return code >= INT32_MIN && code <= INT32_MAX ? (int32_t)code : 0;
}

/* As much of a status as we keep, in whole characters. */
static void copy_status(char to[REPORT_STATUS_MAX + 1], const char *status)
{
    size_t len = strnlen(status, REPORT_STATUS_MAX);
    while (len > 0 && ((unsigned char)status[len] & 0xC0) == 0x80) {
        len--;
    }
    memcpy(to, status, len);
}

static void read_client_id(const json_t *object, struct api_report *report)
{
    const json_t *value = api_value_client_id(object);
    report->has_client_id =
        json_is_string(value) &&
        ulid_parse(json_string_value(value), json_string_length(value), &report->client_id);
}

/* Returns false without memory. */
static bool read_members(const json_t *object, int64_t now_ms, struct api_report *report)
{
    char digits[API_DIGITS_SIZE];
    const char *at = json_string_value(json_object_get(object, "eventAt"));
    const json_t *text = json_object_get(object, "message");
    const char *status = json_string_value(json_object_get(object, "status"));
    status = status == NULL ? "" : status;
    read_client_id(object, report);
    copy_status(report->report.status, status);
    report->report.code = read_code(json_object_get(object, "code"));
    if (at == NULL || !option_parse_time(at, strlen(at), &report->report.event_ms)) {
        report->report.event_ms = now_ms;
    }
    report->api_id = strdup(member(object, "id", digits));
    report->text = json_is_string(text) ? strdup(json_string_value(text)) : NULL;
    bool is_stop = report->text == NULL && report_status_is_stop(report->report.status);
    report->text = is_stop ? strdup("STOP") : report->text;
    return report->api_id != NULL && (report->text != NULL || !(is_stop || json_is_string(text)));
}

bool api_json_read_report(const char *body, size_t len, int64_t now_ms, struct api_report *report)
{
    json_t *root = json_loadb(body, len, JSON_REJECT_DUPLICATES, NULL);
    *report = (struct api_report){.has_client_id = false};
    bool is_good =
        json_is_object(root) && read_members(root, now_ms, report) &&
        (report->has_client_id || api_value_client_id(root) != NULL || report->api_id[0] != '\0') &&
        (report->report.status[0] != '\0' || report->text != NULL);
    json_decref(root);
    if (!is_good) {
        api_report_free(report);
    }
    return is_good;
}

void api_report_free(struct api_report *report)
{
    free(report->api_id);
    free(report->text);
    *report = (struct api_report){.has_client_id = false};
}
