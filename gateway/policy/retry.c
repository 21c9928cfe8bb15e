/* retry: see retry.h. */
#include "gateway/policy/retry.h"

#include "gateway/base/int64.h"

#include <string.h>

/* --- the verdict table -------------------------------------------------------------------- */

/* What happened below HTTP, in place of a status. */
enum { STATUS_NOT_SENT = -2, STATUS_NO_ANSWER = -1, STATUS_HIGHEST = 999 };

/* What else a row may require. */
enum {
    ABOUT = 1 << 0,    /* the refusal is about the messages: see is_about_messages */
    ALONE = 1 << 1,    /* one message in the request */
    NAMED = 1 << 2,    /* the refusal names a field */
    USED = 1 << 3,     /* the refusal says that the clientId was used before */
    AGAIN = 1 << 4,    /* the message had an attempt before */
    TENTH = 1 << 5,    /* it would be number RETRY_NAMELESS_MAX in a row to name no field */
    CUT = 1 << 6,      /* the body is longer than what we read */
    PAGE = 1 << 7,     /* the body is HTML */
    OBJECT = 1 << 8,   /* the body is a JSON object */
    BATCH = 1 << 9,    /* a message was in a batch that was refused as a whole ... */
    PASSED = 1 << 10,  /* ... and another has been taken since */
    NOPASS = 1 << 11,  /* ... and none has */
    PROVEN = 1 << 12,  /* others passed after the message had been refused */
    STOPPED = 1 << 13, /* the destination is stopped: this was its probe */
    WHOLE = 1 << 14,   /* all of the request's body had left */
};

/* What a row says besides. */
enum {
    TOKEN = 1 << 0,    /* is_token_refused */
    NAMELESS = 1 << 1, /* is_nameless */
    PROOF = 1 << 2,    /* needs_proof */
    FINAL = 1 << 3,    /* is_unwelcome */
    TAKEN = 1 << 4     /* may_be_taken, if the request had left whole */
};

struct row {
    int first, last; /* status */
    unsigned facts;  /* all of these must hold */
    enum retry_outcome outcome;
    enum retry_effect effect;
    unsigned says;
    const char *why;
};

static const char wrong_url[] = "the URL or a proxy is wrong";
static const char bad_token[] = "the API refuses the token";
static const char refuses_all[] = "the API refuses every message";
static const char unavailable[] = "the API is unavailable";

/* The first row that fits decides. SUSPECT of a batch means RETURN at first, then SPLIT. */
/* clang-format off */
static const struct row table[] = {
    {STATUS_NOT_SENT, STATUS_NOT_SENT, 0, RETRY_RETURN, RETRY_BACKOFF, 0, "the API cannot be reached"},
    {STATUS_NO_ANSWER, STATUS_NO_ANSWER, 0, RETRY_AMBIGUOUS, RETRY_BACKOFF, 0, "the API did not answer"},
    {200, 299, CUT, RETRY_AMBIGUOUS, RETRY_BACKOFF, 0, "the API's answer is too long"},
    {200, 299, 0, RETRY_READ_ITEMS, RETRY_FINE, 0, ""},

    {300, 399, ALONE | STOPPED, RETRY_SUSPECT, RETRY_STOP, TAKEN, wrong_url},
    {300, 399, ALONE, RETRY_RETURN, RETRY_STOP, TAKEN, wrong_url},
    {300, 399, 0, RETRY_SUSPECT, RETRY_STOP, TAKEN, wrong_url},
    {401, 401, ALONE | PROVEN, RETRY_SUSPECT, RETRY_STOP, TAKEN | TOKEN | PROOF | FINAL, bad_token},
    {401, 401, ALONE | STOPPED, RETRY_SUSPECT, RETRY_STOP, TAKEN | TOKEN | FINAL, bad_token},
    {401, 401, ALONE, RETRY_RETURN, RETRY_STOP, TAKEN | TOKEN, bad_token},
    {401, 401, 0, RETRY_SUSPECT, RETRY_STOP, TAKEN | TOKEN, bad_token},
    {429, 429, 0, RETRY_RETURN, RETRY_WAIT, 0, "the rate limit is reached"},

    {400, 499, ABOUT | ALONE | USED | AGAIN, RETRY_RELAYED, RETRY_FINE, 0, ""},
    {400, 499, ABOUT | ALONE | USED, RETRY_REJECT, RETRY_FINE, 0, ""},
    {400, 499, ABOUT | ALONE | NAMED, RETRY_REJECT, RETRY_FINE, 0, ""},
    {400, 499, ABOUT | ALONE | BATCH | NOPASS, RETRY_SUSPECT, RETRY_STOP, PROOF | FINAL, refuses_all},
    {413, 413, ALONE | BATCH | PASSED, RETRY_REJECT, RETRY_FINE, NAMELESS, ""},
    {413, 413, ALONE, RETRY_SUSPECT, RETRY_STOP, PROOF | FINAL, refuses_all},
    {400, 499, ABOUT | ALONE | TENTH, RETRY_RETURN, RETRY_STOP, NAMELESS,
     "the API refuses every message without naming a field"},
    {400, 499, ABOUT | ALONE, RETRY_REJECT, RETRY_FINE, NAMELESS, ""},
    {400, 499, ABOUT, RETRY_SPLIT, RETRY_FINE, 0, ""},

    {402, 402, 0, RETRY_SUSPECT, RETRY_STOP, TAKEN | PROOF, "the account has no balance left"},
    {403, 403, PAGE, RETRY_SUSPECT, RETRY_STOP, TAKEN | PROOF | FINAL, "a firewall or proxy answered 403 with HTML"},
    {403, 403, 0, RETRY_SUSPECT, RETRY_STOP, TAKEN | TOKEN | PROOF | FINAL, bad_token},
    {404, 405, 0, RETRY_SUSPECT, RETRY_STOP, TAKEN | PROOF | FINAL, wrong_url},
    {408, 408, 0, RETRY_SUSPECT, RETRY_BACKOFF, TAKEN | PROOF, unavailable},
    {421, 421, 0, RETRY_SUSPECT, RETRY_BACKOFF, TAKEN | PROOF, unavailable},
    {425, 425, 0, RETRY_SUSPECT, RETRY_BACKOFF, TAKEN | PROOF, unavailable},
    {400, 499, OBJECT, RETRY_SUSPECT, RETRY_STOP, TAKEN | PROOF | FINAL, refuses_all},
    {400, 499, 0, RETRY_SUSPECT, RETRY_STOP, TAKEN | PROOF | FINAL, wrong_url},
    {503, 503, WHOLE, RETRY_AMBIGUOUS, RETRY_BACKOFF, PROOF, unavailable},
    {503, 503, 0, RETRY_SUSPECT, RETRY_BACKOFF, PROOF, unavailable},
    {500, 599, 0, RETRY_AMBIGUOUS, RETRY_BACKOFF, 0, "the API failed"},
    {0, STATUS_HIGHEST, 0, RETRY_AMBIGUOUS, RETRY_BACKOFF, 0, "the API's answer makes no sense"},
};
/* clang-format on */

const char *retry_outcome_name(enum retry_outcome outcome)
{
    static const char *const names[] = {"read-items", "split",     "reject", "return",
                                        "suspect",    "ambiguous", "relayed"};
    return names[outcome];
}

/*
 * 400 and 422 can only be about a message that is alone, whatever the body is; of a batch, the API's
 * JSON says so. 413 counts with any body, since a server in front of the API may be the one that
 * says it. 409 is not in the API's documentation, but the natural way to say that a clientId was
 * used.
 */
static bool is_about_messages(int status, const struct api_refusal *refusal, size_t count)
{
    bool is_json = refusal != NULL && refusal->is_json;

    return status == 413 || ((is_json || count == 1) && (status == 400 || status == 422)) ||
           (is_json && status == 409 && refusal->is_already_used);
}

/* No JSON begins so. */
static bool is_page(const struct api_answer *answer)
{
    static const char bom[] = "\xef\xbb\xbf";
    const char *body = answer->body == NULL ? "" : answer->body;

    body += strncmp(body, bom, strlen(bom)) == 0 ? strlen(bom) : 0;
    return body[strspn(body, " \t\r\n")] == '<';
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

static unsigned facts_of_answer(const struct api_answer *answer, const struct api_refusal *refusal,
                                size_t count)
{
    bool is_refusal = refusal != NULL;

    return (is_about_messages(answer->status, refusal, count) ? ABOUT : 0U) |
           (is_refusal && refusal->names_field ? NAMED : 0U) |
           (is_refusal && refusal->is_already_used ? USED : 0U) |
           (is_refusal && refusal->is_json ? OBJECT : 0U) | (is_page(answer) ? PAGE : 0U) |
           (answer->is_body_cut ? CUT : 0U) | (answer->is_sent_whole ? WHOLE : 0U);
}

static unsigned facts_of_request(const struct retry_request *request)
{
    return (request->count == 1 ? ALONE : 0U) | (request->attempts > 1 ? AGAIN : 0U) |
           (request->nameless + 1 >= RETRY_NAMELESS_MAX ? TENTH : 0U) |
           (request->was_refused ? BATCH : 0U) | (request->has_passed ? PASSED : NOPASS) |
           (request->is_proven ? PROVEN : 0U) | (request->is_stopped ? STOPPED : 0U);
}

static bool may_be_taken(const struct row *row, unsigned facts)
{
    return (row->says & TAKEN) != 0 && (facts & WHOLE) != 0;
}

static enum retry_outcome outcome_of(const struct row *row, unsigned facts,
                                     const struct retry_request *request)
{
    if (may_be_taken(row, facts) && request->takes_refused) {
        return RETRY_AMBIGUOUS;
    }
    if (row->outcome != RETRY_SUSPECT || request->count == 1) {
        return row->outcome;
    }
    return request->was_refused ? RETRY_SPLIT : RETRY_RETURN;
}

/* Is it a refusal that any message of the request may be to blame for? */
static bool is_refusal(const struct row *row)
{
    return row->outcome == RETRY_SUSPECT || (row->says & PROOF) != 0;
}

/* A batch that could not be served for now is no reason to ask with another message at once. */
static bool needs_proof(const struct row *row, const struct retry_request *request)
{
    bool is_first_batch = request->count > 1 && !request->was_refused;

    return (row->says & PROOF) != 0 && (!is_first_batch || row->effect == RETRY_STOP);
}

static int64_t retry_after_ms(const struct api_rate *rate)
{
    int64_t limit_s = RETRY_AFTER_MAX_MS / 1000;

    if (rate->retry_after_s <= 0) {
        return 0;
    }
    return int64_min(rate->retry_after_s, limit_s) * 1000;
}

/* The answer may say anything, but memory ran out before it was read. */
static struct retry_verdict judge_unread(void)
{
    return (struct retry_verdict){
        .outcome = RETRY_AMBIGUOUS, .effect = RETRY_BACKOFF, .why = "memory ran out"};
}

struct retry_verdict retry_judge(const struct api_answer *answer, const struct api_refusal *refusal,
                                 const struct retry_request *request)
{
    if (refusal != NULL && refusal->is_unread) {
        return judge_unread();
    }
    int status = status_of(answer);
    unsigned facts = facts_of_answer(answer, refusal, request->count) | facts_of_request(request);
    const struct row *row = table;

    /* The last row takes every status. */
    while (status < row->first || status > row->last || (row->facts & ~facts) != 0) {
        row++;
    }
    enum retry_outcome outcome = outcome_of(row, facts, request);
    bool is_batch_refused = request->count > 1 && (outcome == RETRY_SPLIT || is_refusal(row));
    return (struct retry_verdict){
        .outcome = outcome,
        .effect = row->effect,
        .needs_proof = needs_proof(row, request),
        .is_unwelcome = (row->says & FINAL) != 0,
        .is_batch_refused = is_batch_refused,
        .is_first_refusal = is_batch_refused && !request->was_refused,
        .is_token_refused = (row->says & TOKEN) != 0,
        .is_nameless = (row->says & NAMELESS) != 0,
        .is_page = (facts & PAGE) != 0,
        .may_be_taken = may_be_taken(row, facts) && outcome != RETRY_AMBIGUOUS,
        .retry_after_ms = status >= 0 ? retry_after_ms(&answer->rate) : 0,
        .why = row->why,
    };
}

struct retry_verdict retry_judge_items(const struct api_item *items, size_t count, bool is_read)
{
    if (!is_read) {
        return (struct retry_verdict){.outcome = RETRY_AMBIGUOUS,
                                      .effect = RETRY_STOP,
                                      .needs_proof = true,
                                      .why = "the API's answers cannot be read"};
    }
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

uint32_t retry_new_group(uint32_t *next_group)
{
    if (++*next_group == 0) {
        ++*next_group;
    }
    return *next_group;
}

void retry_split(size_t count, size_t parts, uint32_t *next_group, uint32_t *groups)
{
    size_t size = (count + parts - 1) / parts;

    for (size_t i = 0; i < count; i++) {
        groups[i] = i % size == 0 ? retry_new_group(next_group) : groups[i - 1];
    }
}
