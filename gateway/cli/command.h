/*
 * command: the commands of the program: one table of options, one way to read them, one form of help.
 *
 * Owns the command line. What the commands do is theirs: client.c has those that ask a relay, main.c
 * those that need the settings. Thread: the program's only one.
 */
#ifndef GATEWAY_CLI_COMMAND_H
#define GATEWAY_CLI_COMMAND_H

#include "gateway/cli/answer.h"
#include "gateway/cli/link.h"

#include <stdbool.h>
#include <stdio.h>

struct invocation;

struct command {
    const char *name;      /* one or two words: "queue list" */
    const char *arguments; /* as usage shows them; NULL = none */
    int min, max;          /* how many; max -1 = any number */
    const char *options;   /* by their letters in the table of options; NULL = none but --help */
    bool has_text;         /* its options end at the first argument, for a text may look like one */
    bool has_own_flags;    /* all words are its arguments, its name among them */
    int (*run)(const struct invocation *invocation); /* returns an exit code */
    enum answer_shape shape;                         /* of what it prints with --json */
    const char *summary;                             /* one line */
    const char *help;                                /* more lines; NULL = none */
    const char *example;                             /* lines of a shell */
    void (*print_more)(FILE *out);                   /* of the help; NULL = there is no more */
};

/* What the assembly knows and the commands do not: the settings. */
struct command_settings {
    /* Finds the store of a relay with certain settings. `file` is -c, NULL = the default one;
     * `overrides` are those of -o, ended by NULL. Returns a malloc'ed path, "" = there is no store;
     * NULL after saying on stderr what is wrong with the settings. */
    char *(*find_store)(const char *file, char *const *overrides);
    link_find_listeners *find_listeners;
    char *(*find_users)(const char *file, char *const *overrides); /* the same, of the users file */
};

/* What the command line asks for. */
struct invocation {
    const struct command *command;
    const struct command_settings *settings;
    char **arguments; /* behind the command's name; `count` of them */
    int count;
    bool is_literal; /* "--" stands before them */
    struct given {
        char letter;
        char *value;
    } * given; /* the options, in their order; `given_count` of them */
    int given_count;
};

/* Was the option given, and with which value? Of several, the last counts. NULL = no. */
const char *invocation_option(const struct invocation *invocation, char letter);
/* All values of an option, ended by NULL, in a malloc'ed array; NULL on allocation failure. */
char **invocation_values(const struct invocation *invocation, char letter);
/* --timeout. */
int64_t invocation_limit_ms(const struct invocation *invocation, int64_t otherwise_ms);

/* Does a word look like one of the command's options? */
bool command_has_option(const struct command *command, const char *word);

/* Complains, and shows the usage. Returns EX_USAGE. */
int command_misused(const struct command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Runs the command that argv names. Each of the tables, which end in NULL, ends in a row without a
 * name. Returns the program's exit code (exits.h): stdout has then been written.
 */
int command_main(const struct command *const *tables, const struct command_settings *settings,
                 int argc, char **argv);

#endif
