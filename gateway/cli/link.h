/*
 * link: a connection to a running relay, seen from its client.
 *
 * Owns finding the relay, the connection, and what a reply means as an exit code (sysexits.h). What
 * is asked is its caller's business. Thread: the program's only one; blocking.
 */
#ifndef GATEWAY_CLI_LINK_H
#define GATEWAY_CLI_LINK_H

#include "proto/buffer.h"

#include <stdbool.h>
#include <stdio.h>

#define LINK_DEFAULT_SOCKET  "/run/smsrelay/smsrelay.sock"
#define LINK_DEFAULT_ADDRESS "127.0.0.1:2525"

struct link {
    int fd;
    FILE *replies;        /* `fd`, for reading */
    struct buffer out;    /* commands to send: the caller appends, link_exchange empties it */
    struct buffer answer; /* the last reply, codes and all, its lines ended by LF */
    const char *target;   /* where the relay was looked for; borrowed */
    int reason;           /* errno: why there is no connection to it; 0 = there is one */
};

/* Writes "smsrelay: what: about" to stderr, or "smsrelay: what" for "". Returns `code`. */
int link_complain(int code, const char *what, const char *about);

/*
 * Connects and waits for the greeting. `target` is a PATH or HOST:PORT, or NULL for the default:
 * see gateway/cli/client.h. With `may_take_long` answers are waited for without limit, else a minute.
 * Returns an exit code, having said what is wrong, but for a connection that could not be made
 * (EX_UNAVAILABLE and a `reason`): link_complain_unmade says it. link_close is due in any case.
 */
int link_open(struct link *link, const char *target, bool may_take_long);

/* The same, but only connects: the relay's greeting is unread, `replies` is NULL. */
int link_dial(struct link *link, const char *target);

/* Nobody listens where the relay was looked for: it does not run, or elsewhere. */
bool link_is_absent(const struct link *link);
/* Says on stderr that the connection could not be made. Returns an exit code. */
int link_complain_unmade(const struct link *link);

/* Closes the connection and frees what the link holds. */
void link_close(struct link *link);

/* Appends a line end to what is to be sent. */
void link_end_line(struct link *link);

/*
 * Sends what `out` holds and reads the reply to it, or just reads one (link_expect). A refusal goes
 * to stderr, whole. Returns an exit code.
 */
int link_exchange(struct link *link);
int link_expect(struct link *link);

/* Sends what `out` holds; false where the connection does not take it. */
bool link_send(struct link *link);
/* Reads one reply, of any number of lines and meaning, into `answer`. Returns an exit code: EX_OK,
 * or, told on stderr, EX_UNAVAILABLE where none came, EX_PROTOCOL, EX_OSERR. */
int link_receive(struct link *link);

/* Writes the last reply to stdout without its codes. Returns an exit code. */
int link_print_answer(const struct link *link);

#endif
