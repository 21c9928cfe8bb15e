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

/* The reports of a call, in order. */
struct api_reports {
    struct api_report *list;
    size_t count;
    size_t refused; /* entries that are no reports: they name no message, or say nothing of it */
};

/*
 * Reads the body of a call: a report or a list of them, as JSON (see load.h) or as a form (see
 * form.h); the list may be a member `entities`, `data`, `events` or `reports`, a report a member
 * `entity`, `data`, `event` or `report`. Status and code are read as in value.h. An inbound message
 * or opt-out without a readable `eventAt` gets `now_ms` (Unix ms), a report gets 0.
 * Returns false, with nothing to free, when there is no report in it, or on allocation failure.
 */
bool api_reports_read(const char *body, size_t len, int64_t now_ms, struct api_reports *reports);
/* Frees the list and what is left in it. All zero is fine. */
void api_reports_free(struct api_reports *reports);

/*
 * What an entry of the history says of the message `id`, as if it had been reported. An opt-out
 * gets the earliest time that it can have: when the message was submitted. Returns false, with
 * nothing to free, on allocation failure.
 */
bool api_report_from_entry(struct api_report *report, const struct ulid *id,
                           const struct api_history_entry *entry);
void api_report_free(struct api_report *report);

#endif
