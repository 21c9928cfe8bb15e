/*
 * change: what has changed of a message for good, as one JSON object for those who are told.
 *
 * Owns which changes are told and the members that say so. Leaves who is told, and when, to outbox
 * and its consumers. A change is built once: what is told under its number never differs.
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
    uint64_t number; /* rising, also from run to run */
    size_t len;      /* of `json` */
    char json[];     /* one object on one line, without a line end; ends in NUL */
};
STAILQ_HEAD(notices, notice);

/*
 * A message has come to a state; `answer` as message_answer_new. Only of states for which
 * message_state_is_settled: what passes by itself is not told. `at_ms` = Unix time of the change.
 * Returns NULL without memory, as the next two do.
 */
struct notice *notice_of_record(uint64_t number, const struct queue_record *record,
                                const char *answer);
/* The same as the queue tells it, or what a report or an inbound message has said. */
struct notice *notice_of_event(uint64_t number, const struct queue_event *event, int64_t at_ms);
/* A report that is REPORT_NEW, or an inbound message. */
struct notice *notice_of_report(uint64_t number, const struct queue_report *report, int64_t at_ms);

/* One that was built before. */
struct notice *notice_copy(uint64_t number, const char *json, size_t len);

/* Frees all; the list is empty and usable again. */
void notices_clear(struct notices *notices);

#endif
