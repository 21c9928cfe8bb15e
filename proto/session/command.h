/*
 * command: the verb table. One row a verb: its word, what argument it takes, when it is allowed,
 * what carries it out, and what HELP says about it. Thread: any. Pure.
 */
#ifndef PROTO_SESSION_COMMAND_H
#define PROTO_SESSION_COMMAND_H

#include "proto/session/state.h"

/* The row of a word (any case), or NULL. */
const struct command *command_find(const char *word, size_t len);

/* All rows, in the order in which HELP lists them; the last one has no word. */
extern const struct command COMMANDS[SESSION_VERBS + 1];

#endif
