/*
 * history: what the API's history is asked for.
 *
 * Makes the calls of GET /sms and GET /sms/{id}, one at a time: first those of the scan of reconcile,
 * then those of poll, which asks for delivery statuses. Owns both and the call under way; leaves the
 * connections to api, the rate window to pace, the messages to queue, and what a status means to
 * whoever is given it. Thread: the forwarding thread.
 */
#ifndef GATEWAY_FORWARD_HISTORY_H
#define GATEWAY_FORWARD_HISTORY_H

#include "gateway/api/api.h"
#include "gateway/base/stats.h"
#include "gateway/policy/pace.h"
#include "gateway/policy/poll.h"
#include "gateway/policy/reconcile.h"

#include <stdbool.h>
#include <stdint.h>

struct history;
struct queue;

/* What it works with; all outlive it. */
struct history_means {
    struct api *api;
    struct pace *pace;
    struct queue *queue;
    struct stats *stats;
};

struct history_options {
    struct reconcile_options reconcile;
    struct poll_options poll; /* with an interval of 0 nothing is polled */
    /* Polling has found this, which is handed over. Must not block. */
    void (*found)(void *arg, struct poll_news *news);
    void *found_arg;
};

/* Returns NULL without memory. Everything is copied. */
struct history *history_new(const struct history_means *means,
                            const struct history_options *options);
/* NULL is fine. */
void history_free(struct history *h);

/* A request ended ambiguous: as reconcile_add. */
void history_doubt(struct history *h, int64_t began_ms, int64_t ended_ms, const char *anchor);
/* Some request ended ambiguous, and the history has not been read for it to the end. */
bool history_is_in_doubt(const struct history *h);
/* The API has this message, since `relayed_ms` (monotonic): as poll_add. `now_ms` is monotonic, too. */
void history_relayed(struct history *h, const struct ulid *id, const char *api_id,
                     int64_t relayed_ms, int64_t now_ms);
/* These messages' final statuses are stored. */
void history_ended(struct history *h, const struct ulid *ids, size_t count);
/* There is another token, or the operator wants it: polling that was refused goes on. */
void history_resume(struct history *h);

/* A call for such a scan is under way. */
bool history_is_scanning(const struct history *h);
/* Such a scan is under way or, at the latest at `until_ms` (monotonic), will be. */
bool history_scans_before(const struct history *h, int64_t until_ms);
/* The last call for a scan brought no page. */
bool history_has_failed(const struct history *h);

/*
 * Makes the call that is due. `landed` is how many messages were in requests that have ended, each as
 * often as it was. Returns when to come again (monotonic ms), INT64_MAX = when something has changed.
 */
int64_t history_ask(struct history *h, uint64_t landed);

/*
 * Takes the answer to the call under way, after pace_ended. `posted` is how many messages were in
 * requests that have begun, each as often as it was; `random` is in [0, 1).
 */
void history_read(struct history *h, const struct api_answer *answer, uint64_t posted,
                  double random);

#endif
