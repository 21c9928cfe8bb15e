/*
 * link: a client's connection to a running relay.
 *
 * Owns finding the relay, the connection and its time limit, and the words for what goes wrong. The
 * caller decides what to ask, and complains. Thread: the program's only one; blocking.
 *
 * Where the relay is: `target` (-s PATH or HOST:PORT); else $SMSRELAY_SOCKET, in the same form; else
 * the socket or, if nobody listens there, the address of the settings that link_find_listeners reads.
 */
#ifndef GATEWAY_CLI_LINK_H
#define GATEWAY_CLI_LINK_H

#include "proto/buffer.h"

#include <stdbool.h>
#include <stdint.h>

#define LINK_DEFAULT_SOCKET  "/run/smsrelay/smsrelay.sock"
#define LINK_DEFAULT_ADDRESS "127.0.0.1:2525"

enum { LINK_LIMIT_MS = 30 * 1000, LINK_TARGET_SIZE = 512 };

/* Where a relay listens; "" = not there. */
struct link_listeners {
    char socket[LINK_TARGET_SIZE];  /* PATH */
    char address[LINK_TARGET_SIZE]; /* HOST:PORT */
};

/* Changes what the settings file of this machine, if it can be read, says otherwise. */
typedef void link_find_listeners(struct link_listeners *listeners);

struct link {
    int fd;
    struct buffer in;      /* received, and not read yet */
    struct buffer out;     /* commands to send: the caller appends, link_exchange empties it */
    struct buffer answer;  /* the last reply with its codes; lines end in LF */
    struct buffer trouble; /* what went wrong: lines without LF at the end */
    char target[2 * LINK_TARGET_SIZE + 8]; /* where the relay should be */
    int reason;                            /* errno: why it is not connected; 0 = it is */
    int64_t limit_ms;                      /* how long the relay may keep us waiting, all in all, */
    int64_t left_ms;                       /* and how much of that is left */
};

/*
 * All but link_close return an exit code (exits.h): EX_OK, or what fits, with `trouble`. A relay that
 * keeps us waiting longer than `limit_ms` gives EX_TEMPFAIL.
 */

/* Connects, and makes sure that a relay answers. `find` may be NULL. Call link_close in any case. */
int link_open(struct link *link, const char *target, link_find_listeners *find, int64_t limit_ms);
/* The same, but only connects: the relay's greeting is unread. */
int link_dial(struct link *link, const char *target, link_find_listeners *find, int64_t limit_ms);
/* Closes the connection and frees what the link holds. */
void link_close(struct link *link);

/* Did link_open fail because nobody listens where the relay should be? */
bool link_is_absent(const struct link *link);
/* Has the relay used up its time? */
bool link_is_late(const struct link *link);
/* The relay has its whole time again. */
void link_restart_clock(struct link *link);

/* Appends a line end to what is to be sent. */
void link_end_line(struct link *link);
/* Sends `out`. */
int link_send(struct link *link);
/* Reads a reply into `answer`, whatever it says. */
int link_receive(struct link *link);
/* The same; a refusal is trouble. */
int link_expect(struct link *link);
/* link_send and link_expect. */
int link_exchange(struct link *link);

/* Appends the words of the last reply, lines without codes. */
void link_words(const struct link *link, struct buffer *words);
/* Sets `trouble` to the words of the last reply, each line with its codes behind it. */
void link_refuse(struct link *link);

/* Complains of `trouble`, a line at a time, with `about` before it; "" = nothing. */
void link_complain(const struct link *link, const char *about);

#endif
