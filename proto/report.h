/*
 * report: delivery reports of the API: which of two says more about a message.
 *
 * Owns the statuses and their order. Leaves reading them (api_json) and whose they are (reports) to
 * others. Statuses that are not known are kept as the words that they are. Thread: any. Pure.
 */
#ifndef PROTO_REPORT_H
#define PROTO_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REPORT_STATUS_MAX = 31 }; /* letters of a status; longer ones are none */

/* What is known of a message from reports. */
struct report {
    char status[REPORT_STATUS_MAX + 1]; /* the API's word, "" = there was no report yet */
    int32_t code;                       /* narrows `error` and `failed` */
    int64_t event_ms;                   /* Unix time: its eventAt; 0 = nobody has told */
};

/* There was none. */
#define REPORT_NONE  \
    {                \
        .status = "" \
    }

/* Will nothing more happen to a message with this status? */
bool report_status_is_final(const char *status);

/* Is it the word for a phone that wants no more messages? */
bool report_status_is_stop(const char *status);

/* Is there no point in asking for the status of the message again: is it final, or an opt-out? */
bool report_status_is_last(const char *status);

/*
 * Does `late` say more about a message than `known`, in whatever order they came? A final status
 * never goes back to one that is not; of two final ones, and of two that are not, the one with the
 * later eventAt counts, and where these are the same the one that is further on (`delivered` after
 * `failed`, for a network corrects itself so). A report that came twice says nothing more, and neither
 * does one with the time of what was known without.
 */
bool report_supersedes(const struct report *late, const struct report *known);

#endif
