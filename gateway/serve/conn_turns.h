/*
 * conn_turns: clients are served one after the other, for a slice of time each.
 *
 * Owns when a client's input is read and carried out, and its last words. Leaves the order to owner and
 * turns, and what a session wants done to conn_events. Thread: the loop's.
 */
#ifndef GATEWAY_SERVE_CONN_TURNS_H
#define GATEWAY_SERVE_CONN_TURNS_H

#include <stdbool.h>

struct conn_context;

/* Returns false on allocation failure. The rest of the context has been set. */
bool conn_context_open(struct conn_context *context);
/* Once conn_free was called for every client: frees what still waits. */
void conn_context_close(struct conn_context *context);

/* Sends what verdicts and events have written. What clients may do now takes their turns. */
void conn_send_replies(struct conn_context *context);

#endif
