/*
 * notice: one lasting change of a message, as a JSON object for the webhook and the program.
 *
 * Owns which changes are worth a notice and the members that describe them. Leaves delivery to
 * outbox, webhook and program. A notice is built once: what is sent under its number never differs.
 * Thread: any. Pure.
 */
#ifndef GATEWAY_NOTIFY_NOTICE_H
#define GATEWAY_NOTIFY_NOTICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct queue_event;
struct queue_record;
struct queue_report;

/* One allocation, one owner. */
struct notice {
    STAILQ_ENTRY(notice) entry;
    uint64_t number; /* rises, also from run to run */
    size_t len;      /* of `json` */
    char json[];     /* one object on one line, without a line end; ends in NUL */
};
STAILQ_HEAD(notices, notice);

/*
 * A message has entered a state, one for which message_state_is_settled: transient states get no
 * notice. `answer` as message_answer_new; `at_ms` = Unix time of the change. All four return NULL on
 * allocation failure.
 */
struct notice *notice_of_record(uint64_t number, const struct queue_record *record,
                                const char *answer);
/* The same from an event of the queue, which may also be a report or an inbound message. */
struct notice *notice_of_event(uint64_t number, const struct queue_event *event, int64_t at_ms);
/* A report that is REPORT_NEW, or an inbound message. */
struct notice *notice_of_report(uint64_t number, const struct queue_report *report, int64_t at_ms);
/* A notice of an earlier run. */
struct notice *notice_copy(uint64_t number, const char *json, size_t len);

/* Frees all; the list is empty and usable again. */
void notices_clear(struct notices *notices);

#endif
