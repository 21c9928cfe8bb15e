/*
 * reports: what delivery reports and inbound messages do to the messages they are about.
 *
 * queue_reports_match, then the store's write, then queue_reports_apply.
 * Thread: the loop's; queue_report_fill_in and queue_remember_api_id any.
 */
#ifndef GATEWAY_QUEUE_REPORTS_H
#define GATEWAY_QUEUE_REPORTS_H

#include "proto/message.h"
#include "proto/report.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue;

enum { QUEUE_API_ID_SIZE = 64 }; /* of an API id with its NUL */

enum queue_report_outcome {
    REPORT_UNMATCHED, /* of no message of ours that was ever sent */
    REPORT_OLD,       /* says nothing new about its message */
    REPORT_NEW
};

/* A delivery report or an inbound message that has come in. */
struct queue_report {
    bool has_id; /* its clientId has the form of our ids */
    struct ulid id;
    char api_id[QUEUE_API_ID_SIZE]; /* "" = it names none */
    struct report report;
    const char *text; /* of an inbound message, borrowed; NULL = it is a delivery report */

    /* Found out by queue_reports_match, or by the store: */
    enum queue_report_outcome outcome;
    bool is_held; /* its message is in memory, and what is known of it more recent than on disk */
    enum message_state state;
    int32_t owner;
    int64_t relayed_ms; /* Unix time at which its message was relayed; 0 = not known */
    char to[NUMBER_SIZE], from[SENDER_SIZE], ref[REF_MAX + 1];
};

/*
 * Finds the messages of reports by their clientId, or else by their API id (which gives them an
 * `id`), and fills in what is in memory. Of a message that is not, the store may know more.
 */
void queue_reports_match(struct queue *q, struct queue_report *reports, size_t count);

/*
 * Applies the REPORT_NEW ones, once the store, if there is one, has written them: tells watchers,
 * and notes them with messages in memory. A report proves that the API has its message: an
 * ambiguous or unresolved one, or one that would be sent again, becomes relayed at once, and one
 * that is being sent when it is settled. A report that turns out to say nothing new becomes
 * REPORT_OLD.
 */
void queue_reports_apply(struct queue *q, struct queue_report *reports, size_t count,
                         int64_t now_ms);

/* Copies from a message what its owner is told with a report. The caller alone uses `m`, or holds
 * the mutex. */
void queue_report_fill_in(struct queue_report *report, const struct message *m);

/* Remembers the API id of a message of an earlier run, as if it had just been relayed. `queue` is a
 * struct queue: this is a callback. */
void queue_remember_api_id(void *queue, const char *api_id, const struct ulid *id);

#endif
