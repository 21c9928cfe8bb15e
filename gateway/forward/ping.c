/* ping: see ping.h. */
#include "gateway/forward/ping.h"

#include "gateway/api/json.h"
#include "gateway/base/backoff.h"
#include "gateway/base/int64.h"

#include <stdlib.h>

enum { AGAIN_MS = 1000 }; /* after an allocation failure */

int64_t ping_ask(struct ping *ping, struct api *api, struct pace *pace, struct stats *stats,
                 struct destination *destination, int64_t now_ms)
{
    if (ping->has_proof && ping->proof_epoch == destination->epoch) {
        destination_recovered(destination, ping->proof_epoch);
        return now_ms;
    }
    if (ping->is_pending) {
        return INT64_MAX;
    }
    if (ping->epoch != destination->epoch) {
        *ping = (struct ping){.epoch = destination->epoch};
    }
    int64_t next_ms = int64_max(ping->due_ms, pace_next_ms(pace, API_HISTORY, true, now_ms));
    if (next_ms > now_ms) {
        return next_ms;
    }
    if (!api_get_history(api, 1, 1, ping)) {
        return now_ms + AGAIN_MS;
    }
    pace_began(pace, API_HISTORY, true, now_ms);
    stats_add(stats, STAT_REQUESTS_HISTORY, 1);
    stats_add(stats, STAT_PROBES, 1);
    ping->is_pending = true;
    return INT64_MAX;
}

void ping_prove(struct ping *ping, uint32_t epoch)
{
    ping->has_proof = true;
    ping->proof_epoch = epoch;
}

/* Is it the API that says that it shows no history? */
static bool is_refusal(const struct api_answer *answer)
{
    struct api_refusal refusal;
    api_json_read_refusal(answer->body, answer->body_len, &refusal);
    free(refusal.reason);
    return refusal.is_json && (answer->status == 404 || answer->status == 405);
}

static bool shows_recovery(const struct api_answer *answer, enum destination_state state)
{
    struct api_history page;
    if (answer->transport != API_ANSWERED) {
        return false;
    }
    if (answer->status / 100 != 2) {
        return state == DESTINATION_BACKOFF && is_refusal(answer);
    }
    bool is_page = api_json_read_history(answer->body, answer->body_len, &page);
    if (is_page) {
        api_history_free(&page);
    }
    return is_page;
}

void ping_read(struct ping *ping, const struct api_answer *answer, struct destination *destination,
               const struct destination_options *options, int64_t now_ms, double random)
{
    ping->is_pending = false;
    if (shows_recovery(answer, destination->state)) {
        destination_recovered(destination, ping->epoch);
        return;
    }
    ping->failures++;
    ping->due_ms =
        now_ms + backoff_ms(ping->failures, options->retry_min_ms, options->retry_max_ms, random);
}

void ping_hurry(struct ping *ping)
{
    ping->due_ms = 0;
}
