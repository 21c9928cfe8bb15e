/*
 * turns: which client is served next.
 *
 * One thread serves all clients, so each gets a slice of time and then waits for its next turn. Owners
 * share the time, and the connections of an owner the work that is done in it: the one that has used least
 * is next (start-time fair queuing; Goyal, Vin and Cheng, 1996). One that was idle begins a little before the
 * present: it goes before all that want more and more, but has not saved up what it did not use. So it
 * does not matter how many connections an owner has, and a client that asks little never waits for
 * those that ask much.
 *
 * Owns the order. Leaves serving, and measuring it, to the connection. Thread: the loop's. Pure.
 */
#ifndef GATEWAY_SERVE_TURNS_H
#define GATEWAY_SERVE_TURNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A connection or an owner, in a line. What is used is us of owners, steps of connections (conn_turns.c).
 * Starts all zero. */
struct turn {
    uint64_t used;
    uint64_t arrival; /* of two that have used as much, the first to come is next */
    size_t place;     /* in the heap, from 1 on; 0 = it does not wait */
};

/* Those that wait: a heap. Starts all zero. */
struct turn_line {
    struct turn **heap;
    size_t count, size;
    uint64_t now; /* the most that one had used when it was served */
    uint64_t arrivals;
};

/* Makes room for `count` that wait. Returns false on allocation failure. */
bool turn_line_reserve(struct turn_line *line, size_t count);
void turn_line_free(struct turn_line *line);

/* Begins a turn at the present, as that of one that has only just come. */
void turn_line_enter(const struct turn_line *line, struct turn *turn);

/* Adds one, for which there is room. One that waits already keeps its place. */
void turn_line_add(struct turn_line *line, struct turn *turn);

/* The one to be served next; NULL if none waits. It keeps its place until it is taken. */
struct turn *turn_line_first(const struct turn_line *line);

/* Takes one out, to be served. One that does not wait is fine. */
void turn_line_take(struct turn_line *line, struct turn *turn);

/* Adds to what one has used: 1 at least. */
void turn_line_charge(struct turn_line *line, struct turn *turn, uint64_t cost);

#endif
