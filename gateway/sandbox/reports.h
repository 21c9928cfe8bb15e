/*
 * reports: delivery reports on their way to the webhook.
 *
 * Owns the waiting reports, their retries and the connections to the webhook. The outcome of a
 * message tells which reports it gets. Thread: the event base's.
 */
#ifndef GATEWAY_SANDBOX_REPORTS_H
#define GATEWAY_SANDBOX_REPORTS_H

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct sandbox_message;
struct sandbox_reports;
struct sandbox_settings;

struct sandbox_report_counts {
    uint64_t delivered; /* answered 2xx */
    uint64_t failed;    /* given up */
    uint64_t retried;   /* attempts after the first */
    uint64_t dropped;   /* too many were waiting */
    uint64_t waiting;   /* now */
};

/* The settings must outlive it; they may change at any time. NULL on allocation failure. */
struct sandbox_reports *sandbox_reports_new(struct event_base *base,
                                            const struct sandbox_settings *settings);

/* Schedules the reports of the message's outcome; none without a webhook. */
void sandbox_reports_schedule(struct sandbox_reports *reports,
                              const struct sandbox_message *message, const char *id);

/* Sends a report now; with `text` (may be NULL) it is an inbound message. */
void sandbox_reports_send(struct sandbox_reports *reports, const struct sandbox_message *message,
                          const char *id, const char *status, int code, const char *text);

/* The status that the history shows for a message at `now_ms` (Unix time). */
const char *sandbox_reports_status(const struct sandbox_reports *reports,
                                   const struct sandbox_message *message, int64_t now_ms);

const struct sandbox_report_counts *sandbox_reports_counts(const struct sandbox_reports *reports);

/* Drops the waiting reports and resets the counts. */
void sandbox_reports_clear(struct sandbox_reports *reports);

/* Frees everything. NULL is fine. */
void sandbox_reports_free(struct sandbox_reports *reports);

#endif
