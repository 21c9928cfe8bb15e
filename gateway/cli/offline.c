/* offline: see the header. Thread: the only one. */
#include "gateway/cli/offline.h"

#include "gateway/base/clock.h"
#include "gateway/base/int64.h"
#include "gateway/cli/answer.h"
#include "gateway/cli/complain.h"
#include "gateway/store/offline.h"
#include "proto/message.h"
#include "proto/reply.h"
#include "proto/session/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

bool offline_query_list(struct offline_query *query, int count, char **arguments)
{
    enum message_state state;
    int next = 0;
    *query = (struct offline_query){
        .kind = OFFLINE_LIST, .state = STORE_UNFINISHED, .max = LIST_DEFAULT};
    if (next < count && message_state_parse(arguments[next], &state)) {
        query->state = (int)state;
        next++;
    }
    if (next < count && parse_max(arguments[next], &query->max)) {
        next++;
    }
    return next == count;
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
    bool is_finished =
        query->state >= 0 && message_state_is_finished((enum message_state)query->state);
    size_t count = 0;
    struct message *m;
    /* There may be millions that are finished: whether there are more is enough. */
    store_offline_begin(r->store, query->state, is_finished ? query->max + 1 : SIZE_MAX);
    while ((m = store_offline_next(r->store, r->error)) != NULL) {
        if (count++ < query->max) {
            struct message_status status;
            message_status_copy(m, &status);
            reply_status(&r->out, &status, not_running);
            buffer_putc(&r->out, '\n');
            message_status_free(&status);
        }
        message_free(m);
    }
    if (count > query->max && is_finished) {
        buffer_puts(&r->out, "more=yes\n");
    } else if (count > query->max) {
        buffer_printf(&r->out, "more=%zu\n", count - query->max);
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
    buffer_printf(&r->notes, "smsrelay queue export: messages exported: %zu\n", written);
    if (maybe_sent > 0) {
        buffer_printf(
            &r->notes,
            "smsrelay queue export: left out because they may have been sent already: %zu "
            "(--all exports them too)\n",
            maybe_sent);
    }
    if (expired > 0) {
        buffer_printf(&r->notes,
                      "smsrelay queue export: left out because their time is over: %zu\n", expired);
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
    }
}

static int complain_of_store(const struct offline_query *query, enum store_offline_verdict verdict,
                             const char *error)
{
    switch (verdict) {
    case STORE_IS_OPEN:
        break;
    case STORE_IS_MISSING:
        return complain(EX_NOINPUT, "%s", error);
    case STORE_IS_DENIED:
        return complain(EX_NOPERM, "%s", error);
    case STORE_IS_IN_USE:
        return complain(EX_TEMPFAIL, "%s: %s", error,
                        query->kind == OFFLINE_EXPORT
                            ? "stop it first: only a store that no relay uses can be exported"
                            : "ask it, with -s PATH|HOST:PORT");
    case STORE_IS_UNUSABLE:
        return complain(EX_DATAERR, "%s", error);
    }
    return EX_OK;
}

static int print_reading(const struct reading *r, const struct offline_query *query)
{
    enum answer_shape shape = query->kind == OFFLINE_LIST ? ANSWER_MESSAGES : ANSWER_OBJECT;
    bool is_json = query->is_json && query->kind != OFFLINE_EXPORT;
    if (r->notes.has_failed || !answer_print(&r->out, shape, is_json, stdout)) {
        return complain(EX_OSERR, "out of memory");
    }
    fprintf(stderr, "%.*s", (int)r->notes.len, buffer_bytes(&r->notes));
    if (r->error[0] != '\0') {
        return complain(EX_DATAERR, "the rest of the store cannot be read: %s", r->error);
    }
    return EX_OK;
}

int offline_print(const struct offline_query *query, const char *path)
{
    struct reading r = {.out = BUFFER_EMPTY, .notes = BUFFER_EMPTY};
    enum store_offline_verdict verdict = store_offline_open(path, &r.store, r.error);
    if (verdict != STORE_IS_OPEN) {
        return complain_of_store(query, verdict, r.error);
    }
    complain(EX_OK, "%s; this is what its store holds: %s", not_running, path);
    read_store(&r, query);
    /* Before printing, which may wait for a pager: a relay may want to start. */
    store_offline_close(r.store);
    int code = print_reading(&r, query);
    buffer_free(&r.out);
    buffer_free(&r.notes);
    return code;
}
