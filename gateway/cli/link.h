/*
 * link: a client's connection to a running relay.
 *
 * Owns finding the relay, the connection, and what a reply means as an exit code (sysexits.h). The
 * caller decides what to ask. Thread: the program's only one; blocking.
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
    struct buffer answer; /* the last reply with its codes; lines end in LF */
    const char *target;   /* where the relay should be; borrowed */
    int reason;           /* errno: why it is not connected; 0 = it is */
};

/* Writes "smsrelay: what: about" to stderr, or "smsrelay: what" for "". Returns `code`. */
int link_complain(int code, const char *what, const char *about);

/*
 * Connects and waits for the greeting. `target` is a PATH or HOST:PORT, or NULL for the default:
 * see gateway/cli/client.h. Waits for answers up to a minute, or for ever with `may_take_long`.
 * Returns an exit code after saying what is wrong, unless the connection could not be made
 * (EX_UNAVAILABLE and a `reason`): link_complain_unmade says that. Call link_close in any case.
 */
int link_open(struct link *link, const char *target, bool may_take_long);

/* The same, but only connects: the relay's greeting is unread, `replies` is NULL. */
int link_dial(struct link *link, const char *target);

/* Does nobody listen where the relay should be? */
bool link_is_absent(const struct link *link);
/* Says on stderr that the connection could not be made. Returns an exit code. */
int link_complain_unmade(const struct link *link);

/* Closes the connection and frees what the link holds. */
void link_close(struct link *link);

/* Appends a line end to what is to be sent. */
void link_end_line(struct link *link);

/*
 * Sends `out` and reads the reply, or only reads one (link_expect). A refusal goes to stderr, whole.
 * Returns an exit code.
 */
int link_exchange(struct link *link);
int link_expect(struct link *link);

/* Sends `out`. Returns false if the connection fails. */
bool link_send(struct link *link);
/* Reads a reply, whatever it says, into `answer`. Returns an exit code: EX_OK or, after saying why
 * on stderr, EX_UNAVAILABLE if there was none, EX_PROTOCOL, EX_OSERR. */
int link_receive(struct link *link);

/* Writes the last reply to stdout without its codes. Returns an exit code. */
int link_print_answer(const struct link *link);

#endif
