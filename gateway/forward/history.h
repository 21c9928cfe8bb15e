/*
 * history: what the API's history is asked for.
 *
 * Two parts of the relay want the history. reconcile looks for messages whose request was not
 * answered, and messages wait for it; poll asks for delivery statuses, and can wait. Both share the
 * rate window of GET /sms, so their calls, and those of GET /sms/{id}, are made here, one at a time,
 * those of reconcile first. Owns both and the call under way. Leaves to others: connections (api), the rate
 * window (pace), messages (queue), and what a status means (`found`).
 * Thread: the forwarding thread.
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

/* What it works with; everything outlives it. */
struct history_means {
    struct api *api;
    struct pace *pace;
    struct queue *queue;
    struct stats *stats;
};

struct history_options {
    struct reconcile_options reconcile;
    struct poll_options poll; /* an interval of 0 = nothing is polled */
    /* Polling has found this; takes `news` over. Must not block. */
    void (*found)(void *arg, struct poll_news *news);
    void *found_arg;
};

/* Returns NULL on allocation failure. Both are copied. */
struct history *history_new(const struct history_means *means,
                            const struct history_options *options);
/* NULL is fine. */
void history_free(struct history *h);

/* A request ended ambiguous: see reconcile_add. */
void history_doubt(struct history *h, const struct reconcile_attempt *attempt);
/* A message of POST `number` was relayed: see reconcile_relayed. */
void history_mark(struct history *h, uint32_t number, const char *api_id);
/* Is there a request that ended ambiguous and whose scan is not finished? */
bool history_is_in_doubt(const struct history *h);
/* The API has had this message since `relayed_ms`: see poll_add. Both times are monotonic. */
void history_relayed(struct history *h, const struct ulid *id, const char *api_id,
                     int64_t relayed_ms, int64_t now_ms);
/* These messages' final statuses are stored. */
void history_ended(struct history *h, const struct ulid *ids, size_t count);
/* The API works again, there is a new token, or the operator wants it: calls that failed are made
 * again, and polling goes on if it was refused. */
void history_resume(struct history *h);

/* A call of a scan is under way. */
bool history_is_scanning(const struct history *h);
/* A scan is under way, or one will begin before `until_ms` (monotonic). */
bool history_scans_before(const struct history *h, int64_t until_ms);
/* The last call of a scan brought no page. */
bool history_has_failed(const struct history *h);

/*
 * Makes the call that is due. `landed` is how many messages were in requests that have ended, each
 * counted as often as it was sent. Returns when the next call is due (monotonic); INT64_MAX = not
 * before something changes.
 */
int64_t history_ask(struct history *h, uint64_t landed);

/*
 * Reads the answer to the call under way, after pace_ended. `sent` is how many messages were in
 * requests that have begun, counted likewise; `others_wait` as in reconcile_results; `random` is in
 * [0, 1).
 */
void history_read(struct history *h, const struct api_answer *answer, uint64_t sent,
                  bool others_wait, double random);

#endif
