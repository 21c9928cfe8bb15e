/* retry: see retry.h. */
#include "gateway/policy/retry.h"

#include "gateway/base/int64.h"

/* --- the verdict table -------------------------------------------------------------------- */

/* What happened below HTTP, in place of a status. */
enum { STATUS_NOT_SENT = -2, STATUS_NO_ANSWER = -1, STATUS_HIGHEST = 999 };

/* What else a row may require. */
enum {
    ABOUT = 1 << 0, /* the refusal is about the messages: see is_about_messages */
    ALONE = 1 << 1, /* one message in the request */
    NAMED = 1 << 2, /* the refusal names a field */
    USED = 1 << 3,  /* the refusal says that the clientId was used before */
    AGAIN = 1 << 4, /* the message had an attempt before */
    TENTH = 1 << 5, /* it would be number RETRY_NAMELESS_MAX in a row to name no field */
    CUT = 1 << 6    /* the body is longer than what we read */
};

struct row {
    int first, last; /* status */
    unsigned facts;  /* all of these must hold */
    enum retry_outcome outcome;
    enum retry_effect effect;
    bool is_token_refused, is_nameless;
    const char *why;
};

/* The first row that fits decides. */
static const struct row table[] = {
    {STATUS_NOT_SENT, STATUS_NOT_SENT, 0, RETRY_RETURN, RETRY_BACKOFF, false, false,
     "the API cannot be reached"},
    {STATUS_NO_ANSWER, STATUS_NO_ANSWER, 0, RETRY_AMBIGUOUS, RETRY_BACKOFF, false, false,
     "the API did not answer"},
    {200, 299, CUT, RETRY_AMBIGUOUS, RETRY_BACKOFF, false, false, "the API's answer is too long"},
    {200, 299, 0, RETRY_READ_ITEMS, RETRY_FINE, false, false, ""},
    {300, 399, 0, RETRY_RETURN, RETRY_STOP, false, false, "the URL or a proxy is wrong"},
    {401, 401, 0, RETRY_RETURN, RETRY_STOP, true, false, "the API refuses the token"},
    {402, 402, 0, RETRY_RETURN, RETRY_STOP, false, false, "the account has no balance left"},
    {403, 403, 0, RETRY_RETURN, RETRY_STOP, true, false, "the API refuses the token"},
    {429, 429, 0, RETRY_RETURN, RETRY_WAIT, false, false, "the rate limit is reached"},
    {400, 499, ABOUT | ALONE | USED | AGAIN, RETRY_RELAYED, RETRY_FINE, false, false, ""},
    {400, 499, ABOUT | ALONE | USED, RETRY_REJECT, RETRY_FINE, false, false, ""},
    {400, 499, ABOUT | ALONE | NAMED, RETRY_REJECT, RETRY_FINE, false, false, ""},
    {400, 499, ABOUT | ALONE | TENTH, RETRY_RETURN, RETRY_STOP, false, true,
     "the API refuses every message without naming a field"},
    {400, 499, ABOUT | ALONE, RETRY_REJECT, RETRY_FINE, false, true, ""},
    {400, 499, ABOUT, RETRY_SPLIT, RETRY_FINE, false, false, ""},
    /* 404, 405, and everything else that is not the API speaking of messages. */
    {400, 499, 0, RETRY_RETURN, RETRY_STOP, false, false, "the URL or a proxy is wrong"},
    {503, 503, 0, RETRY_RETURN, RETRY_BACKOFF, false, false, "the API is unavailable"},
    {500, 599, 0, RETRY_AMBIGUOUS, RETRY_BACKOFF, false, false, "the API failed"},
    {0, STATUS_HIGHEST, 0, RETRY_AMBIGUOUS, RETRY_BACKOFF, false, false,
     "the API's answer makes no sense"},
};

const char *retry_outcome_name(enum retry_outcome outcome)
{
    static const char *const names[] = {"read-items", "split",     "reject",
                                        "return",     "ambiguous", "relayed"};
    return names[outcome];
}

/*
 * 413 counts with any body, since a server in front of the API may be the one that says it. 409 is
 * not in the API's documentation, but the natural way to say that a clientId was used.
 */
static bool is_about_messages(int status, const struct api_refusal *refusal)
{
    bool is_json = refusal != NULL && refusal->is_json;

    return status == 413 || (is_json && (status == 400 || status == 422)) ||
           (is_json && status == 409 && refusal->is_already_used);
}

static int status_of(const struct api_answer *answer)
{
    switch (answer->transport) {
    case API_NOT_SENT:
        return STATUS_NOT_SENT;
    case API_NO_ANSWER:
        return STATUS_NO_ANSWER;
    case API_ANSWERED:
        break;
    }
    return answer->status >= 0 && answer->status <= STATUS_HIGHEST ? answer->status : 0;
}

static unsigned facts_of(const struct api_answer *answer, const struct api_refusal *refusal,
                         const struct retry_request *request)
{
    bool is_refusal = refusal != NULL;

    return (is_about_messages(answer->status, refusal) ? ABOUT : 0U) |
           (request->count == 1 ? ALONE : 0U) | (is_refusal && refusal->names_field ? NAMED : 0U) |
           (is_refusal && refusal->is_already_used ? USED : 0U) |
           (request->attempts > 1 ? AGAIN : 0U) |
           (request->nameless + 1 >= RETRY_NAMELESS_MAX ? TENTH : 0U) |
           (answer->is_body_cut ? CUT : 0U);
}

static int64_t retry_after_ms(const struct api_rate *rate)
{
    int64_t limit_s = RETRY_AFTER_MAX_MS / 1000;

    if (rate->retry_after_s <= 0) {
        return 0;
    }
    return int64_min(rate->retry_after_s, limit_s) * 1000;
}

struct retry_verdict retry_judge(const struct api_answer *answer, const struct api_refusal *refusal,
                                 const struct retry_request *request)
{
    int status = status_of(answer);
    unsigned facts = facts_of(answer, refusal, request);
    const struct row *row = table;

    /* The last row takes every status. */
    while (status < row->first || status > row->last || (row->facts & ~facts) != 0) {
        row++;
    }
    return (struct retry_verdict){
        .outcome = row->outcome,
        .effect = row->effect,
        .is_token_refused = row->is_token_refused,
        .is_nameless = row->is_nameless,
        .retry_after_ms = status >= 0 ? retry_after_ms(&answer->rate) : 0,
        .why = row->why,
    };
}

struct retry_verdict retry_judge_items(const struct api_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (items[i].outcome == API_ITEM_UNKNOWN) {
            return (struct retry_verdict){.outcome = RETRY_AMBIGUOUS,
                                          .effect = RETRY_BACKOFF,
                                          .why = "the API's answer is incomplete"};
        }
    }
    return (struct retry_verdict){.outcome = RETRY_READ_ITEMS, .effect = RETRY_FINE, .why = ""};
}

enum queue_fate retry_item_fate(const struct api_item *item, unsigned attempts)
{
    switch (item->outcome) {
    case API_ITEM_UNKNOWN:
        return FATE_AMBIGUOUS;
    case API_ITEM_ACCEPTED:
        return FATE_RELAYED;
    case API_ITEM_REJECTED:
        return FATE_REJECTED;
    case API_ITEM_ALREADY_USED:
        break;
    }
    return attempts > 1 ? FATE_RELAYED : FATE_REJECTED;
}

/* --- splitting ---------------------------------------------------------------------------- */

bool retry_splits_ambiguous(size_t count, unsigned ambiguous_ends)
{
    return count > 1 && ambiguous_ends + 1 >= RETRY_AMBIGUOUS_MAX;
}

static uint32_t fresh_group(uint32_t *next_group)
{
    if (++*next_group == 0) {
        ++*next_group;
    }
    return *next_group;
}

void retry_split(size_t count, uint32_t *next_group, uint32_t *groups)
{
    size_t half = (count + 1) / 2;
    uint32_t group = fresh_group(next_group);

    for (size_t i = 0; i < count; i++) {
        if (i == half) {
            group = fresh_group(next_group);
        }
        groups[i] = group;
    }
}
