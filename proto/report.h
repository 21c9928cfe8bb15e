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

enum { REPORT_STATUS_MAX = 31, REPORT_CODE_MAX = 23 }; /* bytes of a status and of a code */

/* What reports said about a message. */
struct report {
    char status[REPORT_STATUS_MAX + 1]; /* the API's word; "" = there was no report */
    char code[REPORT_CODE_MAX + 1];     /* details `error` and `failed`: a number or a word, as the
                                           API writes it; "0" if it gives none */
    int64_t event_ms;                   /* its eventAt, Unix time; 0 = unknown */
};

#define REPORT_NONE  \
    {                \
        .status = "" \
    }

/*
 * The status in lower case, as the API documents it, if it is a known one in any case of letters;
 * else NULL.
 */
const char *report_status_known(const char *status);

/* Reads a code that is an integer, written as usual. Returns false if it is anything else. */
bool report_code_number(const char *code, int64_t *number);

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
