/*
 * offline: `smsrelay queue` where no relay answers: it reads the store itself.
 *
 * Owns what is printed then, which for QUEUE and QUEUE LIST is what a relay would answer, and the
 * export. Changes nothing. Thread: the program's only one; blocking.
 */
#ifndef GATEWAY_CLI_OFFLINE_H
#define GATEWAY_CLI_OFFLINE_H

#include <stdbool.h>
#include <stddef.h>

enum client_queue_kind {
    CLIENT_QUEUE_TOTALS, /* how many messages are in which state */
    CLIENT_QUEUE_LIST,   /* a line a message */
    CLIENT_QUEUE_EXPORT, /* a line of JSON a message */
    CLIENT_QUEUE_UNKNOWN /* only a relay may know what this is */
};

struct client_queue {
    enum client_queue_kind kind;
    int state;         /* to list: enum message_state, or -1 = all that are not finished */
    size_t max;        /* to list at most */
    bool exports_sent; /* what may have been sent already, too */
};

/*
 * Reads `[list [STATE] [N] | export]`, the arguments behind "queue". `exports_sent` is left to the
 * caller.
 */
struct client_queue client_queue_parse(int count, char **arguments);

/*
 * Prints what the store at `path` holds, saying on stderr that no relay runs there. Returns an exit
 * code, having said what is wrong: EX_NOINPUT where there is no store, EX_NOPERM where this user
 * must not read it, EX_TEMPFAIL where a relay runs on it, EX_DATAERR where it is none, or damaged;
 * EX_USAGE for CLIENT_QUEUE_UNKNOWN.
 */
int client_queue_print(const struct client_queue *queue, const char *path);

#endif
