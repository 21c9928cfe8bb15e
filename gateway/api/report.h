/*
 * report: what the API posts to the webhook: delivery reports and inbound messages.
 *
 * Reads every variant that the API's documentation leaves open. Thread: any. Pure.
 */
#ifndef GATEWAY_API_REPORT_H
#define GATEWAY_API_REPORT_H

#include "gateway/api/json.h"
#include "proto/report.h"
#include "proto/ulid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct api_report {
    bool has_client_id; /* of the form of ours */
    bool is_foreign;    /* it has one of another form */
    struct ulid client_id;
    char *api_id;         /* never NULL, "" = none */
    struct report report; /* its status may be "" if there is a text */
    char *text; /* of an inbound message ("STOP" of an opt-out that brings none); NULL = this is a
                 * delivery report */
};

/*
 * Reads one object. An inbound message or opt-out without a readable `eventAt` gets `now_ms` (Unix
 * ms), a report gets 0; a missing `code` is 0, and a status longer than REPORT_STATUS_MAX is cut.
 * Returns false, with nothing to free, when it is no object, names no message, has neither status
 * nor text, or on allocation failure.
 */
bool api_json_read_report(const char *body, size_t len, int64_t now_ms, struct api_report *report);
/*
 * What an entry of the history says of the message `id`, as if it had been reported. An opt-out
 * gets the earliest time that it can have: when the message was submitted. Returns false, with
 * nothing to free, on allocation failure.
 */
bool api_report_from_entry(struct api_report *report, const struct ulid *id,
                           const struct api_history_entry *entry);
void api_report_free(struct api_report *report);

#endif
