/*
 * outcomes: what becomes of a message, chosen by its recipient.
 *
 * Owns the table, which lets a test, or a person, choose what will happen.
 * Thread: any. Pure.
 */
#ifndef GATEWAY_SANDBOX_OUTCOMES_H
#define GATEWAY_SANDBOX_OUTCOMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { SANDBOX_MAX_REPORTS = 3 };

struct sandbox_outcome {
    const char *ending;  /* the last four digits; NULL = every other number */
    const char *meaning; /* for people */
    const char *refusal; /* a field error on `to`, or NULL: accepted */
    bool is_late;        /* its reports are delayed by report_late_ms, not report_delay_ms */
    struct {
        const char *status; /* NULL ends the list */
        int code;
    } reports[SANDBOX_MAX_REPORTS];
    const char *settled; /* the status in the history once its reports are due */
};

/* The outcome for a number; the default one for NULL. */
const struct sandbox_outcome *sandbox_outcome_of(const char *to);

/* Prints the table, for `smsrelay sandbox --help`. */
void sandbox_outcomes_print(FILE *out);

#endif
