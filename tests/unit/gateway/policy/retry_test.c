/* Tests of retry: the verdict table row by row, and splitting. */
#include "gateway/policy/retry.h"
#include "gateway/queue/types.h"

#include <criterion/criterion.h>
#include <string.h>

/* --- verdicts ----------------------------------------------------------------------------- */

/* What the body of a refusal is. */
enum body { NONE, HTML, JSON, FIELD, USED, USED_NAMELESS };

static struct api_refusal refusal_of(enum body body)
{
    static const struct api_refusal refusals[] = {
        [NONE] = {.is_json = false},
        [HTML] = {.is_json = false},
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
    answer.body = body == HTML ? (char[]){"\xef\xbb\xbf\n<html>"} : (char[]){""};
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
        {422, 422, JSON, RETRY_SPLIT, RETRY_REJECT, RETRY_FINE, true},
        {400, 400, FIELD, RETRY_SPLIT, RETRY_REJECT, RETRY_FINE, false},
        {413, 413, FIELD, RETRY_SPLIT, RETRY_REJECT, RETRY_FINE, false},
        {422, 422, FIELD, RETRY_SPLIT, RETRY_REJECT, RETRY_FINE, false},
        {300, 399, NONE, RETRY_RETURN, RETRY_RETURN, RETRY_STOP, false},
        {300, 399, JSON, RETRY_RETURN, RETRY_RETURN, RETRY_STOP, false},
        {401, 401, JSON, RETRY_RETURN, RETRY_RETURN, RETRY_STOP, false},
        {401, 401, NONE, RETRY_RETURN, RETRY_RETURN, RETRY_STOP, false},
        {402, 407, HTML, RETRY_RETURN, RETRY_SUSPECT, RETRY_STOP, false},
        {402, 407, JSON, RETRY_RETURN, RETRY_SUSPECT, RETRY_STOP, false},
        {404, 405, USED, RETRY_RETURN, RETRY_SUSPECT, RETRY_STOP, false},
        {408, 408, NONE, RETRY_RETURN, RETRY_SUSPECT, RETRY_BACKOFF, false},
        {409, 412, JSON, RETRY_RETURN, RETRY_SUSPECT, RETRY_STOP, false},
        {414, 420, HTML, RETRY_RETURN, RETRY_SUSPECT, RETRY_STOP, false},
        {421, 421, HTML, RETRY_RETURN, RETRY_SUSPECT, RETRY_BACKOFF, false},
        {423, 424, JSON, RETRY_RETURN, RETRY_SUSPECT, RETRY_STOP, false},
        {425, 425, JSON, RETRY_RETURN, RETRY_SUSPECT, RETRY_BACKOFF, false},
        {426, 428, NONE, RETRY_RETURN, RETRY_SUSPECT, RETRY_STOP, false},
        {430, 499, HTML, RETRY_RETURN, RETRY_SUSPECT, RETRY_STOP, false},
        {429, 429, NONE, RETRY_RETURN, RETRY_RETURN, RETRY_WAIT, false},
        {429, 429, JSON, RETRY_RETURN, RETRY_RETURN, RETRY_WAIT, false},
        {503, 503, NONE, RETRY_RETURN, RETRY_SUSPECT, RETRY_BACKOFF, false},
        {503, 503, JSON, RETRY_RETURN, RETRY_SUSPECT, RETRY_BACKOFF, false},
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
            cr_expect_eq(bulk.effect, c->effect, "%d on a bulk, row %zu", status, i);
            cr_expect_eq(alone.effect, c->effect, "%d alone, row %zu", status, i);
            cr_expect_eq(alone.is_nameless, c->is_nameless, "%d, row %zu", status, i);
            cr_expect_not(bulk.is_nameless, "%d, row %zu", status, i);
            cr_expect_eq(alone.is_token_refused,
                         status == 401 || (status == 403 && c->body != HTML), "%d", status);
            cr_expect_eq(alone.why[0] == '\0', c->effect == RETRY_FINE, "%d: %s", status,
                         alone.why);
        }
    }
}

/* What no answer says by itself: whose fault is it? */
Test(retry, whose_fault)
{
    static const struct {
        int status;
        enum body body;
        struct retry_request request;
        enum retry_outcome outcome;
        bool needs_proof, is_unwelcome;
        const char *why;
    } rows[] = {
        {402, JSON, {.count = 1}, RETRY_SUSPECT, true, false, "may pass once there is balance"},
        {403, JSON, {.count = 1}, RETRY_SUSPECT, true, true, "a country that is not enabled"},
        {503, JSON, {.count = 1}, RETRY_SUSPECT, true, false, "for this one, or for all"},
        {408, NONE, {.count = 1}, RETRY_SUSPECT, true, false, "as 503"},
        {413, NONE, {.count = 1}, RETRY_SUSPECT, true, true, "nobody knows"},
        {413, HTML, {.count = 1, .has_passed = true}, RETRY_SUSPECT, true, true, "before it"},
        {413, NONE, {.count = 1, .was_refused = true}, RETRY_SUSPECT, true, true, "so are others"},
        {413,
         NONE,
         {.count = 1, .was_refused = true, .has_passed = true},
         RETRY_REJECT,
         false,
         false,
         "the rest of its batch has passed"},
        {400, HTML, {.count = 1}, RETRY_REJECT, false, false, "whatever the body is"},
        {422, NONE, {.count = 1}, RETRY_REJECT, false, false, "and here"},
        {400, HTML, {.count = 1, .was_refused = true}, RETRY_SUSPECT, true, true, "as all others"},
        {400, JSON, {.count = 1, .was_refused = true}, RETRY_SUSPECT, true, true, "the same"},
        {400, FIELD, {.count = 1, .was_refused = true}, RETRY_REJECT, false, true, "it is named"},
        {400,
         NONE,
         {.count = 1, .was_refused = true, .has_passed = true},
         RETRY_REJECT,
         false,
         false,
         "the rest of its batch has passed"},
        {400, HTML, {.count = 9}, RETRY_RETURN, true, true, "a batch, for the first time"},
        {400, HTML, {.count = 9, .was_refused = true}, RETRY_SPLIT, true, true, "again"},
        {400, JSON, {.count = 9}, RETRY_SPLIT, false, false, "the API speaks of messages"},
        {413, HTML, {.count = 9}, RETRY_SPLIT, false, false, "half of it is smaller"},
        {403, JSON, {.count = 9}, RETRY_RETURN, true, true, "a batch, for the first time"},
        {403, JSON, {.count = 9, .was_refused = true}, RETRY_SPLIT, true, true, "again"},
        {503, JSON, {.count = 9}, RETRY_RETURN, false, false, "wait before anything is sent"},
        {503, JSON, {.count = 9, .was_refused = true}, RETRY_SPLIT, true, false, "again"},
        {429, NONE, {.count = 9, .was_refused = true}, RETRY_RETURN, false, false, "no refusal"},
        {401, NONE, {.count = 1}, RETRY_RETURN, false, false, "it is the token"},
        {401,
         NONE,
         {.count = 1, .is_stopped = true},
         RETRY_SUSPECT,
         false,
         true,
         "the next probe is another message"},
        {401,
         NONE,
         {.count = 1, .is_proven = true},
         RETRY_SUSPECT,
         true,
         true,
         "others passed with the same token"},
        {401, NONE, {.count = 9, .was_refused = true}, RETRY_SPLIT, false, true, "in the end"},
        {302, NONE, {.count = 1, .is_stopped = true}, RETRY_SUSPECT, false, false, "the same"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct retry_verdict verdict = judge(rows[i].status, rows[i].body, rows[i].request);
        bool is_batch = rows[i].request.count > 1;
        bool is_refused = is_batch && rows[i].status != 429;
        cr_expect_eq(verdict.outcome, rows[i].outcome, "%d, row %zu: %s, not: %s", rows[i].status,
                     i, retry_outcome_name(verdict.outcome), rows[i].why);
        cr_expect_eq(verdict.needs_proof, rows[i].needs_proof, "row %zu: %s", i, rows[i].why);
        if (verdict.outcome == RETRY_SUSPECT) {
            cr_expect_eq(verdict.is_unwelcome, rows[i].is_unwelcome, "row %zu: %s", i, rows[i].why);
        }
        cr_expect_eq(verdict.is_batch_refused, is_refused, "row %zu", i);
        cr_expect_eq(verdict.is_first_refusal, is_refused && !rows[i].request.was_refused,
                     "row %zu", i);
    }
}

Test(retry, a_page_by_its_first_letter)
{
    static const struct {
        const char *body;
        bool is_page;
    } rows[] = {
        {"<html>", true},
        {" \r\n\t<!doctype html>", true},
        {"\xef\xbb\xbf<p>", true},
        {"<?xml?>", true},
        {"", false},
        {"{\"message\": \"<b>\"}", false},
        {"[\"<\"]", false},
        {"caf\xe9 <p>", false},
        {"\x1f\x8b\x08", false},
        {NULL, false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct api_answer answer = answered(403);
        struct api_refusal refusal = {0};
        struct retry_request request = {.count = 1, .attempts = 1};
        char body[64] = "";
        if (rows[i].body != NULL) {
            strncpy(body, rows[i].body, sizeof(body) - 1);
            answer.body = body;
        }
        struct retry_verdict verdict = retry_judge(&answer, &refusal, &request);
        cr_expect_eq(verdict.is_page, rows[i].is_page, "row %zu", i);
        cr_expect_str_eq(verdict.why, rows[i].is_page ? "a firewall or proxy answered 403 with HTML"
                                                      : "the API refuses the token");
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

Test(retry, an_answer_that_was_not_read_says_nothing)
{
    struct api_refusal refusal = {.is_unread = true};
    for (int status = 400; status <= 599; status++) {
        struct api_answer answer = answered(status);
        struct retry_request request = {.count = 1, .attempts = 2};
        struct retry_verdict verdict = retry_judge(&answer, &refusal, &request);
        cr_expect_eq(verdict.outcome, RETRY_AMBIGUOUS, "%d", status);
        cr_expect_eq(verdict.effect, RETRY_BACKOFF, "%d", status);
    }
}

/* A refusal of a request that had left whole. */
Test(retry, a_refusal_may_hide_that_it_was_taken)
{
    static const struct {
        int status;
        size_t count;
        bool was_refused, takes_refused;
        enum retry_outcome outcome;
        bool may_be_taken, needs_proof;
        enum retry_effect effect;
    } rows[] = {
        {503, 1, false, false, RETRY_AMBIGUOUS, false, true, RETRY_BACKOFF},
        {503, 9, false, false, RETRY_AMBIGUOUS, false, false, RETRY_BACKOFF},
        {503, 9, true, false, RETRY_AMBIGUOUS, false, true, RETRY_BACKOFF},
        {302, 1, false, false, RETRY_RETURN, true, false, RETRY_STOP},
        {302, 9, false, true, RETRY_AMBIGUOUS, false, false, RETRY_STOP},
        {401, 1, false, false, RETRY_RETURN, true, false, RETRY_STOP},
        {401, 1, false, true, RETRY_AMBIGUOUS, false, false, RETRY_STOP},
        {402, 9, false, false, RETRY_RETURN, true, true, RETRY_STOP},
        {404, 1, false, false, RETRY_SUSPECT, true, true, RETRY_STOP},
        {404, 1, false, true, RETRY_AMBIGUOUS, false, true, RETRY_STOP},
        {408, 9, true, false, RETRY_SPLIT, true, true, RETRY_BACKOFF},
        {408, 9, true, true, RETRY_AMBIGUOUS, false, true, RETRY_BACKOFF},
        {429, 9, false, true, RETRY_RETURN, false, false, RETRY_WAIT},
        {413, 9, false, true, RETRY_SPLIT, false, false, RETRY_FINE},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct api_answer answer = answered(rows[i].status);
        struct api_refusal refusal = refusal_of(JSON);
        struct retry_request request = {.count = rows[i].count,
                                        .was_refused = rows[i].was_refused,
                                        .takes_refused = rows[i].takes_refused};
        answer.is_sent_whole = true;
        struct retry_verdict verdict = retry_judge(&answer, &refusal, &request);
        cr_expect_eq(verdict.outcome, rows[i].outcome, "row %zu: %s", i,
                     retry_outcome_name(verdict.outcome));
        cr_expect_eq(verdict.may_be_taken, rows[i].may_be_taken, "row %zu", i);
        cr_expect_eq(verdict.needs_proof, rows[i].needs_proof, "row %zu", i);
        cr_expect_eq(verdict.effect, rows[i].effect, "row %zu", i);
        answer.is_sent_whole = false;
        verdict = retry_judge(&answer, &refusal, &request);
        cr_expect(verdict.outcome != RETRY_AMBIGUOUS && !verdict.may_be_taken, "row %zu", i);
    }
}

Test(retry, an_answer_that_cannot_be_read)
{
    struct api_item item = {.outcome = API_ITEM_UNKNOWN};
    struct retry_verdict verdict = retry_judge_items(&item, 1, false);
    cr_expect_eq(verdict.outcome, RETRY_AMBIGUOUS);
    cr_expect_eq(verdict.effect, RETRY_STOP);
    cr_expect(verdict.needs_proof, "it may be this message's answer only");
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
        {302, "the URL or a proxy is wrong"},
        {401, "the API refuses the token"},
        {402, "the account has no balance left"},
        {403, "the API refuses the token"},
        {404, "the URL or a proxy is wrong"},
        {429, "the rate limit is reached"},
        {500, "the API failed"},
        {503, "the API is unavailable"},
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
    cr_expect_eq(retry_judge_items(items, 3, true).effect, RETRY_FINE);
    cr_expect_eq(retry_judge_items(items, 3, true).outcome, RETRY_READ_ITEMS);
    cr_expect_eq(retry_judge_items(items, 4, true).effect, RETRY_BACKOFF, "an incomplete 2xx");
    cr_expect_eq(retry_judge_items(items, 4, true).outcome, RETRY_AMBIGUOUS);
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
        retry_split(rows[i].count, 2, &next_group, groups);
        for (size_t n = 0; n < rows[i].count; n++) {
            cr_expect_eq(groups[n], n < rows[i].first_half ? 42 : 43, "%zu: message %zu",
                         rows[i].count, n);
        }
        cr_expect_eq(next_group, 43);
    }

    uint32_t last = UINT32_MAX - 1, groups[2];
    retry_split(2, 2, &last, groups);
    cr_expect_eq(groups[0], UINT32_MAX);
    cr_expect_eq(groups[1], 1, "0 is no group");
}

Test(retry, parts)
{
    static const struct {
        size_t count, parts, largest;
    } rows[] = {{2, 2, 1}, {3, 2, 1}, {10, 10, 1}, {11, 6, 2}, {100, 10, 10}, {99, 10, 10}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint32_t next_group = 0, groups[100];
        retry_split(rows[i].count, RETRY_PARTS, &next_group, groups);
        cr_expect_eq(groups[rows[i].largest - 1], 1, "row %zu", i);
        cr_expect_eq(groups[rows[i].largest], 2, "row %zu", i);
        cr_expect_eq(next_group, i == 1 ? 3 : rows[i].parts, "row %zu", i);
    }
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
            retry_split(count, 2, &next_group, groups);
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
