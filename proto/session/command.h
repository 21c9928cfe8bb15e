/*
 * command: the verb table.
 *
 * One row a verb: its word, what argument it takes, when it is allowed, what carries it out, and
 * what HELP says of it. Thread: any. Pure.
 */
#ifndef PROTO_SESSION_COMMAND_H
#define PROTO_SESSION_COMMAND_H

#include "proto/session/state.h"

enum command_argument { ARGUMENT_NONE, ARGUMENT_OPTIONAL, ARGUMENT_NEEDED };

enum {
    COMMAND_WAITS = 1,   /* for the replies to everything before it */
    COMMAND_CONTROL = 2, /* for clients with control rights */
    COMMAND_COLON = 4,   /* "FROM:" is taken for it too */
    COMMAND_ENDS = 8     /* the open message, also where the line is refused */
};

struct command {
    const char *word;
    enum command_argument argument;
    unsigned flags;
    command_run *run;
    int verb; /* enum request_verb, for command_ask */
    const char *syntax;
    const char *help;
};

/* The row of a word (any case), or NULL. */
const struct command *command_find(const char *word, size_t len);

/* All rows, in the order in which HELP names them; ends with a row without a word. */
extern const struct command COMMANDS[SESSION_VERBS + 1];

#endif
