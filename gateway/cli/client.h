/*
 * client: the subcommands that ask a running relay; `queue` can also read the store of one that does
 * not run.
 *
 * Owns their options, what is printed and the exit code. Knows the relay only by its line protocol,
 * as any client does (proto/PROTOCOL.md). Thread: the program's only one; blocking.
 *
 * Where the relay is: -s PATH or -s HOST:PORT after the subcommand; else $SMSRELAY_SOCKET, in the
 * same form; else /run/smsrelay/smsrelay.sock if a relay listens there; else 127.0.0.1:2525.
 */
#ifndef GATEWAY_CLI_CLIENT_H
#define GATEWAY_CLI_CLIENT_H

#include <stdbool.h>
#include <stdio.h>

/* Is `word` one of the subcommands? */
bool client_knows(const char *word);

/* Writes a line about each subcommand, for `smsrelay --help`. */
void client_print_commands(FILE *out);

/*
 * Finds the store of a relay with certain settings. `file` is -c, NULL = the default one;
 * `overrides` are those of -o, ended by NULL. Returns a malloc'ed path, "" = there is no store; NULL
 * after saying on stderr what is wrong with the settings.
 */
typedef char *client_store_finder(const char *file, char *const *overrides);

/*
 * Runs the subcommand argv[0] with the arguments after it (`--help` included). Answers go to stdout,
 * refusals (whole) and errors to stderr.
 *
 * Returns the program's exit code, of sysexits.h: EX_OK; EX_TEMPFAIL for a 4xx; for a 5xx EX_NOPERM
 * (5.7.x), EX_NOINPUT (550 5.0.0: no such message) or EX_DATAERR; EX_UNAVAILABLE if no relay answers
 * or it stops answering; EX_PROTOCOL for an answer that makes no sense; EX_USAGE; EX_IOERR if stdin
 * or stdout fails; EX_OSERR on allocation failure; EX_CONFIG for wrong settings; those of
 * offline_print for a store.
 */
int client_main(int argc, char **argv, client_store_finder *find_store);

#endif
