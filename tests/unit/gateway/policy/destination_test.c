/* Tests of destination, as short stories. */
#include "gateway/policy/destination.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct destination_options options = {1000, 60000};

/* A request with one new message gets this answer, a refusal as JSON; 0 = it was not sent. */
static struct retry_verdict judge(const struct destination *d, int status, bool names_field)
{
    struct api_answer answer = {.transport = status == 0 ? API_NOT_SENT : API_ANSWERED,
                                .status = status,
                                .rate = {.retry_after_s = -1}};
    struct api_refusal refusal = {.is_json = true, .names_field = names_field};
    struct retry_request request = {.count = 1, .attempts = 1, .nameless = d->nameless};
    return retry_judge(&answer, &refusal, &request);
}

/* An answer to a request that began in epoch `epoch`; the random number is always a half. */
static void apply(struct destination *d, int status, uint32_t epoch, int64_t now_ms)
{
    struct destination_event event = {.epoch = epoch, .status = status};
    struct retry_verdict verdict = judge(d, status, false);

    event.held_until_ms = status == 429 ? now_ms + 5000 : 0;
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
    cr_expect_str_eq(destination_reason(&d, 10000, &until_ms), "the API is unavailable (HTTP 503)");
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

    /* A request from before the failure fails, too, when a newer one has succeeded. */
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

    for (int i = 0; i < 9; i++) {
        apply(&d, 400, d.epoch, 1000);
        cr_assert_eq(d.state, DESTINATION_FINE);
    }
    cr_expect_eq(judge(&d, 400, false).outcome, RETRY_RETURN, "the tenth is kept");
    cr_expect_eq(judge(&d, 400, true).outcome, RETRY_REJECT, "unless it is its own fault");
    apply(&d, 400, d.epoch, 1000);
    cr_expect_eq(d.state, DESTINATION_STOPPED);

    cr_expect_eq(judge(&d, 400, false).outcome, RETRY_RETURN, "and so is the probe's");
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
    apply(&d, 401, 0, 1600); /* to a request with the old token */
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
    struct retry_verdict verdict = {.effect = RETRY_STOP, .why = "the account has no balance left"};
    struct destination_event event = {.status = 402, .words = "Saldo insuficiente"};
    int64_t until_ms = 0;

    destination_apply(&d, &verdict, &event, &options, 1000, 0.5);
    cr_expect_str_eq(destination_reason(&d, 1000, &until_ms),
                     "the account has no balance left (HTTP 402): Saldo insuficiente");

    /* Cut, but not inside a character, whatever comes before it. */
    for (size_t shift = 0; shift < 4; shift++) {
        char words[2 * DESTINATION_REASON_SIZE + 4] = "xxx";
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
        cr_expect_geq(kept, DESTINATION_REASON_SIZE - 4);
        cr_expect_eq((unsigned char)d.reason[kept - 1], 0xb1, "ends with a whole character");
    }
}
