/*
 * report: delivery reports of the API, and which of two counts.
 *
 * Owns the statuses and their order. Leaves to others how reports are read, and which message they
 * belong to. An unknown status is kept as it is. Thread: any. Pure.
 */
#ifndef PROTO_REPORT_H
#define PROTO_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REPORT_STATUS_MAX = 31 }; /* letters of a status */

/* What reports said about a message. */
struct report {
    char status[REPORT_STATUS_MAX + 1]; /* the API's word; "" = there was no report */
    int32_t code;                       /* details `error` and `failed` */
    int64_t event_ms;                   /* its eventAt, Unix time; 0 = unknown */
};

#define REPORT_NONE  \
    {                \
        .status = "" \
    }

/* Is this status final? */
bool report_status_is_final(const char *status);

/* Does this status say that the phone has opted out? */
bool report_status_is_stop(const char *status);

/* Is there no point in asking for the status of the message again: is it final, or an opt-out? */
bool report_status_is_last(const char *status);

/*
 * Does `late` count instead of `known`? The order in which they arrived does not matter. A final
 * status supersedes one that is not. Among final ones, and among others, the later eventAt counts;
 * with equal ones, the status that is further on (`delivered` after `failed`: networks correct
 * themselves so). A repeated report never counts, also if only one of the two has an eventAt.
 */
bool report_supersedes(const struct report *late, const struct report *known);

#endif
