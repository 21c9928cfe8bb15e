/*
 * offline: `smsrelay queue` when no relay answers: it reads the store itself.
 *
 * Owns what is printed: what a relay would answer to QUEUE and QUEUE LIST, and the export. Changes
 * nothing. Thread: the program's only one; blocking.
 */
#ifndef GATEWAY_CLI_OFFLINE_H
#define GATEWAY_CLI_OFFLINE_H

#include <stdbool.h>
#include <stddef.h>

enum offline_kind {
    OFFLINE_TOTALS, /* how many messages are in each state */
    OFFLINE_LIST,   /* a line a message */
    OFFLINE_EXPORT, /* a line of JSON a message */
};

struct offline_query {
    enum offline_kind kind;
    int state;         /* to list: enum message_state, or -1 = every unfinished message */
    size_t max;        /* to list */
    bool exports_sent; /* also what may have been sent already */
    bool is_json;      /* totals and lists, too */
};

/* Reads `[STATE] [N]`, the arguments of `queue list`. Returns false if they are something else. */
bool offline_query_list(struct offline_query *query, int count, char **arguments);

/*
 * Prints what the store at `path` holds, and says on stderr that no relay is running. Returns an exit
 * code after saying what is wrong: EX_NOINPUT if there is no store, EX_NOPERM if this user may not
 * read it, EX_TEMPFAIL if a relay is running on it, EX_DATAERR if it is damaged or not a store.
 */
int offline_print(const struct offline_query *query, const char *path);

#endif
