/* settle: see settle.h. */
#include "gateway/forward/settle.h"

#include "gateway/api/json.h"
#include "gateway/base/int64.h"
#include "gateway/base/log.h"
#include "gateway/queue/dispatch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { REASON_SIZE = 256 };

/* --- fates ------------------------------------------------------------------------------------ */

/* Why a 2xx could not be read. Not its words, which may repeat a text or a number. */
static void explain_unreadable(struct settling *s)
{
    const struct api_answer *answer = s->answer;
    const char *type = answer->content_type[0] == '\0' ? "no content type" : answer->content_type;
    char fault[API_FAULT_SIZE];
    api_json_fault(answer->body, answer->body_len, fault);
    if (asprintf(&s->words, "%s, %zu bytes, %s", type, answer->body_len,
                 answer->error[0] == '\0' ? fault : answer->error) < 0) {
        s->words = NULL;
    }
}

/* Reads what a 2xx says of each message. */
static void settle_items(struct settling *s)
{
    const struct post *post = s->post;
    const struct api_answer *answer = s->answer;
    struct api_item items[post->count];
    memset(items, 0, sizeof items);
    bool is_read = post->endpoint == API_SINGLE
                       ? api_json_read_single(answer->body, answer->body_len, &items[0])
                       : api_json_read_bulk(answer->body, answer->body_len, post->messages,
                                            post->count, items);
    bool is_unreadable = !is_read && errno != ENOMEM;
    for (size_t i = 0; i < post->count; i++) {
        s->settlements[i].fate = retry_item_fate(&items[i], post->messages[i]->attempts);
        s->settlements[i].answer = items[i].answer;
        s->settlements[i].is_refused_alone = is_unreadable && post->count == 1;
    }
    s->verdict = retry_judge_items(items, post->count, !is_unreadable);
    if (is_unreadable) {
        explain_unreadable(s);
    }
}

static void settle_alike(struct settling *s, enum queue_fate fate)
{
    for (size_t i = 0; i < s->post->count; i++) {
        s->settlements[i].fate = fate;
        s->settlements[i].is_refused = s->verdict.is_batch_refused;
        s->settlements[i].may_be_taken = s->verdict.may_be_taken;
        s->settlements[i].is_refused_alone = s->post->count == 1 && s->verdict.needs_proof;
    }
}

/* Splits the `count` messages with this fate: the parts are not sent together again. */
static void split(struct settling *s, enum queue_fate fate, size_t count)
{
    uint32_t groups[count];
    size_t next = 0;
    retry_split(count, fate == FATE_AMBIGUOUS ? RETRY_PARTS : 2, s->last_group, groups);
    for (size_t i = 0; i < s->post->count; i++) {
        if (s->settlements[i].fate == fate) {
            s->settlements[i].group = groups[next++];
        }
    }
    stats_add(s->stats, STAT_SPLITS, 1);
    LOG(LOG_INFO, "batch_split", LOG_INT("messages", count));
}

static bool was_refused(const struct post *post)
{
    for (size_t i = 0; i < post->count; i++) {
        if (post->messages[i]->was_refused) {
            return true;
        }
    }
    return false;
}

/*
 * Counts the ambiguous messages. Splits them if it happens too often, or if they were refused as a
 * whole, for the second time: one may be the cause. What was refused alone stays alone.
 */
static void settle_ambiguous(struct settling *s)
{
    unsigned ends = 0;
    for (size_t i = 0; i < s->post->count; i++) {
        if (s->settlements[i].fate == FATE_AMBIGUOUS) {
            unsigned of_message = s->post->messages[i]->ambiguous_ends;
            ends = of_message > ends ? of_message : ends;
            s->ambiguous++;
        }
    }
    bool is_refused_again = s->verdict.is_batch_refused && !s->verdict.is_first_refusal;
    if (s->ambiguous > 1 && is_refused_again) {
        split(s, FATE_AMBIGUOUS, s->ambiguous);
    } else if (retry_splits_ambiguous(s->ambiguous, ends)) {
        split(s, FATE_AMBIGUOUS, s->ambiguous);
    } else if (s->ambiguous == 1 && s->settlements[0].is_refused_alone) {
        s->settlements[0].group = retry_new_group(s->last_group);
    }
}

static void judge(struct settling *s)
{
    const struct api_answer *answer = s->answer;
    const struct post *post = s->post;
    struct api_refusal refusal = {0};
    struct retry_request asked = {
        .count = post->count,
        .attempts = post->messages[0]->attempts,
        .was_refused = was_refused(post),
        .is_proven = post->messages[0]->proofs > 0,
        .nameless = s->destination->nameless,
        .has_passed = s->destination->has_passed,
        .is_stopped = post->is_probe && s->destination->state == DESTINATION_STOPPED,
        .takes_refused = s->destination->takes_refused,
    };
    bool is_refusal = answer->transport == API_ANSWERED && answer->status >= 400;
    if (is_refusal) {
        api_json_read_refusal(answer->body, answer->body_len, &refusal);
    }
    s->verdict = retry_judge(answer, is_refusal ? &refusal : NULL, &asked);
    s->words = refusal.reason;
    if (answer->location[0] != '\0' &&
        asprintf(&s->words, "redirected to %s", answer->location) < 0) {
        s->words = NULL;
    }
}

/* Why a message stands aside; if it is rejected in the end, also why that is. */
static void settle_suspect(struct settling *s)
{
    const struct message *m = s->post->messages[0];
    char reason[REASON_SIZE];
    bool has_words = s->words != NULL && s->words[0] != '\0';
    snprintf(reason, sizeof reason, "%s (HTTP %d)%s%s",
             s->verdict.is_page ? s->verdict.why : "the API refused it", s->answer->status,
             has_words ? ": " : "", has_words ? s->words : "");
    s->settlements[0].fate = FATE_SUSPECT;
    s->settlements[0].is_unwelcome = s->verdict.is_unwelcome;
    s->settlements[0].may_be_taken = s->verdict.may_be_taken;
    s->settlements[0].answer = message_answer_new(NULL, reason);
    stats_add(s->stats, STAT_MESSAGES_SET_ASIDE, 1);
    LOG(LOG_INFO, "message_set_aside",
        log_key(LOG_STR("reason", "refused by the API; others will show whose fault it is"),
                SIZE_MAX),
        LOG_INT("status", s->answer->status), LOG_ID("id", &m->id),
        LOG_NUMBER("to", message_to(m)));
}

/* What a message waits for that the API may have taken though its answer says otherwise. */
static void explain_ambiguous(struct settling *s)
{
    char reason[REASON_SIZE];
    bool has_words = s->words != NULL && s->words[0] != '\0';
    if (s->answer->transport != API_ANSWERED) {
        return;
    }
    snprintf(reason, sizeof reason, "the API's history will show whether it took it (HTTP %d)%s%s",
             s->answer->status, has_words ? ": " : "", has_words ? s->words : "");
    for (size_t i = 0; i < s->post->count; i++) {
        s->settlements[i].answer = message_answer_new(NULL, reason);
    }
}

static void settle_by_verdict(struct settling *s)
{
    switch (s->verdict.outcome) {
    case RETRY_READ_ITEMS:
        settle_items(s);
        break;
    case RETRY_SPLIT:
        settle_alike(s, FATE_RETURNED);
        split(s, FATE_RETURNED, s->post->count);
        break;
    case RETRY_REJECT:
        settle_alike(s, FATE_REJECTED);
        s->settlements[0].answer = message_answer_new(NULL, s->words);
        break;
    case RETRY_RETURN:
        settle_alike(s, FATE_RETURNED);
        break;
    case RETRY_SUSPECT:
        settle_suspect(s);
        break;
    case RETRY_AMBIGUOUS:
        settle_alike(s, FATE_AMBIGUOUS);
        explain_ambiguous(s);
        break;
    case RETRY_RELAYED:
        settle_alike(s, FATE_RELAYED);
        break;
    }
}

/* --- telling ---------------------------------------------------------------------------------- */

static void log_answer(const struct settling *s)
{
    const struct api_answer *answer = s->answer;
    const struct retry_verdict *verdict = &s->verdict;
    bool is_fine = verdict->effect == RETRY_FINE && verdict->outcome != RETRY_AMBIGUOUS;
    LOG(is_fine ? LOG_DEBUG : LOG_WARN, is_fine ? "request_ended" : "request_failed",
        LOG_STR("endpoint", api_endpoint_name(answer->endpoint)), LOG_INT("status", answer->status),
        LOG_INT("messages", s->post->count),
        LOG_STR("outcome", retry_outcome_name(verdict->outcome)),
        LOG_INT("latency_us", answer->latency_us), LOG_STR("request_id", answer->request_id),
        LOG_STR("error", answer->error));
}

/* How long the messages that were relayed had waited to be sent. */
static void observe_waits(const struct settling *s)
{
    int64_t waits_ms[s->post->count];
    size_t count = 0;
    for (size_t i = 0; i < s->post->count; i++) {
        const struct message *m = s->post->messages[i];
        if (s->settlements[i].fate == FATE_RELAYED && !m->has_at) {
            waits_ms[count++] = int64_max(0, s->post->sent_ms - ulid_time_ms(&m->id));
        }
    }
    stats_observe(s->stats, HISTOGRAM_QUEUE, waits_ms, count);
}

static void count(const struct settling *s)
{
    bool is_failure = s->answer->transport != API_ANSWERED || s->answer->status >= 300;
    stats_add(s->stats, STAT_REQUESTS_FAILED, is_failure ? 1 : 0);
    stats_add(s->stats, STAT_REQUESTS_RATE_LIMITED, s->answer->status == 429 ? 1 : 0);
    stats_add(s->stats, STAT_MESSAGES_AMBIGUOUS, (int64_t)s->ambiguous);
    stats_add(s->stats, STAT_REQUESTS_AMBIGUOUS, s->ambiguous > 0 ? 1 : 0);
    observe_waits(s);
}

void settle_messages(struct settling *s)
{
    for (size_t i = 0; i < s->post->count; i++) {
        s->settlements[i] = (struct queue_settlement){.message = s->post->messages[i],
                                                      .group = s->post->messages[i]->group,
                                                      .is_anchored = s->post->is_anchored};
    }
    judge(s);
    settle_by_verdict(s);
    settle_ambiguous(s);
    log_answer(s);
    count(s);
}
