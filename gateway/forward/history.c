/* history: see history.h. */
#include "gateway/forward/history.h"

#include "gateway/api/json.h"
#include "gateway/base/clock.h"
#include "gateway/base/int64.h"
#include "gateway/base/log.h"
#include "gateway/queue/ask.h"
#include "gateway/queue/dispatch.h"

#include <errno.h>
#include <stdlib.h>

enum { RESOLVE_SLICE = 1000 };

struct history {
    struct history_means with;
    struct history_options options;
    struct reconcile *reconcile;
    struct poll *poll;    /* NULL = nothing is polled */
    bool is_pending;      /* a call is under way: */
    bool is_poll_pending; /* one of poll */
    bool has_failed;      /* the last call of a scan brought no page */
    bool has_poll_failed; /* the last call of poll brought nothing, which was logged */
    uint64_t scan_from;   /* `landed` when the scan began: the history held these for sure */
};

/* --- reconciling ------------------------------------------------------------------------------ */

static void resolve(struct history *h, bool others_wait)
{
    size_t count;
    size_t found = 0;
    size_t absent = 0;
    size_t left = 0;
    /* In this order, and a millisecond later: see doubt in the forwarder. */
    int64_t steady_ms = clock_steady_ms();
    int64_t now_ms = clock_monotonic_ms() + 1;
    struct queue_resolution *resolutions =
        reconcile_results(h->reconcile, others_wait, now_ms, &count);
    for (size_t i = 0; i < count; i++) {
        if (resolutions[i].fate == FATE_RELAYED) {
            const char *api_id = message_answer_api_id(resolutions[i].answer);
            history_relayed(h, &resolutions[i].id, api_id, now_ms, now_ms);
        }
        found += resolutions[i].fate == FATE_RELAYED ? 1 : 0;
        absent += resolutions[i].fate == FATE_RETURNED ? 1 : 0;
        left += resolutions[i].fate == FATE_AMBIGUOUS ? 1 : 0;
    }
    stats_add(h->with.stats, STAT_RECONCILE_FOUND, (int64_t)found);
    stats_add(h->with.stats, STAT_RECONCILE_ABSENT, (int64_t)absent);
    LOG(LOG_INFO, "reconciled", LOG_INT("messages", count), LOG_INT("relayed", found),
        LOG_INT("sent_again", absent), LOG_INT("looked_for_again", left),
        LOG_INT("unresolved", count - found - absent - left));
    /* From the end, since each slice goes to the head; after a restart there may be a million. */
    while (count > 0) {
        size_t slice = count < RESOLVE_SLICE ? count : RESOLVE_SLICE;
        count -= slice;
        queue_resolve(h->with.queue, resolutions + count, slice, steady_ms);
    }
    free(resolutions);
}

/* Begins a scan that has come due. */
static void begin_scan(struct history *h, uint64_t landed, int64_t now_ms)
{
    size_t count;
    size_t left_out;
    int64_t cutoff_ms = reconcile_covers_all(h->reconcile, now_ms)
                            ? INT64_MAX
                            : reconcile_cutoff_ms(h->reconcile, clock_steady_ms());
    struct queue_doubtful *doubtful = queue_ambiguous(h->with.queue, cutoff_ms, &count, &left_out);
    h->scan_from = landed;
    stats_add(h->with.stats, STAT_RECONCILE_SCANS, count > 0 ? 1 : 0);
    if (reconcile_begin(h->reconcile, doubtful, count, left_out, now_ms) == RECONCILE_FINISHED) {
        resolve(h, true);
    }
}

static void note_asked(struct history *h, enum api_endpoint endpoint, bool is_poll, int64_t now_ms)
{
    pace_began(h->with.pace, endpoint, is_poll, now_ms);
    stats_add(h->with.stats, STAT_REQUESTS_HISTORY, 1);
    h->is_pending = true;
    h->is_poll_pending = is_poll;
}

/* Goes on with the scan. Returns when its next call is due. */
static int64_t scan(struct history *h, uint64_t landed, int64_t now_ms)
{
    if (!reconcile_is_scanning(h->reconcile) && reconcile_due_ms(h->reconcile) <= now_ms) {
        begin_scan(h, landed, now_ms);
        if (!reconcile_is_scanning(h->reconcile)) {
            /* The doubt was resolved otherwise: messages held back for it may go now. */
            return now_ms;
        }
    }
    unsigned page = reconcile_page_wanted(h->reconcile, now_ms);
    if (page == 0) {
        return reconcile_due_ms(h->reconcile);
    }
    int64_t next_ms = pace_next_ms(h->with.pace, API_HISTORY, PACE_FULL, now_ms);
    if (next_ms > now_ms) {
        return next_ms;
    }
    if (!api_get_history(h->with.api, page, h->options.reconcile.per_page, NULL)) {
        return now_ms + h->options.reconcile.retry_min_ms;
    }
    reconcile_page_asked(h->reconcile);
    note_asked(h, API_HISTORY, false, now_ms);
    return INT64_MAX;
}

static void read_scan(struct history *h, const struct api_answer *answer, uint64_t sent,
                      bool others_wait, double random)
{
    struct api_history page;
    enum reconcile_progress progress;
    bool is_success = answer->transport == API_ANSWERED && answer->status / 100 == 2;
    bool is_page = is_success && api_json_read_history(answer->body, answer->body_len, &page);
    bool is_unread = is_success && !is_page && errno == ENOMEM;
    h->has_failed = !is_page;
    if (is_page) {
        progress = reconcile_read(h->reconcile, &page, sent - h->scan_from);
        api_history_free(&page);
    } else {
        progress = reconcile_refused(h->reconcile, is_unread ? NULL : answer, clock_monotonic_ms(),
                                     random);
        LOG(LOG_WARN, "history_failed", LOG_INT("status", answer->status),
            LOG_STR("request_id", answer->request_id), LOG_STR("error", answer->error));
    }
    if (progress == RECONCILE_FINISHED) {
        resolve(h, others_wait);
    }
}

/* --- polling ---------------------------------------------------------------------------------- */

static bool send_poll(struct history *h, const struct poll_call *call)
{
    LOG(LOG_DEBUG, "polling", LOG_INT("page", call->page), LOG_STR("api", call->api_id),
        LOG_INT("messages", poll_count(h->poll)));
    return call->page > 0 ? api_get_history(h->with.api, call->page, h->options.poll.per_page, NULL)
                          : api_get_message(h->with.api, call->api_id, NULL);
}

/*
 * Makes the call of poll that is due. Calls keep apart as partial batches do, so that a scan that
 * comes finds room in the window. Returns when the next one is due.
 */
static int64_t ask_statuses(struct history *h, int64_t now_ms)
{
    struct poll_call call;
    if (!poll_next(h->poll, now_ms, &call)) {
        return poll_due_ms(h->poll);
    }
    enum api_endpoint endpoint = call.page > 0 ? API_HISTORY : API_MESSAGE;
    int64_t next_ms = pace_next_ms(h->with.pace, endpoint, PACE_PARTIAL, now_ms);
    if (next_ms > now_ms) {
        return next_ms;
    }
    if (!send_poll(h, &call)) {
        return now_ms + h->options.poll.retry_min_ms;
    }
    poll_asked(h->poll, &call);
    stats_add(h->with.stats, STAT_POLLS, 1);
    note_asked(h, endpoint, true, now_ms);
    return INT64_MAX;
}

/* Logs a failure once, however long it lasts. */
static void log_poll(struct history *h, const struct api_answer *answer, enum poll_outcome outcome)
{
    if (outcome == POLL_FINE && h->has_poll_failed) {
        LOG(LOG_INFO, "poll_recovered");
    } else if (outcome != POLL_FINE && !h->has_poll_failed) {
        bool is_refused = outcome == POLL_REFUSED;
        LOG(LOG_WARN, "poll_failed", LOG_INT("status", answer->status),
            LOG_STR("request_id", answer->request_id), LOG_STR("error", answer->error),
            LOG_STR("reason", is_refused ? "the API's history shows no statuses" : ""),
            LOG_STR("next", is_refused ? "in an hour" : "with backoff"));
    }
    h->has_poll_failed = outcome != POLL_FINE;
}

static void read_poll(struct history *h, const struct api_answer *answer, double random)
{
    struct api_history page = {NULL, 0};
    struct poll_news *news = NULL;
    enum poll_outcome outcome;
    int64_t now_ms = clock_monotonic_ms();
    bool is_page = poll_wants_page(h->poll);
    bool is_read = answer->transport == API_ANSWERED && answer->status / 100 == 2 &&
                   (is_page ? api_json_read_history
                            : api_json_read_message)(answer->body, answer->body_len, &page);
    if (is_read) {
        outcome = poll_read(h->poll, &page, now_ms, &news);
        api_history_free(&page);
    } else {
        outcome = poll_refused(h->poll, answer, now_ms, random);
    }
    log_poll(h, answer, outcome);
    if (news != NULL) {
        h->options.found(h->options.found_arg, news);
    }
}

static void count_polled(struct history *h)
{
    stats_set(h->with.stats, STAT_POLLED, (int64_t)poll_count(h->poll));
}

void history_relayed(struct history *h, const struct ulid *id, const char *api_id,
                     int64_t relayed_ms, int64_t now_ms)
{
    if (h->poll != NULL) {
        poll_add(h->poll, id, api_id, relayed_ms, now_ms);
        count_polled(h);
    }
}

void history_ended(struct history *h, const struct ulid *ids, size_t count)
{
    for (size_t i = 0; h->poll != NULL && i < count; i++) {
        poll_end(h->poll, &ids[i]);
    }
    if (h->poll != NULL) {
        count_polled(h);
    }
}

void history_resume(struct history *h)
{
    reconcile_hurry(h->reconcile, clock_monotonic_ms());
    if (h->poll != NULL) {
        poll_resume(h->poll);
    }
}

/* --- public ----------------------------------------------------------------------------------- */

struct history *history_new(const struct history_means *means,
                            const struct history_options *options)
{
    struct history *h = calloc(1, sizeof *h);
    if (h == NULL) {
        return NULL;
    }
    h->with = *means;
    h->options = *options;
    bool polls = options->poll.interval_ms > 0;
    h->reconcile = reconcile_new(&options->reconcile);
    h->poll = polls ? poll_new(&options->poll) : NULL;
    if (h->reconcile == NULL || (polls && h->poll == NULL)) {
        history_free(h);
        return NULL;
    }
    return h;
}

void history_free(struct history *h)
{
    if (h == NULL) {
        return;
    }
    reconcile_free(h->reconcile);
    poll_free(h->poll);
    free(h);
}

void history_doubt(struct history *h, const struct reconcile_attempt *attempt)
{
    reconcile_add(h->reconcile, attempt);
}

void history_mark(struct history *h, uint32_t number, const char *api_id)
{
    reconcile_relayed(h->reconcile, number, api_id);
}

bool history_is_in_doubt(const struct history *h)
{
    return history_scans_before(h, INT64_MAX);
}

bool history_scans_before(const struct history *h, int64_t until_ms)
{
    return reconcile_is_scanning(h->reconcile) || reconcile_due_ms(h->reconcile) < until_ms;
}

bool history_is_scanning(const struct history *h)
{
    return h->is_pending && !h->is_poll_pending;
}

bool history_has_failed(const struct history *h)
{
    return h->has_failed;
}

int64_t history_ask(struct history *h, uint64_t landed)
{
    int64_t now_ms = clock_monotonic_ms();
    int64_t scan_ms = h->is_pending ? INT64_MAX : scan(h, landed, now_ms);
    if (h->is_pending || h->poll == NULL || reconcile_is_scanning(h->reconcile)) {
        return scan_ms;
    }
    int64_t poll_ms = ask_statuses(h, now_ms);
    return int64_min(scan_ms, poll_ms);
}

void history_read(struct history *h, const struct api_answer *answer, uint64_t sent,
                  bool others_wait, double random)
{
    h->is_pending = false;
    if (h->is_poll_pending) {
        read_poll(h, answer, random);
        count_polled(h);
    } else {
        read_scan(h, answer, sent, others_wait, random);
    }
}
