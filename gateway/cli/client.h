/*
 * client: the half of the command line that talks to a running relay, or, for `queue`, reads the
 * store of one that does not run.
 *
 * Owns the subcommands send, status, queue, stats, watch, flush, hold, release, retry and cancel:
 * their options, the connection, what is printed and the exit code. Knows the relay only by its
 * line protocol, as any client does (proto/PROTOCOL.md). Thread: the program's only one; blocking.
 *
 * Where the relay is: -s PATH or -s HOST:PORT after the subcommand; else $SMSRELAY_SOCKET, of the
 * same form; else /run/smsrelay/smsrelay.sock where somebody listens there, else 127.0.0.1:2525.
 */
#ifndef GATEWAY_CLI_CLIENT_H
#define GATEWAY_CLI_CLIENT_H

#include <stdbool.h>
#include <stdio.h>

/* Tells whether `word` is one of the subcommands above. */
bool client_knows(const char *word);

/* Writes the subcommands, a line each with what it does: a part of `smsrelay --help`. */
void client_print_commands(FILE *out);

/*
 * Where does a relay with certain settings keep its store? `file` is -c, NULL = the default one;
 * `overrides` those of -o, ended by NULL. Returns a path, malloc'ed, "" where it keeps none; NULL
 * after saying on stderr what is wrong with the settings.
 */
typedef char *client_store_finder(const char *file, char *const *overrides);

/*
 * Runs the subcommand argv[0] with the arguments after it (`--help` included). Answers go to
 * stdout, refusals, whole, and other trouble to stderr.
 *
 * Returns the program's exit code, of sysexits.h: EX_OK; EX_TEMPFAIL for a 4xx; for a 5xx EX_NOPERM
 * (5.7.x), EX_NOINPUT (550 5.0.0: no such message) or EX_DATAERR; EX_UNAVAILABLE where no relay
 * answers (any more); EX_PROTOCOL for an answer that makes no sense; EX_USAGE; EX_IOERR for trouble
 * with stdin or stdout; EX_OSERR without memory; EX_CONFIG for settings that are wrong. Of a store:
 * see client_queue_print.
 */
int client_main(int argc, char **argv, client_store_finder *find_store);

#endif
