/*
 * program: writes notices to the standard input of a program of the user's (reports.exec), one JSON
 * object a line.
 *
 * One process at a time, restarted with a backoff when it ends. A line is acknowledged once it has
 * been read from the pipe; the next process begins with the first line that was not read whole. A
 * program that does not read fills the pipe, then its share of the backlog. Its standard error is the
 * relay's, its standard output goes nowhere. It gets none of our descriptors, and an environment
 * without the token and the settings (except SMSRELAY_SOCKET). It has a process group of its own, so
 * that Ctrl-C at the relay's terminal leaves it time to read to the end.
 *
 * Owns the process and the pipe. Leaves the notices to outbox. Thread: the loop's.
 */
#ifndef GATEWAY_NOTIFY_PROGRAM_H
#define GATEWAY_NOTIFY_PROGRAM_H

#include "gateway/notify/outbox.h"

#include <event2/event.h>
#include <stdbool.h>

struct program;

struct program_options {
    const char *command; /* a path and arguments, separated by spaces; no shell sees it */
    struct stats *stats;
    void (*ended)(void *arg); /* after program_stop: no process is left */
    void *arg;
};

/* Joins the outbox, which outlives it. Options are copied. Returns NULL on allocation failure. */
struct program *program_new(struct event_base *base, struct outbox *outbox,
                            const struct program_options *options);
/* Starts the process, now and whenever it has ended. */
void program_start(struct program *p);
/*
 * Writes what is left for up to `within_ms`, then closes the input and gives the process time to end;
 * then sends SIGTERM, and at last SIGKILL.
 */
void program_stop(struct program *p, int64_t within_ms);
/* Kills the process at once, if there is one; other threads may still append to the outbox. */
void program_end(struct program *p);
/* The same, and frees it: nobody appends any more. NULL is fine. */
void program_free(struct program *p);

#endif
