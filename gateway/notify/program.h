/*
 * program: tells a program of the user's what has changed (reports.exec), a line of JSON each on its
 * standard input.
 *
 * One process at a time, started again, with a backoff, when it ends. A line counts as told once it
 * has been read from the pipe; the next process begins with the first one that was not read whole. A
 * program that does not read costs a pipe full of lines and its part of the backlog. Its standard
 * error is the relay's, its standard output goes nowhere; it gets no descriptor of ours, no token and
 * no settings (SMSRELAY_SOCKET aside) in its environment, and a process group of its own, so that
 * Ctrl-C at the relay's terminal leaves it time to read to the end.
 *
 * Owns the process and the pipe. Leaves which changes there are to outbox. Thread: the loop's.
 */
#ifndef GATEWAY_NOTIFY_PROGRAM_H
#define GATEWAY_NOTIFY_PROGRAM_H

#include "gateway/notify/outbox.h"

#include <event2/event.h>
#include <stdbool.h>

struct program;

struct program_options {
    const char *command; /* a path and arguments, between spaces; no shell sees it */
    struct stats *stats;
    void (*ended)(void *arg); /* after program_stop: there is no process any more */
    void *arg;
};

/* Joins the outbox, which outlives it. Options are copied. Returns NULL without memory. */
struct program *program_new(struct event_base *base, struct outbox *outbox,
                            const struct program_options *options);
/* Starts the process, now and whenever it has ended. */
void program_start(struct program *p);
/*
 * Tells what is left for up to `within_ms`, then closes its input, then gives it time to end, then
 * asks it to (SIGTERM), then makes it (SIGKILL).
 */
void program_stop(struct program *p, int64_t within_ms);
/* Makes the process end at once, if there is one; whoever appends may still wake it. */
void program_end(struct program *p);
/* The same, and frees it: nobody appends any more. NULL is fine. */
void program_free(struct program *p);

#endif
