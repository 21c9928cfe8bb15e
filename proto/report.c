/* report: see report.h. */
#include "proto/report.h"

#include <string.h>

/* In the order in which a message passes through them; from `error` on they are final. */
static const char *const ORDER[] = {"unknown", "sent",     "accepted", "buffered", "error",
                                    "failed",  "rejected", "canceled", "expired",  "delivered"};
enum { FIRST_FINAL = 4, COUNT = sizeof ORDER / sizeof ORDER[0] };

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
    return strcmp(status, "stop") == 0;
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
    bool is_same = late->code == known->code && strcmp(late->status, known->status) == 0;
    if (is_same && !is_timed) {
        return false;
    }
    if (late->event_ms != known->event_ms) {
        return late->event_ms > known->event_ms;
    }
    return rank(late->status) > rank(known->status);
}
