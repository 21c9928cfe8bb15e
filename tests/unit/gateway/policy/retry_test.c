/* retry: the verdict table row by row, the destination as short stories, splitting, backoff. */
#include "gateway/policy/retry.h"

#include <criterion/criterion.h>
#include <string.h>

/* --- verdicts ----------------------------------------------------------------------------- */

/* What the body of a refusal is. */
enum body { NONE, PAGE, JSON, FIELD, USED, USED_NAMELESS };

static struct api_refusal refusal_of(enum body body)
{
    static const struct api_refusal refusals[] = {
        [NONE] = {.is_json = false},
        [PAGE] = {.is_json = false},
        [JSON] = {.is_json = true},
        [FIELD] = {.is_json = true, .names_field = true},
        [USED] = {.is_json = true, .names_field = true, .is_already_used = true},
        [USED_NAMELESS] = {.is_json = true, .is_already_used = true},
    };
    return refusals[body];
}

static struct api_answer answered(int status)
{
    return (struct api_answer){
        .transport = API_ANSWERED, .status = status, .rate = {.retry_after_s = -1}};
}

static struct retry_verdict judge(int status, enum body body, struct retry_request request)
{
    struct api_answer answer = answered(status);
    struct api_refusal refusal = refusal_of(body);
    return retry_judge(&answer, body == NONE ? NULL : &refusal, &request);
}

struct verdict_case {
    int first, last; /* statuses */
    enum body body;
    enum retry_outcome bulk, alone;
    enum retry_effect effect; /* of both */
    bool is_nameless;         /* of the lone one */
};

Test(retry, verdicts)
{
    static const struct verdict_case cases[] = {
        {200, 299, NONE, RETRY_READ_ITEMS, RETRY_READ_ITEMS, RETRY_FINE, false},
        {400, 400, JSON, RETRY_SPLIT, RETRY_REJECT, RETRY_FINE, true},
        {413, 413, JSON, RETRY_SPLIT, RETRY_REJECT, RETRY_FINE, true},
        {422, 422, JSON, RETRY_SPLIT, RETRY_REJECT, RETRY_FINE, true},
        {400, 400, FIELD, RETRY_SPLIT, RETRY_REJECT, RETRY_FINE, false},
        {413, 413, FIELD, RETRY_SPLIT, RETRY_REJECT, RETRY_FINE, false},
        {422, 422, FIELD, RETRY_SPLIT, RETRY_REJECT, RETRY_FINE, false},
        {413, 413, PAGE, RETRY_SPLIT, RETRY_REJECT, RETRY_FINE, true},
        {413, 413, NONE, RETRY_SPLIT, RETRY_REJECT, RETRY_FINE, true},
        {400, 400, PAGE, RETRY_RETURN, RETRY_RETURN, RETRY_STOP, false},
        {400, 400, NONE, RETRY_RETURN, RETRY_RETURN, RETRY_STOP, false},
        {422, 422, PAGE, RETRY_RETURN, RETRY_RETURN, RETRY_STOP, false},
        {404, 405, PAGE, RETRY_RETURN, RETRY_RETURN, RETRY_STOP, false},
        {404, 405, JSON, RETRY_RETURN, RETRY_RETURN, RETRY_STOP, false},
        {404, 405, USED, RETRY_RETURN, RETRY_RETURN, RETRY_STOP, false},
        {300, 399, NONE, RETRY_RETURN, RETRY_RETURN, RETRY_STOP, false},
        {300, 399, JSON, RETRY_RETURN, RETRY_RETURN, RETRY_STOP, false},
        {401, 403, JSON, RETRY_RETURN, RETRY_RETURN, RETRY_STOP, false},
        {401, 403, NONE, RETRY_RETURN, RETRY_RETURN, RETRY_STOP, false},
        {406, 412, JSON, RETRY_RETURN, RETRY_RETURN, RETRY_STOP, false},
        {414, 421, PAGE, RETRY_RETURN, RETRY_RETURN, RETRY_STOP, false},
        {423, 428, JSON, RETRY_RETURN, RETRY_RETURN, RETRY_STOP, false},
        {430, 499, PAGE, RETRY_RETURN, RETRY_RETURN, RETRY_STOP, false},
        {429, 429, NONE, RETRY_RETURN, RETRY_RETURN, RETRY_WAIT, false},
        {429, 429, JSON, RETRY_RETURN, RETRY_RETURN, RETRY_WAIT, false},
        {503, 503, NONE, RETRY_RETURN, RETRY_RETURN, RETRY_BACKOFF, false},
        {503, 503, JSON, RETRY_RETURN, RETRY_RETURN, RETRY_BACKOFF, false},
        {500, 502, NONE, RETRY_AMBIGUOUS, RETRY_AMBIGUOUS, RETRY_BACKOFF, false},
        {504, 599, JSON, RETRY_AMBIGUOUS, RETRY_AMBIGUOUS, RETRY_BACKOFF, false},
        {-5, 199, NONE, RETRY_AMBIGUOUS, RETRY_AMBIGUOUS, RETRY_BACKOFF, false},
        {600, 1100, NONE, RETRY_AMBIGUOUS, RETRY_AMBIGUOUS, RETRY_BACKOFF, false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct verdict_case *c = &cases[i];
        for (int status = c->first; status <= c->last; status++) {
            struct retry_verdict bulk = judge(status, c->body, (struct retry_request){.count = 2});
            struct retry_verdict alone =
                judge(status, c->body, (struct retry_request){.count = 1, .attempts = 1});
            cr_expect_eq(bulk.outcome, c->bulk, "%d on a bulk, row %zu: %s", status, i,
                         retry_outcome_name(bulk.outcome));
            cr_expect_eq(alone.outcome, c->alone, "%d alone, row %zu: %s", status, i,
                         retry_outcome_name(alone.outcome));
            cr_expect_eq(bulk.effect, c->effect, "%d, row %zu: %s", status, i,
                         retry_effect_name(bulk.effect));
            cr_expect_eq(alone.effect, c->effect, "%d, row %zu: %s", status, i,
                         retry_effect_name(alone.effect));
            cr_expect_eq(alone.is_nameless, c->is_nameless, "%d, row %zu", status, i);
            cr_expect_not(bulk.is_nameless, "%d, row %zu", status, i);
            cr_expect_eq(alone.is_token_refused, status == 401 || status == 403, "%d", status);
            cr_expect_eq(alone.why[0] == '\0', c->effect == RETRY_FINE, "%d: %s", status,
                         alone.why);
        }
    }
}

Test(retry, below_http)
{
    static const struct {
        enum api_transport transport;
        enum retry_outcome outcome;
    } rows[] = {{API_NOT_SENT, RETRY_RETURN}, {API_NO_ANSWER, RETRY_AMBIGUOUS}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct api_answer answer = {.transport = rows[i].transport, .rate = {.retry_after_s = -1}};
        for (size_t count = 1; count <= 2; count++) {
            struct retry_request request = {.count = count, .attempts = 1};
            struct retry_verdict verdict = retry_judge(&answer, NULL, &request);
            cr_expect_eq(verdict.outcome, rows[i].outcome);
            cr_expect_eq(verdict.effect, RETRY_BACKOFF);
        }
    }

    struct api_answer cut = answered(201);
    cut.is_body_cut = true;
    struct retry_request request = {.count = 100};
    struct retry_verdict verdict = retry_judge(&cut, NULL, &request);
    cr_expect_eq(verdict.outcome, RETRY_AMBIGUOUS, "half a body cannot be trusted");
    cr_expect_eq(verdict.effect, RETRY_BACKOFF);
}

Test(retry, client_id_already_used)
{
    static const struct {
        int status;
        size_t count;
        unsigned attempts;
        enum retry_outcome outcome;
    } rows[] = {
        {400, 1, 1, RETRY_REJECT}, {400, 1, 2, RETRY_RELAYED}, {422, 1, 9, RETRY_RELAYED},
        {409, 1, 1, RETRY_REJECT}, {409, 1, 2, RETRY_RELAYED}, {409, 50, 2, RETRY_SPLIT},
        {400, 50, 2, RETRY_SPLIT},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct retry_request request = {
            .count = rows[i].count, .attempts = rows[i].attempts, .nameless = RETRY_NAMELESS_MAX};
        struct retry_verdict verdict = judge(rows[i].status, USED, request);
        cr_expect_eq(verdict.outcome, rows[i].outcome, "row %zu: %s", i,
                     retry_outcome_name(verdict.outcome));
        cr_expect_eq(verdict.effect, RETRY_FINE);
        cr_expect_not(verdict.is_nameless);
        cr_expect_eq(judge(rows[i].status, USED_NAMELESS, request).outcome, rows[i].outcome);
    }
}

Test(retry, says_what_is_the_matter)
{
    static const struct {
        int status;
        const char *why;
    } rows[] = {
        {302, "the URL or a proxy is wrong"},     {401, "the API refuses the token"},
        {402, "the account is out of balance"},   {403, "the API refuses the token"},
        {404, "the URL or a proxy is wrong"},     {429, "the rate limit is reached"},
        {500, "the API is in trouble"},           {503, "the API is out of service"},
        {799, "the API's answer makes no sense"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_expect_str_eq(judge(rows[i].status, NONE, (struct retry_request){.count = 1}).why,
                         rows[i].why);
    }
}

Test(retry, items)
{
    static const struct {
        enum api_item_outcome outcome;
        unsigned attempts;
        enum queue_fate fate;
    } rows[] = {
        {API_ITEM_ACCEPTED, 1, FATE_RELAYED},      {API_ITEM_ACCEPTED, 2, FATE_RELAYED},
        {API_ITEM_REJECTED, 1, FATE_REJECTED},     {API_ITEM_REJECTED, 2, FATE_REJECTED},
        {API_ITEM_ALREADY_USED, 1, FATE_REJECTED}, {API_ITEM_ALREADY_USED, 2, FATE_RELAYED},
        {API_ITEM_UNKNOWN, 1, FATE_AMBIGUOUS},     {API_ITEM_UNKNOWN, 2, FATE_AMBIGUOUS},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct api_item item = {.outcome = rows[i].outcome};
        cr_expect_eq(retry_item_fate(&item, rows[i].attempts), rows[i].fate, "row %zu", i);
    }

    struct api_item items[] = {
        {.outcome = API_ITEM_ACCEPTED},
        {.outcome = API_ITEM_REJECTED},
        {.outcome = API_ITEM_ALREADY_USED},
        {.outcome = API_ITEM_UNKNOWN},
    };
    cr_expect_eq(retry_judge_items(items, 3).effect, RETRY_FINE);
    cr_expect_eq(retry_judge_items(items, 3).outcome, RETRY_READ_ITEMS);
    cr_expect_eq(retry_judge_items(items, 4).effect, RETRY_BACKOFF, "an incomplete 2xx");
    cr_expect_eq(retry_judge_items(items, 4).outcome, RETRY_AMBIGUOUS);
}

Test(retry, retry_after)
{
    static const struct {
        int64_t header_s, ms;
    } rows[] = {{-1, 0}, {0, 0}, {7, 7000}, {3600, 3600000}, {INT64_MAX, 3600000}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct api_answer answer = answered(503);
        struct retry_request request = {.count = 1};
        answer.rate.retry_after_s = rows[i].header_s;
        cr_expect_eq(retry_judge(&answer, NULL, &request).retry_after_ms, rows[i].ms, "row %zu", i);
    }
}

/* --- splitting ---------------------------------------------------------------------------- */

Test(retry, halves)
{
    static const struct {
        size_t count, first_half;
    } rows[] = {{2, 1}, {3, 2}, {4, 2}, {99, 50}, {100, 50}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint32_t next_group = 41, groups[100];
        retry_split(rows[i].count, &next_group, groups);
        for (size_t n = 0; n < rows[i].count; n++) {
            cr_expect_eq(groups[n], n < rows[i].first_half ? 42 : 43, "%zu: message %zu",
                         rows[i].count, n);
        }
        cr_expect_eq(next_group, 43);
    }

    uint32_t last = UINT32_MAX - 1, groups[2];
    retry_split(2, &last, groups);
    cr_expect_eq(groups[0], UINT32_MAX);
    cr_expect_eq(groups[1], 1, "0 is no group");
}

Test(retry, one_poison_among_100_is_found_in_seven_splits)
{
    for (size_t poison = 0; poison < 100; poison++) {
        size_t first = 0, count = 100, splits = 0;
        uint32_t next_group = 0, groups[100];
        while (count > 1) {
            struct retry_verdict verdict =
                judge(400, JSON, (struct retry_request){.count = count, .attempts = 1});
            cr_assert_eq(verdict.outcome, RETRY_SPLIT);
            retry_split(count, &next_group, groups);
            uint32_t its_group = groups[poison - first];
            size_t begin = 0, end = count;
            while (groups[begin] != its_group) {
                begin++;
            }
            while (groups[end - 1] != its_group) {
                end--;
            }
            first += begin;
            count = end - begin;
            splits++;
        }
        cr_expect_eq(first, poison);
        cr_expect_leq(splits, 7);
        cr_expect_eq(next_group, 2 * splits, "each half has a group of its own");
    }
}

Test(retry, ambiguous_three_times_is_split)
{
    cr_expect_not(retry_splits_ambiguous(100, 0));
    cr_expect_not(retry_splits_ambiguous(100, 1));
    cr_expect(retry_splits_ambiguous(100, 2));
    cr_expect(retry_splits_ambiguous(2, 255));
    cr_expect_not(retry_splits_ambiguous(1, 2), "one message cannot be split");
}

/* --- the destination: short stories ------------------------------------------------------- */

static const struct destination_options options = {1000, 60000};

/* An answer to a request that began in epoch `epoch`; chance is always a half. */
static void apply(struct destination *d, int status, uint32_t epoch, int64_t now_ms)
{
    struct api_answer answer = answered(status);
    struct retry_request request = {.count = 1, .attempts = 1, .nameless = d->nameless};
    struct api_refusal refusal = {.is_json = true};
    struct destination_event event = {.epoch = epoch, .status = status};

    if (status == 0) {
        answer.transport = API_NOT_SENT;
    }
    if (status == 429) {
        event.held_until_ms = now_ms + 5000;
    }
    struct retry_verdict verdict = retry_judge(&answer, &refusal, &request);
    destination_apply(d, &verdict, &event, &options, now_ms, 0.5);
}

static void probe(struct destination *d, int status, int64_t now_ms)
{
    cr_expect_eq(destination_may_send(d, now_ms), DESTINATION_PROBE);
    destination_probe_began(d);
    cr_expect_eq(destination_may_send(d, now_ms), DESTINATION_NO, "one at a time");
    cr_expect_eq(destination_next_ms(d, now_ms), INT64_MAX);
    destination_probe_ended(d);
    apply(d, status, d->epoch, now_ms);
}

Test(destination, fine_from_the_start)
{
    struct destination d = {0};
    int64_t until_ms = 0;

    cr_expect_eq(destination_may_send(&d, 0), DESTINATION_YES);
    cr_expect_eq(destination_next_ms(&d, 0), INT64_MAX);
    cr_expect_null(destination_reason(&d, 0, &until_ms));
    apply(&d, 201, d.epoch, 5);
    cr_expect_eq(d.epoch, 0, "success after success changes nothing");
}

Test(destination, backs_off_and_recovers)
{
    struct destination d = {0};
    int64_t until_ms = 0;

    apply(&d, 503, d.epoch, 10000);
    cr_expect_eq(d.state, DESTINATION_BACKOFF);
    cr_expect_eq(destination_may_send(&d, 10499), DESTINATION_NO);
    cr_expect_eq(destination_next_ms(&d, 10000), 10500);
    cr_expect_str_eq(destination_reason(&d, 10000, &until_ms),
                     "the API is out of service (HTTP 503)");
    cr_expect_eq(until_ms, 10500);

    probe(&d, 0, 10500);
    cr_expect_eq(d.until_ms, 11500, "twice as long");
    cr_expect_str_eq(destination_reason(&d, 10500, &until_ms), "the API cannot be reached");
    probe(&d, 500, 11500);
    cr_expect_eq(d.until_ms, 13500);
    probe(&d, 201, 13500);
    cr_expect_eq(destination_may_send(&d, 13500), DESTINATION_YES);
    cr_expect_null(destination_reason(&d, 13500, &until_ms));
    apply(&d, 503, d.epoch, 20000);
    cr_expect_eq(d.until_ms, 20500, "and the next failure is a first one again");
}

Test(destination, stops_and_probes_each_minute)
{
    static const int statuses[] = {301, 401, 402, 403, 404, 405};

    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        struct destination d = {0};
        apply(&d, statuses[i], d.epoch, 1000);
        cr_expect_eq(d.state, DESTINATION_STOPPED, "%d", statuses[i]);
        cr_expect_eq(destination_may_send(&d, 60999), DESTINATION_NO);
        cr_expect_eq(destination_next_ms(&d, 1000), 61000);
        probe(&d, statuses[i], 61000);
        cr_expect_eq(destination_next_ms(&d, 61000), 121000, "each minute, not more and more");
        destination_flush(&d, 70000);
        probe(&d, 201, 70000);
        cr_expect_eq(destination_may_send(&d, 70000), DESTINATION_YES);
    }
}

Test(destination, what_dies_together_counts_once)
{
    struct destination d = {0};

    for (int i = 0; i < 4; i++) {
        apply(&d, i % 2 == 0 ? 503 : 0, 0, 1000 + i);
    }
    cr_expect_eq(d.failures, 1);
    cr_expect_eq(d.until_ms, 1500, "and does not put the probe off");
}

Test(destination, answers_that_are_out_of_date)
{
    static const struct {
        int first, second; /* answers to requests that began together */
        enum destination_state state;
        int64_t until_ms; /* the first is answered at 1000, the second at 2000 */
        const char *why;
    } rows[] = {
        {401, 201, DESTINATION_STOPPED, 61000, "a success does not undo a stop"},
        {503, 201, DESTINATION_BACKOFF, 1500, "nor a backoff: the probe will tell"},
        {429, 201, DESTINATION_WAITING, 6000, "nor a rate limit"},
        {503, 401, DESTINATION_STOPPED, 62000, "a stop outweighs a backoff"},
        {401, 503, DESTINATION_STOPPED, 61000, "and not the other way round"},
        {401, 401, DESTINATION_STOPPED, 61000, "the same again does not put the probe off"},
        {402, 401, DESTINATION_STOPPED, 61000, "nor does another stop"},
        {429, 503, DESTINATION_BACKOFF, 2500, "no service is worse than a limit"},
        {503, 429, DESTINATION_BACKOFF, 1500, "and not the other way round"},
        {201, 401, DESTINATION_STOPPED, 62000, "both are of now: the newer one counts"},
        {201, 503, DESTINATION_BACKOFF, 2500, "and here"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct destination d = {0};
        apply(&d, rows[i].first, 0, 1000);
        apply(&d, rows[i].second, 0, 2000);
        cr_expect_eq(d.state, rows[i].state, "%s: %s", rows[i].why,
                     destination_state_name(d.state));
        cr_expect_eq(d.until_ms, rows[i].until_ms, "%s: %lld", rows[i].why, (long long)d.until_ms);
    }

    /* A request from before everything fails at last, when a newer one has succeeded. */
    static const int late[] = {0, 500, 503, 401, 429};
    for (size_t i = 0; i < sizeof(late) / sizeof(late[0]); i++) {
        struct destination d = {0};
        apply(&d, 503, 0, 1000);
        probe(&d, 201, 1500);
        apply(&d, late[i], 0, 30000);
        cr_expect_eq(d.state, DESTINATION_FINE, "%d: the newer evidence counts", late[i]);
    }
}

Test(destination, rate_limit_is_left_to_pace)
{
    struct destination d = {0};
    int64_t until_ms = 0;

    cr_expect_eq(destination_backoff_ms(&d, &options, 0.5), 500);
    apply(&d, 429, d.epoch, 1000);
    cr_expect_eq(d.state, DESTINATION_WAITING);
    cr_expect_eq(destination_may_send(&d, 1001), DESTINATION_YES);
    cr_expect_str_eq(destination_reason(&d, 1001, &until_ms),
                     "the rate limit is reached (HTTP 429)");
    cr_expect_eq(until_ms, 6000);
    cr_expect_null(destination_reason(&d, 6000, &until_ms));
    cr_expect_eq(destination_backoff_ms(&d, &options, 0.5), 1000, "a second 429 waits longer");
    destination_flush(&d, 1002);
    cr_expect_eq(d.until_ms, 6000, "FLUSH does not override it");
    apply(&d, 201, d.epoch, 6100);
    cr_expect_eq(d.state, DESTINATION_FINE);
    cr_expect_eq(destination_backoff_ms(&d, &options, 0.5), 500);
}

Test(destination, retry_after_is_the_least)
{
    struct destination d = {0};
    struct retry_verdict verdict = {
        .outcome = RETRY_RETURN, .effect = RETRY_BACKOFF, .retry_after_ms = 9000, .why = "x"};
    struct destination_event event = {.status = 503};

    destination_apply(&d, &verdict, &event, &options, 1000, 0.5);
    cr_expect_eq(d.until_ms, 10000);
}

Test(destination, ten_nameless_refusals_in_a_row)
{
    struct destination d = {0};
    struct retry_request request = {.count = 1, .attempts = 1};

    for (int i = 0; i < 9; i++) {
        apply(&d, 400, d.epoch, 1000);
        cr_assert_eq(d.state, DESTINATION_FINE);
    }
    request.nameless = d.nameless;
    cr_expect_eq(judge(400, JSON, request).outcome, RETRY_RETURN, "the tenth is kept");
    cr_expect_eq(judge(400, FIELD, request).outcome, RETRY_REJECT, "unless it is its own fault");
    apply(&d, 400, d.epoch, 1000);
    cr_expect_eq(d.state, DESTINATION_STOPPED);

    request.nameless = d.nameless;
    cr_expect_eq(judge(400, JSON, request).outcome, RETRY_RETURN, "and so is the probe's");
    probe(&d, 400, 61000);
    cr_expect_eq(d.state, DESTINATION_STOPPED);
    probe(&d, 201, 121000);
    cr_expect_eq(d.state, DESTINATION_FINE);
    cr_expect_eq(d.nameless, 0);
}

Test(destination, what_ends_a_row_of_nameless_refusals)
{
    static const struct {
        enum retry_outcome outcome;
        enum retry_effect effect;
        unsigned nameless;
        const char *why;
    } rows[] = {
        {RETRY_READ_ITEMS, RETRY_FINE, 0, "a success"},
        {RETRY_REJECT, RETRY_FINE, 0, "a refusal that names a field"},
        {RETRY_RELAYED, RETRY_FINE, 0, "a clientId that was used"},
        {RETRY_SPLIT, RETRY_FINE, 9, "not a refused batch"},
        {RETRY_RETURN, RETRY_BACKOFF, 9, "not a failure"},
        {RETRY_AMBIGUOUS, RETRY_BACKOFF, 9, "not what may have failed"},
        {RETRY_RETURN, RETRY_STOP, 9, "not a stop"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct destination d = {.nameless = 9};
        struct retry_verdict verdict = {
            .outcome = rows[i].outcome, .effect = rows[i].effect, .why = ""};
        struct destination_event event = {.status = 200};
        destination_apply(&d, &verdict, &event, &options, 0, 0.5);
        cr_expect_eq(d.nameless, rows[i].nameless, "%s", rows[i].why);
    }
}

Test(destination, flush_probes_now)
{
    struct destination d = {0};

    destination_flush(&d, 500);
    cr_expect_eq(destination_may_send(&d, 500), DESTINATION_YES);
    apply(&d, 402, d.epoch, 1000);
    destination_flush(&d, 1500);
    cr_expect_eq(destination_may_send(&d, 1500), DESTINATION_PROBE);
    destination_probe_began(&d);
    destination_flush(&d, 1600);
    cr_expect_eq(destination_may_send(&d, 1600), DESTINATION_NO, "a probe is under way already");
    cr_expect_eq(d.failures, 0);
}

Test(destination, another_token)
{
    struct destination d = {0};

    destination_token_changed(&d, 500);
    cr_expect_eq(d.epoch, 0, "nothing was wrong with the old one");
    apply(&d, 402, d.epoch, 1000);
    destination_token_changed(&d, 1500);
    cr_expect_eq(destination_may_send(&d, 1500), DESTINATION_NO, "it does not pay the bill");

    d = (struct destination){0};
    apply(&d, 401, 0, 1000);
    destination_token_changed(&d, 1500);
    apply(&d, 401, 0, 1600); /* what the old token is still answered */
    apply(&d, 401, 1, 1600);
    cr_expect_eq(destination_may_send(&d, 1600), DESTINATION_PROBE);
    probe(&d, 401, 1600);
    cr_expect_eq(d.until_ms, 61600, "the new one is no better");
    destination_token_changed(&d, 2000);
    probe(&d, 201, 2000);
    cr_expect_eq(d.state, DESTINATION_FINE);
}

Test(destination, reason_with_the_apis_words)
{
    struct destination d = {0};
    struct retry_verdict verdict = {.effect = RETRY_STOP, .why = "the account is out of balance"};
    struct destination_event event = {.status = 402, .words = "Saldo insuficiente"};
    int64_t until_ms = 0;

    destination_apply(&d, &verdict, &event, &options, 1000, 0.5);
    cr_expect_str_eq(destination_reason(&d, 1000, &until_ms),
                     "the account is out of balance (HTTP 402): Saldo insuficiente");

    /* Cut, but not within a character: with every length of what comes before. */
    for (size_t shift = 0; shift < 4; shift++) {
        char words[2 * RETRY_REASON_SIZE + 4] = "xxx";
        size_t len = shift;
        while (len + 2 < sizeof(words)) {
            memcpy(words + len, "\xc3\xb1", 2);
            len += 2;
        }
        words[len] = '\0';
        d = (struct destination){0};
        event.words = words;
        destination_apply(&d, &verdict, &event, &options, 1000, 0.5);
        size_t kept = strlen(d.reason);
        cr_expect_geq(kept, RETRY_REASON_SIZE - 4);
        cr_expect_eq((unsigned char)d.reason[kept - 1], 0xb1, "ends with a whole character");
    }
}
