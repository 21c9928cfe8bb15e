/* Tests of destination, as short stories. */
#include "gateway/policy/destination.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct destination_options options = {1000, 60000};

/* A request gets this answer, a refusal as JSON; 0 = it was not sent. It has one new message, but
 * what is refused with 503 is a batch. */
static struct retry_verdict judge(const struct destination *d, int status, bool names_field)
{
    struct api_answer answer = {.transport = status == 0 ? API_NOT_SENT : API_ANSWERED,
                                .status = status,
                                .rate = {.retry_after_s = -1}};
    struct api_refusal refusal = {.is_json = true, .names_field = names_field};
    struct retry_request request = {
        .count = status == 503 ? 2 : 1, .attempts = 1, .nameless = d->nameless};
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
    static const int statuses[] = {301, 307, 401};

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
        {302, 401, DESTINATION_STOPPED, 61000, "nor does another stop"},
        {402, 201, DESTINATION_PROBING, 0, "nor a doubt"},
        {402, 503, DESTINATION_BACKOFF, 2500, "no service is worse than a doubt"},
        {503, 402, DESTINATION_BACKOFF, 1500, "and not the other way round"},
        {429, 402, DESTINATION_PROBING, 0, "a doubt is worse than a limit"},
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

/* --- whose fault ------------------------------------------------------------------------------ */

/* Message number `n`, alone and for the first time, gets this answer. */
static enum destination_finding ask(struct destination *d, unsigned n, int status, uint32_t epoch,
                                    int64_t now_ms)
{
    struct ulid id = {{(unsigned char)n}};
    struct api_answer answer = {
        .transport = API_ANSWERED, .status = status, .rate = {.retry_after_s = -1}};
    struct api_refusal refusal = {.is_json = true};
    struct retry_request request = {
        .count = 1, .attempts = 1, .is_stopped = d->state == DESTINATION_STOPPED};
    struct retry_verdict verdict = retry_judge(&answer, &refusal, &request);
    struct destination_event event = {
        .epoch = epoch, .status = status, .message = &id, .has_passed = status == 201};

    return destination_apply(d, &verdict, &event, &options, now_ms, 0.5);
}

/* What one answer after the other says of the messages that stand aside, and where that leads. */
Test(destination, whose_fault)
{
    static const struct {
        struct {
            unsigned message;
            int status;
        } answers[8]; /* to requests one after the other */
        enum destination_finding finding;
        enum destination_state state;
        const char *why;
    } rows[] = {
        {{{1, 403}}, FINDING_NONE, DESTINATION_PROBING, "it may be the message"},
        {{{1, 403}, {2, 201}}, FINDING_GUILTY, DESTINATION_FINE, "it was"},
        {{{1, 403}, {2, 403}, {3, 201}}, FINDING_GUILTY, DESTINATION_FINE, "both were"},
        {{{1, 403}, {2, 403}, {3, 403}}, FINDING_INNOCENT, DESTINATION_STOPPED, "none was"},
        {{{1, 503}, {2, 503}, {3, 503}}, FINDING_INNOCENT, DESTINATION_BACKOFF, "for now"},
        {{{1, 403}, {1, 403}, {1, 403}}, FINDING_NONE, DESTINATION_PROBING, "always the same one"},
        {{{1, 403}, {2, 201}, {1, 403}, {3, 403}},
         FINDING_NONE,
         DESTINATION_PROBING,
         "one passed in between"},
        {{{1, 403}, {2, 402}, {3, 451}, {4, 201}},
         FINDING_GUILTY,
         DESTINATION_FINE,
         "each refused in a way of its own"},
        {{{1, 403}, {2, 402}, {3, 403}, {4, 402}, {5, 403}},
         FINDING_INNOCENT,
         DESTINATION_STOPPED,
         "three of them alike"},
        {{{1, 402}, {2, 403}, {3, 404}, {4, 405}, {5, 409}, {6, 415}, {7, 418}, {8, 451}},
         FINDING_INNOCENT,
         DESTINATION_STOPPED,
         "there is an end to it"},
        {{{1, 403}, {2, 403}, {3, 403}, {4, 403}},
         FINDING_NONE,
         DESTINATION_STOPPED,
         "a probe stands aside, so that the next one is another message"},
        {{{1, 403}, {2, 403}, {3, 403}, {4, 403}, {5, 201}},
         FINDING_INNOCENT,
         DESTINATION_FINE,
         "whatever it was is over"},
        {{{1, 401}, {1, 401}, {2, 201}},
         FINDING_GUILTY,
         DESTINATION_FINE,
         "it passes with the same token"},
        {{{1, 403}, {2, 429}, {3, 201}}, FINDING_GUILTY, DESTINATION_FINE, "a limit says nothing"},
        {{{1, 403}, {2, 500}, {3, 201}}, FINDING_GUILTY, DESTINATION_FINE, "nor does a failure"},
        {{{1, 201}, {2, 201}}, FINDING_NONE, DESTINATION_FINE, "nobody stands aside"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct destination d = {0};
        enum destination_finding finding = FINDING_NONE;
        for (int n = 0; n < 8 && rows[i].answers[n].status != 0; n++) {
            finding =
                ask(&d, rows[i].answers[n].message, rows[i].answers[n].status, d.epoch, 1000 * n);
        }
        cr_expect_eq(finding, rows[i].finding, "%s: %d", rows[i].why, (int)finding);
        cr_expect_eq(d.state, rows[i].state, "%s: %s", rows[i].why,
                     destination_state_name(d.state));
    }
}

Test(destination, a_suspect_lets_the_next_one_go_at_once)
{
    struct destination d = {0};
    int64_t until_ms = 0;

    ask(&d, 1, 402, d.epoch, 1000);
    cr_expect_eq(destination_may_send(&d, 1000), DESTINATION_PROBE);
    cr_expect_eq(destination_next_ms(&d, 1000), INT64_MAX);
    cr_expect_eq(destination_probe(&d), PROBE_LAST, "from the other end");
    cr_expect_not(destination_has_failed(&d));
    cr_expect_str_eq(
        destination_reason(&d, 1000, &until_ms),
        "the API refused a message; another one will show whether it refuses all (HTTP 402)");
    cr_expect_eq(until_ms, INT64_MAX);
    destination_probe_began(&d);
    cr_expect_eq(destination_may_send(&d, 1000), DESTINATION_NO, "one at a time");
    destination_probe_ended(&d);
    ask(&d, 2, 402, d.epoch, 1000);
    cr_expect_eq(destination_probe(&d), PROBE_NEXT, "and from the first again");
}

/* What the history is asked about does not wait for its turn: the next one that comes is a probe. */
Test(destination, a_fresh_message_probes_when_the_refused_ones_are_away)
{
    struct destination d = {0};

    for (uint8_t i = 1; i <= DESTINATION_ALIKE_MAX; i++) {
        struct ulid id = {{i}};
        struct retry_verdict verdict = {.outcome = RETRY_AMBIGUOUS,
                                        .effect = RETRY_BACKOFF,
                                        .needs_proof = true,
                                        .retry_after_ms = i == 2 ? 7000 : 0,
                                        .why = "the API is unavailable"};
        struct destination_event event = {.epoch = d.epoch, .status = 503, .message = &id};
        destination_apply(&d, &verdict, &event, &options, 1000, 0.5);
        cr_expect_eq(d.quiet_until_ms, i == 2 ? 8000 : 1000, "Retry-After is for every call");
        cr_expect_eq(d.state == DESTINATION_PROBING, i == 1, "%d", i);
    }
    cr_expect_eq(d.state, DESTINATION_BACKOFF);
    destination_note_waiting(&d, 0, 1000);
    cr_expect_eq(destination_may_send(&d, 1000), DESTINATION_NO);
    destination_note_waiting(&d, 1, 1001);
    cr_expect_eq(destination_may_send(&d, 1001), DESTINATION_PROBE);
}

Test(destination, old_answers_are_no_proof)
{
    struct destination d = {0};

    ask(&d, 1, 403, 0, 1000);
    cr_expect_eq(ask(&d, 2, 201, 0, 1001), FINDING_NONE, "it was sent before");
    cr_expect_eq(d.state, DESTINATION_PROBING);
    cr_expect_eq(ask(&d, 3, 403, 0, 1002), FINDING_NONE);
    cr_expect_eq(ask(&d, 4, 403, 0, 1003), FINDING_INNOCENT, "but they are refused as it was");
    cr_expect_eq(ask(&d, 5, 403, 0, 1004), FINDING_INNOCENT,
                 "this was no probe: back to its place");
}

Test(destination, a_stop_by_suspects_probes_soon_and_then_each_minute)
{
    static const int64_t waits_ms[] = {500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    struct destination d = {0};
    int64_t now_ms = 1000;

    ask(&d, 1, 402, d.epoch, now_ms);
    ask(&d, 2, 402, d.epoch, now_ms);
    ask(&d, 3, 402, d.epoch, now_ms);
    for (unsigned i = 0; i < sizeof(waits_ms) / sizeof(waits_ms[0]); i++) {
        cr_expect_eq(destination_next_ms(&d, now_ms), now_ms + waits_ms[i], "probe %u", i);
        cr_expect_eq(destination_probe(&d), i % 2 == 0 ? PROBE_NEXT : PROBE_LAST, "probe %u", i);
        cr_expect(destination_has_failed(&d));
        now_ms = destination_next_ms(&d, now_ms);
        ask(&d, 4 + i, 402, d.epoch, now_ms);
    }
    destination_flush(&d, now_ms);
    cr_expect_eq(destination_probe(&d), PROBE_FIRST);
    destination_probe_began(&d);
    destination_probe_ended(&d);
    ask(&d, 30, 402, d.epoch, now_ms);
    cr_expect_eq(destination_next_ms(&d, now_ms), now_ms + 1000, "the operator has done something");
}

Test(destination, how_long_a_suspect_stands_aside)
{
    static const struct {
        unsigned refusals;
        int64_t retry_after_ms, ms;
    } rows[] = {{1, 0, 750}, {2, 0, 1500}, {7, 0, 45000}, {2, 9000, 9000}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct retry_verdict verdict = {.retry_after_ms = rows[i].retry_after_ms};
        cr_expect_eq(destination_aside_ms(rows[i].refusals, &verdict, &options, 0.5), rows[i].ms,
                     "row %zu", i);
    }
}

Test(destination, what_to_probe_with)
{
    struct destination d = {0};

    apply(&d, 503, d.epoch, 1000);
    cr_expect_eq(destination_probe(&d), PROBE_FIRST, "no message is in question");
    destination_flush(&d, 1000);
    cr_expect_eq(destination_probe(&d), PROBE_FIRST);
    d = (struct destination){0};
    destination_flush(&d, 1000);
    ask(&d, 1, 403, d.epoch, 1000);
    cr_expect_eq(destination_probe(&d), PROBE_LAST, "a FLUSH while all was fine is over");
}

Test(destination, retry_after_of_a_suspect_is_for_all)
{
    struct destination d = {0};
    struct ulid id = {{1}};
    struct retry_verdict verdict = {.outcome = RETRY_SUSPECT,
                                    .effect = RETRY_BACKOFF,
                                    .needs_proof = true,
                                    .retry_after_ms = 9000,
                                    .why = "x"};
    struct destination_event event = {.status = 503, .message = &id};

    destination_apply(&d, &verdict, &event, &options, 1000, 0.5);
    cr_expect_eq(destination_may_send(&d, 9999), DESTINATION_NO);
    cr_expect_eq(destination_may_send(&d, 10000), DESTINATION_PROBE);
    cr_expect_eq(ask(&d, 2, 201, d.epoch, 10000), FINDING_GUILTY);
}

Test(destination, a_fresh_message_probes_a_stop)
{
    struct destination d = {0};

    for (unsigned n = 1; n <= 3; n++) {
        ask(&d, n, 403, d.epoch, 1000);
    }
    destination_note_waiting(&d, 4, 1000);
    destination_note_waiting(&d, 5, 1100);
    cr_expect_eq(destination_may_send(&d, 1100), DESTINATION_NO, "there are others to ask with");
    destination_note_waiting(&d, 3, 1200);
    cr_expect_eq(destination_may_send(&d, 1200), DESTINATION_NO);
    destination_note_waiting(&d, 4, 1300);
    cr_expect_eq(destination_may_send(&d, 1300), DESTINATION_PROBE);
    destination_probe_began(&d);
    destination_note_waiting(&d, 3, 1300); /* it is being sent */
    destination_probe_ended(&d);
    ask(&d, 4, 403, d.epoch, 1400);
    destination_note_waiting(&d, 4, 1400);
    cr_expect_eq(destination_may_send(&d, 1400), DESTINATION_NO, "it was no better");
}

/* A batch that is refused as a whole ends what is known of those that have passed. */
Test(destination, has_passed)
{
    struct destination d = {0};
    struct retry_verdict verdict = {.outcome = RETRY_SPLIT, .effect = RETRY_FINE, .why = ""};
    struct destination_event event = {.status = 413};

    ask(&d, 1, 201, d.epoch, 0);
    cr_expect(d.has_passed);
    destination_apply(&d, &verdict, &event, &options, 0, 0.5);
    cr_expect(d.has_passed, "half of a batch");
    verdict.is_first_refusal = true;
    destination_apply(&d, &verdict, &event, &options, 0, 0.5);
    cr_expect_not(d.has_passed);
    ask(&d, 1, 201, d.epoch + 1, 0);
    cr_expect(d.has_passed, "also one that was sent before");
}

/* --- refusals that name no field -------------------------------------------------------------- */

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
    apply(&d, 302, d.epoch, 1000);
    destination_flush(&d, 1500);
    cr_expect_eq(destination_may_send(&d, 1500), DESTINATION_PROBE);
    destination_probe_began(&d);
    destination_flush(&d, 1600);
    cr_expect_eq(destination_may_send(&d, 1600), DESTINATION_NO, "a probe is under way already");
}

Test(destination, another_token)
{
    struct destination d = {0};

    destination_token_changed(&d, 500);
    cr_expect_eq(d.epoch, 0, "nothing was wrong with the old one");
    apply(&d, 302, d.epoch, 1000);
    destination_token_changed(&d, 1500);
    cr_expect_eq(destination_may_send(&d, 1500), DESTINATION_NO, "it does not move the API");

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
    d = (struct destination){0};
    event.proxy = "http://p:3128/";
    destination_apply(&d, &verdict, &event, &options, 1000, 0.5);
    cr_expect_str_eq(destination_reason(&d, 1000, &until_ms),
                     "the account has no balance left (HTTP 402, proxy http://p:3128/): "
                     "Saldo insuficiente");
    event.status = 0;
    event.words = "connection refused";
    verdict.why = "the API cannot be reached";
    d = (struct destination){0};
    destination_apply(&d, &verdict, &event, &options, 1000, 0.5);
    cr_expect_str_eq(destination_reason(&d, 1000, &until_ms),
                     "the API cannot be reached (proxy http://p:3128/): connection refused");
    event = (struct destination_event){.status = 402};
    verdict.why = "the account has no balance left";

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
