/* offline: see the header. Thread: the only one. */
#include "gateway/cli/offline.h"

#include "gateway/base/clock.h"
#include "gateway/base/int64.h"
#include "gateway/cli/link.h"
#include "gateway/store/offline.h"
#include "proto/message.h"
#include "proto/reply.h"
#include "proto/session/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

enum { LIST_DEFAULT = 100, LIST_MAX = 10000 }; /* as QUEUE LIST has them */

static const char not_running[] = "the relay is not running";

/* --- what is asked for ------------------------------------------------------------------------ */

static bool parse_max(const char *word, size_t *max)
{
    char *end;
    unsigned long number = strtoul(word, &end, 10);
    *max = number;
    return word[0] >= '0' && word[0] <= '9' && *end == '\0' && number <= LIST_MAX;
}

/* Reads `[STATE] [N]`. */
static bool parse_list(struct offline_query *query, int count, char **arguments)
{
    enum message_state state;
    int next = 0;
    if (next < count && message_state_parse(arguments[next], &state)) {
        query->state = (int)state;
        next++;
    }
    if (next < count && parse_max(arguments[next], &query->max)) {
        next++;
    }
    return next == count;
}

struct offline_query offline_query_parse(int count, char **arguments)
{
    struct offline_query query = {
        .kind = OFFLINE_UNKNOWN, .state = STORE_UNFINISHED, .max = LIST_DEFAULT};
    if (count == 0) {
        query.kind = OFFLINE_TOTALS;
    } else if (count == 1 && strcasecmp(arguments[0], "export") == 0) {
        query.kind = OFFLINE_EXPORT;
    } else if (strcasecmp(arguments[0], "list") == 0 &&
               parse_list(&query, count - 1, arguments + 1)) {
        query.kind = OFFLINE_LIST;
    }
    return query;
}

/* --- what is printed -------------------------------------------------------------------------- */

/* A store and what is read from it, to be printed. */
struct reading {
    struct store_offline *store;
    struct buffer out;   /* for stdout */
    struct buffer notes; /* for stderr, after it */
    char error[STORE_OFFLINE_ERROR_SIZE];
};

static void read_totals(struct reading *r)
{
    static const enum message_state told[] = {MESSAGE_QUEUED, MESSAGE_SENDING, MESSAGE_DEFERRED,
                                              MESSAGE_SCHEDULED, MESSAGE_UNRESOLVED};
    size_t by_state[MESSAGE_STATES] = {0};
    int64_t now_ms = clock_unix_ms();
    int64_t oldest_ms = now_ms;
    struct message *m;
    store_offline_begin(r->store, STORE_UNFINISHED, SIZE_MAX);
    while ((m = store_offline_next(r->store, r->error)) != NULL) {
        oldest_ms = int64_min(oldest_ms, ulid_time_ms(&m->id));
        by_state[m->state]++;
        message_free(m);
    }
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++) {
        buffer_printf(&r->out, "%s=%zu ", message_state_name(told[i]), by_state[told[i]]);
    }
    buffer_printf(&r->out, "oldest=%" PRId64 " relaying=no", (now_ms - oldest_ms) / 1000);
    reply_value(&r->out, "reason", not_running);
    buffer_putc(&r->out, '\n');
}

static void read_list(struct reading *r, const struct offline_query *query)
{
    struct message *m;
    store_offline_begin(r->store, query->state, query->max);
    while ((m = store_offline_next(r->store, r->error)) != NULL) {
        struct message_status status;
        message_status_copy(m, &status);
        reply_status(&r->out, &status, not_running);
        buffer_putc(&r->out, '\n');
        message_status_free(&status);
        message_free(m);
    }
    if (r->out.len == 0 && r->error[0] == '\0') {
        buffer_puts(&r->out, "none\n");
    }
}

/* Would sending it send it twice? */
static bool may_have_been_sent(const struct message *m)
{
    return m->may_be_sent || m->state == MESSAGE_SENDING || m->state == MESSAGE_UNRESOLVED;
}

static void read_export(struct reading *r, const struct offline_query *query)
{
    size_t written = 0;
    size_t maybe_sent = 0;
    size_t expired = 0;
    int64_t now_ms = clock_unix_ms();
    struct message *m;
    store_offline_begin(r->store, STORE_UNFINISHED, SIZE_MAX);
    while ((m = store_offline_next(r->store, r->error)) != NULL) {
        if (may_have_been_sent(m) && !query->exports_sent) {
            maybe_sent++;
        } else if (json_write_message(&r->out, m, now_ms)) {
            written++;
        } else {
            expired++;
        }
        message_free(m);
    }
    buffer_printf(&r->notes, "smsrelay: messages exported: %zu\n", written);
    if (maybe_sent > 0) {
        buffer_printf(&r->notes,
                      "smsrelay: left out because they may have been sent already: %zu "
                      "(--all exports them too)\n",
                      maybe_sent);
    }
    if (expired > 0) {
        buffer_printf(&r->notes, "smsrelay: left out because their time is over: %zu\n", expired);
    }
}

/* --- the store -------------------------------------------------------------------------------- */

static void read_store(struct reading *r, const struct offline_query *query)
{
    switch (query->kind) {
    case OFFLINE_TOTALS:
        read_totals(r);
        break;
    case OFFLINE_LIST:
        read_list(r, query);
        break;
    case OFFLINE_EXPORT:
        read_export(r, query);
        break;
    case OFFLINE_UNKNOWN:
        break;
    }
}

static int complain_of_store(const struct offline_query *query, enum store_offline_verdict verdict,
                             const char *error)
{
    switch (verdict) {
    case STORE_IS_OPEN:
        break;
    case STORE_IS_MISSING:
        return link_complain(EX_NOINPUT, error, "");
    case STORE_IS_DENIED:
        return link_complain(EX_NOPERM, error, "");
    case STORE_IS_IN_USE:
        return link_complain(EX_TEMPFAIL, error,
                             query->kind == OFFLINE_EXPORT
                                 ? "stop it first: only a store that no relay uses can be exported"
                                 : "ask it, with -s PATH|HOST:PORT");
    case STORE_IS_UNUSABLE:
        return link_complain(EX_DATAERR, error, "");
    }
    return EX_OK;
}

static int write_out(const struct buffer *b, FILE *to)
{
    bool is_written = fwrite(b->data == NULL ? "" : b->data, 1, b->len, to) == b->len;
    return fflush(to) == 0 && is_written ? EX_OK
                                         : link_complain(EX_IOERR, "stdout", strerror(errno));
}

static int print_reading(const struct reading *r)
{
    if (r->out.has_failed || r->notes.has_failed) {
        return link_complain(EX_OSERR, "out of memory", "");
    }
    int code = write_out(&r->out, stdout);
    fprintf(stderr, "%.*s", (int)r->notes.len, r->notes.data == NULL ? "" : r->notes.data);
    if (r->error[0] != '\0') {
        return link_complain(EX_DATAERR, "the rest of the store cannot be read", r->error);
    }
    return code;
}

int offline_print(const struct offline_query *query, const char *path)
{
    struct reading r = {.out = BUFFER_EMPTY, .notes = BUFFER_EMPTY};
    if (query->kind == OFFLINE_UNKNOWN) {
        return link_complain(EX_USAGE, "a store can be asked: queue [list [STATE] [N] | export]",
                             "");
    }
    enum store_offline_verdict verdict = store_offline_open(path, &r.store, r.error);
    if (verdict != STORE_IS_OPEN) {
        return complain_of_store(query, verdict, r.error);
    }
    fprintf(stderr, "smsrelay: %s; this is what its store holds: %s\n", not_running, path);
    read_store(&r, query);
    /* Before printing, which may wait for a pager: a relay may want to start. */
    store_offline_close(r.store);
    int code = print_reading(&r);
    buffer_free(&r.out);
    buffer_free(&r.notes);
    return code;
}
