/* history: see history.h. */
#include "gateway/history.h"

#include "gateway/api_json.h"
#include "gateway/clock.h"
#include "gateway/log.h"

#include <stdlib.h>

enum { RESOLVE_SLICE = 1000 };

struct history {
    struct history_means with;
    struct reconcile_options options;
    struct reconcile *reconcile;
    bool is_pending;    /* a call is under way */
    bool has_failed;    /* the last one for a scan brought no page */
    uint64_t scan_from; /* messages that the history held for sure when the scan began */
};

/* --- reconciling ------------------------------------------------------------------------------ */

static void resolve(struct history *h)
{
    size_t count;
    struct queue_resolution *resolutions = reconcile_results(h->reconcile, &count);
    size_t found = 0;
    size_t absent = 0;
    for (size_t i = 0; i < count; i++) {
        found += resolutions[i].fate == FATE_RELAYED ? 1 : 0;
        absent += resolutions[i].fate == FATE_RETURNED ? 1 : 0;
    }
    stats_add(h->with.stats, STAT_RECONCILE_FOUND, (int64_t)found);
    stats_add(h->with.stats, STAT_RECONCILE_ABSENT, (int64_t)absent);
    LOG(LOG_INFO, "reconciled", LOG_INT("messages", count), LOG_INT("relayed", found),
        LOG_INT("sent_again", absent), LOG_INT("unresolved", count - found - absent));
    /* The last ones first, since each goes to the head; after a restart there may be a million. */
    for (size_t left = count; left > 0;) {
        size_t slice = left < RESOLVE_SLICE ? left : RESOLVE_SLICE;
        left -= slice;
        queue_resolve(h->with.queue, resolutions + left, slice, clock_unix_ms());
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
                            : reconcile_cutoff_ms(h->reconcile, clock_unix_ms());
    struct ulid *ids = queue_ambiguous(h->with.queue, cutoff_ms, &count, &left_out);
    h->scan_from = landed;
    stats_add(h->with.stats, STAT_RECONCILE_SCANS, count > 0 ? 1 : 0);
    if (reconcile_begin(h->reconcile, ids, count, left_out, now_ms) == RECONCILE_FINISHED) {
        resolve(h);
    }
}

static void note_asked(struct history *h, bool is_partial, int64_t now_ms)
{
    pace_began(h->with.pace, API_HISTORY, is_partial, now_ms);
    stats_add(h->with.stats, STAT_REQUESTS_HISTORY, 1);
    h->is_pending = true;
}

/* Carries the scan of the history on. Returns when to come again. */
static int64_t scan(struct history *h, uint64_t landed, int64_t now_ms)
{
    if (!reconcile_is_scanning(h->reconcile) && reconcile_due_ms(h->reconcile) <= now_ms) {
        begin_scan(h, landed, now_ms);
        if (!reconcile_is_scanning(h->reconcile)) {
            /* What was in doubt has ended by itself: now may go what was held back for it. */
            return now_ms;
        }
    }
    unsigned page = reconcile_page_wanted(h->reconcile, now_ms);
    if (page == 0) {
        return reconcile_due_ms(h->reconcile);
    }
    int64_t next_ms = pace_next_ms(h->with.pace, API_HISTORY, false, now_ms);
    if (next_ms > now_ms) {
        return next_ms;
    }
    if (!api_get_history(h->with.api, page, h->options.per_page, NULL)) {
        return now_ms + h->options.retry_min_ms;
    }
    reconcile_page_asked(h->reconcile);
    note_asked(h, false, now_ms);
    return INT64_MAX;
}

static void read_scan(struct history *h, const struct api_answer *answer, uint64_t posted,
                      double random)
{
    struct api_history page;
    enum reconcile_progress progress;
    bool is_page = answer->transport == API_ANSWERED && answer->status / 100 == 2 &&
                   api_json_read_history(answer->body, answer->body_len, &page);
    h->has_failed = !is_page;
    if (is_page) {
        progress = reconcile_read(h->reconcile, &page, posted - h->scan_from);
        api_history_free(&page);
    } else {
        progress = reconcile_refused(h->reconcile, answer, clock_monotonic_ms(), random);
        LOG(LOG_WARN, "history_failed", LOG_INT("status", answer->status),
            LOG_STR("error", answer->error));
    }
    if (progress == RECONCILE_FINISHED) {
        resolve(h);
    }
}

/* --- public ----------------------------------------------------------------------------------- */

struct history *history_new(const struct history_means *means,
                            const struct reconcile_options *reconcile)
{
    struct history *h = calloc(1, sizeof *h);
    if (h == NULL) {
        return NULL;
    }
    h->with = *means;
    h->options = *reconcile;
    h->reconcile = reconcile_new(reconcile);
    if (h->reconcile == NULL) {
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
    free(h);
}

void history_doubt(struct history *h, int64_t began_ms, int64_t ended_ms, const char *anchor)
{
    reconcile_add(h->reconcile, began_ms, ended_ms, anchor);
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
    return h->is_pending;
}

bool history_has_failed(const struct history *h)
{
    return h->has_failed;
}

int64_t history_ask(struct history *h, uint64_t landed)
{
    return h->is_pending ? INT64_MAX : scan(h, landed, clock_monotonic_ms());
}

void history_read(struct history *h, const struct api_answer *answer, uint64_t posted,
                  double random)
{
    h->is_pending = false;
    read_scan(h, answer, posted, random);
}
