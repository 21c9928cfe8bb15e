/* report: see report.h. */
#include "proto/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* In the order in which a message passes through them; from `error` on they are final. */
static const char *const ORDER[] = {"unknown", "sent",     "accepted", "buffered", "error",
                                    "failed",  "rejected", "canceled", "expired",  "delivered"};
enum { FIRST_FINAL = 4, COUNT = sizeof ORDER / sizeof ORDER[0] };

static const char STOP[] = "stop";

const char *report_status_known(const char *status)
{
    for (int i = 0; i < COUNT; i++) {
        if (strcasecmp(ORDER[i], status) == 0) {
            return ORDER[i];
        }
    }
    return strcasecmp(STOP, status) == 0 ? STOP : NULL;
}

bool report_code_number(const char *code, int64_t *number)
{
    char usual[REPORT_CODE_MAX + 1];
    *number = strtoll(code, NULL, 10);
    snprintf(usual, sizeof usual, "%" PRId64, *number);
    return strcmp(code, usual) == 0;
}

/* A word that is not in the list ranks as `unknown`. */
static int rank(const char *status)
{
    for (int i = 0; i < COUNT; i++) {
        if (strcmp(ORDER[i], status) == 0) {
            return i;
        }
    }
    return 0;
}

bool report_status_is_final(const char *status)
{
    return rank(status) >= FIRST_FINAL;
}

bool report_status_is_stop(const char *status)
{
    return strcmp(status, STOP) == 0;
}

bool report_status_is_last(const char *status)
{
    return report_status_is_final(status) || report_status_is_stop(status);
}

bool report_supersedes(const struct report *late, const struct report *known)
{
    if (known->status[0] == '\0') {
        return true;
    }
    bool is_final = report_status_is_final(late->status);
    if (is_final != report_status_is_final(known->status)) {
        return is_final;
    }
    bool is_timed = late->event_ms != 0 && known->event_ms != 0;
    bool is_same = strcmp(late->code, known->code) == 0 && strcmp(late->status, known->status) == 0;
    if (is_same && !is_timed) {
        return false;
    }
    if (late->event_ms != known->event_ms) {
        return late->event_ms > known->event_ms;
    }
    return rank(late->status) > rank(known->status);
}
